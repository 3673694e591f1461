"""Typed clients and servers of etcd/rpc.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.etcd.rpc_pb2 import AlarmRequest
from ultracloud.api.etcd.rpc_pb2 import AlarmResponse
from ultracloud.api.etcd.rpc_pb2 import AuthDisableRequest
from ultracloud.api.etcd.rpc_pb2 import AuthDisableResponse
from ultracloud.api.etcd.rpc_pb2 import AuthEnableRequest
from ultracloud.api.etcd.rpc_pb2 import AuthEnableResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleAddRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleAddResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleDeleteRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleDeleteResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleGetRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleGetResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleGrantPermissionRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleGrantPermissionResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleListRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleListResponse
from ultracloud.api.etcd.rpc_pb2 import AuthRoleRevokePermissionRequest
from ultracloud.api.etcd.rpc_pb2 import AuthRoleRevokePermissionResponse
from ultracloud.api.etcd.rpc_pb2 import AuthStatusRequest
from ultracloud.api.etcd.rpc_pb2 import AuthStatusResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserAddRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserAddResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserChangePasswordRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserChangePasswordResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserDeleteRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserDeleteResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserGetRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserGetResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserGrantRoleRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserGrantRoleResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserListRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserListResponse
from ultracloud.api.etcd.rpc_pb2 import AuthUserRevokeRoleRequest
from ultracloud.api.etcd.rpc_pb2 import AuthUserRevokeRoleResponse
from ultracloud.api.etcd.rpc_pb2 import AuthenticateRequest
from ultracloud.api.etcd.rpc_pb2 import AuthenticateResponse
from ultracloud.api.etcd.rpc_pb2 import CompactionRequest
from ultracloud.api.etcd.rpc_pb2 import CompactionResponse
from ultracloud.api.etcd.rpc_pb2 import DefragmentRequest
from ultracloud.api.etcd.rpc_pb2 import DefragmentResponse
from ultracloud.api.etcd.rpc_pb2 import DeleteRangeRequest
from ultracloud.api.etcd.rpc_pb2 import DeleteRangeResponse
from ultracloud.api.etcd.rpc_pb2 import DowngradeRequest
from ultracloud.api.etcd.rpc_pb2 import DowngradeResponse
from ultracloud.api.etcd.rpc_pb2 import HashKVRequest
from ultracloud.api.etcd.rpc_pb2 import HashKVResponse
from ultracloud.api.etcd.rpc_pb2 import HashRequest
from ultracloud.api.etcd.rpc_pb2 import HashResponse
from ultracloud.api.etcd.rpc_pb2 import LeaseGrantRequest
from ultracloud.api.etcd.rpc_pb2 import LeaseGrantResponse
from ultracloud.api.etcd.rpc_pb2 import LeaseKeepAliveRequest
from ultracloud.api.etcd.rpc_pb2 import LeaseKeepAliveResponse
from ultracloud.api.etcd.rpc_pb2 import LeaseLeasesRequest
from ultracloud.api.etcd.rpc_pb2 import LeaseLeasesResponse
from ultracloud.api.etcd.rpc_pb2 import LeaseRevokeRequest
from ultracloud.api.etcd.rpc_pb2 import LeaseRevokeResponse
from ultracloud.api.etcd.rpc_pb2 import LeaseTimeToLiveRequest
from ultracloud.api.etcd.rpc_pb2 import LeaseTimeToLiveResponse
from ultracloud.api.etcd.rpc_pb2 import MemberAddRequest
from ultracloud.api.etcd.rpc_pb2 import MemberAddResponse
from ultracloud.api.etcd.rpc_pb2 import MemberListRequest
from ultracloud.api.etcd.rpc_pb2 import MemberListResponse
from ultracloud.api.etcd.rpc_pb2 import MemberPromoteRequest
from ultracloud.api.etcd.rpc_pb2 import MemberPromoteResponse
from ultracloud.api.etcd.rpc_pb2 import MemberRemoveRequest
from ultracloud.api.etcd.rpc_pb2 import MemberRemoveResponse
from ultracloud.api.etcd.rpc_pb2 import MemberUpdateRequest
from ultracloud.api.etcd.rpc_pb2 import MemberUpdateResponse
from ultracloud.api.etcd.rpc_pb2 import MoveLeaderRequest
from ultracloud.api.etcd.rpc_pb2 import MoveLeaderResponse
from ultracloud.api.etcd.rpc_pb2 import PutRequest
from ultracloud.api.etcd.rpc_pb2 import PutResponse
from ultracloud.api.etcd.rpc_pb2 import RangeRequest
from ultracloud.api.etcd.rpc_pb2 import RangeResponse
from ultracloud.api.etcd.rpc_pb2 import SnapshotRequest
from ultracloud.api.etcd.rpc_pb2 import SnapshotResponse
from ultracloud.api.etcd.rpc_pb2 import StatusRequest
from ultracloud.api.etcd.rpc_pb2 import StatusResponse
from ultracloud.api.etcd.rpc_pb2 import TxnRequest
from ultracloud.api.etcd.rpc_pb2 import TxnResponse
from ultracloud.api.etcd.rpc_pb2 import WatchRequest
from ultracloud.api.etcd.rpc_pb2 import WatchResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

KV = ServiceDescriptor(
    name="etcdserverpb.KV",
    file="etcd/rpc.proto",
    methods=(
        Method("Range", "/etcdserverpb.KV/Range", "range", RangeRequest, RangeResponse, False, False),
        Method("Put", "/etcdserverpb.KV/Put", "put", PutRequest, PutResponse, False, False),
        Method("DeleteRange", "/etcdserverpb.KV/DeleteRange", "delete_range", DeleteRangeRequest, DeleteRangeResponse, False, False),
        Method("Txn", "/etcdserverpb.KV/Txn", "txn", TxnRequest, TxnResponse, False, False),
        Method("Compact", "/etcdserverpb.KV/Compact", "compact", CompactionRequest, CompactionResponse, False, False),
    ),
)


class KVClient:
    """Calls etcdserverpb.KV."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def range(self, request: RangeRequest, timeout_s: float | None = None) -> RangeResponse:
        """Call /etcdserverpb.KV/Range."""
        return await self._channel.unary("/etcdserverpb.KV/Range", request, RangeResponse, timeout_s)

    async def put(self, request: PutRequest, timeout_s: float | None = None) -> PutResponse:
        """Call /etcdserverpb.KV/Put."""
        return await self._channel.unary("/etcdserverpb.KV/Put", request, PutResponse, timeout_s)

    async def delete_range(self, request: DeleteRangeRequest, timeout_s: float | None = None) -> DeleteRangeResponse:
        """Call /etcdserverpb.KV/DeleteRange."""
        return await self._channel.unary("/etcdserverpb.KV/DeleteRange", request, DeleteRangeResponse, timeout_s)

    async def txn(self, request: TxnRequest, timeout_s: float | None = None) -> TxnResponse:
        """Call /etcdserverpb.KV/Txn."""
        return await self._channel.unary("/etcdserverpb.KV/Txn", request, TxnResponse, timeout_s)

    async def compact(self, request: CompactionRequest, timeout_s: float | None = None) -> CompactionResponse:
        """Call /etcdserverpb.KV/Compact."""
        return await self._channel.unary("/etcdserverpb.KV/Compact", request, CompactionResponse, timeout_s)


