"""Principals: who asks. A user or service account known by its token, or a machine known by its certificate.

A principal's id is one string, so that a binding can name it and a dictionary can find it: ``user:usr-<ulid>``,
``serviceaccount:sa-<ulid>`` or a SPIFFE URI, ``spiffe://ultracloud.local/service/plasmavmc``. Bindings may also name
``group:grp-<ulid>``, which never asks.

Source: the SPIFFE-ID specification (section 2: trust domain and path).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.narrowing import Narrowing

TRUST_DOMAIN = "ultracloud.local"
SPIFFE_PREFIX = f"spiffe://{TRUST_DOMAIN}/"
SERVICE_ACCOUNT_PREFIX = "serviceaccount:"
USER_PREFIX = "user:"
GROUP_PREFIX = "group:"
TENANT_PREFIXES = (USER_PREFIX, SERVICE_ACCOUNT_PREFIX)
"""Beginnings of the ids of those whom iam keeps, who may be disabled and deleted; certificates are issued elsewhere."""
PRINCIPAL_LENGTH_MAX = 255
"""Characters of a principal's id: two DNS labels and the fixed words fit with room."""

_SEGMENT = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
_SERVICE = r"[a-z][a-z0-9]{0,62}"
_SPIFFE_PATHS = {
    "service": re.compile(rf"service/(?P<service>{_SERVICE})"),
    "agent": re.compile(rf"agent/(?P<service>{_SERVICE})/(?P<host>{_SEGMENT})"),
    "operator": re.compile(rf"operator/(?P<name>{_SEGMENT})"),
    "node": re.compile(rf"node/(?P<host>{_SEGMENT})"),
}
_KEPT = re.compile(r"(user:usr|group:grp|serviceaccount:sa)-[0-9a-hjkmnp-tv-z]{26}")


class PrincipalKind(enum.StrEnum):
    """What sort of caller this is."""

    USER = "user"
    SERVICE_ACCOUNT = "serviceaccount"
    SERVICE = "service"
    AGENT = "agent"
    OPERATOR = "operator"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        id: ``user:<id>``, ``serviceaccount:<id>`` or a SPIFFE URI.
        organisation: Id of the organisation it belongs to; empty for services, agents and operators.
        project: Id of the project it lives in; empty as above, and for users.
        policy_version: Version of the policy its token was issued at; 0 without a token. A service whose copy is older
            than this answers "not yet" instead of "no".
        session: Id of the session its token is of; empty without one.
        issued_at_ms: When its token was issued; 0 without a token.
        expires_at_ms: When its token ends; 0 without a token.
        narrowings: What its token has been narrowed to; all of them hold.
        source: Address it calls from, for conditions; empty if unknown.
    """

    id: str
    kind: PrincipalKind
    organisation: str = ""
    project: str = ""
    policy_version: int = 0
    session: str = ""
    issued_at_ms: int = 0
    expires_at_ms: int = 0
    narrowings: tuple[Narrowing, ...] = ()
    source: str = ""

    @property
    def is_tenant(self) -> bool:
        """Whether it is of one organisation, and knows nothing of the others."""
        return self.kind is PrincipalKind.SERVICE_ACCOUNT or self.kind is PrincipalKind.USER


def service_account_principal(
    service_account: str, organisation: str, project: str, policy_version: int = 0
) -> Principal:
    """The principal of a service account, by its id ``sa-...``."""
    name = f"{SERVICE_ACCOUNT_PREFIX}{service_account}"
    return Principal(name, PrincipalKind.SERVICE_ACCOUNT, organisation, project, policy_version)


def user_principal(user: str, organisation: str, policy_version: int = 0) -> Principal:
    """The principal of a user, by its id ``usr-...``."""
    return Principal(f"{USER_PREFIX}{user}", PrincipalKind.USER, organisation, "", policy_version)


def spiffe_principal(uri: str) -> Principal:
    """The principal of a certificate.

    Raises:
        InvalidArgumentError: `uri` is of another trust domain or of no kind we know.
    """
    return Principal(uri, spiffe_parts(uri)[0])


def check_principal(text: str) -> str:
    """Give `text` back if it is the id of a principal or group, whether or not there is one.

    Raises:
        InvalidArgumentError: It is not; the sentence says what is accepted.
    """
    if len(text) <= PRINCIPAL_LENGTH_MAX:
        if _KEPT.fullmatch(text):
            return text
        if text.startswith(SPIFFE_PREFIX):
            spiffe_parts(text)
            return text
    raise InvalidArgumentError(
        f"principal {text[:PRINCIPAL_LENGTH_MAX]!a} is not one; accepted: "
        f"user:<id>, group:<id>, serviceaccount:<id>, {SPIFFE_PREFIX}service/<name>, .../agent/<service>/<host>, "
        ".../operator/<name>",
        reason="PRINCIPAL_INVALID",
    )


@lru_cache(maxsize=4096)  # one entry a certificate identity: hosts times agents, and a few services
def spiffe_parts(uri: str) -> tuple[PrincipalKind, dict[str, str]]:
    """What a SPIFFE URI says: its kind, and ``service``; of an agent also ``host``.

    Of an operator ``name`` alone, of a node ``host`` alone.

    Raises:
        InvalidArgumentError: As `spiffe_principal`.
    """
    path = uri[len(SPIFFE_PREFIX) :]
    kind = path.partition("/")[0]
    if uri.startswith(SPIFFE_PREFIX) and len(uri) <= PRINCIPAL_LENGTH_MAX and kind in _SPIFFE_PATHS:
        found = _SPIFFE_PATHS[kind].fullmatch(path)
        if found:
            return PrincipalKind(kind), found.groupdict()
    raise InvalidArgumentError(
        f"identity {uri[:PRINCIPAL_LENGTH_MAX]!a} is not one of ours; accepted: {SPIFFE_PREFIX}service/<name>, "
        ".../agent/<service>/<host>, .../operator/<name>",
        reason="PRINCIPAL_INVALID",
    )
