"""Users, roles, and whether anybody is asked who they are: the part of the state that the Auth service changes.

Every change raises the auth revision. A command carries the revision its caller was recognised at, and is refused when
it is applied at a later one: what the caller may do has changed in between, and a token that a member still honours
must not outlive that.

Source: etcd 3.5 semantics of the Auth service.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from chainfire.core.auth_commands import (
    AuthChange,
    AuthDisable,
    AuthEnable,
    Authenticate,
    Permission,
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
from chainfire.core.auth_permissions import Granted, merged
from chainfire.core.auth_tokens import TokenTable
from chainfire.core.keyvalue import FROM_KEY
from chainfire.errors import (
    AuthFailedError,
    AuthNotEnabledError,
    InvalidAuthManagementError,
    PermissionNotGrantedError,
    RoleEmptyError,
    RoleExistsError,
    RoleNotFoundError,
    RoleNotGrantedError,
    RootRoleNotGrantedError,
    RootUserNotFoundError,
    UserEmptyError,
    UserExistsError,
    UserNotFoundError,
)

ROOT = "root"
"""The user that must exist, and the role that allows everything."""
FIRST_AUTH_REVISION = 1


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    Attributes:
        password_hash: Of bcrypt; empty lets no password in.
        roles: Sorted.
        no_password: Only a client's certificate can name it.
    """

    name: str
    password_hash: bytes
    roles: tuple[str, ...] = ()
    no_password: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """One role; its permissions are sorted by their ranges."""

    name: str
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthState:
    """All there is to keep: what snapshots hold."""

    is_enabled: bool = False
    revision: int = FIRST_AUTH_REVISION
    users: tuple[User, ...] = ()
    roles: tuple[Role, ...] = ()


