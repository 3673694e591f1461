"""Built-in roles and built-in bindings: the policy that holds before anybody has made any.

Roles are a ladder: each holds all that the one before it does. Bindings of our own services and agents are templates,
because their principals are named by the certificate: an agent gets the Hosts calls for the host in its own name and
nothing else. The whole of it, permission by permission, is a golden table in iam's tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ultracloud.base.permissions import patterns
from ultracloud.base.principals import SPIFFE_PREFIX, spiffe_parts

TENANT_KINDS = {
    "plasmavmc": ("flavours", "images", "vms"),
    "prismnet": ("ports", "securitygroups", "subnets", "vpcs"),
}
"""Service -> what tenants have of it; a developer works with these. The rest of a service, its hosts above all, is an
operator's."""
_READING = ("get", "list", "watch")

# chainfire and flaredb are not here: they stand below iam and decide by certificate alone.
_VIEWER = tuple(f"{service}.*.{verb}" for service in ("iam", *TENANT_KINDS) for verb in _READING)
_WRITING_SECRETS = tuple(
    f"iam.secrets.{verb}" for verb in ("create", "update", "delete", "addversion", "destroyversion")
)
_DEVELOPER = (
    *_VIEWER,
    *(f"{service}.{kind}.*" for service, kinds in TENANT_KINDS.items() for kind in kinds),
    # What they have written they cannot read back: values are for the programs they are given to.
    *_WRITING_SECRETS,
)
_OPERATOR = (*_DEVELOPER, *(f"{service}.*" for service in TENANT_KINDS), "iam.policy.explain")
_ADMIN = (
    *_OPERATOR,
    "iam.organisations.update",
    "iam.projects.*",
    "iam.quotas.update",
    "iam.environments.*",
    "iam.serviceaccounts.*",
    "iam.users.*",
    "iam.groups.*",
    "iam.credentials.*",
    "iam.sessions.*",
    "iam.personaltokens.*",
    "iam.oidcclients.*",
    "iam.accesskeys.*",
    "iam.secrets.*",
    "iam.roles.*",
    "iam.bindings.*",
    "iam.tokens.*",
    "iam.policy.*",
)
_OWNER = ("*",)

BUILT_IN_ROLES: dict[str, tuple[str, ...]] = {
    "viewer": _VIEWER,
    "developer": _DEVELOPER,
    "operator": _OPERATOR,
    "admin": _ADMIN,
    "owner": _OWNER,
}
"""Role name -> permission patterns, from the least to the most powerful."""

BUILT_IN_PATTERNS: dict[str, frozenset[str]] = {name: patterns(texts) for name, texts in BUILT_IN_ROLES.items()}
"""The same in three-part form."""


@dataclass(frozen=True, slots=True)
class BuiltInBinding:
    """What every principal of one shape may do.

    Attributes:
        principal: Path of the SPIFFE URI; ``{service}`` and ``{host}`` stand for any one segment.
        permissions: Patterns; the same words stand for what they matched.
        resource: Where; the same.
        why: Ends the sentence "... because".
    """

    name: str
    principal: str
    permissions: tuple[str, ...]
    resource: str
    why: str


BUILT_IN_BINDINGS: tuple[BuiltInBinding, ...] = (
    BuiltInBinding(
        "services-read-policy",
        "service/{service}",
        ("iam.policy.watch",),
        "",
        "every service decides from its own copy of the policy",
    ),
    BuiltInBinding(
        "lightningstor-verifies-signatures",
        "service/lightningstor",
        ("iam.accesskeys.resolve", "iam.accesskeys.watchchanges"),
        "",
        "S3 requests are signed with access keys",
    ),
    *(
        BuiltInBinding(
            f"{service}-resolves-secrets",
            f"service/{service}",
            ("iam.secrets.resolve", "iam.secrets.get"),
            "",
            "workloads refer to secrets",
        )
        for service in ("k8shost", "plasmavmc")
    ),
    BuiltInBinding(
        "plasmavmc-wires-vms",
        "service/plasmavmc",
        ("prismnet.ports.*", "prismnet.vpcs.get", "prismnet.subnets.get", "prismnet.securitygroups.get"),
        "",
        "plasmavmc makes the ports of its VMs",
    ),
    BuiltInBinding(
        "plasmavmc-proves-who-vms-are",
        "service/plasmavmc",
        ("iam.tokens.issueworkload",),
        "",
        "VMs run as service accounts, and plasmavmc knows which are on which host",
    ),
    BuiltInBinding(
        "plasmavmc-attaches-consoles",
        "service/plasmavmc",
        ("plasmavmc.hostconsole.attach",),
        "",
        "plasmavmc relays consoles from its agents",
    ),
    BuiltInBinding(
        "agents-serve-their-host",
        "agent/{service}/{host}",
        (
            "{service}.hosts.watchhost",
            "{service}.hosts.reporthost",
            "{service}.hosts.issueworkload",
            "{service}.hosts.resolvesecrets",
        ),
        "hosts/{host}",
        "an agent reads the intent of its own host and reports on it",
    ),
)
"""Permanent; no deny binding is needed to narrow them, and none of them gives a tenant anything."""


@dataclass(frozen=True, slots=True)
class BuiltInGrant:
    """A built-in binding made concrete for one principal."""

    binding: BuiltInBinding
    patterns: frozenset[str]
    resource: str


@lru_cache(maxsize=4096)  # one entry a certificate identity, as in principals.spiffe_parts
def built_in_grants(principal: str) -> dict[str, tuple[BuiltInGrant, ...]]:
    """Resource -> what the SPIFFE URI `principal` holds there by our own rules; empty for operators."""
    kind, variables = spiffe_parts(principal)
    path = principal[len(SPIFFE_PREFIX) :]
    grants: dict[str, tuple[BuiltInGrant, ...]] = {}
    for binding in BUILT_IN_BINDINGS:
        if binding.principal.partition("/")[0] == kind and binding.principal.format(**variables) == path:
            resource = binding.resource.format(**variables)
            held = patterns(text.format(**variables) for text in binding.permissions)
            grants[resource] = (*grants.get(resource, ()), BuiltInGrant(binding, held, resource))
    return grants
