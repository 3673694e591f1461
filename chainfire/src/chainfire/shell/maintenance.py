"""The Maintenance, Cluster and Auth services: what operators ask of a member."""

from __future__ import annotations

import asyncio
import hashlib
from asyncio import Future
from collections.abc import AsyncGenerator, Callable
from zlib import crc32

from chainfire.core.commands import AlarmAction
from chainfire.core.results import AlarmsResult, Result
from chainfire.core.snapshot import frames_of
from chainfire.errors import AuthNotEnabledError
from chainfire.shell import requests
from chainfire.shell.node import Node
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call
from ultracloud.base.faults import UnimplementedError

ETCD_VERSION = "3.5.16"
"""The version of etcd whose API this is; clients choose by it what they may ask."""

SNAPSHOT_PAGE_BYTES = 512
"""etcdctl knows a snapshot with its checksum by its size: so many bytes times something, and 32."""

EXPORT_BYTES = 1 << 20
"""Of a snapshot in one message; clients take 4 MiB unless told otherwise."""

Header = Callable[[int], rpc_pb2.ResponseHeader]


class MaintenanceService:
    """Serves etcdserverpb.Maintenance."""

    def __init__(self, node: Node, header: Header) -> None:
        self._node = node
        self._header = header

    def status(self, _request: rpc_pb2.StatusRequest, _call: Call, /) -> rpc_pb2.StatusResponse:
        """Say how the member is."""
        node, store = self._node, self._node.machine.store
        return rpc_pb2.StatusResponse(
            header=self._header(node.revision),
            version=ETCD_VERSION,
            dbSize=store.stored_bytes,
            dbSizeInUse=store.live_bytes,
            leader=node.member_id,
            raftIndex=node.machine.applied_index,
            raftAppliedIndex=node.machine.applied_index,
            raftTerm=node.term,
            errors=node.troubles(),
        )

    def alarm(
        self, request: rpc_pb2.AlarmRequest, _call: Call, /
    ) -> Future[rpc_pb2.AlarmResponse] | rpc_pb2.AlarmResponse:
        """List, raise or disarm alarms."""
        command = requests.alarm_of(request)
        if command.action is AlarmAction.GET:
            wanted = [
                pair for pair in sorted(self._node.machine.alarms) if not command.alarm or command.alarm is pair[1]
            ]
            return self._alarms(AlarmsResult(self._node.revision, tuple(wanted)))
        return self._node.propose(command, self._alarms)

    def defragment(self, _request: rpc_pb2.DefragmentRequest, _call: Call, /) -> rpc_pb2.DefragmentResponse:
        """There is nothing to defragment: swept space is free at once, and nobody is kept waiting."""
        return rpc_pb2.DefragmentResponse(header=self._header(self._node.revision))

    async def hash(self, _request: rpc_pb2.HashRequest, _call: Call, /) -> rpc_pb2.HashResponse:
        """Checksum of the whole state."""
        node = self._node
        async with node.housekeeping.walking:
            head = node.housekeeping.head()
            checksum = 0
            for frame in frames_of(node.machine, head):
                checksum = crc32(frame, checksum)
                await asyncio.sleep(0)
        return rpc_pb2.HashResponse(header=self._header(head.revision), hash=checksum)

    async def hash_kv(self, request: rpc_pb2.HashKVRequest, _call: Call, /) -> rpc_pb2.HashKVResponse:
        """Checksum of all keys up to a revision: the same on every member that is compacted alike."""
        node, store = self._node, self._node.machine.store
        async with node.housekeeping.walking:
            store.check_readable(request.revision, store.revision)
            revision, compacted = request.revision or store.revision, store.compact_revision
            now, checksum = store.revision, 0
            for records in store.records(revision, compacted):
                for record in records:
                    checksum = crc32(record, checksum)
                await asyncio.sleep(0)
        return rpc_pb2.HashKVResponse(
            header=self._header(now), hash=checksum, compact_revision=compacted, hash_revision=revision
        )

    async def snapshot(
        self, _request: rpc_pb2.SnapshotRequest, _call: Call, /
    ) -> AsyncGenerator[rpc_pb2.SnapshotResponse, None]:
        """Stream the state in chainfire's own format, ended as etcdctl wants it: whole pages, then their SHA-256."""
        async with self._node.housekeeping.exported() as export:
            header = self._header(export.revision)
            checksum, left = hashlib.sha256(), export.size
            while left:
                blob = await asyncio.to_thread(export.file.read, EXPORT_BYTES)
                checksum.update(blob)
                left -= len(blob)
                yield rpc_pb2.SnapshotResponse(header=header, remaining_bytes=left, blob=blob)
            padding = bytes(-export.size % SNAPSHOT_PAGE_BYTES)
            checksum.update(padding)
            yield rpc_pb2.SnapshotResponse(header=header, blob=padding + checksum.digest(), version=ETCD_VERSION)

    def move_leader(self, _request: rpc_pb2.MoveLeaderRequest, _call: Call, /) -> rpc_pb2.MoveLeaderResponse:
        """There is nobody else to lead."""
        raise UnimplementedError("chainfire: a cluster of one member cannot move its leader")

    def _alarms(self, result: Result) -> rpc_pb2.AlarmResponse:
        assert isinstance(result, AlarmsResult), result
        members = [rpc_pb2.AlarmMember(memberID=member, alarm=alarm.name) for member, alarm in result.alarms]
        return rpc_pb2.AlarmResponse(header=self._header(result.revision), alarms=members)


class ClusterService:
    """Serves etcdserverpb.Cluster for the one member there is."""

    def __init__(self, header: Header, member: Callable[[], rpc_pb2.Member]) -> None:
        self._header = header
        self._member = member

    def member_list(self, _request: rpc_pb2.MemberListRequest, _call: Call, /) -> rpc_pb2.MemberListResponse:
        """List the members."""
        return rpc_pb2.MemberListResponse(header=self._header(0), members=[self._member()])


class AuthService:
    """Serves the part of etcdserverpb.Auth that clients ask to find out whether it is in use. It is not."""

    def __init__(self, node: Node, header: Header) -> None:
        self._node = node
        self._header = header

    def auth_status(self, _request: rpc_pb2.AuthStatusRequest, _call: Call, /) -> rpc_pb2.AuthStatusResponse:
        """Clients are admitted by certificate; etcd's users and roles are not in use."""
        return rpc_pb2.AuthStatusResponse(header=self._header(self._node.revision), enabled=False, authRevision=1)

    def authenticate(self, _request: rpc_pb2.AuthenticateRequest, _call: Call, /) -> rpc_pb2.AuthenticateResponse:
        """Refuse, as etcd does while authentication is off."""
        raise AuthNotEnabledError
