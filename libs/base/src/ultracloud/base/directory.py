"""The directory a policy decides from: who and what there is, and what each principal holds where.

Everything at one version, with its indexes. `ultracloud.base.policy` decides from it and re-exports its records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ultracloud.base.permissions import patterns
from ultracloud.base.principals import GROUP_PREFIX, SERVICE_ACCOUNT_PREFIX, USER_PREFIX, spiffe_parts
from ultracloud.base.roles import BUILT_IN_PATTERNS

SHOWN_LENGTH_MAX = 200
"""Characters of a caller's own text that a reason repeats."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """Where resources live; `organisation` is an id, `quotas` what it may have at most of some things."""

    id: str
    name: str
    organisation: str
    quotas: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program's identity; `project` is an id."""

    id: str
    name: str
    project: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A person; `organisation` is an id."""

    id: str
    name: str
    organisation: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Those whom a binding names at once; `members` are ids of principals, never of groups."""

    id: str
    name: str
    organisation: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that no longer hold although they have not expired.

    Attributes:
        session: Id of the session they are of; empty for all of `principal`'s.
        principal: Whose they are.
        not_before_ms: Those issued earlier are refused; 0 with a session.
        until_ms: When the last of them has expired, and this may be forgotten.
    """

    session: str
    principal: str
    not_before_ms: int
    until_ms: int


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
        condition: A Cedar expression; empty: always.
    """

    id: str
    role: str
    principals: tuple[str, ...]
    resource: str
    deny: bool = False
    name: str = ""
    condition: str = ""


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
    """Everything at one version. Equal policies decide equally.

    Indexes by id and name are made here; what a principal holds is compiled when it first asks (`grants_of`), so that a
    service gets a new version of a large policy in milliseconds.
    """

    version: int = 0
    organisations: tuple[Organisation, ...] = ()
    projects: tuple[Project, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    roles: tuple[Role, ...] = ()
    bindings: tuple[Binding, ...] = ()
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    organisation_of_id: dict[str, Organisation] = field(init=False, repr=False, compare=False)
    organisation_of_name: dict[str, Organisation] = field(init=False, repr=False, compare=False)
    project_of_id: dict[str, Project] = field(init=False, repr=False, compare=False)
    projects_of_name: dict[str, tuple[Project, ...]] = field(init=False, repr=False, compare=False)
    account_of_principal: dict[str, ServiceAccount] = field(init=False, repr=False, compare=False)
    user_of_principal: dict[str, User] = field(init=False, repr=False, compare=False)
    group_of_principal: dict[str, Group] = field(init=False, repr=False, compare=False)
    groups_of_member: dict[str, list[str]] = field(init=False, repr=False, compare=False)
    users_of_name: dict[tuple[str, str], str] = field(init=False, repr=False, compare=False)
    groups_of_name: dict[tuple[str, str], str] = field(init=False, repr=False, compare=False)
    role_of_id: dict[str, Role] = field(init=False, repr=False, compare=False)
    bindings_of_principal: dict[str, list[Binding]] = field(init=False, repr=False, compare=False)
    compiled: dict[str, dict[str, tuple[Grant, ...]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "organisation_of_id", {one.id: one for one in self.organisations})
        put(self, "organisation_of_name", {one.name: one for one in self.organisations})
        put(self, "project_of_id", {one.id: one for one in self.projects})
        put(self, "projects_of_name", _projects_of_name(self.projects))
        put(self, "account_of_principal", {f"{SERVICE_ACCOUNT_PREFIX}{one.id}": one for one in self.service_accounts})
        put(self, "user_of_principal", {f"{USER_PREFIX}{one.id}": one for one in self.users})
        put(self, "group_of_principal", {f"{GROUP_PREFIX}{one.id}": one for one in self.groups})
        put(self, "groups_of_member", _groups_of_member(self.groups))
        put(self, "users_of_name", {(one.organisation, one.name): one.id for one in self.users})
        put(self, "groups_of_name", {(one.organisation, one.name): one.id for one in self.groups})
        put(self, "role_of_id", {one.id: one for one in self.roles})
        put(self, "bindings_of_principal", _bindings_of_principal(self.bindings))
        put(self, "compiled", {})


def grants_of(policy: Policy, principal: str) -> dict[str, tuple[Grant, ...]]:
    """Resource -> what the bindings there give to and take from `principal`."""
    held = policy.compiled.get(principal)
    if held is None:
        bindings = [
            binding
            for named in (principal, *policy.groups_of_member.get(principal, ()))
            for binding in policy.bindings_of_principal.get(named, ())
        ]
        if not bindings:  # not kept: anybody may ask about any number of principals that do not exist
            return {}
        held = policy.compiled[principal] = _compile(policy, bindings)
    return held


def role_patterns(policy: Policy, role: str) -> frozenset[str] | None:
    """The patterns of a role, by built-in name or id, in three parts; None if there is no such role."""
    built_in = BUILT_IN_PATTERNS.get(role)
    if built_in is not None:
        return built_in
    custom = policy.role_of_id.get(role)
    return patterns(custom.permissions) if custom is not None else None


def prefixes(resource: str) -> Iterator[str]:
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


def project_path(project: Project) -> str:
    """Where a project stands in the resource tree."""
    return f"organisations/{project.organisation}/projects/{project.id}"


def describe_principal(policy: Policy, principal: str) -> str:
    """A principal's id in words: ``serviceaccount web``, ``service plasmavmc``, ``agent prismnet on node-1``."""
    account = policy.account_of_principal.get(principal)
    if account is not None:
        return f"serviceaccount {account.name}"
    user, group = policy.user_of_principal.get(principal), policy.group_of_principal.get(principal)
    if user is not None:
        return f"user {user.name}"
    if group is not None:
        return f"group {group.name}"
    if not principal.startswith("spiffe:"):
        return principal.replace(":", " ", 1)
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


def _projects_of_name(projects: tuple[Project, ...]) -> dict[str, tuple[Project, ...]]:
    named: dict[str, tuple[Project, ...]] = {}
    for project in projects:
        named[project.name] = (*named.get(project.name, ()), project)
    return named


def _groups_of_member(groups: tuple[Group, ...]) -> dict[str, list[str]]:
    """Member -> the groups it is in, as bindings name them."""
    named: dict[str, list[str]] = {}
    for group in groups:
        for member in group.members:
            named.setdefault(member, []).append(f"{GROUP_PREFIX}{group.id}")
    return named


def _bindings_of_principal(bindings: tuple[Binding, ...]) -> dict[str, list[Binding]]:
    named: dict[str, list[Binding]] = {}
    for binding in bindings:
        for principal in binding.principals:
            named.setdefault(principal, []).append(binding)
    return named


def _compile(policy: Policy, bindings: list[Binding]) -> dict[str, tuple[Grant, ...]]:
    """Resource -> grants, denies first so that the walk ends at the first one it meets."""
    places: dict[str, tuple[Grant, ...]] = {}
    for binding in sorted(bindings, key=lambda one: not one.deny):
        held = role_patterns(policy, binding.role)
        if held is not None:  # its role has been deleted: it gives nothing and takes nothing
            reason = f"{describe_binding(policy, binding)} allows it"
            grant = Grant(held, binding, Decision(allowed=True, reason=reason, binding=binding.id))
            places[binding.resource] = (*places.get(binding.resource, ()), grant)
    return places


def describe_binding(policy: Policy, binding: Binding) -> str:
    """A binding in words: ``binding web-developer (role developer on projects/blue)``."""
    role = policy.role_of_id.get(binding.role)
    return (
        f"binding {binding.name or binding.id} (role {role.name if role else binding.role} on "
        f"{describe_resource(policy, binding.resource)})"
    )
