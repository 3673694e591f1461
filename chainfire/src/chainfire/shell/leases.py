"""The Lease service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial

from chainfire.core import render
from chainfire.core.commands import LeaseGrant, LeaseRevoke
from chainfire.core.expiry import MS_PER_S
from chainfire.core.keyvalue import LeaseId
from chainfire.core.results import LeaseGranted, Result
from chainfire.shell.encoded import Encoded
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from chainfire.shell.questions import Questions
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call, DirectCall

KEEP_ALIVE_PATH = "/etcdserverpb.Lease/LeaseKeepAlive"
ID_BYTES = 8
_ID_MASK = (1 << 63) - 1


class LeaseService:
    """Serves etcdserverpb.Lease."""

    def __init__(
        self,
        node: Node,
        questions: Questions,
        guard: Guard,
        header: Callable[[int], rpc_pb2.ResponseHeader],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._node = node
        self._questions = questions
        self._guard = guard
        self._header = header
        self._entropy = entropy

    def lease_grant(self, request: rpc_pb2.LeaseGrantRequest, call: Call, /) -> Awaitable[rpc_pb2.LeaseGrantResponse]:
        """Make a lease; without an id it gets a random one."""
        lease = LeaseId(request.ID or self._free_id())
        return self._guard.propose(LeaseGrant(lease, request.TTL), call, self._was_granted)

    def lease_revoke(
        self, request: rpc_pb2.LeaseRevokeRequest, call: Call, /
    ) -> Awaitable[rpc_pb2.LeaseRevokeResponse]:
        """End a lease and delete its keys."""
        return self._guard.propose(
            LeaseRevoke(LeaseId(request.ID)),
            call,
            lambda result: rpc_pb2.LeaseRevokeResponse(header=self._header(result.revision)),
        )

    async def lease_keep_alive(
        self, requests: AsyncIterator[rpc_pb2.LeaseKeepAliveRequest], call: Call, /
    ) -> AsyncGenerator[Encoded, None]:
        """Give leases their whole time again, as often as the client asks."""
        node = self._node
        if isinstance(call, DirectCall) and call.path == KEEP_ALIVE_PATH:
            call.attend(partial(self._is_renewed, call))
        async for request in requests:
            lease = LeaseId(request.ID)
            await self._guard.check_renewed(call, lease)
            is_simple = node.is_alone and node.replica.before_renewal(lease) is None
            ttl_s = node.replica.renew(lease) if is_simple else await self._questions.renew(lease)
            yield Encoded(render.keep_alive_response(node.headers.render(node.revision), request.ID, ttl_s))

    async def lease_time_to_live(
        self, request: rpc_pb2.LeaseTimeToLiveRequest, call: Call, /
    ) -> rpc_pb2.LeaseTimeToLiveResponse:
        """Say how long a lease still has; -1 says that there is none."""
        await self._guard.require_known(call)
        lease = LeaseId(request.ID)
        left_ms, granted_s = await self._questions.time_left(lease)
        header = self._header(self._node.revision)
        if left_ms < 0:
            return rpc_pb2.LeaseTimeToLiveResponse(header=header, ID=request.ID, TTL=-1)
        confirmed = self._node.confirm() if request.keys else None
        if confirmed is not None:
            await confirmed
        if request.keys:
            await self._guard.check_told(call, lease)
        found = self._node.machine.leases.find(lease)
        return rpc_pb2.LeaseTimeToLiveResponse(
            header=header,
            ID=request.ID,
            TTL=left_ms // MS_PER_S,
            grantedTTL=granted_s,
            keys=sorted(found.keys) if request.keys and found is not None else (),
        )

    async def lease_leases(self, _request: rpc_pb2.LeaseLeasesRequest, call: Call, /) -> rpc_pb2.LeaseLeasesResponse:
        """List all leases, on the leader the one that dies first at the front."""
        confirmed = self._node.confirm()
        if confirmed is not None:
            await confirmed
        await self._guard.check_listed(call)
        node = self._node
        known = (
            node.replica.expiry.by_deadline() if node.is_leader else [each.lease for each in node.machine.leases.all()]
        )
        found = [rpc_pb2.LeaseStatus(ID=lease) for lease in known]
        return rpc_pb2.LeaseLeasesResponse(header=self._header(node.revision), leases=found)

    def _is_renewed(self, call: DirectCall, request: rpc_pb2.LeaseKeepAliveRequest) -> bool:
        """Renew and answer without waking the method, if there is nobody to be asked first."""
        node, lease = self._node, LeaseId(request.ID)
        if self._guard.is_on or not node.is_alone or node.replica.before_renewal(lease) is not None:
            return False
        ttl_s = node.replica.renew(lease)
        return call.push(render.keep_alive_response(node.headers.render(node.revision), request.ID, ttl_s))

    def _was_granted(self, result: Result) -> rpc_pb2.LeaseGrantResponse:
        assert isinstance(result, LeaseGranted), result
        return rpc_pb2.LeaseGrantResponse(header=self._header(result.revision), ID=result.lease, TTL=result.ttl_s)

    def _free_id(self) -> int:
        """A random positive id that no lease has."""
        while True:
            drawn = int.from_bytes(self._entropy(ID_BYTES), "big") & _ID_MASK
            if drawn and self._node.machine.leases.find(LeaseId(drawn)) is None:
                return drawn
