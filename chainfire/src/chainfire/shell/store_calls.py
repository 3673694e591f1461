"""The store as services of ours use it: through the services that clients call, with the call of whoever asked.

So what a user may do is the same here as there. Answers that those services render as bytes are read again; locks and
elections are asked for too seldom for that to matter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from chainfire.core.keyvalue import prefix_end
from chainfire.shell.kv import KvService
from chainfire.shell.leases import LeaseService
from chainfire.shell.watches import WatchService
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call
from ultracloud.base.faults import UnknownError

SESSION_TTL_S = 60
"""etcd's: how long a lease lives that is made for a caller who brings none."""


class _Rendered(Protocol):
    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        ...


Answer: TypeAlias = _Rendered | Awaitable[_Rendered]


class WatchCanceledError(Exception):
    """A watch ended; what it looked at has to be read again."""


@dataclass(frozen=True, slots=True)
class Store:
    """The services below."""

    kv: KvService
    leases: LeaseService
    watches: WatchService

    async def range(self, request: rpc_pb2.RangeRequest, call: Call) -> rpc_pb2.RangeResponse:
        """Read keys."""
        return rpc_pb2.RangeResponse.FromString(await _bytes_of(self.kv.range(request, call)))

    async def txn(self, request: rpc_pb2.TxnRequest, call: Call) -> rpc_pb2.TxnResponse:
        """Compare and do."""
        return rpc_pb2.TxnResponse.FromString(await _bytes_of(self.kv.txn(request, call)))

    async def delete(self, key: bytes, call: Call) -> rpc_pb2.DeleteRangeResponse:
        """Delete a key."""
        answer = await _bytes_of(self.kv.delete_range(rpc_pb2.DeleteRangeRequest(key=key), call))
        return rpc_pb2.DeleteRangeResponse.FromString(answer)

    async def grant(self, call: Call) -> int:
        """Make a lease for a caller who brings none."""
        answer = await _bytes_of(self.leases.lease_grant(rpc_pb2.LeaseGrantRequest(TTL=SESSION_TTL_S), call))
        return rpc_pb2.LeaseGrantResponse.FromString(answer).ID

    async def watch(
        self, wanted: Sequence[rpc_pb2.WatchCreateRequest], call: Call
    ) -> AsyncGenerator[rpc_pb2.WatchResponse, None]:
        """What happens to keys, answers with events alone.

        Raises:
            WatchCanceledError: Where it should go on is compacted.
            UnknownError: The watch is refused.
        """
        requests = [rpc_pb2.WatchRequest(create_request=each) for each in wanted]
        async with aclosing(self.watches.watch(_each(requests), call)) as answers:
            async for answer in answers:
                response = rpc_pb2.WatchResponse.FromString(answer.SerializeToString())
                if response.canceled and response.cancel_reason and not response.compact_revision:
                    raise UnknownError(response.cancel_reason)
                if response.canceled:
                    raise WatchCanceledError
                if response.events:
                    yield response


def oldest(prefix: bytes) -> rpc_pb2.RangeRequest:
    """The key below a prefix that was created first."""
    return rpc_pb2.RangeRequest(
        key=prefix,
        range_end=prefix_end(prefix),
        limit=1,
        sort_order=rpc_pb2.RangeRequest.ASCEND,
        sort_target=rpc_pb2.RangeRequest.CREATE,
    )


def if_created(key: bytes, revision: int, *operations: rpc_pb2.RequestOp) -> rpc_pb2.TxnRequest:
    """Do something if a key was created at a revision; 0 is if there is none."""
    compare = rpc_pb2.Compare(
        key=key, target=rpc_pb2.Compare.CREATE, result=rpc_pb2.Compare.EQUAL, create_revision=revision
    )
    return rpc_pb2.TxnRequest(compare=[compare], success=operations)


def read(request: rpc_pb2.RangeRequest) -> rpc_pb2.RequestOp:
    """A range in a txn."""
    return rpc_pb2.RequestOp(request_range=request)


def delete(key: bytes) -> rpc_pb2.RequestOp:
    """A deletion in a txn."""
    return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))


async def _bytes_of(answer: Answer) -> bytes:
    rendered = await answer if isinstance(answer, Awaitable) else answer
    return rendered.SerializeToString()


async def _each(requests: Sequence[rpc_pb2.WatchRequest]) -> AsyncIterator[rpc_pb2.WatchRequest]:
    for request in requests:
        yield request