@dataclass(slots=True)
class AuthTable:
    """Users and roles.

    Attributes:
        is_enabled: Everybody is asked who they are.
        revision: Grows with every change of users and roles.
        tokens: Simple tokens. Not part of the state: each member forgets them by its own time.
        tokens_after: Entries up to this index give no token here.
    """

    is_enabled: bool = False
    revision: int = FIRST_AUTH_REVISION
    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    tokens: TokenTable = field(default_factory=TokenTable)
    tokens_after: int = 0
    _granted: dict[str, Granted] = field(default_factory=dict)

    def apply(self, command: AuthChange) -> None:
        """Apply a command that changes users, roles, or whether anybody is asked.

        Raises:
            EtcdError: It is refused, and nothing has changed.
        """
        match command:
            case AuthEnable():
                self._enable()
            case AuthDisable():
                self._disable()
            case UserAdd() | UserDelete() | UserChangePassword() | UserGrantRole() | UserRevokeRole():
                self._change_user(command)
            case RoleAdd() | RoleDelete() | RoleGrantPermission() | RoleRevokePermission():
                self._change_role(command)
            case _:
                assert_never(command)

    def authenticate(self, index: int, command: Authenticate) -> str:
        """Give a user a token; an empty one if the command says that the members need not know it.

        Args:
            index: Of the command's entry in the log.
            command: The user's password was checked before.

        Raises:
            AuthNotEnabledError: Nobody is asked who they are.
            AuthFailedError: There is no such user, or no password can let it in.
        """
        if not self.is_enabled:
            raise AuthNotEnabledError
        user = self.users.get(command.user)
        if user is None or user.no_password:
            raise AuthFailedError
        if not command.token_prefix:
            return ""
        # The index lets a member that is behind see that it has yet to learn of the token.
        token = f"{command.token_prefix}.{index}"
        if index > self.tokens_after:
            self.tokens.assign(token, command.user)
        return token

    def forget_tokens(self, index: int) -> None:
        """Forget the tokens of all entries up to `index`, also of those that are yet to be applied.

        A member that starts calls it with the end of its log: tokens of its earlier lives may have died long ago.
        """
        self.tokens.clear()
        self.tokens_after = index

    def granted(self, user: str) -> Granted | None:
        """What a user may do; None if there is no such user."""
        found = self._granted.get(user)
        if found is None and user in self.users:
            roles = self.users[user].roles
            known = [self.roles[role].permissions for role in roles if role in self.roles]
            found = merged([each for permissions in known for each in permissions], is_root=ROOT in roles)
            self._granted[user] = found
        return found

    def require_user(self, name: str) -> User:
        """The user.

        Raises:
            UserNotFoundError: There is none.
        """
        found = self.users.get(name)
        if found is None:
            raise UserNotFoundError
        return found

    def require_role(self, name: str) -> Role:
        """The role.

        Raises:
            RoleNotFoundError: There is none.
        """
        found = self.roles.get(name)
        if found is None:
            raise RoleNotFoundError
        return found

    def state(self) -> AuthState:
        """All there is to keep, in the same order on every member."""
        users = tuple(self.users[name] for name in sorted(self.users))
        return AuthState(self.is_enabled, self.revision, users, tuple(self.roles[name] for name in sorted(self.roles)))

    def restore(self, state: AuthState) -> None:
        """Become what a snapshot holds. Tokens go: nobody knows which of them the entries before it took back."""
        self.is_enabled = state.is_enabled
        self.revision = state.revision
        self.users = {user.name: user for user in state.users}
        self.roles = {role.name: role for role in state.roles}
        self.tokens.clear()
        self._granted.clear()

    def _enable(self) -> None:
        if self.is_enabled:
            return
        root = self.users.get(ROOT)
        if root is None:
            raise RootUserNotFoundError
        if ROOT not in root.roles:
            raise RootRoleNotGrantedError
        self.is_enabled = True

    def _disable(self) -> None:
        if self.is_enabled:
            self.is_enabled = False
            self.tokens.clear()
            self._changed()

    def _change_user(self, command: UserCommand) -> None:
        match command:
            case UserAdd():
                self._add_user(command)
            case UserDelete():
                if self.is_enabled and command.user == ROOT:
                    raise InvalidAuthManagementError
                del self.users[self.require_user(command.user).name]
                self.tokens.drop_user(command.user)
            case UserChangePassword():
                user = self.require_user(command.user)
                password_hash = b"" if user.no_password else command.password_hash
                self.users[user.name] = replace(user, password_hash=password_hash)
                self.tokens.drop_user(command.user)
            case UserGrantRole():
                if not self._grant_role(command):
                    return
            case UserRevokeRole():
                self._revoke_role(command)
            case _:
                assert_never(command)
        self._changed()

    def _add_user(self, command: UserAdd) -> None:
        if not command.user:
            raise UserEmptyError
        if command.user in self.users:
            raise UserExistsError
        password_hash = b"" if command.no_password else command.password_hash
        self.users[command.user] = User(command.user, password_hash, (), command.no_password)

    def _grant_role(self, command: UserGrantRole) -> bool:
        """Grant a role; False if the user has it already, which changes nothing."""
        user = self.require_user(command.user)
        # Nobody needs to make the role root: it allows everything whether it is there or not.
        if command.role != ROOT:
            self.require_role(command.role)
        if command.role in user.roles:
            return False
        self.users[user.name] = replace(user, roles=tuple(sorted((*user.roles, command.role))))
        return True

    def _revoke_role(self, command: UserRevokeRole) -> None:
        if self.is_enabled and command.user == command.role == ROOT:
            raise InvalidAuthManagementError
        user = self.require_user(command.user)
        if command.role not in user.roles:
            raise RoleNotGrantedError
        self.users[user.name] = _without(user, command.role)

    def _change_role(self, command: RoleCommand) -> None:
        match command:
            case RoleAdd():
                if not command.role:
                    raise RoleEmptyError
                if command.role in self.roles:
                    raise RoleExistsError
                self.roles[command.role] = Role(command.role)
            case RoleDelete():
                if self.is_enabled and command.role == ROOT:
                    raise InvalidAuthManagementError
                del self.roles[self.require_role(command.role).name]
                self.users = {name: _without(user, command.role) for name, user in self.users.items()}
            case RoleGrantPermission():
                if not is_range(command.permission):
                    raise InvalidAuthManagementError
                self._set_permission(self.require_role(command.role), command.permission)
            case RoleRevokePermission():
                role = self.require_role(command.role)
                kept = _others(role.permissions, command.key, command.end)
                if len(kept) == len(role.permissions):
                    raise PermissionNotGrantedError
                self.roles[role.name] = Role(role.name, kept)
            case _:
                assert_never(command)
        self._changed()

    def _set_permission(self, role: Role, permission: Permission) -> None:
        kept = _others(role.permissions, permission.key, permission.end)
        self.roles[role.name] = Role(role.name, tuple(sorted((*kept, permission), key=lambda p: (p.key, p.end))))

    def _changed(self) -> None:
        self.revision += 1
        self._granted.clear()


def is_range(permission: Permission) -> bool:
    """Whether a permission is about any key at all."""
    return bool(permission.key) and (permission.end in (b"", FROM_KEY) or permission.key < permission.end)


def _without(user: User, role: str) -> User:
    return replace(user, roles=tuple(each for each in user.roles if each != role)) if role in user.roles else user


def _others(permissions: Iterable[Permission], key: bytes, end: bytes) -> tuple[Permission, ...]:
    """The permissions for any other range."""
    return tuple(each for each in permissions if (each.key, each.end) != (key, end))
