"""Policy: may this principal do this here, and why.

A policy is everything at one version: organisations, projects, accounts, roles and bindings. `decide` walks the
resource tree from the root down; a deny anywhere on the way beats every allow. It is pure and runs in the calling
service, on the copy of the policy that service watches, so that a request costs no hop. The index makes a decision a
few dictionary look-ups however many bindings there are.

Source: the resource tree and deny-overrides of Google Cloud IAM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ultracloud.base.faults import Fault, NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.permissions import check_pattern, generalised
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX, Principal, PrincipalKind, spiffe_parts
from ultracloud.base.roles import BUILT_IN_PATTERNS, BUILT_IN_ROLES, built_in_grants

__all__ = [
    "BUILT_IN_ROLES",
    "Binding",
    "Decision",
    "Organisation",
    "Policy",
    "Principal",
    "PrincipalKind",
    "Project",
    "Role",
    "ServiceAccount",
    "decide",
    "describe_principal",
    "describe_resource",
    "find_organisation",
    "find_project",
    "project_path",
    "require",
]

SHOWN_LENGTH_MAX = 200
"""Characters of a caller's own text that a reason repeats."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """Where resources live; `organisation` is an id."""

    id: str
    name: str
    organisation: str


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program's identity; `project` is an id."""

    id: str
    name: str
    project: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A custom role: patterns as people wrote them."""

    id: str
    name: str
    organisation: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Gives (or takes away) a role's permissions on `resource` and all below it.

    Attributes:
        role: Name of a built-in role or id of a custom one.
        principals: Ids of principals.
        resource: Empty for the root, else a path of (kinds, id) pairs.
    """

    id: str
    role: str
    principals: tuple[str, ...]
    resource: str
    deny: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out.

    Attributes:
        reason: One plain sentence, fit for the principal it is about.
        binding: Id of the binding that decided; empty if none did.
        stale: The copy is older than the caller's token, so a refusal may only mean "not yet".
    """

    allowed: bool
    reason: str
    binding: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One binding as one principal meets it, ready to match."""

    patterns: frozenset[str]
    binding: Binding
    allowed: Decision


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything at one version. Equal policies decide equally; the index is made once, here."""

    version: int = 0
    organisations: tuple[Organisation, ...] = ()
    projects: tuple[Project, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    roles: tuple[Role, ...] = ()
    bindings: tuple[Binding, ...] = ()
    organisation_of_id: dict[str, Organisation] = field(init=False, repr=False, compare=False)
    organisation_of_name: dict[str, Organisation] = field(init=False, repr=False, compare=False)
    project_of_id: dict[str, Project] = field(init=False, repr=False, compare=False)
    projects_of_name: dict[str, tuple[Project, ...]] = field(init=False, repr=False, compare=False)
    account_of_principal: dict[str, ServiceAccount] = field(init=False, repr=False, compare=False)
    role_of_id: dict[str, Role] = field(init=False, repr=False, compare=False)
    grants: dict[str, dict[str, tuple[Grant, ...]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "organisation_of_id", {one.id: one for one in self.organisations})
        put(self, "organisation_of_name", {one.name: one for one in self.organisations})
        put(self, "project_of_id", {one.id: one for one in self.projects})
        put(self, "projects_of_name", _projects_of_name(self.projects))
        put(self, "account_of_principal", {f"{SERVICE_ACCOUNT_PREFIX}{one.id}": one for one in self.service_accounts})
        put(self, "role_of_id", {one.id: one for one in self.roles})
        put(self, "grants", _grants(self))


def decide(policy: Policy, principal: Principal, permission: str, resource: str) -> Decision:
    """Say whether `principal` may do `permission` on `resource`, and why.

    Args:
        policy: The newest copy there is.
        principal: Whose token or certificate has been verified.
        permission: ``<service>.<kinds>.<verb>``.
        resource: Path with ids, ``organisations/<id>/projects/<id>/vpcs/<id>``; empty for the root.
    """
    if principal.kind is PrincipalKind.SERVICE_ACCOUNT:
        account = policy.account_of_principal.get(principal.id)
        if account is None or account.disabled:
            return _refused_account(policy, principal, account)
    wanted = generalised(permission)
    allow = None
    held = policy.grants.get(principal.id)
    if held is not None:
        for prefix in _prefixes(resource):
            for grant in held.get(prefix, ()):
                if not grant.patterns.isdisjoint(wanted):
                    if grant.binding.deny:
                        return _denied(policy, principal, permission, resource, grant)
                    if allow is None:
                        allow = grant.allowed
    if allow is None and principal.kind is not PrincipalKind.SERVICE_ACCOUNT:
        allow = _built_in_allow(principal, wanted, resource)
    return allow or _unbound(policy, principal, permission, resource)


def require(decision: Decision) -> None:
    """Return if `decision` allows.

    Raises:
        PermissionDeniedError: It refuses; the sentence is its reason.
        UnavailableError: It refuses on a copy older than the caller's token; the same call may succeed in a moment.
    """
    if decision.allowed:
        return
    if decision.stale:
        raise UnavailableError(
            "the policy here is older than your token; try again in a moment",
            detail=decision.reason,
            reason="POLICY_BEHIND",
        )
    raise _permission_denied(decision)


def find_organisation(policy: Policy, principal: Principal, ref: str) -> Organisation:
    """The organisation with this name or id, as far as `principal` may know of it.

    Raises:
        NotFoundError: None, or one of another tenant: the answer is the same.
    """
    found = policy.organisation_of_id.get(ref) or policy.organisation_of_name.get(ref)
    if found is None or not _is_known(policy, principal, found.id, f"organisations/{found.id}"):
        raise NotFoundError(f"no organisation {_shown(ref)}", reason="ORGANISATION_NOT_FOUND")
    return found


def find_project(policy: Policy, principal: Principal, ref: str) -> Project:
    """The project with this name (``blue``, ``acme/blue``) or id, as far as `principal` may know of it.

    A plain name is looked for in the principal's own organisation first, then everywhere it may look.

    Raises:
        NotFoundError: None, one of another tenant, or a plain name that several organisations use.
    """
    organisation, slash, name = ref.rpartition("/")
    known = [
        project
        for project in (policy.project_of_id.get(ref), *policy.projects_of_name.get(name, ()))
        if project is not None
        and _is_known(policy, principal, project.organisation, project_path(project))
        and (not slash or _is_organisation(policy, project.organisation, organisation))
    ]
    own = [project for project in known if project.organisation == principal.organisation] or known
    if not own:
        raise NotFoundError(f"no project {_shown(ref)}", reason="PROJECT_NOT_FOUND")
    if len(own) > 1:
        raise NotFoundError(
            f"several organisations have a project {_shown(ref)}; write <organisation>/{name} or its id",
            reason="PROJECT_AMBIGUOUS",
        )
    return own[0]


def project_path(project: Project) -> str:
    """Where a project stands in the resource tree."""
    return f"organisations/{project.organisation}/projects/{project.id}"


def describe_principal(policy: Policy, principal: str) -> str:
    """A principal's id in words: ``serviceaccount web``, ``service plasmavmc``, ``agent prismnet on node-1``."""
    account = policy.account_of_principal.get(principal)
    if account is not None:
        return f"serviceaccount {account.name}"
    if principal.startswith(SERVICE_ACCOUNT_PREFIX):
        return f"serviceaccount {principal[len(SERVICE_ACCOUNT_PREFIX) :]}"
    kind, variables = spiffe_parts(principal)
    host = f" on {variables['host']}" if "host" in variables else ""
    return f"{kind} {variables.get('service', variables.get('name', ''))}{host}"


