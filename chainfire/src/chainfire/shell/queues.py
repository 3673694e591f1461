"""Queues of keys: the candidates for a lock or an election, oldest first, each with a key that dies with its lease.

The key is the prefix and the lease's id; whoever's key was created first is at the front. A waiter watches the one key
before its own, so a queue of a thousand wakes one waiter at a time, and its own key, so a waiter whose lease has ended
is told at once.

Source: etcd 3.5, client/v3/concurrency (which keys, which revisions).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from chainfire.errors import EtcdError
from chainfire.shell.store_calls import Store, WatchCanceledError, delete, if_created, oldest, read
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call
from ultracloud.base.faults import DeadlineExceededError, Fault, UnavailableError, UnknownError

_log = logging.getLogger("chainfire.queues")


@dataclass(frozen=True, slots=True)
class Place:
    """A key in a queue.

    Attributes:
        revision: At which the key was created. It fences: whoever is at the front later has a larger one.
        is_new: The key was not there before.
        value: What the key holds.
        header: Of the answer that says so.
        is_first: Nobody is before it.
    """

    prefix: bytes
    key: bytes
    lease: int
    revision: int
    is_new: bool
    value: bytes
    header: rpc_pb2.ResponseHeader
    is_first: bool


class Queues:
    """All queues of a member.

    Args:
        store: Where the keys are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._callers: Counter[bytes] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()

    async def enter(self, name: bytes, lease: int, value: bytes, call: Call) -> Place:
        """Take a place, or find the one that this lease has.

        A call that ends meanwhile leaves nothing behind.
        """
        lease = lease or await self.store.grant(call)
        prefix = name + b"/"
        entering = asyncio.create_task(self._enter(prefix, prefix + b"%x" % lease, lease, value, call))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            self._later(self._leave_when_entered(entering, call))
            raise

    async def wait_first(self, place: Place, call: Call, gone: type[EtcdError]) -> rpc_pb2.ResponseHeader:
        """Wait until nobody is before a place; the header of the read that says so.

        If the call ends before that, the place is given up, unless another call waits at it.

        Raises:
            EtcdError: A `gone`, if the place itself is lost; or what the store refuses with.
        """
        self._callers[place.key] += 1
        try:
            while (before := await self._before(place, call, gone)).kvs:
                await self._wait_change(place, before, call)
        except BaseException:
            if self._callers[place.key] == 1:
                self.abandon(place, call)
            raise
        else:
            return before.header
        finally:
            self._callers -= Counter((place.key,))

    async def leave(self, place: Place, call: Call) -> None:
        """Give a place up, unless its key has been made anew since."""
        await self.store.txn(if_created(place.key, place.revision, delete(place.key)), call)

    async def _enter(self, prefix: bytes, key: bytes, lease: int, value: bytes, call: Call) -> Place:
        put = rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value, lease=lease))
        mine, first = read(rpc_pb2.RangeRequest(key=key)), read(oldest(prefix))
        request = if_created(key, 0, put, first)
        request.failure.extend((mine, first))
        answer = await self.store.txn(request, call)
        revision, held = answer.header.revision, value
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs[0]
            revision, held = found.create_revision, found.value
        front = answer.responses[1].response_range.kvs
        is_first = not front or front[0].create_revision == revision
        return Place(prefix, key, lease, revision, answer.succeeded, held, answer.header, is_first)

    async def _leave_when_entered(self, entering: asyncio.Task[Place], call: Call) -> None:
        place = await entering
        if place.is_new:
            await self.leave(place, call)

    async def _before(self, place: Place, call: Call, gone: type[EtcdError]) -> rpc_pb2.RangeResponse:
        """The key right before a place, if there is one, as of a revision at which the place is still there."""
        before = oldest(place.prefix)
        before.sort_order = rpc_pb2.RangeRequest.DESCEND
        before.max_create_revision = place.revision - 1
        mine = rpc_pb2.RangeRequest(key=place.key)
        answer = await self.store.txn(rpc_pb2.TxnRequest(success=[read(mine), read(before)]), call)
        held, found = (each.response_range for each in answer.responses)
        if not held.kvs or held.kvs[0].create_revision != place.revision:
            raise gone
        found.header.CopyFrom(answer.header)
        return found

    async def _wait_change(self, place: Place, before: rpc_pb2.RangeResponse, call: Call) -> None:
        """Wait until the key before a place is deleted, or the place itself."""
        wanted = [
            rpc_pb2.WatchCreateRequest(
                key=key, start_revision=before.header.revision + 1, filters=[rpc_pb2.WatchCreateRequest.NOPUT]
            )
            for key in (before.kvs[0].key, place.key)
        ]
        try:
            async with aclosing(self.store.watch(wanted, call)) as deletions:
                await anext(deletions)
        except WatchCanceledError:
            return

    def abandon(self, place: Place, call: Call) -> None:
        """Give a place up in the background: whoever had it waits for nothing any more."""
        self._later(self.leave(place, call))

    def _later(self, leaving: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_quietly(leaving))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


@contextmanager
def refusing_as_etcd() -> Iterator[None]:
    """What the store refuses becomes UNKNOWN with the same sentence, as in etcd, whose locks are clients of its store.

    What says that the cluster cannot answer now stays what it is, since clients send such a call again.
    """
    try:
        yield
    except (UnavailableError, DeadlineExceededError, UnknownError):
        raise
    except Fault as fault:
        raise UnknownError(fault.public, detail=fault.detail) from fault


async def _quietly(leaving: Awaitable[None]) -> None:
    """A place that cannot be given up goes with its lease."""
    try:
        await leaving
    except Fault:
        _log.info("a place in a queue is left to its lease", exc_info=True)