class KVServer(Protocol):
    """Serves etcdserverpb.KV."""

    def range(self, request: RangeRequest, call: Call, /) -> RangeResponse | Awaitable[RangeResponse]: ...

    def put(self, request: PutRequest, call: Call, /) -> PutResponse | Awaitable[PutResponse]: ...

    def delete_range(self, request: DeleteRangeRequest, call: Call, /) -> DeleteRangeResponse | Awaitable[DeleteRangeResponse]: ...

    def txn(self, request: TxnRequest, call: Call, /) -> TxnResponse | Awaitable[TxnResponse]: ...

    def compact(self, request: CompactionRequest, call: Call, /) -> CompactionResponse | Awaitable[CompactionResponse]: ...


WATCH = ServiceDescriptor(
    name="etcdserverpb.Watch",
    file="etcd/rpc.proto",
    methods=(
        Method("Watch", "/etcdserverpb.Watch/Watch", "watch", WatchRequest, WatchResponse, True, True),
    ),
)


class WatchClient:
    """Calls etcdserverpb.Watch."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def watch(self, request: AsyncIterable[WatchRequest], timeout_s: float | None = None) -> AsyncIterator[WatchResponse]:
        """Call /etcdserverpb.Watch/Watch; closing the iterator cancels it."""
        return self._channel.stream("/etcdserverpb.Watch/Watch", request, WatchResponse, timeout_s)


class WatchServer(Protocol):
    """Serves etcdserverpb.Watch."""

    def watch(self, requests: AsyncIterator[WatchRequest], call: Call, /) -> AsyncIterator[WatchResponse]: ...


LEASE = ServiceDescriptor(
    name="etcdserverpb.Lease",
    file="etcd/rpc.proto",
    methods=(
        Method("LeaseGrant", "/etcdserverpb.Lease/LeaseGrant", "lease_grant", LeaseGrantRequest, LeaseGrantResponse, False, False),
        Method("LeaseRevoke", "/etcdserverpb.Lease/LeaseRevoke", "lease_revoke", LeaseRevokeRequest, LeaseRevokeResponse, False, False),
        Method("LeaseKeepAlive", "/etcdserverpb.Lease/LeaseKeepAlive", "lease_keep_alive", LeaseKeepAliveRequest, LeaseKeepAliveResponse, True, True),
        Method("LeaseTimeToLive", "/etcdserverpb.Lease/LeaseTimeToLive", "lease_time_to_live", LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, False, False),
        Method("LeaseLeases", "/etcdserverpb.Lease/LeaseLeases", "lease_leases", LeaseLeasesRequest, LeaseLeasesResponse, False, False),
    ),
)


class LeaseClient:
    """Calls etcdserverpb.Lease."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def lease_grant(self, request: LeaseGrantRequest, timeout_s: float | None = None) -> LeaseGrantResponse:
        """Call /etcdserverpb.Lease/LeaseGrant."""
        return await self._channel.unary("/etcdserverpb.Lease/LeaseGrant", request, LeaseGrantResponse, timeout_s)

    async def lease_revoke(self, request: LeaseRevokeRequest, timeout_s: float | None = None) -> LeaseRevokeResponse:
        """Call /etcdserverpb.Lease/LeaseRevoke."""
        return await self._channel.unary("/etcdserverpb.Lease/LeaseRevoke", request, LeaseRevokeResponse, timeout_s)

    def lease_keep_alive(self, request: AsyncIterable[LeaseKeepAliveRequest], timeout_s: float | None = None) -> AsyncIterator[LeaseKeepAliveResponse]:
        """Call /etcdserverpb.Lease/LeaseKeepAlive; closing the iterator cancels it."""
        return self._channel.stream("/etcdserverpb.Lease/LeaseKeepAlive", request, LeaseKeepAliveResponse, timeout_s)

    async def lease_time_to_live(self, request: LeaseTimeToLiveRequest, timeout_s: float | None = None) -> LeaseTimeToLiveResponse:
        """Call /etcdserverpb.Lease/LeaseTimeToLive."""
        return await self._channel.unary("/etcdserverpb.Lease/LeaseTimeToLive", request, LeaseTimeToLiveResponse, timeout_s)

    async def lease_leases(self, request: LeaseLeasesRequest, timeout_s: float | None = None) -> LeaseLeasesResponse:
        """Call /etcdserverpb.Lease/LeaseLeases."""
        return await self._channel.unary("/etcdserverpb.Lease/LeaseLeases", request, LeaseLeasesResponse, timeout_s)


