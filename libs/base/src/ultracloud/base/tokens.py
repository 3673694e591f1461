"""Tokens: what the claims of a verified JSON Web Token must say. Signatures are checked by the shell, before this.

A token is short-lived, names one user or service account, and carries the policy version it was issued at, so that a
service whose copy of the policy is older knows that a refusal may only mean "not yet". Tokens for others carry their
audience, and no service of ours takes them.

Source: RFC 7519 (claims), RFC 8037 (EdDSA in JOSE), RFC 8725 (best current practices: one algorithm, checked issuer and
audience).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ultracloud.base.attenuation import CONFIRMATION, Attenuation, confirmation, parse_narrowing, render_narrowing
from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.narrowing import Narrowing
from ultracloud.base.principals import Principal, service_account_principal, user_principal

ISSUER = "ultracloud"
AUDIENCE = "ultracloud"
"""Of tokens for our API, which may also leave it away."""
ALGORITHM = "EdDSA"
TTL_S_MIN = 60
"""Shorter would expire between issue and first use on a busy machine."""
TTL_S_MAX = 86_400
"""A day: what leaks is worthless tomorrow; programs renew."""
TTL_S_DEFAULT = 3600
CLOCK_SKEW_S = 30
"""How far two machines' clocks may be apart before a fresh token is refused."""
TOKEN_LENGTH_MAX = 4096
"""Ours have about 600 characters, and 300 more a narrowing; the bound keeps hostile headers out of the parser."""
USER_ID_PREFIX = "usr-"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are seconds since 1970.

    Attributes:
        subject: Id of a user, ``usr-...``, or of a service account, ``sa-...`` (claim ``sub``).
        organisation: Id (claim ``org``).
        project: Id (claim ``proj``); empty for users.
        token_id: Unique among all tokens (claim ``jti``).
        policy_version: Version of the policy at issue (claim ``rev``).
        session: Id of the session it is of (claim ``sid``); empty without one.
        audience: Whom it is for (claim ``aud``).
        narrowings: What it was narrowed to, when it was issued (claim ``cap``) and since.
        key: Public key that the first narrowing is signed with (claim ``cnf``); empty: it cannot be narrowed.
    """

    subject: str
    organisation: str
    project: str
    issued_at_s: int
    expires_at_s: int
    token_id: str
    policy_version: int = 0
    session: str = ""
    audience: str = AUDIENCE
    narrowings: tuple[Narrowing, ...] = ()
    key: bytes = b""

    @property
    def is_user(self) -> bool:
        """Whether it speaks for a person."""
        return self.subject.startswith(USER_ID_PREFIX)


def check_ttl(ttl_s: int) -> int:
    """The lifetime to use; 0 means the default.

    Raises:
        InvalidArgumentError: Out of TTL_S_MIN to TTL_S_MAX.
    """
    if ttl_s == 0:
        return TTL_S_DEFAULT
    if not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise InvalidArgumentError(
            f"ttl_s {ttl_s} is out of range; accepted: {TTL_S_MIN} to {TTL_S_MAX} seconds", reason="TTL_OUT_OF_RANGE"
        )
    return ttl_s


def render_claims(claims: Claims) -> dict[str, object]:
    """The JSON object to sign."""
    said: dict[str, object] = {
        "iss": ISSUER,
        "sub": claims.subject,
        "org": claims.organisation,
        "proj": claims.project,
        "iat": claims.issued_at_s,
        "exp": claims.expires_at_s,
        "jti": claims.token_id,
        "rev": claims.policy_version,
        "sid": claims.session,
    }
    if claims.audience != AUDIENCE:
        said["aud"] = claims.audience
    if claims.narrowings:
        (narrowing,) = claims.narrowings
        said["cap"] = render_narrowing(narrowing)
    if claims.key:
        said[CONFIRMATION] = confirmation(claims.key)
    return {claim: value for claim, value in said.items() if value != ""}


def parse_claims(
    payload: Mapping[str, object],
    now_s: float,
    attenuation: Attenuation = Attenuation(),  # noqa: B008 - frozen
    audience: str = AUDIENCE,
) -> Claims:
    """The claims of a token whose signature has been verified.

    Args:
        payload: The JSON object that was signed.
        now_s: The verifier's clock.
        attenuation: What its holders have narrowed it to, as `attenuation.walk` found.
        audience: Who asks: a token for somebody else is refused.

    Raises:
        UnauthenticatedError: Wrong issuer or audience, expired, not valid yet, or a claim is missing or malformed; each
            its own sentence and reason.
    """
    issuer, meant = payload.get("iss"), payload.get("aud", AUDIENCE)
    if issuer != ISSUER:
        raise UnauthenticatedError(
            f"the token was issued by {str(issuer)[:80]!a}, not by {ISSUER}", reason="TOKEN_WRONG_ISSUER"
        )
    if meant != audience:
        raise UnauthenticatedError(
            f"the token is meant for {str(meant)[:80]!a}, not for {audience[:80]!a}", reason="TOKEN_WRONG_AUDIENCE"
        )
    claims = _attenuated(_claims(payload, audience), attenuation)
    if claims.issued_at_s > now_s + CLOCK_SKEW_S:
        raise UnauthenticatedError(
            f"the token is not valid for another {claims.issued_at_s - int(now_s)} s; the clock of this machine or of "
            "the issuer is wrong",
            reason="TOKEN_NOT_YET_VALID",
        )
    if claims.expires_at_s <= now_s:
        raise UnauthenticatedError(
            f"the token expired {int(now_s) - claims.expires_at_s} s ago; issue a new one", reason="TOKEN_EXPIRED"
        )
    return claims


def principal_of_claims(claims: Claims) -> Principal:
    """Who a token speaks for."""
    if claims.is_user:
        principal = user_principal(claims.subject, claims.organisation, claims.policy_version)
    else:
        principal = service_account_principal(
            claims.subject, claims.organisation, claims.project, claims.policy_version
        )
    return replace(
        principal,
        session=claims.session,
        issued_at_ms=claims.issued_at_s * 1000,
        expires_at_ms=claims.expires_at_s * 1000,
        narrowings=claims.narrowings,
    )


def _attenuated(claims: Claims, attenuation: Attenuation) -> Claims:
    ends = [claims.expires_at_s, *([] if attenuation.expires_at_s is None else [attenuation.expires_at_s])]
    return replace(claims, expires_at_s=min(ends), narrowings=(*claims.narrowings, *attenuation.narrowings))


def _claims(payload: Mapping[str, object], audience: str) -> Claims:
    subject, cap = _text(payload, "sub"), payload.get("cap")
    if cap is not None and not isinstance(cap, dict):
        raise UnauthenticatedError("the token's claim 'cap' is no object", reason="TOKEN_MALFORMED")
    return Claims(
        subject=subject,
        organisation=_text(payload, "org"),
        project="" if subject.startswith(USER_ID_PREFIX) else _text(payload, "proj"),
        issued_at_s=_number(payload, "iat"),
        expires_at_s=_number(payload, "exp"),
        token_id=_text(payload, "jti"),
        policy_version=_number(payload, "rev") if "rev" in payload else 0,
        session=_text(payload, "sid") if "sid" in payload else "",
        audience=audience,
        narrowings=() if cap is None else (parse_narrowing(cap),),
    )


def _text(payload: Mapping[str, object], claim: str) -> str:
    value = payload.get(claim)
    if not isinstance(value, str) or not value:
        raise UnauthenticatedError(f"the token has no claim '{claim}'", reason="TOKEN_MALFORMED")
    return value


def _number(payload: Mapping[str, object], claim: str) -> int:
    value = payload.get(claim)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnauthenticatedError(f"the token's claim '{claim}' is no whole number", reason="TOKEN_MALFORMED")
    return value
