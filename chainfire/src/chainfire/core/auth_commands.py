"""What changes users and roles: commands that the log carries to every member.

A password is hashed before it gets here, because two hashes of one password differ and all members must hold the same.

Source: etcd 3.5, the requests of the Auth service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias


class PermissionKind(IntEnum):
    """What a permission allows; the numbers are etcd's."""

    READ = 0
    WRITE = 1
    READWRITE = 2


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be done to a range of keys; `end` follows etcd's conventions."""

    kind: PermissionKind
    key: bytes
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class AuthEnable:
    """From now on ask everybody who they are."""


@dataclass(frozen=True, slots=True)
class AuthDisable:
    """From now on ask nobody, and forget all tokens."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Give a user whose password was checked a token.

    Attributes:
        token_prefix: Random; with the index of the entry it is the token. Empty where members need not agree on one.
    """

    user: str
    token_prefix: str


@dataclass(frozen=True, slots=True)
class UserAdd:
    """Make a user.

    Attributes:
        password_hash: Of bcrypt; empty lets no password in.
        no_password: Only a client's certificate can name this user.
    """

    user: str
    password_hash: bytes
    no_password: bool = False


@dataclass(frozen=True, slots=True)
class UserDelete:
    """Remove a user and its tokens."""

    user: str


@dataclass(frozen=True, slots=True)
class UserChangePassword:
    """Give a user another password and end its tokens."""

    user: str
    password_hash: bytes


@dataclass(frozen=True, slots=True)
class UserGrantRole:
    """Give a user what a role allows."""

    user: str
    role: str


@dataclass(frozen=True, slots=True)
class UserRevokeRole:
    """Take from a user what a role allows."""

    user: str
    role: str


@dataclass(frozen=True, slots=True)
class RoleAdd:
    """Make a role that allows nothing yet."""

    role: str


@dataclass(frozen=True, slots=True)
class RoleDelete:
    """Remove a role, also from its users."""

    role: str


@dataclass(frozen=True, slots=True)
class RoleGrantPermission:
    """Let a role do something to a range; what it could do to exactly this range is replaced."""

    role: str
    permission: Permission


@dataclass(frozen=True, slots=True)
class RoleRevokePermission:
    """Take from a role what it may do to exactly this range."""

    role: str
    key: bytes
    end: bytes


UserCommand: TypeAlias = UserAdd | UserDelete | UserChangePassword | UserGrantRole | UserRevokeRole
RoleCommand: TypeAlias = RoleAdd | RoleDelete | RoleGrantPermission | RoleRevokePermission
AuthChange: TypeAlias = AuthEnable | AuthDisable | UserCommand | RoleCommand
AuthCommand: TypeAlias = Authenticate | AuthChange
