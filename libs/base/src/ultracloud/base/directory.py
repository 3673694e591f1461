"""The directory a policy decides from: who and what there is at one version, with its indexes.

A policy is made whole once, and from then on `advanced` by changes: its indexes are updated where the change is, so
that a change costs the same in a policy of ten bindings and of a hundred thousand. What each principal holds is
compiled when it first asks (`ultracloud.base.grants`), kept, and dropped when a change concerns it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar, assert_never

from ultracloud.base.entities import (
    Binding,
    Delta,
    Entity,
    Environment,
    Group,
    Organisation,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
)
from ultracloud.base.paths import ENVIRONMENT_LABEL, ENVIRONMENTS
from ultracloud.base.permissions import patterns
from ultracloud.base.principals import GROUP_PREFIX, SERVICE_ACCOUNT_PREFIX, USER_PREFIX
from ultracloud.base.roles import BUILT_IN_PATTERNS

if TYPE_CHECKING:
    from ultracloud.base.grants import Decision, Grant, Holding

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Policy:
    """Everything at one version. Equal policies decide equally.

    `advanced` gives the next version on the same tables: of the policy before, only `version` may still be read.

    Attributes:
        version: 0 of a policy of nothing.
        groups_of_member: Principal -> the groups it is in, as bindings name them.
        bindings_of_principal: Principal or group -> the bindings that name it.
        compiled: Principal -> what it holds, of those who have asked.
        decided: Principal -> its holding's `decided`, of those of whom nothing else need be known to decide.
        grants: Binding -> what it gives, of those that somebody who asked has.
    """

    __slots__ = (
        "account_of_principal",
        "accounts_of_name",
        "binding_of_id",
        "bindings_of_principal",
        "compiled",
        "decided",
        "environment_of_id",
        "environment_of_place",
        "environments_of_project",
        "grants",
        "group_of_principal",
        "groups_of_member",
        "groups_of_name",
        "organisation_of_id",
        "organisation_of_name",
        "project_of_id",
        "project_of_place",
        "projects_of_name",
        "revocation_of",
        "role_of_id",
        "roles_of_organisation",
        "user_of_principal",
        "users_of_name",
        "version",
    )

    def __init__(
        self,
        version: int = 0,
        organisations: Iterable[Organisation] = (),
        projects: Iterable[Project] = (),
        service_accounts: Iterable[ServiceAccount] = (),
        roles: Iterable[Role] = (),
        bindings: Iterable[Binding] = (),
        *,
        users: Iterable[User] = (),
        groups: Iterable[Group] = (),
        environments: Iterable[Environment] = (),
        revocations: Iterable[Revocation] = (),
    ) -> None:
        self.version = version
        self.organisation_of_id: dict[str, Organisation] = {}
        self.organisation_of_name: dict[str, Organisation] = {}
        self.project_of_id: dict[str, Project] = {}
        self.project_of_place: dict[tuple[str, str], Project] = {}
        self.projects_of_name: dict[str, tuple[Project, ...]] = {}
        self.environment_of_id: dict[str, Environment] = {}
        self.environment_of_place: dict[tuple[str, str], Environment] = {}
        self.environments_of_project: dict[str, tuple[Environment, ...]] = {}
        self.account_of_principal: dict[str, ServiceAccount] = {}
        self.accounts_of_name: dict[tuple[str, str], ServiceAccount] = {}
        self.user_of_principal: dict[str, User] = {}
        self.users_of_name: dict[tuple[str, str], User] = {}
        self.group_of_principal: dict[str, Group] = {}
        self.groups_of_name: dict[tuple[str, str], Group] = {}
        self.groups_of_member: dict[str, tuple[str, ...]] = {}
        self.role_of_id: dict[str, Role] = {}
        self.roles_of_organisation: dict[str, tuple[Role, ...]] = {}
        self.binding_of_id: dict[str, Binding] = {}
        self.bindings_of_principal: dict[str, tuple[Binding, ...]] = {}
        self.revocation_of: dict[str, Revocation] = {}
        self.compiled: dict[str, Holding] = {}
        self.decided: dict[str, dict[str, Decision | Grant]] = {}
        self.grants: dict[str, Grant] = {}
        self.put(organisations, projects, environments, service_accounts, users, groups, roles, bindings)
        self.revoke(revocations)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and self.version == other.version and self._tables() == other._tables()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Policy(version={self.version}, {len(self.binding_of_id)} bindings)"

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        """All of them; as the others below, made anew at each reading."""
        return tuple(self.organisation_of_id.values())

    @property
    def projects(self) -> tuple[Project, ...]:
        """All of them."""
        return tuple(self.project_of_id.values())

    @property
    def environments(self) -> tuple[Environment, ...]:
        """All of them."""
        return tuple(self.environment_of_id.values())

    @property
    def service_accounts(self) -> tuple[ServiceAccount, ...]:
        """All of them."""
        return tuple(self.account_of_principal.values())

    @property
    def users(self) -> tuple[User, ...]:
        """All of them."""
        return tuple(self.user_of_principal.values())

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of them."""
        return tuple(self.group_of_principal.values())

    @property
    def roles(self) -> tuple[Role, ...]:
        """All custom ones."""
        return tuple(self.role_of_id.values())

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All of them."""
        return tuple(self.binding_of_id.values())

    @property
    def revocations(self) -> tuple[Revocation, ...]:
        """All that have not ended."""
        return tuple(self.revocation_of.values())

    def entities(self) -> tuple[Entity, ...]:
        """Everything with an id, each after what it refers to."""
        return (
            *self.organisations,
            *self.projects,
            *self.environments,
            *self.service_accounts,
            *self.users,
            *self.groups,
            *self.roles,
            *self.bindings,
        )

    def find(self, identifier: str) -> Entity | None:
        """What has this id."""
        return (
            self.binding_of_id.get(identifier)
            or self.account_of_principal.get(f"{SERVICE_ACCOUNT_PREFIX}{identifier}")
            or self.user_of_principal.get(f"{USER_PREFIX}{identifier}")
            or self.group_of_principal.get(f"{GROUP_PREFIX}{identifier}")
            or self.project_of_id.get(identifier)
            or self.environment_of_id.get(identifier)
            or self.organisation_of_id.get(identifier)
            or self.role_of_id.get(identifier)
        )

    def advanced(self, delta: Delta) -> Policy:
        """The policy that `delta` makes of this one, which is spent thereby."""
        after = object.__new__(Policy)
        for name in Policy.__slots__:
            setattr(after, name, getattr(self, name))
        after.version = delta.version
        after.put(delta.put)
        for identifier in delta.removed:
            after.remove(identifier)
        after.revoke(delta.revocations)
        return after

    def put(self, *many: Iterable[Entity]) -> None:
        """Take in entities, each instead of the one with its id."""
        for entities in many:
            for entity in entities:
                before = self._known(entity)
                if before == entity:
                    continue
                if before is not None:
                    self._drop(before)
                self._add(entity)

    def remove(self, identifier: str) -> bool:
        """Forget what has this id; whether there was something."""
        old = self.find(identifier)
        if old is not None:
            self._drop(old)
        return old is not None

    def revoke(self, revocations: Iterable[Revocation]) -> None:
        """Take in revocations; of two of one principal's tokens the later moment stays."""
        for one in revocations:
            key = one.session or one.principal
            before = self.revocation_of.get(key)
            if before is None or (one.not_before_ms, one.until_ms) > (before.not_before_ms, before.until_ms):
                self.revocation_of[key] = one
                self._uncompile(one.principal)

    def forget(self, now_ms: int) -> None:
        """Drop the revocations of tokens that have all expired."""
        for key in [key for key, one in self.revocation_of.items() if one.until_ms <= now_ms]:
            self._uncompile(self.revocation_of.pop(key).principal)

    def _tables(self) -> tuple[object, ...]:
        """All that is not made of something else."""
        return (
            self.organisation_of_id,
            self.project_of_id,
            self.environment_of_id,
            self.account_of_principal,
            self.user_of_principal,
            self.group_of_principal,
            self.role_of_id,
            self.binding_of_id,
            self.revocation_of,
        )

    def _known(self, entity: Entity) -> Entity | None:
        """What `entity` takes the place of."""
        known: Entity | None
        match entity:
            case Binding():
                known = self.binding_of_id.get(entity.id)
            case Organisation():
                known = self.organisation_of_id.get(entity.id)
            case Project():
                known = self.project_of_id.get(entity.id)
            case Environment():
                known = self.environment_of_id.get(entity.id)
            case ServiceAccount():
                known = self.account_of_principal.get(f"{SERVICE_ACCOUNT_PREFIX}{entity.id}")
            case User():
                known = self.user_of_principal.get(f"{USER_PREFIX}{entity.id}")
            case Group():
                known = self.group_of_principal.get(f"{GROUP_PREFIX}{entity.id}")
            case Role():
                known = self.role_of_id.get(entity.id)
            case _:
                assert_never(entity)
        return known

    def _add(self, entity: Entity) -> None:  # noqa: C901 - one case an entity
        match entity:
            case Binding():
                self.binding_of_id[entity.id] = entity
                for named in entity.principals:
                    _attach(self.bindings_of_principal, named, entity)
            case Organisation():
                self.organisation_of_id[entity.id] = self.organisation_of_name[entity.name] = entity
            case Project():
                self.project_of_id[entity.id] = entity
                self.project_of_place[entity.organisation, entity.name] = entity
                _attach(self.projects_of_name, entity.name, entity)
            case Environment():
                self.environment_of_id[entity.id] = entity
                self.environment_of_place[entity.project, entity.name] = entity
                _attach(self.environments_of_project, entity.project, entity)
            case ServiceAccount():
                self.account_of_principal[f"{SERVICE_ACCOUNT_PREFIX}{entity.id}"] = entity
                self.accounts_of_name[entity.project, entity.name] = entity
            case User():
                self.user_of_principal[f"{USER_PREFIX}{entity.id}"] = entity
                self.users_of_name[entity.organisation, entity.name] = entity
            case Group():
                principal = f"{GROUP_PREFIX}{entity.id}"
                self.group_of_principal[principal] = entity
                self.groups_of_name[entity.organisation, entity.name] = entity
                for member in entity.members:
                    _attach(self.groups_of_member, member, principal)
            case Role():
                self.role_of_id[entity.id] = entity
                _attach(self.roles_of_organisation, entity.organisation, entity)
            case _:
                assert_never(entity)
        self._recompile(entity)

    def _drop(self, entity: Entity) -> None:  # noqa: C901 - one case an entity
        self._recompile(entity)
        match entity:
            case Binding():
                del self.binding_of_id[entity.id]
                for named in entity.principals:
                    _detach(self.bindings_of_principal, named, entity)
            case Organisation():
                del self.organisation_of_id[entity.id]
                _forget(self.organisation_of_name, entity.name, entity)
            case Project():
                del self.project_of_id[entity.id]
                _forget(self.project_of_place, (entity.organisation, entity.name), entity)
                _detach(self.projects_of_name, entity.name, entity)
            case Environment():
                del self.environment_of_id[entity.id]
                _forget(self.environment_of_place, (entity.project, entity.name), entity)
                _detach(self.environments_of_project, entity.project, entity)
            case ServiceAccount():
                del self.account_of_principal[f"{SERVICE_ACCOUNT_PREFIX}{entity.id}"]
                _forget(self.accounts_of_name, (entity.project, entity.name), entity)
            case User():
                del self.user_of_principal[f"{USER_PREFIX}{entity.id}"]
                _forget(self.users_of_name, (entity.organisation, entity.name), entity)
            case Group():
                principal = f"{GROUP_PREFIX}{entity.id}"
                del self.group_of_principal[principal]
                _forget(self.groups_of_name, (entity.organisation, entity.name), entity)
                for member in entity.members:
                    _detach(self.groups_of_member, member, principal)
            case Role():
                del self.role_of_id[entity.id]
                _detach(self.roles_of_organisation, entity.organisation, entity)
            case _:
                assert_never(entity)

    def _recompile(self, entity: Entity) -> None:
        """Drop what was compiled and rests on `entity`."""
        match entity:
            case Binding():
                self.grants.pop(entity.id, None)
                for named in entity.principals:
                    self._recompile_named(named)
            case ServiceAccount():
                self._uncompile(f"{SERVICE_ACCOUNT_PREFIX}{entity.id}")
            case User():
                self._uncompile(f"{USER_PREFIX}{entity.id}")
            case Group():
                for member in entity.members:
                    self._uncompile(member)
            case Role():  # bindings are not indexed by role: custom roles change rarely
                self.uncompile_all()
            case Organisation() | Project() | Environment():
                pass  # nobody's powers rest on them, only the names in sentences
            case _:
                assert_never(entity)

    def uncompile_all(self) -> None:
        """Drop all that was compiled."""
        self.compiled.clear()
        self.decided.clear()
        self.grants.clear()

    def _uncompile(self, principal: str) -> None:
        self.compiled.pop(principal, None)
        self.decided.pop(principal, None)

    def _recompile_named(self, named: str) -> None:
        self._uncompile(named)
        group = self.group_of_principal.get(named)
        for member in group.members if group else ():
            self._uncompile(member)


