"""Users and roles as etcd keeps them in its database.

Source: etcd 3.5, server/mvcc/buckets/auth*.go and api/authpb/auth.proto (names and field numbers only).
"""

from __future__ import annotations

from collections.abc import Iterable

from chainfire.core.auth import AuthState, Role, User
from chainfire.core.auth_commands import Permission, PermissionKind
from chainfire.core.bbolt_writer import Item
from chainfire.core.etcdfile import AUTH_ENABLED, AUTH_REVISION, NUMBER, MalformedEtcdFileError, field
from chainfire.core.protobuf import fields, signed, text

_ENABLED = b"\x01"
_NAME, _PASSWORD, _ROLES, _OPTIONS = range(1, 5)
_PERMISSION = 2
_KIND, _KEY, _END = range(1, 4)


def auth_items(state: AuthState) -> list[Item]:
    """The bucket that says whether anybody is asked who they are."""
    enabled = [(AUTH_ENABLED, _ENABLED)] if state.is_enabled else []
    return [*enabled, (AUTH_REVISION, NUMBER.pack(state.revision))]


def user_items(users: Iterable[User]) -> list[Item]:
    """The bucket of users."""
    return sorted((user.name.encode(), _user(user)) for user in users)


def role_items(roles: Iterable[Role]) -> list[Item]:
    """The bucket of roles."""
    return sorted((role.name.encode(), _role(role)) for role in roles)


def parse_auth(auth: Iterable[Item], users: Iterable[Item], roles: Iterable[Item]) -> AuthState:
    """Read the three buckets.

    Raises:
        MalformedEtcdFileError: They hold what etcd never writes.
        MalformedMessageError: The same.
    """
    said = dict(auth)
    revision = said.get(AUTH_REVISION)
    return AuthState(
        said.get(AUTH_ENABLED) == _ENABLED,
        NUMBER.unpack(revision)[0] if revision else AuthState().revision,
        tuple(_parse_user(value) for _, value in users),
        tuple(_parse_role(value) for _, value in roles),
    )


def _user(user: User) -> bytes:
    roles = b"".join(field(_ROLES, role.encode()) for role in user.roles)
    # etcd writes options that say nothing too.
    options = field(_OPTIONS, field(1, 1)) if user.no_password else bytes((_OPTIONS << 3 | 2, 0))
    return field(_NAME, user.name.encode()) + field(_PASSWORD, user.password_hash) + roles + options


def _role(role: Role) -> bytes:
    granted = (field(_KIND, each.kind) + field(_KEY, each.key) + field(_END, each.end) for each in role.permissions)
    return field(_NAME, role.name.encode()) + b"".join(
        field(_PERMISSION, each) or bytes((_PERMISSION << 3 | 2, 0)) for each in granted
    )


def _parse_user(value: bytes) -> User:
    name, password, roles, no_password = "", b"", list[str](), False
    for number, found in fields(value):
        match number:
            case 1:
                name = _word(found)
            case 2:
                password = text(found)
            case 3:
                roles.append(_word(found))
            case 4:
                no_password = any(at == 1 and bool(flag) for at, flag in fields(text(found)))
            case _:
                pass
    if not name:
        raise MalformedEtcdFileError("a user without a name")
    return User(name, password, tuple(sorted(roles)), no_password)


def _parse_role(value: bytes) -> Role:
    name, permissions = "", list[Permission]()
    for number, found in fields(value):
        if number == _NAME:
            name = _word(found)
        elif number == _PERMISSION:
            permissions.append(_parse_permission(text(found)))
    if not name:
        raise MalformedEtcdFileError("a role without a name")
    return Role(name, tuple(permissions))


def _parse_permission(body: bytes) -> Permission:
    said = dict(fields(body))
    kind = signed(said.get(_KIND, 0))
    if kind not in tuple(PermissionKind):
        raise MalformedEtcdFileError(f"no permission has the number {kind}")
    return Permission(PermissionKind(kind), text(said.get(_KEY, b"")), text(said.get(_END, b"")))


def _word(value: int | bytes) -> str:
    try:
        return text(value).decode()
    except UnicodeDecodeError as error:
        raise MalformedEtcdFileError(f"a name of users or roles is no text: {error}") from error