def describe_resource(policy: Policy, resource: str) -> str:
    """A path in words: the project (or organisation) by name, then what follows; ``the root`` for the root."""
    parts = resource.split("/")
    organisation = policy.organisation_of_id.get(parts[1]) if parts[0] == "organisations" and len(parts) > 1 else None
    project = policy.project_of_id.get(parts[3]) if parts[2:3] == ["projects"] and len(parts) > 3 else None  # noqa: PLR2004
    if project is not None:
        return "/".join(["projects", project.name, *parts[4:]])
    if organisation is not None:
        return "/".join(["organisations", organisation.name, *parts[2:]])
    return resource[:SHOWN_LENGTH_MAX] or "the root"


def _prefixes(resource: str) -> Iterator[str]:
    """The root, then every ancestor of `resource`, then itself. Only whole (kinds, id) pairs: names never leak."""
    yield ""
    end = 0
    while end < len(resource):
        kinds = resource.find("/", end)
        end = resource.find("/", kinds + 1) if kinds >= 0 else -1
        if end < 0:
            yield resource
            return
        yield resource[:end]
        end += 1


def _built_in_allow(principal: Principal, wanted: tuple[str, ...], resource: str) -> Decision | None:
    held = built_in_grants(principal.id)
    for prefix in _prefixes(resource) if held else ():
        for grant in held.get(prefix, ()):
            if not grant.patterns.isdisjoint(wanted):
                return Decision(
                    allowed=True,
                    reason=f"built-in binding {grant.binding.name} allows it: {grant.binding.why}",
                    binding=f"builtin:{grant.binding.name}",
                )
    return None


