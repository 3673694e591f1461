"""Principals: who asks. A service account known by its token, or a machine known by its certificate.

A principal's id is one string, so that a binding can name it and a dictionary can find it:
``serviceaccount:sa-<ulid>`` or a SPIFFE URI, ``spiffe://ultracloud.local/service/plasmavmc``.

Source: the SPIFFE-ID specification (section 2: trust domain and path).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

from ultracloud.base.faults import InvalidArgumentError

TRUST_DOMAIN = "ultracloud.local"
SPIFFE_PREFIX = f"spiffe://{TRUST_DOMAIN}/"
SERVICE_ACCOUNT_PREFIX = "serviceaccount:"
PRINCIPAL_LENGTH_MAX = 255
"""Characters of a principal's id: two DNS labels and the fixed words fit with room."""

_SEGMENT = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
_SERVICE = r"[a-z][a-z0-9]{0,62}"
_SPIFFE_PATHS = {
    "service": re.compile(rf"service/(?P<service>{_SERVICE})"),
    "agent": re.compile(rf"agent/(?P<service>{_SERVICE})/(?P<host>{_SEGMENT})"),
    "operator": re.compile(rf"operator/(?P<name>{_SEGMENT})"),
}
_SERVICE_ACCOUNT = re.compile(r"serviceaccount:sa-[0-9a-hjkmnp-tv-z]{26}")


class PrincipalKind(enum.StrEnum):
    """What sort of caller this is."""

    SERVICE_ACCOUNT = "serviceaccount"
    SERVICE = "service"
    AGENT = "agent"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        id: ``serviceaccount:<id>`` or a SPIFFE URI.
        organisation: Id of the organisation it belongs to; empty for services, agents and operators.
        project: Id of the project it lives in; empty as above.
        policy_version: Version of the policy its token was issued at; 0 without a token. A service whose copy is older
            than this answers "not yet" instead of "no".
    """

    id: str
    kind: PrincipalKind
    organisation: str = ""
    project: str = ""
    policy_version: int = 0


def service_account_principal(
    service_account: str, organisation: str, project: str, policy_version: int = 0
) -> Principal:
    """The principal of a service account, by its id ``sa-...``."""
    name = f"{SERVICE_ACCOUNT_PREFIX}{service_account}"
    return Principal(name, PrincipalKind.SERVICE_ACCOUNT, organisation, project, policy_version)


def spiffe_principal(uri: str) -> Principal:
    """The principal of a certificate.

    Raises:
        InvalidArgumentError: `uri` is of another trust domain or of no kind we know.
    """
    return Principal(uri, spiffe_parts(uri)[0])


def check_principal(text: str) -> str:
    """Give `text` back if it is the id of a principal, whether or not such a principal exists.

    Raises:
        InvalidArgumentError: It is not; the sentence says what is accepted.
    """
    if len(text) <= PRINCIPAL_LENGTH_MAX:
        if _SERVICE_ACCOUNT.fullmatch(text):
            return text
        if text.startswith(SPIFFE_PREFIX):
            spiffe_parts(text)
            return text
    raise InvalidArgumentError(
        f"principal {text[:PRINCIPAL_LENGTH_MAX]!a} is not one; accepted: "
        f"serviceaccount:<id of a service account>, {SPIFFE_PREFIX}service/<name>, .../agent/<service>/<host>, "
        ".../operator/<name>",
        reason="PRINCIPAL_INVALID",
    )


@lru_cache(maxsize=4096)  # one entry a certificate identity: hosts times agents, and a few services
def spiffe_parts(uri: str) -> tuple[PrincipalKind, dict[str, str]]:
    """What a SPIFFE URI says: its kind, and ``service``; of an agent also ``host``; of an operator ``name`` alone.

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
