"""`ultracloud.flaredb.v1.Kv` over regions: any store answers for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import starmap
from typing import Literal, TypeVar, cast

from flaredb import errors
from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import DeleteRange, Outcome, Txn
from flaredb.core.feed import Interest, Page
from flaredb.core.keys import bounds, encode
from flaredb.core.octets import key_value, read_version_field, scan_end
from flaredb.core.records import START
from flaredb.core.refusals import refused
from flaredb.core.region import LOGICAL_BITS
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_parts import key_from
from flaredb.core.region_work import CLOCK_AHEAD_MAX_MS, Answer
from flaredb.errors import not_yet
from flaredb.shell import messages
from flaredb.shell.cluster_reads import KeysRead, RangeRead
from flaredb.shell.cluster_router import Router, places_of
from flaredb.shell.cluster_txns import Transactions
from flaredb.shell.cluster_watch import Watching
from flaredb.shell.committer import Committer
from flaredb.shell.rpc import KvService
from flaredb.shell.serving import PROGRESS_S, Serving
from flaredb.shell.store import Store
from flaredb.shell.watchers import Place, Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    GetRequest,
    GetResponse,
    NamespacesRequest,
    NamespacesResponse,
    ScanRequest,
    ScanResponse,
)
from ultracloud.api.rpc import Call
from ultracloud.base.faults import Fault, InternalError, UnavailableError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.streams import closing
from ultracloud.wire import ShortCall

ResultT = TypeVar("ResultT")


class ClusterKv(Serving):
    """Serves the Kv of a cluster; see `flaredb.proto` for what each RPC promises."""

    def __init__(
        self,
        router: Router,
        txns: Transactions,
        watching: Watching,
        watchers: Watchers,
        access: Access,
        clock: Clock,
    ) -> None:
        super().__init__(watchers, access, clock.now_ms)
        self._store = _Time(clock.now_ms)
        self._router = router
        self._watching = watching
        self._clock_of = clock
        writes = _Writes(router, txns, watchers, access, clock.now_ms)
        self.put = writes.put
        self.delete = writes.delete
        self.delete_range = writes.delete_range
        self.increment = writes.increment
        self.compare_and_set = writes.compare_and_set
        self.txn = writes.txn
        self.put_octets, self.txn_octets = writes.put_octets, writes.txn_octets

    async def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._allowed(call, request.namespace, writes=False)
        key = limits.check_key(request.key)
        with deadlines.inside(call):
            read = await self._router.keys(namespace, [key], *self._read_at(request.at_version))
        kv = messages.key_value(read.found[0]) if read.found else None
        return GetResponse(kv=kv, read_version=read.version)

    async def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        read = await self._keys(request, call)
        return BatchGetResponse(kvs=map(messages.key_value, read.found), read_version=read.version)

    async def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse:
        """One page of a range."""
        read = await self._range(request, call)
        return ScanResponse(kvs=map(messages.key_value, read.found), read_version=read.version, more=read.more)

    def batch_get_octets(self, octets: bytes, call: ShortCall, /) -> asyncio.Future[bytes]:
        """`batch_get`, answered without a message object for each key."""

        async def answer() -> bytes:
            read = await self._keys(BatchGetRequest.FromString(octets), call)
            return b"".join(starmap(key_value, read.found)) + read_version_field(read.version)

        return asyncio.ensure_future(answer())

    def scan_octets(self, octets: bytes, call: ShortCall, /) -> asyncio.Future[bytes]:
        """`scan`, answered likewise."""

        async def answer() -> bytes:
            read = await self._range(ScanRequest.FromString(octets), call)
            return b"".join(starmap(key_value, read.found)) + scan_end(read.version, more=read.more)

        return asyncio.ensure_future(answer())

    async def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse:
        """A page of the names of all namespaces."""
        after, limit = self._after(request, call)
        with deadlines.inside(call):
            names, version = await self._router.names(after, limit + 1)
        return messages.namespaces_response(names, limit, version)

    async def _keys(self, request: BatchGetRequest, call: Call) -> KeysRead:
        """What a batch finds."""
        namespace = self._allowed(call, request.namespace, writes=False)
        keys = limits.check_batch(request.keys)
        with deadlines.inside(call):
            return await self._router.keys(namespace, keys, *self._read_at(request.at_version))

    async def _range(self, request: ScanRequest, call: Call) -> RangeRead:
        """What a scan finds."""
        query = self._query(request, call)
        with deadlines.inside(call):
            return await self._router.range(query)

    async def _pages(self, interest: Interest, place: Place) -> AsyncIterator[Page]:
        """What a watcher is sent: changes as regions tell them, and now and then how far it is."""
        version, _ = self._read_at(place.position)
        told_ms, is_due = self._clock_of.monotonic_ms(), True
        async with closing(self._watching.pages(interest, version)) as pages:
            async for page in pages:
                now_ms = self._clock_of.monotonic_ms()
                place.position, place.is_asleep = page.position, False
                if page.changes or is_due or now_ms - told_ms >= PROGRESS_S * 1000:
                    is_due, told_ms = False, now_ms
                    yield page
                place.is_asleep = True

    async def _changes_after(self, interest: Interest, position: int) -> Page:
        """The next message of a watch that is opened for it."""
        async with closing(self._watching.pages(interest, position)) as pages:
            return await anext(pages)


class _Submitting:
    """Takes transactions as a `Committer` does, and has them run where their keys are.

    One of a region that this store leads is told to the region's core at once. Whatever else is done has a task, which
    costs as much as its part in the region's batch.
    """

    def __init__(self, router: Router, txns: Transactions) -> None:
        self._router = router
        self._txns = txns
        self._running: set[asyncio.Task[Outcome]] = set()

    def submit(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> asyncio.Future[ResultT]:
        """See `Committer.submit`."""
        return asyncio.ensure_future(self._run(txn, deliver))

    def submit_call(self, txn: Txn, call: ShortCall, render: Callable[[Outcome], bytes]) -> Literal[True]:
        """See `Committer.submit_call`."""

        def told(found: Outcome | Fault) -> None:
            if isinstance(found, Fault):
                call.refuse(found)
            elif found.refusal is not None:
                call.refuse(refused(found.refusal))
            else:
                call.reply(render(found))

        places = list(places_of(txn))
        region = self._router.region(places[0]) if places else None
        if region is not None and not all(map(region.covers, places)):
            # Not at once: a call that is told before it is kept stays without an answer.
            asyncio.get_running_loop().call_soon(self._txns.begin, txn, told)
        elif region is None or not self._router.execute_here(region, txn, partial(self._told_here, txn, told)):
            self._go(txn, told)
        return True

    def _told_here(self, txn: Txn, told: Callable[[Outcome | Fault], None], found: Answer | int) -> None:
        """What the region here says; where it is not here any more, or nobody leads it, nothing was done."""
        if isinstance(found, RegionMovedError | UnavailableError):
            self._go(txn, told)
            return
        assert isinstance(found, tuple | Fault), found
        told(found if isinstance(found, Fault) else found[0])

    def _go(self, txn: Txn, told: Callable[[Outcome | Fault], None]) -> None:
        """Have it run by a task, then tell."""
        task = asyncio.ensure_future(self._outcome(txn))
        self._running.add(task)

        def done(_task: asyncio.Task[Outcome]) -> None:
            self._running.discard(task)
            error = errors.closing() if task.cancelled() else task.exception()
            if error is None:
                told(task.result())
            elif isinstance(error, Fault):
                told(error)
            else:
                told(InternalError("a transaction failed for a reason that only the store's log has"))
                raise error

        task.add_done_callback(done)

    async def _run(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> ResultT:
        outcome = await self._outcome(txn)
        if outcome.refusal is not None:
            raise refused(outcome.refusal)
        return deliver(outcome)

    async def _outcome(self, txn: Txn) -> Outcome:
        """What becomes of a transaction of one region, or of several."""
        places = list(places_of(txn))
        where = min(places, default=encode(txn.namespace, b""))
        region = self._router.region(where)
        if region is None or all(map(region.covers, places)):
            with contextlib.suppress(RegionMovedError):
                (outcome,) = await self._router.execute(where, (txn,))
                return outcome
        if any(isinstance(write, DeleteRange) and write.may_stop for write in txn.writes):
            # It says where it stopped, which of several regions nobody could; the next one is cut by a newer map.
            raise UnavailableError("the range's regions have changed; send it again", reason="REGION_MOVED")
        return await self._txns.run(txn)


class _Time:
    """What is asked of a store before a read, where versions are given by regions."""

    applied = START

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def tick(self, now_ms: int, /) -> int:
        """The time: that of the store, which does not jump."""
        return now_ms

    def read_version(self, at_version: int, /) -> int:
        """The version to read at, 0 for the newest: that is known once the region is asked.

        Raises:
            OutOfRangeError: It has not been made, and will not be soon.
        """
        now_ms = self._now_ms()
        if at_version >> LOGICAL_BITS > now_ms + CLOCK_AHEAD_MAX_MS:
            raise not_yet(at_version, now_ms << LOGICAL_BITS)
        return at_version


class _Writes(KvService):
    """The writing half of `KvService`, which asks its committer only."""

    def __init__(
        self, router: Router, txns: Transactions, watchers: Watchers, access: Access, now_ms: Callable[[], int]
    ) -> None:
        committer = cast("Committer", _Submitting(router, txns))
        super().__init__(cast("Store", _Time(now_ms)), committer, watchers, access, now_ms)
        self._router = router

    async def _look_through(self, namespace: limits.Namespace, each: DeleteRange, _slices: int) -> bytes:
        """Where the first region of a range ends, if it ends before the range."""
        _, upper = bounds(namespace, each.start, each.end)
        region = self._router.region(encode(namespace, each.start))
        if region is None or not region.end or region.end >= upper:
            return b""
        return key_from(region.end, namespace)