class LeaseServer(Protocol):
    """Serves etcdserverpb.Lease."""

    def lease_grant(self, request: LeaseGrantRequest, call: Call, /) -> LeaseGrantResponse | Awaitable[LeaseGrantResponse]: ...

    def lease_revoke(self, request: LeaseRevokeRequest, call: Call, /) -> LeaseRevokeResponse | Awaitable[LeaseRevokeResponse]: ...

    def lease_keep_alive(self, requests: AsyncIterator[LeaseKeepAliveRequest], call: Call, /) -> AsyncIterator[LeaseKeepAliveResponse]: ...

    def lease_time_to_live(self, request: LeaseTimeToLiveRequest, call: Call, /) -> LeaseTimeToLiveResponse | Awaitable[LeaseTimeToLiveResponse]: ...

    def lease_leases(self, request: LeaseLeasesRequest, call: Call, /) -> LeaseLeasesResponse | Awaitable[LeaseLeasesResponse]: ...


CLUSTER = ServiceDescriptor(
    name="etcdserverpb.Cluster",
    file="etcd/rpc.proto",
    methods=(
        Method("MemberAdd", "/etcdserverpb.Cluster/MemberAdd", "member_add", MemberAddRequest, MemberAddResponse, False, False),
        Method("MemberRemove", "/etcdserverpb.Cluster/MemberRemove", "member_remove", MemberRemoveRequest, MemberRemoveResponse, False, False),
        Method("MemberUpdate", "/etcdserverpb.Cluster/MemberUpdate", "member_update", MemberUpdateRequest, MemberUpdateResponse, False, False),
        Method("MemberList", "/etcdserverpb.Cluster/MemberList", "member_list", MemberListRequest, MemberListResponse, False, False),
        Method("MemberPromote", "/etcdserverpb.Cluster/MemberPromote", "member_promote", MemberPromoteRequest, MemberPromoteResponse, False, False),
    ),
)