def role_patterns(policy: Policy, role: str) -> frozenset[str] | None:
    """The patterns of a role, by built-in name or id, in three parts; None if there is no such role."""
    built_in = BUILT_IN_PATTERNS.get(role)
    if built_in is not None:
        return built_in
    custom = policy.role_of_id.get(role)
    return patterns(custom.permissions) if custom is not None else None


def project_path(project: Project) -> str:
    """Where a project stands in the resource tree."""
    return f"organisations/{project.organisation}/projects/{project.id}"


def environment_path(policy: Policy, project: str, path: str, labels: Mapping[str, str]) -> str:
    """Where in the project with this id and path things with these labels are: in an environment of it, or `path`."""
    name = labels.get(ENVIRONMENT_LABEL, "")
    environment = policy.environment_of_place.get((project, name)) if name else None
    return path if environment is None else f"{path}/{ENVIRONMENTS}/{environment.id}"


def _attach(index: dict[KeyT, tuple[ValueT, ...]], key: KeyT, value: ValueT) -> None:
    index[key] = (*index.get(key, ()), value)


def _detach(index: dict[KeyT, tuple[ValueT, ...]], key: KeyT, value: ValueT) -> None:
    left = tuple(one for one in index.get(key, ()) if one != value)
    if left:
        index[key] = left
    else:
        index.pop(key, None)


def _forget(index: dict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    """Drop the entry, unless another entity has taken the name since."""
    if index.get(key) == value:
        del index[key]
