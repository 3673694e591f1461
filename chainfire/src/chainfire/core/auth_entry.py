"""Commands about users and roles as bytes of the log, and all of them as bytes of a snapshot. As in `entry`."""

from __future__ import annotations

import struct
from typing import assert_never

from chainfire.core.auth import AuthState, Role, User
from chainfire.core.auth_commands import (
    AuthCommand,
    AuthDisable,
    AuthEnable,
    Authenticate,
    Permission,
    PermissionKind,
    RoleAdd,
    RoleCommand,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    UserAdd,
    UserChangePassword,
    UserCommand,
    UserDelete,
    UserGrantRole,
    UserRevokeRole,
)
from chainfire.core.packing import LENGTH, read_sized, read_words, sized, words

FIRST_KIND = 32
"""The first byte of these commands is this or more."""
_ENABLE, _DISABLE, _AUTHENTICATE = range(32, 35)
_USER_ADD, _USER_DELETE, _USER_CHANGE_PASSWORD, _USER_GRANT_ROLE, _USER_REVOKE_ROLE = range(35, 40)
_ROLE_ADD, _ROLE_DELETE, _ROLE_GRANT_PERMISSION, _ROLE_REVOKE_PERMISSION = range(40, 44)

_STATE = struct.Struct("<BQ")


def render(command: AuthCommand) -> bytes:
    """Give the bytes of a command."""
    match command:
        case AuthEnable():
            return bytes([_ENABLE])
        case AuthDisable():
            return bytes([_DISABLE])
        case Authenticate():
            return bytes([_AUTHENTICATE]) + words((command.user, command.token_prefix))
        case UserAdd() | UserDelete() | UserChangePassword() | UserGrantRole() | UserRevokeRole():
            return _render_of_user(command)
        case RoleAdd() | RoleDelete() | RoleGrantPermission() | RoleRevokePermission():
            return _render_of_role(command)
        case _:
            assert_never(command)


def read(body: bytes, at: int) -> tuple[AuthCommand, int]:
    """Read the command at `at`, and where it ends.

    Raises:
        ValueError: There is none; so may `struct.error` and `IndexError`.
    """
    kind = body[at]
    at += 1
    if kind == _ENABLE:
        return AuthEnable(), at
    if kind == _DISABLE:
        return AuthDisable(), at
    if kind in (_ROLE_GRANT_PERMISSION, _ROLE_REVOKE_PERMISSION):
        return _read_of_permission(kind, body, at)
    names, at = read_words(body, at)
    if kind in (_AUTHENTICATE, _USER_GRANT_ROLE, _USER_REVOKE_ROLE):
        first, second = names
        if kind == _AUTHENTICATE:
            return Authenticate(first, second), at
        return (UserGrantRole if kind == _USER_GRANT_ROLE else UserRevokeRole)(first, second), at
    (name,) = names
    return _read_of_one(kind, name, body, at)


def render_state(state: AuthState) -> bytes:
    """Give the bytes of all users and roles."""
    out = bytearray(_STATE.pack(state.is_enabled, state.revision))
    out += LENGTH.pack(len(state.users))
    for user in state.users:
        out += bytes([user.no_password]) + words((user.name,)) + sized(user.password_hash) + words(user.roles)
    out += LENGTH.pack(len(state.roles))
    for role in state.roles:
        out += words((role.name,)) + LENGTH.pack(len(role.permissions))
        for permission in role.permissions:
            out += _render_permission(permission)
    return bytes(out)


def parse_state(body: bytes) -> AuthState:
    """Read what `render_state` made.

    Raises:
        ValueError: It is not that; so may `struct.error` and `IndexError`.
    """
    is_enabled, revision = _STATE.unpack_from(body)
    (count,) = LENGTH.unpack_from(body, _STATE.size)
    at = _STATE.size + LENGTH.size
    users: list[User] = []
    for _ in range(count):
        user, at = _read_user(body, at)
        users.append(user)
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    roles: list[Role] = []
    for _ in range(count):
        role, at = _read_role(body, at)
        roles.append(role)
    return AuthState(bool(is_enabled), revision, tuple(users), tuple(roles))


def _render_of_user(command: UserCommand) -> bytes:
    match command:
        case UserAdd():
            end = sized(command.password_hash) + bytes([command.no_password])
            return bytes([_USER_ADD]) + words((command.user,)) + end
        case UserDelete():
            return bytes([_USER_DELETE]) + words((command.user,))
        case UserChangePassword():
            return bytes([_USER_CHANGE_PASSWORD]) + words((command.user,)) + sized(command.password_hash)
        case UserGrantRole():
            return bytes([_USER_GRANT_ROLE]) + words((command.user, command.role))
        case UserRevokeRole():
            return bytes([_USER_REVOKE_ROLE]) + words((command.user, command.role))
        case _:
            assert_never(command)


def _render_of_role(command: RoleCommand) -> bytes:
    match command:
        case RoleAdd():
            return bytes([_ROLE_ADD]) + words((command.role,))
        case RoleDelete():
            return bytes([_ROLE_DELETE]) + words((command.role,))
        case RoleGrantPermission():
            return bytes([_ROLE_GRANT_PERMISSION]) + words((command.role,)) + _render_permission(command.permission)
        case RoleRevokePermission():
            return bytes([_ROLE_REVOKE_PERMISSION]) + words((command.role,)) + sized(command.key) + sized(command.end)
        case _:
            assert_never(command)


def _read_of_one(kind: int, name: str, body: bytes, at: int) -> tuple[AuthCommand, int]:
    """The rest of a command that is about one user or role."""
    if kind == _USER_ADD:
        password_hash, at = read_sized(body, at)
        return UserAdd(name, password_hash, bool(body[at])), at + 1
    if kind == _USER_CHANGE_PASSWORD:
        password_hash, at = read_sized(body, at)
        return UserChangePassword(name, password_hash), at
    if kind == _USER_DELETE:
        return UserDelete(name), at
    if kind == _ROLE_ADD:
        return RoleAdd(name), at
    if kind == _ROLE_DELETE:
        return RoleDelete(name), at
    raise ValueError(f"no command has the number {kind}")


def _read_of_permission(kind: int, body: bytes, at: int) -> tuple[AuthCommand, int]:
    (role,), at = read_words(body, at)
    if kind == _ROLE_GRANT_PERMISSION:
        permission, at = _read_permission(body, at)
        return RoleGrantPermission(role, permission), at
    key, at = read_sized(body, at)
    end, at = read_sized(body, at)
    return RoleRevokePermission(role, key, end), at


def _render_permission(permission: Permission) -> bytes:
    return bytes([permission.kind]) + sized(permission.key) + sized(permission.end)


def _read_permission(body: bytes, at: int) -> tuple[Permission, int]:
    kind = PermissionKind(body[at])
    key, at = read_sized(body, at + 1)
    end, at = read_sized(body, at)
    return Permission(kind, key, end), at


def _read_user(body: bytes, at: int) -> tuple[User, int]:
    no_password = bool(body[at])
    (name,), at = read_words(body, at + 1)
    password_hash, at = read_sized(body, at)
    roles, at = read_words(body, at)
    return User(name, password_hash, roles, no_password), at


def _read_role(body: bytes, at: int) -> tuple[Role, int]:
    (name,), at = read_words(body, at)
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    permissions: list[Permission] = []
    for _ in range(count):
        permission, at = _read_permission(body, at)
        permissions.append(permission)
    return Role(name, tuple(permissions)), at
