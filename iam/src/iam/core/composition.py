"""Composition: the records of the store and the operators of the configuration -> the policy everybody decides from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar, assert_never

from ultracloud.base.policy import Binding, Group, Organisation, Policy, Project, Revocation, Role, ServiceAccount, User

Entity: TypeAlias = Organisation | Project | ServiceAccount | User | Group | Role | Binding | Revocation
EntityT = TypeVar("EntityT")

ADMINS_BINDING = "builtin:admins"
"""Id of the binding that makes the configured operators owners of everything; it is in no store."""


@dataclass(slots=True)
class Register:
    """All entities there are, by id, in the order they were first seen."""

    organisations: dict[str, Organisation] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    service_accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)
    revocations: dict[str, Revocation] = field(default_factory=dict)

    def put(self, entity: Entity) -> bool:
        """Remember `entity`, instead of the one with its id; whether that changes anything."""
        match entity:
            case Organisation():
                changed = _put(self.organisations, entity.id, entity)
            case Project():
                changed = _put(self.projects, entity.id, entity)
            case ServiceAccount():
                changed = _put(self.service_accounts, entity.id, entity)
            case User():
                changed = _put(self.users, entity.id, entity)
            case Group():
                changed = _put(self.groups, entity.id, entity)
            case Role():
                changed = _put(self.roles, entity.id, entity)
            case Binding():
                changed = _put(self.bindings, entity.id, entity)
            case Revocation():
                changed = _put(self.revocations, entity.session or entity.principal, entity)
            case _:
                assert_never(entity)
        return changed

    def remove(self, identifier: str) -> bool:
        """Forget what has this id; whether there was something."""
        gone = (
            self.organisations.pop(identifier, None),
            self.projects.pop(identifier, None),
            self.service_accounts.pop(identifier, None),
            self.users.pop(identifier, None),
            self.groups.pop(identifier, None),
            self.roles.pop(identifier, None),
            self.bindings.pop(identifier, None),
            self.revocations.pop(identifier, None),
        )
        return any(gone)

    def policy(self, version: int, admins: Sequence[str]) -> Policy:
        """The policy at `version`, with `admins` (SPIFFE ids) as owners of everything."""
        return Policy(
            version=version,
            organisations=tuple(self.organisations.values()),
            projects=tuple(self.projects.values()),
            service_accounts=tuple(self.service_accounts.values()),
            roles=tuple(self.roles.values()),
            bindings=(*admin_bindings(admins), *self.bindings.values()),
            users=tuple(self.users.values()),
            groups=tuple(self.groups.values()),
            revocations=tuple(self.revocations.values()),
        )


def admin_bindings(admins: Sequence[str]) -> tuple[Binding, ...]:
    """The binding of the configured operators; none without operators."""
    return (Binding(ADMINS_BINDING, "owner", tuple(admins), "", deny=False, name="admins"),) if admins else ()


def with_admins(policy: Policy, admins: Sequence[str]) -> Policy:
    """`policy` with `admins` instead of the operators it was kept with: the configuration has the last word."""
    bindings = (*admin_bindings(admins), *(one for one in policy.bindings if one.id != ADMINS_BINDING))
    return replace(policy, bindings=bindings)


def _put(table: dict[str, EntityT], identifier: str, entity: EntityT) -> bool:
    changed = table.get(identifier) != entity
    table[identifier] = entity
    return changed
