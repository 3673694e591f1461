"""The Auth service: users, roles, and whether anybody is asked who they are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

from chainfire.core.auth import AuthTable
from chainfire.core.auth_access import require_root
from chainfire.core.auth_commands import (
    AuthCommand,
    AuthDisable,
    AuthEnable,
    Authenticate,
    RoleAdd,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    UserAdd,
    UserChangePassword,
    UserDelete,
    UserGrantRole,
    UserRevokeRole,
)
from chainfire.core.results import Authenticated, Result
from chainfire.errors import (
    AuthFailedError,
    AuthNotEnabledError,
    NoPasswordUserError,
    OldAuthRevisionError,
    PermissionNotGivenError,
    PermissionRefusedError,
    UserNotFoundError,
)
from chainfire.shell import requests
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from chainfire.shell.passwords import Passwords
from chainfire.shell.tokens import Tokens
from ultracloud.api.etcd import auth_pb2, rpc_pb2
from ultracloud.api.rpc import Call

AUTHENTICATE_ATTEMPTS_MAX = 10
"""Times a password is checked again because users changed meanwhile; they do not change that often."""
Header = Callable[[int], rpc_pb2.ResponseHeader]
ResponseT = TypeVar("ResponseT")


class AuthService:
    """Serves etcdserverpb.Auth."""

    def __init__(self, node: Node, guard: Guard, tokens: Tokens, passwords: Passwords, header: Header) -> None:
        self._node = node
        self._guard = guard
        self._tokens = tokens
        self._passwords = passwords
        self._header = header

    async def auth_enable(self, _request: rpc_pb2.AuthEnableRequest, call: Call, /) -> rpc_pb2.AuthEnableResponse:
        """From now on ask everybody who they are."""
        return await self._do(AuthEnable(), call, rpc_pb2.AuthEnableResponse)

    async def auth_disable(self, _request: rpc_pb2.AuthDisableRequest, call: Call, /) -> rpc_pb2.AuthDisableResponse:
        """From now on ask nobody."""
        return await self._do(AuthDisable(), call, rpc_pb2.AuthDisableResponse)

    async def auth_status(self, _request: rpc_pb2.AuthStatusRequest, call: Call, /) -> rpc_pb2.AuthStatusResponse:
        """Say whether anybody is asked."""
        auth = await self._read(call)
        await self._guard.require_root(call)
        return rpc_pb2.AuthStatusResponse(header=self._now(), enabled=auth.is_enabled, authRevision=auth.revision)

    async def authenticate(self, request: rpc_pb2.AuthenticateRequest, _call: Call, /) -> rpc_pb2.AuthenticateResponse:
        """Give a token for a password."""
        await self._confirm()
        auth = self._node.machine.auth
        for _ in range(AUTHENTICATE_ATTEMPTS_MAX):
            if not auth.is_enabled:
                raise AuthNotEnabledError
            user, revision = auth.users.get(request.name), auth.revision
            if user is None:
                raise AuthFailedError
            if user.no_password:
                raise NoPasswordUserError
            if not await self._passwords.is_right(request.password, user.password_hash):
                raise AuthFailedError
            result = await self._node.propose(Authenticate(user.name, self._tokens.prefix()), _itself)
            assert isinstance(result, Authenticated), result
            # Or the password that was checked may no longer be the user's.
            if result.auth_revision == revision:
                return rpc_pb2.AuthenticateResponse(
                    header=self._header(result.revision), token=self._tokens.give(result)
                )
        raise OldAuthRevisionError

    async def user_add(self, request: rpc_pb2.AuthUserAddRequest, call: Call, /) -> rpc_pb2.AuthUserAddResponse:
        """Make a user. As in etcd, a hash that the client brings is not taken."""
        # Hashing takes long: only those may ask for it whose command will not be refused.
        await self._guard.require_root(call)
        no_password = request.options.no_password
        password_hash = b"" if no_password else await self._passwords.hash(request.password)
        command = UserAdd(request.name, password_hash, no_password)
        return await self._do(command, call, rpc_pb2.AuthUserAddResponse)

    async def user_get(self, request: rpc_pb2.AuthUserGetRequest, call: Call, /) -> rpc_pb2.AuthUserGetResponse:
        """Say which roles a user has; users may ask about themselves."""
        auth = await self._read(call)
        self._require_root_or(call, lambda user: user == request.name)
        return rpc_pb2.AuthUserGetResponse(header=self._now(), roles=auth.require_user(request.name).roles)

    async def user_list(self, _request: rpc_pb2.AuthUserListRequest, call: Call, /) -> rpc_pb2.AuthUserListResponse:
        """List all users."""
        auth = await self._read(call)
        await self._guard.require_root(call)
        return rpc_pb2.AuthUserListResponse(header=self._now(), users=sorted(auth.users))

    async def user_delete(
        self, request: rpc_pb2.AuthUserDeleteRequest, call: Call, /
    ) -> rpc_pb2.AuthUserDeleteResponse:
        """Remove a user."""
        return await self._do(UserDelete(request.name), call, rpc_pb2.AuthUserDeleteResponse)

    async def user_change_password(
        self, request: rpc_pb2.AuthUserChangePasswordRequest, call: Call, /
    ) -> rpc_pb2.AuthUserChangePasswordResponse:
        """Give a user another password, or a hash of one."""
        await self._guard.require_root(call)
        if request.password:
            password_hash = await self._passwords.hash(request.password)
        else:
            password_hash = self._hash_given(request)
        command = UserChangePassword(request.name, password_hash)
        return await self._do(command, call, rpc_pb2.AuthUserChangePasswordResponse)

    async def user_grant_role(
        self, request: rpc_pb2.AuthUserGrantRoleRequest, call: Call, /
    ) -> rpc_pb2.AuthUserGrantRoleResponse:
        """Give a user a role."""
        return await self._do(UserGrantRole(request.user, request.role), call, rpc_pb2.AuthUserGrantRoleResponse)

    async def user_revoke_role(
        self, request: rpc_pb2.AuthUserRevokeRoleRequest, call: Call, /
    ) -> rpc_pb2.AuthUserRevokeRoleResponse:
        """Take a role from a user."""
        return await self._do(UserRevokeRole(request.name, request.role), call, rpc_pb2.AuthUserRevokeRoleResponse)

    async def role_add(self, request: rpc_pb2.AuthRoleAddRequest, call: Call, /) -> rpc_pb2.AuthRoleAddResponse:
        """Make a role."""
        return await self._do(RoleAdd(request.name), call, rpc_pb2.AuthRoleAddResponse)

    async def role_get(self, request: rpc_pb2.AuthRoleGetRequest, call: Call, /) -> rpc_pb2.AuthRoleGetResponse:
        """Say what a role allows; users may ask about the roles they have."""
        auth = await self._read(call)
        self._require_root_or(call, lambda user: user in auth.users and request.role in auth.users[user].roles)
        allowed = [
            auth_pb2.Permission(permType=each.kind.name, key=each.key, range_end=each.end)
            for each in auth.require_role(request.role).permissions
        ]
        return rpc_pb2.AuthRoleGetResponse(header=self._now(), perm=allowed)

    async def role_list(self, _request: rpc_pb2.AuthRoleListRequest, call: Call, /) -> rpc_pb2.AuthRoleListResponse:
        """List all roles."""
        auth = await self._read(call)
        await self._guard.require_root(call)
        return rpc_pb2.AuthRoleListResponse(header=self._now(), roles=sorted(auth.roles))

    async def role_delete(
        self, request: rpc_pb2.AuthRoleDeleteRequest, call: Call, /
    ) -> rpc_pb2.AuthRoleDeleteResponse:
        """Remove a role, also from its users."""
        return await self._do(RoleDelete(request.role), call, rpc_pb2.AuthRoleDeleteResponse)

    async def role_grant_permission(
        self, request: rpc_pb2.AuthRoleGrantPermissionRequest, call: Call, /
    ) -> rpc_pb2.AuthRoleGrantPermissionResponse:
        """Let a role do something to a range."""
        if not request.HasField("perm"):
            await self._guard.require_root(call)
            raise PermissionNotGivenError
        command = RoleGrantPermission(request.name, requests.permission_of(request.perm))
        return await self._do(command, call, rpc_pb2.AuthRoleGrantPermissionResponse)

    async def role_revoke_permission(
        self, request: rpc_pb2.AuthRoleRevokePermissionRequest, call: Call, /
    ) -> rpc_pb2.AuthRoleRevokePermissionResponse:
        """Take from a role what it may do to a range."""
        command = RoleRevokePermission(request.role, request.key, request.range_end)
        return await self._do(command, call, rpc_pb2.AuthRoleRevokePermissionResponse)

    async def _do(self, command: AuthCommand, call: Call, response: Callable[..., ResponseT]) -> ResponseT:
        """Have a command logged and applied, and answer with a header alone."""
        result = await self._guard.propose(command, call, _itself)
        return response(header=self._header(result.revision))

    async def _read(self, call: Call) -> AuthTable:
        """Users and roles, with every change that was answered before now."""
        await self._confirm()
        await self._guard.learn(call)
        return self._node.machine.auth

    async def _confirm(self) -> None:
        """Make sure that this member has every change that was answered before now."""
        confirmed = self._node.confirm()
        if confirmed is not None:
            await confirmed

    def _require_root_or(self, call: Call, may: Callable[[str], bool]) -> None:
        """Refuse those without the role root, except whom the request is about.

        Raises:
            EtcdError: As `require_root`, of somebody else.
        """
        if self._guard.is_on:
            caller = self._guard.caller(call)
            try:
                require_root(self._node.machine.auth, caller)
            except (PermissionRefusedError, UserNotFoundError):
                if not may(caller.user):
                    raise

    def _hash_given(self, request: rpc_pb2.AuthUserChangePasswordRequest) -> bytes:
        """The hash that a client brings, which is base64."""
        user = self._node.machine.auth.users.get(request.name)
        try:
            return base64.b64decode(request.hashedPassword, validate=True)
        except (binascii.Error, ValueError) as error:
            if user is None or user.no_password:
                # The first is said when it is applied, and the second has no use for it.
                return b""
            raise NoPasswordUserError from error

    def _now(self) -> rpc_pb2.ResponseHeader:
        return self._header(self._node.revision)


def _itself(result: Result) -> Result:
    return result