class ClusterClient:
    """Calls etcdserverpb.Cluster."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def member_add(self, request: MemberAddRequest, timeout_s: float | None = None) -> MemberAddResponse:
        """Call /etcdserverpb.Cluster/MemberAdd."""
        return await self._channel.unary("/etcdserverpb.Cluster/MemberAdd", request, MemberAddResponse, timeout_s)

    async def member_remove(self, request: MemberRemoveRequest, timeout_s: float | None = None) -> MemberRemoveResponse:
        """Call /etcdserverpb.Cluster/MemberRemove."""
        return await self._channel.unary("/etcdserverpb.Cluster/MemberRemove", request, MemberRemoveResponse, timeout_s)

    async def member_update(self, request: MemberUpdateRequest, timeout_s: float | None = None) -> MemberUpdateResponse:
        """Call /etcdserverpb.Cluster/MemberUpdate."""
        return await self._channel.unary("/etcdserverpb.Cluster/MemberUpdate", request, MemberUpdateResponse, timeout_s)

    async def member_list(self, request: MemberListRequest, timeout_s: float | None = None) -> MemberListResponse:
        """Call /etcdserverpb.Cluster/MemberList."""
        return await self._channel.unary("/etcdserverpb.Cluster/MemberList", request, MemberListResponse, timeout_s)

    async def member_promote(self, request: MemberPromoteRequest, timeout_s: float | None = None) -> MemberPromoteResponse:
        """Call /etcdserverpb.Cluster/MemberPromote."""
        return await self._channel.unary("/etcdserverpb.Cluster/MemberPromote", request, MemberPromoteResponse, timeout_s)


class ClusterServer(Protocol):
    """Serves etcdserverpb.Cluster."""

    def member_add(self, request: MemberAddRequest, call: Call, /) -> MemberAddResponse | Awaitable[MemberAddResponse]: ...

    def member_remove(self, request: MemberRemoveRequest, call: Call, /) -> MemberRemoveResponse | Awaitable[MemberRemoveResponse]: ...

    def member_update(self, request: MemberUpdateRequest, call: Call, /) -> MemberUpdateResponse | Awaitable[MemberUpdateResponse]: ...

    def member_list(self, request: MemberListRequest, call: Call, /) -> MemberListResponse | Awaitable[MemberListResponse]: ...

    def member_promote(self, request: MemberPromoteRequest, call: Call, /) -> MemberPromoteResponse | Awaitable[MemberPromoteResponse]: ...


MAINTENANCE = ServiceDescriptor(
    name="etcdserverpb.Maintenance",
    file="etcd/rpc.proto",
    methods=(
        Method("Alarm", "/etcdserverpb.Maintenance/Alarm", "alarm", AlarmRequest, AlarmResponse, False, False),
        Method("Status", "/etcdserverpb.Maintenance/Status", "status", StatusRequest, StatusResponse, False, False),
        Method("Defragment", "/etcdserverpb.Maintenance/Defragment", "defragment", DefragmentRequest, DefragmentResponse, False, False),
        Method("Hash", "/etcdserverpb.Maintenance/Hash", "hash", HashRequest, HashResponse, False, False),
        Method("HashKV", "/etcdserverpb.Maintenance/HashKV", "hash_kv", HashKVRequest, HashKVResponse, False, False),
        Method("Snapshot", "/etcdserverpb.Maintenance/Snapshot", "snapshot", SnapshotRequest, SnapshotResponse, False, True),
        Method("MoveLeader", "/etcdserverpb.Maintenance/MoveLeader", "move_leader", MoveLeaderRequest, MoveLeaderResponse, False, False),
        Method("Downgrade", "/etcdserverpb.Maintenance/Downgrade", "downgrade", DowngradeRequest, DowngradeResponse, False, False),
    ),
)


class MaintenanceClient:
    """Calls etcdserverpb.Maintenance."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def alarm(self, request: AlarmRequest, timeout_s: float | None = None) -> AlarmResponse:
        """Call /etcdserverpb.Maintenance/Alarm."""
        return await self._channel.unary("/etcdserverpb.Maintenance/Alarm", request, AlarmResponse, timeout_s)

    async def status(self, request: StatusRequest, timeout_s: float | None = None) -> StatusResponse:
        """Call /etcdserverpb.Maintenance/Status."""
        return await self._channel.unary("/etcdserverpb.Maintenance/Status", request, StatusResponse, timeout_s)

    async def defragment(self, request: DefragmentRequest, timeout_s: float | None = None) -> DefragmentResponse:
        """Call /etcdserverpb.Maintenance/Defragment."""
        return await self._channel.unary("/etcdserverpb.Maintenance/Defragment", request, DefragmentResponse, timeout_s)

    async def hash(self, request: HashRequest, timeout_s: float | None = None) -> HashResponse:
        """Call /etcdserverpb.Maintenance/Hash."""
        return await self._channel.unary("/etcdserverpb.Maintenance/Hash", request, HashResponse, timeout_s)

    async def hash_kv(self, request: HashKVRequest, timeout_s: float | None = None) -> HashKVResponse:
        """Call /etcdserverpb.Maintenance/HashKV."""
        return await self._channel.unary("/etcdserverpb.Maintenance/HashKV", request, HashKVResponse, timeout_s)

    def snapshot(self, request: SnapshotRequest, timeout_s: float | None = None) -> AsyncIterator[SnapshotResponse]:
        """Call /etcdserverpb.Maintenance/Snapshot; closing the iterator cancels it."""
        return self._channel.stream("/etcdserverpb.Maintenance/Snapshot", request, SnapshotResponse, timeout_s)

    async def move_leader(self, request: MoveLeaderRequest, timeout_s: float | None = None) -> MoveLeaderResponse:
        """Call /etcdserverpb.Maintenance/MoveLeader."""
        return await self._channel.unary("/etcdserverpb.Maintenance/MoveLeader", request, MoveLeaderResponse, timeout_s)

    async def downgrade(self, request: DowngradeRequest, timeout_s: float | None = None) -> DowngradeResponse:
        """Call /etcdserverpb.Maintenance/Downgrade."""
        return await self._channel.unary("/etcdserverpb.Maintenance/Downgrade", request, DowngradeResponse, timeout_s)


