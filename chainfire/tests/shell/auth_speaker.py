"""A server that asks its clients who they are, as a partner in conversations.

`login alice secret` keeps a token, and `as alice put a 1` shows it; `as nobody` shows none, `as forged` a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from core.stores import end_of, split_options
from google.protobuf.message import Message
from shell.clients import METHODS, TIMEOUT_S, Client, refusal
from shell.wire_speaker import WireSpeaker

from ultracloud.api.etcd import auth_pb2, rpc_pb2

Request = tuple[str, Message]
FORGED = "abcdefghijklmnop.1"


class TokenClient(Client):
    """Shows a token with every call, while it has one."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self.token: str | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return () if self.token is None else (("token", self.token),)

    def __call__(self, name: str, request: Message) -> Any:
        """One request, one answer."""
        method = METHODS[name]
        call = self.channel.unary_unary(method.path, type(request).SerializeToString, method.response_type.FromString)
        return call(request, timeout=TIMEOUT_S, metadata=self.metadata)

    def first(self, name: str, request: Message) -> Any:
        """One request on a stream that stays open, and its first answer."""
        method = METHODS[name]
        make = self.channel.stream_stream if method.client_streaming else self.channel.unary_stream
        call = make(method.path, method.request_type.SerializeToString, method.response_type.FromString)
        requests = iter([request]) if method.client_streaming else request
        answers: Iterator[Any] = call(requests, timeout=TIMEOUT_S, metadata=self.metadata)
        return next(answers)


class AuthSpeaker:
    """Says what a server answers to whom."""

    def __init__(self, client: TokenClient) -> None:
        self._client = client
        self._store = WireSpeaker(client)
        self.tokens: dict[str, str | None] = {"nobody": None, "forged": FORGED}

    def say(self, words: list[str]) -> str:
        """Do one line; a refusal is an answer."""
        self._client.token = None
        if words[0] == "as":
            self._client.token = self.tokens[words[1]]
            words = words[2:]
        try:
            return self._do(words)
        except grpc.RpcError as error:
            return refusal(error)

    def _do(self, words: list[str]) -> str:  # noqa: PLR0911 - one return a verb
        match words:
            case ["login", user, password]:
                request = rpc_pb2.AuthenticateRequest(name=user, password=password)
                self.tokens[user] = self._client("Auth.Authenticate", request).token
                return "has a token"
            case ["watch", key, *rest]:
                plain, options = split_options(rest)
                wanted = rpc_pb2.WatchCreateRequest(key=key.encode(), range_end=end_of(key.encode(), plain, options))
                answer = self._client.first("Watch.Watch", rpc_pb2.WatchRequest(create_request=wanted))
                return answer.cancel_reason or "watches"
            case ["keep-alive", lease]:
                request = rpc_pb2.LeaseKeepAliveRequest(ID=int(lease))
                return f"lives {self._client.first('Lease.LeaseKeepAlive', request).TTL} s"
            case ["keys-of", lease]:
                request = rpc_pb2.LeaseTimeToLiveRequest(ID=int(lease), keys=True)
                return f"{sorted(self._client('Lease.LeaseTimeToLive', request).keys)}"
            case ["lifetime-of", lease]:
                request = rpc_pb2.LeaseTimeToLiveRequest(ID=int(lease))
                return f"granted {self._client('Lease.LeaseTimeToLive', request).grantedTTL} s"
            case ["list-leases"]:
                found = self._client("Lease.LeaseLeases", rpc_pb2.LeaseLeasesRequest()).leases
                return f"{sorted(lease.ID for lease in found)}"
            case ["user" | "role" | "auth" | "member" | "maintenance", *_]:
                name, request = auth_request(words)
                return auth_shown(self._client(name, request))
            case _:
                return self._store.answer(words)


