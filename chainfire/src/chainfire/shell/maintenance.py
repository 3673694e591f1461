"""The Maintenance service: what operators ask of a member."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from zlib import crc32

from chainfire.core import downgrade
from chainfire.core.commands import AlarmAction
from chainfire.core.results import AlarmsResult, Result
from chainfire.core.snapshot import frames_of
from chainfire.errors import (
    BadLeaderTransfereeError,
    NoDowngradeError,
    NotLeaderError,
    TransferTimeoutError,
    UnknownMethodError,
)
from chainfire.shell import requests
from chainfire.shell.guard import Guard
from chainfire.shell.hashing import hash_of
from chainfire.shell.node import Node
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.raft.events import TransferLeader
from ultracloud.raft.words import NodeId

ETCD_VERSION = "3.5.16"
"""The version of etcd whose API this is; clients choose by it what they may ask."""
CLUSTER_VERSION = "3.5.0"
"""As etcd shows it: the version that all members have, without its patch."""

EXPORT_BYTES = 1 << 20
"""Of a snapshot in one message; clients take 4 MiB unless told otherwise."""

Header = Callable[[int], rpc_pb2.ResponseHeader]


class MaintenanceService:
    """Serves etcdserverpb.Maintenance."""

    def __init__(self, node: Node, guard: Guard, header: Header) -> None:
        self._node = node
        self._guard = guard
        self._header = header

    async def status(self, _request: rpc_pb2.StatusRequest, call: Call, /) -> rpc_pb2.StatusResponse:
        """Say how the member is."""
        await self._guard.require_known(call)
        node, store = self._node, self._node.machine.store
        return rpc_pb2.StatusResponse(
            header=self._header(node.revision),
            version=ETCD_VERSION,
            dbSize=store.stored_bytes,
            dbSizeInUse=store.live_bytes,
            leader=node.leader,
            raftIndex=node.replica.raft.commit,
            raftAppliedIndex=node.machine.applied_index,
            raftTerm=node.term,
            errors=node.troubles(),
            isLearner=node.is_learner,
        )

    async def alarm(self, request: rpc_pb2.AlarmRequest, call: Call, /) -> rpc_pb2.AlarmResponse:
        """List, raise or disarm alarms."""
        command = requests.alarm_of(request)
        if command.action is AlarmAction.GET:
            await self._guard.require_known(call)
            wanted = [
                pair for pair in sorted(self._node.machine.alarms) if not command.alarm or command.alarm is pair[1]
            ]
            return self._alarms(AlarmsResult(self._node.revision, tuple(wanted)))
        return await self._guard.propose(command, call, self._alarms)

    async def defragment(self, _request: rpc_pb2.DefragmentRequest, call: Call, /) -> rpc_pb2.DefragmentResponse:
        """There is nothing to defragment: swept space is free at once, and nobody is kept waiting."""
        await self._guard.require_root(call)
        # etcd fills in no header here.
        return rpc_pb2.DefragmentResponse()

    async def hash(self, _request: rpc_pb2.HashRequest, call: Call, /) -> rpc_pb2.HashResponse:
        """Checksum of the whole state."""
        await self._guard.require_root(call)
        node = self._node
        async with node.housekeeping.walking:
            head = node.housekeeping.head()
            checksum = 0
            for frame in frames_of(node.machine, head, node.replica.config):
                checksum = crc32(frame, checksum)
                await asyncio.sleep(0)
        return rpc_pb2.HashResponse(header=self._header(head.revision), hash=checksum)

    async def hash_kv(self, request: rpc_pb2.HashKVRequest, call: Call, /) -> rpc_pb2.HashKVResponse:
        """Checksum of all keys up to a revision: the same on every member that is compacted alike."""
        await self._guard.require_root(call)
        found = await hash_of(self._node, request.revision)
        return rpc_pb2.HashKVResponse(
            header=self._header(self._node.revision),
            hash=found.checksum,
            compact_revision=found.compacted,
            hash_revision=found.revision,
        )

    async def snapshot(
        self, _request: rpc_pb2.SnapshotRequest, call: Call, /
    ) -> AsyncGenerator[rpc_pb2.SnapshotResponse, None]:
        """Stream the state as etcd's database, with its SHA-256 behind it."""
        await self._guard.require_root(call)
        async with self._node.housekeeping.exported(for_etcd=True) as export:
            checksum, left = hashlib.sha256(), export.size
            while left:
                blob = await asyncio.to_thread(export.file.read, EXPORT_BYTES)
                checksum.update(blob)
                left -= len(blob)
                yield rpc_pb2.SnapshotResponse(remaining_bytes=left, blob=blob)
            yield rpc_pb2.SnapshotResponse(blob=checksum.digest(), version=ETCD_VERSION)

    async def move_leader(self, request: rpc_pb2.MoveLeaderRequest, call: Call, /) -> rpc_pb2.MoveLeaderResponse:
        """Let another member lead, and wait until it does."""
        await self._guard.require_root(call)
        node, target = self._node, NodeId(request.targetID)
        if not node.is_leader:
            raise NotLeaderError
        if target not in node.replica.config.voters:
            raise BadLeaderTransfereeError
        if target != node.member_id:
            node.tell(TransferLeader(target))
            if not await node.wait_until(lambda: node.leader == target, node.transfer_s):
                raise TransferTimeoutError
        return rpc_pb2.MoveLeaderResponse(header=self._header(node.revision))

    async def downgrade(self, request: rpc_pb2.DowngradeRequest, call: Call, /) -> rpc_pb2.DowngradeResponse:
        """Say whether etcd of this version could become the one before it; chainfire itself has none to go back to."""
        await self._guard.require_root(call)
        match request.action:
            case rpc_pb2.DowngradeRequest.VALIDATE:
                downgrade.check(request.version)
                return rpc_pb2.DowngradeResponse(header=self._header(self._node.revision), version=CLUSTER_VERSION)
            case rpc_pb2.DowngradeRequest.ENABLE:
                downgrade.check(request.version)
                raise FailedPreconditionError(
                    f"chainfire: no older chainfire serves etcd {request.version}; "
                    f"`etcdctl snapshot save`, and let an etcd of that version restore it"
                )
            case rpc_pb2.DowngradeRequest.CANCEL:
                raise NoDowngradeError
            case _:
                raise UnknownMethodError

    def _alarms(self, result: Result) -> rpc_pb2.AlarmResponse:
        assert isinstance(result, AlarmsResult), result
        members = [rpc_pb2.AlarmMember(memberID=member, alarm=alarm.name) for member, alarm in result.alarms]
        return rpc_pb2.AlarmResponse(header=self._header(result.revision), alarms=members)