class MaintenanceServer(Protocol):
    """Serves etcdserverpb.Maintenance."""

    def alarm(self, request: AlarmRequest, call: Call, /) -> AlarmResponse | Awaitable[AlarmResponse]: ...

    def status(self, request: StatusRequest, call: Call, /) -> StatusResponse | Awaitable[StatusResponse]: ...

    def defragment(self, request: DefragmentRequest, call: Call, /) -> DefragmentResponse | Awaitable[DefragmentResponse]: ...

    def hash(self, request: HashRequest, call: Call, /) -> HashResponse | Awaitable[HashResponse]: ...

    def hash_kv(self, request: HashKVRequest, call: Call, /) -> HashKVResponse | Awaitable[HashKVResponse]: ...

    def snapshot(self, request: SnapshotRequest, call: Call, /) -> AsyncIterator[SnapshotResponse]: ...

    def move_leader(self, request: MoveLeaderRequest, call: Call, /) -> MoveLeaderResponse | Awaitable[MoveLeaderResponse]: ...

    def downgrade(self, request: DowngradeRequest, call: Call, /) -> DowngradeResponse | Awaitable[DowngradeResponse]: ...


AUTH = ServiceDescriptor(
    name="etcdserverpb.Auth",
    file="etcd/rpc.proto",
    methods=(
        Method("AuthEnable", "/etcdserverpb.Auth/AuthEnable", "auth_enable", AuthEnableRequest, AuthEnableResponse, False, False),
        Method("AuthDisable", "/etcdserverpb.Auth/AuthDisable", "auth_disable", AuthDisableRequest, AuthDisableResponse, False, False),
        Method("AuthStatus", "/etcdserverpb.Auth/AuthStatus", "auth_status", AuthStatusRequest, AuthStatusResponse, False, False),
        Method("Authenticate", "/etcdserverpb.Auth/Authenticate", "authenticate", AuthenticateRequest, AuthenticateResponse, False, False),
        Method("UserAdd", "/etcdserverpb.Auth/UserAdd", "user_add", AuthUserAddRequest, AuthUserAddResponse, False, False),
        Method("UserGet", "/etcdserverpb.Auth/UserGet", "user_get", AuthUserGetRequest, AuthUserGetResponse, False, False),
        Method("UserList", "/etcdserverpb.Auth/UserList", "user_list", AuthUserListRequest, AuthUserListResponse, False, False),
        Method("UserDelete", "/etcdserverpb.Auth/UserDelete", "user_delete", AuthUserDeleteRequest, AuthUserDeleteResponse, False, False),
        Method("UserChangePassword", "/etcdserverpb.Auth/UserChangePassword", "user_change_password", AuthUserChangePasswordRequest, AuthUserChangePasswordResponse, False, False),
        Method("UserGrantRole", "/etcdserverpb.Auth/UserGrantRole", "user_grant_role", AuthUserGrantRoleRequest, AuthUserGrantRoleResponse, False, False),
        Method("UserRevokeRole", "/etcdserverpb.Auth/UserRevokeRole", "user_revoke_role", AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse, False, False),
        Method("RoleAdd", "/etcdserverpb.Auth/RoleAdd", "role_add", AuthRoleAddRequest, AuthRoleAddResponse, False, False),
        Method("RoleGet", "/etcdserverpb.Auth/RoleGet", "role_get", AuthRoleGetRequest, AuthRoleGetResponse, False, False),
        Method("RoleList", "/etcdserverpb.Auth/RoleList", "role_list", AuthRoleListRequest, AuthRoleListResponse, False, False),
        Method("RoleDelete", "/etcdserverpb.Auth/RoleDelete", "role_delete", AuthRoleDeleteRequest, AuthRoleDeleteResponse, False, False),
        Method("RoleGrantPermission", "/etcdserverpb.Auth/RoleGrantPermission", "role_grant_permission", AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse, False, False),
        Method("RoleRevokePermission", "/etcdserverpb.Auth/RoleRevokePermission", "role_revoke_permission", AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse, False, False),
    ),
)