def auth_request(words: list[str]) -> Request:  # noqa: C901, PLR0911, PLR0912 - one return a verb
    """The request of a line about users, roles or the cluster."""
    match words:
        case ["auth", "enable"]:
            return "Auth.AuthEnable", rpc_pb2.AuthEnableRequest()
        case ["auth", "disable"]:
            return "Auth.AuthDisable", rpc_pb2.AuthDisableRequest()
        case ["auth", "status"]:
            return "Auth.AuthStatus", rpc_pb2.AuthStatusRequest()
        case ["user", "add", name, "--no-password"]:
            options = auth_pb2.UserAddOptions(no_password=True)
            return "Auth.UserAdd", rpc_pb2.AuthUserAddRequest(name=name, options=options)
        case ["user", "add", name, password]:
            return "Auth.UserAdd", rpc_pb2.AuthUserAddRequest(name=name, password=password)
        case ["user", "get", name]:
            return "Auth.UserGet", rpc_pb2.AuthUserGetRequest(name=name)
        case ["user", "list"]:
            return "Auth.UserList", rpc_pb2.AuthUserListRequest()
        case ["user", "delete", name]:
            return "Auth.UserDelete", rpc_pb2.AuthUserDeleteRequest(name=name)
        case ["user", "passwd", name, password]:
            return "Auth.UserChangePassword", rpc_pb2.AuthUserChangePasswordRequest(name=name, password=password)
        case ["user", "rehash", name, hashed]:
            return "Auth.UserChangePassword", rpc_pb2.AuthUserChangePasswordRequest(name=name, hashedPassword=hashed)
        case ["user", "grant", name, role]:
            return "Auth.UserGrantRole", rpc_pb2.AuthUserGrantRoleRequest(user=name, role=role)
        case ["user", "revoke", name, role]:
            return "Auth.UserRevokeRole", rpc_pb2.AuthUserRevokeRoleRequest(name=name, role=role)
        case ["role", "add", role]:
            return "Auth.RoleAdd", rpc_pb2.AuthRoleAddRequest(name=role)
        case ["role", "get", role]:
            return "Auth.RoleGet", rpc_pb2.AuthRoleGetRequest(role=role)
        case ["role", "list"]:
            return "Auth.RoleList", rpc_pb2.AuthRoleListRequest()
        case ["role", "delete", role]:
            return "Auth.RoleDelete", rpc_pb2.AuthRoleDeleteRequest(role=role)
        case ["role", "grant", role]:
            return "Auth.RoleGrantPermission", rpc_pb2.AuthRoleGrantPermissionRequest(name=role)
        case ["role", "grant", role, kind, key, *rest]:
            end = end_of(key.encode(), *split_options(rest))
            allowed = auth_pb2.Permission(permType=kind.upper(), key=key.encode(), range_end=end)
            return "Auth.RoleGrantPermission", rpc_pb2.AuthRoleGrantPermissionRequest(name=role, perm=allowed)
        case ["role", "revoke", role, key, *rest]:
            end = end_of(key.encode(), *split_options(rest))
            request = rpc_pb2.AuthRoleRevokePermissionRequest(role=role, key=key.encode(), range_end=end)
            return "Auth.RoleRevokePermission", request
        case ["member", "list"]:
            return "Cluster.MemberList", rpc_pb2.MemberListRequest()
        case ["member", "remove", member]:
            return "Cluster.MemberRemove", rpc_pb2.MemberRemoveRequest(ID=int(member))
        case ["maintenance", verb]:
            return MAINTENANCE[verb]
        case _:
            raise AssertionError(words)


MAINTENANCE: dict[str, Request] = {
    "status": ("Maintenance.Status", rpc_pb2.StatusRequest()),
    "hash": ("Maintenance.Hash", rpc_pb2.HashRequest()),
    "hash-kv": ("Maintenance.HashKV", rpc_pb2.HashKVRequest()),
    "defragment": ("Maintenance.Defragment", rpc_pb2.DefragmentRequest()),
    "move-leader": ("Maintenance.MoveLeader", rpc_pb2.MoveLeaderRequest(targetID=5)),
}


def auth_shown(answer: Message) -> str:
    """An answer in words."""
    match answer:
        case rpc_pb2.AuthStatusResponse():
            return f"{'on' if answer.enabled else 'off'}, auth revision {answer.authRevision}"
        case rpc_pb2.AuthUserListResponse():
            return " ".join(answer.users)
        case rpc_pb2.AuthRoleListResponse() | rpc_pb2.AuthUserGetResponse():
            return f"roles: {' '.join(answer.roles)}".rstrip()
        case rpc_pb2.AuthRoleGetResponse():
            kinds = auth_pb2.Permission.Type
            return "\n".join(f"{kinds.Name(p.permType)} {p.key!r} {p.range_end!r}" for p in answer.perm) or "nothing"
        case _:
            return "done"
