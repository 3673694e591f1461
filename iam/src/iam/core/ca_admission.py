"""Who gets which certificate: what a request may ask for, and who may ask.

A certificate is an identity, so nobody gets one by asking politely: a join token names whom it makes, a certificate may
be replaced by another of the same identity, and a node's speaks for the agents on it.

Source: the SPIFFE X.509-SVID specification, section 2 (one URI); RFC 2986 (certification requests).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError, UnauthenticatedError
from ultracloud.base.principals import SPIFFE_PREFIX, TRUST_DOMAIN, PrincipalKind, spiffe_parts

TTL_S_MIN, TTL_S_MAX, TTL_S_DEFAULT = 60, 7 * 86_400, 3600
"""Of a join token: time to walk to a machine; not so long that a forgotten one is still good."""
NAMES_MAX = 32
"""DNS names and addresses of one certificate, besides its own: a host has a few of each."""
PATTERN_LENGTH_MAX = 200
_PART = re.compile(r"\*|[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_LENGTHS = {"service": 2, "node": 2, "operator": 2, "agent": 3}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a certification request asks for.

    Attributes:
        identity: SPIFFE URI.
        dns_names: Besides the one that belongs to the identity.
        addresses: IP addresses, as text.
    """

    identity: str
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def bad_token() -> UnauthenticatedError:
    """The refusal of a join token; the same whatever is wrong with it, since whoever tries one may be guessing."""
    return UnauthenticatedError(
        "the join token is not good: mistyped, used, revoked or expired",
        hint="ask for a new one",
        reason="JOIN_TOKEN_REFUSED",
    )


def check_join_ttl(ttl_s: int) -> int:
    """The lifetime of a join token in seconds; 0 asks for the default.

    Raises:
        InvalidArgumentError: Out of range.
    """
    if ttl_s == 0:
        return TTL_S_DEFAULT
    if not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise InvalidArgumentError(
            f"ttl_s is {ttl_s}; accepted: {TTL_S_MIN} to {TTL_S_MAX}, or 0 for {TTL_S_DEFAULT}",
            reason="TTL_OUT_OF_RANGE",
        )
    return ttl_s


def check_pattern(pattern: str) -> str:
    """Give a join token's identity back if it is one, with or without ``*`` for single parts.

    Raises:
        InvalidArgumentError: It is none. An operator is named in full: a token for any operator is one for the owner.
    """
    parts = pattern.split("/")
    is_shaped = len(pattern) <= PATTERN_LENGTH_MAX and _LENGTHS.get(parts[0]) == len(parts)
    if not is_shaped or not all(_PART.fullmatch(part) for part in parts[1:]) or pattern == "operator/*":
        raise InvalidArgumentError(
            f"identity {pattern[:PATTERN_LENGTH_MAX]!a} is none; accepted: service/<name>, node/<host>, "
            "agent/<service>/<host>, each part also *, or operator/<name>",
            reason="IDENTITY_INVALID",
        )
    return pattern


def matches(pattern: str, identity: str) -> bool:
    """Whether a join token for `pattern` may make `identity`, a SPIFFE URI."""
    if not identity.startswith(SPIFFE_PREFIX):
        return False
    wanted, given = pattern.split("/"), identity[len(SPIFFE_PREFIX) :].split("/")
    return len(wanted) == len(given) and all(one in ("*", other) for one, other in zip(wanted, given, strict=True))


def require_own(caller: str, identity: str) -> None:
    """Return if a certificate of `caller` may ask for one of `identity`.

    Raises:
        PermissionDeniedError: It is neither the same nor an agent on the caller's own node.
    """
    if caller == identity:
        return
    if not caller.startswith(SPIFFE_PREFIX):
        raise PermissionDeniedError(
            "only a certificate gets a certificate; use a join token", reason="NOT_YOUR_IDENTITY"
        )
    kind, parts = spiffe_parts(caller)
    wanted_kind, wanted = spiffe_parts(identity)
    if kind is PrincipalKind.NODE and wanted_kind is PrincipalKind.AGENT and wanted["host"] == parts["host"]:
        return
    raise PermissionDeniedError(
        f"{caller} may not get a certificate of {identity}: only its own, or a node those of the agents on it; "
        "use a join token",
        reason="NOT_YOUR_IDENTITY",
    )


def check_asked(asked: Asked) -> Asked:
    """Give a request back if its names are ones that may be certified.

    Raises:
        InvalidArgumentError: No identity of ours, too many names, or a name by which one of our services is known.
    """
    spiffe_parts(asked.identity)
    if len(asked.dns_names) + len(asked.addresses) > NAMES_MAX:
        raise InvalidArgumentError(
            f"the request has {len(asked.dns_names) + len(asked.addresses)} names and addresses; at most {NAMES_MAX} "
            "are accepted",
            reason="NAMES_TOO_MANY",
        )
    for name in asked.dns_names:
        # Clients tell our servers by names in this domain: another's name would be another's identity.
        if f".{name.lower().rstrip('.')}".endswith(f".{TRUST_DOMAIN}"):
            raise InvalidArgumentError(
                f"the request asks for the name {name[:100]!a}, which belongs to an identity; leave it out",
                reason="NAME_RESERVED",
            )
        if "*" in name:
            raise InvalidArgumentError(
                f"the request asks for the name {name[:100]!a}; names with * are not accepted", reason="NAME_RESERVED"
            )
    return asked