class AuthClient:
    """Calls etcdserverpb.Auth."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def auth_enable(self, request: AuthEnableRequest, timeout_s: float | None = None) -> AuthEnableResponse:
        """Call /etcdserverpb.Auth/AuthEnable."""
        return await self._channel.unary("/etcdserverpb.Auth/AuthEnable", request, AuthEnableResponse, timeout_s)

    async def auth_disable(self, request: AuthDisableRequest, timeout_s: float | None = None) -> AuthDisableResponse:
        """Call /etcdserverpb.Auth/AuthDisable."""
        return await self._channel.unary("/etcdserverpb.Auth/AuthDisable", request, AuthDisableResponse, timeout_s)

    async def auth_status(self, request: AuthStatusRequest, timeout_s: float | None = None) -> AuthStatusResponse:
        """Call /etcdserverpb.Auth/AuthStatus."""
        return await self._channel.unary("/etcdserverpb.Auth/AuthStatus", request, AuthStatusResponse, timeout_s)

    async def authenticate(self, request: AuthenticateRequest, timeout_s: float | None = None) -> AuthenticateResponse:
        """Call /etcdserverpb.Auth/Authenticate."""
        return await self._channel.unary("/etcdserverpb.Auth/Authenticate", request, AuthenticateResponse, timeout_s)

    async def user_add(self, request: AuthUserAddRequest, timeout_s: float | None = None) -> AuthUserAddResponse:
        """Call /etcdserverpb.Auth/UserAdd."""
        return await self._channel.unary("/etcdserverpb.Auth/UserAdd", request, AuthUserAddResponse, timeout_s)

    async def user_get(self, request: AuthUserGetRequest, timeout_s: float | None = None) -> AuthUserGetResponse:
        """Call /etcdserverpb.Auth/UserGet."""
        return await self._channel.unary("/etcdserverpb.Auth/UserGet", request, AuthUserGetResponse, timeout_s)

    async def user_list(self, request: AuthUserListRequest, timeout_s: float | None = None) -> AuthUserListResponse:
        """Call /etcdserverpb.Auth/UserList."""
        return await self._channel.unary("/etcdserverpb.Auth/UserList", request, AuthUserListResponse, timeout_s)

    async def user_delete(self, request: AuthUserDeleteRequest, timeout_s: float | None = None) -> AuthUserDeleteResponse:
        """Call /etcdserverpb.Auth/UserDelete."""
        return await self._channel.unary("/etcdserverpb.Auth/UserDelete", request, AuthUserDeleteResponse, timeout_s)

    async def user_change_password(self, request: AuthUserChangePasswordRequest, timeout_s: float | None = None) -> AuthUserChangePasswordResponse:
        """Call /etcdserverpb.Auth/UserChangePassword."""
        return await self._channel.unary("/etcdserverpb.Auth/UserChangePassword", request, AuthUserChangePasswordResponse, timeout_s)

    async def user_grant_role(self, request: AuthUserGrantRoleRequest, timeout_s: float | None = None) -> AuthUserGrantRoleResponse:
        """Call /etcdserverpb.Auth/UserGrantRole."""
        return await self._channel.unary("/etcdserverpb.Auth/UserGrantRole", request, AuthUserGrantRoleResponse, timeout_s)

    async def user_revoke_role(self, request: AuthUserRevokeRoleRequest, timeout_s: float | None = None) -> AuthUserRevokeRoleResponse:
        """Call /etcdserverpb.Auth/UserRevokeRole."""
        return await self._channel.unary("/etcdserverpb.Auth/UserRevokeRole", request, AuthUserRevokeRoleResponse, timeout_s)

    async def role_add(self, request: AuthRoleAddRequest, timeout_s: float | None = None) -> AuthRoleAddResponse:
        """Call /etcdserverpb.Auth/RoleAdd."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleAdd", request, AuthRoleAddResponse, timeout_s)

    async def role_get(self, request: AuthRoleGetRequest, timeout_s: float | None = None) -> AuthRoleGetResponse:
        """Call /etcdserverpb.Auth/RoleGet."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleGet", request, AuthRoleGetResponse, timeout_s)

    async def role_list(self, request: AuthRoleListRequest, timeout_s: float | None = None) -> AuthRoleListResponse:
        """Call /etcdserverpb.Auth/RoleList."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleList", request, AuthRoleListResponse, timeout_s)

    async def role_delete(self, request: AuthRoleDeleteRequest, timeout_s: float | None = None) -> AuthRoleDeleteResponse:
        """Call /etcdserverpb.Auth/RoleDelete."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleDelete", request, AuthRoleDeleteResponse, timeout_s)

    async def role_grant_permission(self, request: AuthRoleGrantPermissionRequest, timeout_s: float | None = None) -> AuthRoleGrantPermissionResponse:
        """Call /etcdserverpb.Auth/RoleGrantPermission."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleGrantPermission", request, AuthRoleGrantPermissionResponse, timeout_s)

    async def role_revoke_permission(self, request: AuthRoleRevokePermissionRequest, timeout_s: float | None = None) -> AuthRoleRevokePermissionResponse:
        """Call /etcdserverpb.Auth/RoleRevokePermission."""
        return await self._channel.unary("/etcdserverpb.Auth/RoleRevokePermission", request, AuthRoleRevokePermissionResponse, timeout_s)