def _refused_account(policy: Policy, principal: Principal, account: ServiceAccount | None) -> Decision:
    name = describe_principal(policy, principal.id)
    if account is not None:
        reason = f"{name} is disabled; ask an admin of its project to enable it"
    else:
        reason = f"{name} does not exist (any more); ask an admin of its project for a token of another one"
    return Decision(allowed=False, reason=reason, stale=principal.policy_version > policy.version)


def _denied(policy: Policy, principal: Principal, permission: str, resource: str, grant: Grant) -> Decision:
    binding = grant.binding
    return Decision(
        allowed=False,
        reason=f"{_words(policy, binding)} denies {describe_principal(policy, principal.id)} "
        f"{permission[:SHOWN_LENGTH_MAX]} on {_resource_for(policy, principal, resource)}; "
        "only its removal can change that",
        binding=binding.id,
        stale=principal.policy_version > policy.version,
    )


def _unbound(policy: Policy, principal: Principal, permission: str, resource: str) -> Decision:
    wanted = generalised(permission)
    least = next((name for name, held in BUILT_IN_PATTERNS.items() if not held.isdisjoint(wanted)), "owner")
    if principal.kind in (PrincipalKind.SERVICE, PrincipalKind.AGENT):
        advice = "check that it was started with its own certificate"
    else:
        advice = f"ask an admin to bind role {least} there"
    return Decision(
        allowed=False,
        reason=f"{describe_principal(policy, principal.id)} has no binding that gives {permission[:SHOWN_LENGTH_MAX]} "
        f"on {_resource_for(policy, principal, resource)}; {advice}",
        stale=principal.policy_version > policy.version,
    )


def _resource_for(policy: Policy, principal: Principal, resource: str) -> str:
    """`resource` in words; as the path it came as where its names are another tenant's."""
    parts = resource.split("/")
    if parts[0] == "organisations" and not _is_known(policy, principal, "".join(parts[1:2]), "/".join(parts[:4])):
        return resource[:SHOWN_LENGTH_MAX]
    return describe_resource(policy, resource)


def _permission_denied(decision: Decision) -> Fault:
    return PermissionDeniedError(
        decision.reason,
        reason="DENIED_BY_BINDING" if decision.binding else "NO_BINDING",
        metadata={"binding": decision.binding} if decision.binding else None,
    )


def _is_known(policy: Policy, principal: Principal, organisation: str, path: str) -> bool:
    """Whether `principal` may learn that something at `path` exists: its own tenant's, or where a binding reaches."""
    if principal.kind is not PrincipalKind.SERVICE_ACCOUNT or principal.organisation == organisation:
        return True
    held = policy.grants.get(principal.id, {})
    return any(
        not grant.binding.deny for prefix in (*_prefixes(path), *_below(held, path)) for grant in held.get(prefix, ())
    )


def _below(held: dict[str, tuple[Grant, ...]], path: str) -> list[str]:
    return [resource for resource in held if resource.startswith(f"{path}/")]


def _is_organisation(policy: Policy, organisation: str, ref: str) -> bool:
    found = policy.organisation_of_id.get(organisation)
    return organisation == ref or (found is not None and found.name == ref)


def _projects_of_name(projects: tuple[Project, ...]) -> dict[str, tuple[Project, ...]]:
    named: dict[str, tuple[Project, ...]] = {}
    for project in projects:
        named[project.name] = (*named.get(project.name, ()), project)
    return named


def _grants(policy: Policy) -> dict[str, dict[str, tuple[Grant, ...]]]:
    """Principal -> resource -> grants, denies first so that the walk ends at the first one it meets."""
    held: dict[str, dict[str, list[Grant]]] = {}
    compiled = {role.id: frozenset(check_pattern(text) for text in role.permissions) for role in policy.roles}
    for binding in sorted(policy.bindings, key=lambda one: not one.deny):
        matched = BUILT_IN_PATTERNS.get(binding.role) or compiled.get(binding.role)
        if matched is None:  # its role has been deleted: it gives nothing and takes nothing
            continue
        reason = f"{_words(policy, binding)} allows it"
        grant = Grant(matched, binding, Decision(allowed=True, reason=reason, binding=binding.id))
        for principal in binding.principals:
            held.setdefault(principal, {}).setdefault(binding.resource, []).append(grant)
    return {
        principal: {resource: tuple(grants) for resource, grants in places.items()}
        for principal, places in held.items()
    }


def _words(policy: Policy, binding: Binding) -> str:
    role = policy.role_of_id.get(binding.role)
    return (
        f"binding {binding.name or binding.id} (role {role.name if role else binding.role} on "
        f"{describe_resource(policy, binding.resource)})"
    )


def _shown(ref: str) -> str:
    return ascii(ref[:SHOWN_LENGTH_MAX])
