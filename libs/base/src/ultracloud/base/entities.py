"""What a policy is made of: who and what there is, and who was given what. Also a change of it.

`ultracloud.base.directory` keeps them with their indexes; `ultracloud.base.policy` decides from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant; `quotas` is what its projects may have at most together, of some things."""

    id: str
    name: str
    quotas: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """Where resources live; `organisation` is an id, `quotas` what it may have at most of some things."""

    id: str
    name: str
    organisation: str
    quotas: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """A part of a project, such as ``prod``; `project` is an id."""

    id: str
    name: str
    project: str


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program's identity; `project` is an id, `environment` the name it is labelled with."""

    id: str
    name: str
    project: str
    disabled: bool = False
    environment: str = ""


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


Entity: TypeAlias = Organisation | Project | Environment | ServiceAccount | User | Group | Role | Binding
"""What has an id of its own."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What makes one version of a policy of an earlier one.

    Attributes:
        version: The one it makes.
        put: New entities, and those that replace the one with their id, in this order.
        removed: Ids of those that are gone, also of some that never were.
        revocations: New ones; old ones end by themselves.
    """

    version: int
    put: tuple[Entity, ...] = ()
    removed: tuple[str, ...] = ()
    revocations: tuple[Revocation, ...] = ()