class AuthServer(Protocol):
    """Serves etcdserverpb.Auth."""

    def auth_enable(self, request: AuthEnableRequest, call: Call, /) -> AuthEnableResponse | Awaitable[AuthEnableResponse]: ...

    def auth_disable(self, request: AuthDisableRequest, call: Call, /) -> AuthDisableResponse | Awaitable[AuthDisableResponse]: ...

    def auth_status(self, request: AuthStatusRequest, call: Call, /) -> AuthStatusResponse | Awaitable[AuthStatusResponse]: ...

    def authenticate(self, request: AuthenticateRequest, call: Call, /) -> AuthenticateResponse | Awaitable[AuthenticateResponse]: ...

    def user_add(self, request: AuthUserAddRequest, call: Call, /) -> AuthUserAddResponse | Awaitable[AuthUserAddResponse]: ...

    def user_get(self, request: AuthUserGetRequest, call: Call, /) -> AuthUserGetResponse | Awaitable[AuthUserGetResponse]: ...

    def user_list(self, request: AuthUserListRequest, call: Call, /) -> AuthUserListResponse | Awaitable[AuthUserListResponse]: ...

    def user_delete(self, request: AuthUserDeleteRequest, call: Call, /) -> AuthUserDeleteResponse | Awaitable[AuthUserDeleteResponse]: ...

    def user_change_password(self, request: AuthUserChangePasswordRequest, call: Call, /) -> AuthUserChangePasswordResponse | Awaitable[AuthUserChangePasswordResponse]: ...

    def user_grant_role(self, request: AuthUserGrantRoleRequest, call: Call, /) -> AuthUserGrantRoleResponse | Awaitable[AuthUserGrantRoleResponse]: ...

    def user_revoke_role(self, request: AuthUserRevokeRoleRequest, call: Call, /) -> AuthUserRevokeRoleResponse | Awaitable[AuthUserRevokeRoleResponse]: ...

    def role_add(self, request: AuthRoleAddRequest, call: Call, /) -> AuthRoleAddResponse | Awaitable[AuthRoleAddResponse]: ...

    def role_get(self, request: AuthRoleGetRequest, call: Call, /) -> AuthRoleGetResponse | Awaitable[AuthRoleGetResponse]: ...

    def role_list(self, request: AuthRoleListRequest, call: Call, /) -> AuthRoleListResponse | Awaitable[AuthRoleListResponse]: ...

    def role_delete(self, request: AuthRoleDeleteRequest, call: Call, /) -> AuthRoleDeleteResponse | Awaitable[AuthRoleDeleteResponse]: ...

    def role_grant_permission(self, request: AuthRoleGrantPermissionRequest, call: Call, /) -> AuthRoleGrantPermissionResponse | Awaitable[AuthRoleGrantPermissionResponse]: ...

    def role_revoke_permission(self, request: AuthRoleRevokePermissionRequest, call: Call, /) -> AuthRoleRevokePermissionResponse | Awaitable[AuthRoleRevokePermissionResponse]: ...

