"""`ultracloud.flaredb.v1.Kv` over regions: any store answers for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar, cast

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import DeleteRange, Outcome, Txn
from flaredb.core.feed import Interest
from flaredb.core.keys import bounds, encode
from flaredb.core.refusals import refused
from flaredb.core.region import LOGICAL_BITS
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_parts import key_from
from flaredb.core.region_work import CLOCK_AHEAD_MAX_MS
from flaredb.core.visibility import Query
from flaredb.errors import not_yet
from flaredb.shell import messages
from flaredb.shell.cluster_router import Router, places_of
from flaredb.shell.cluster_txns import Transactions
from flaredb.shell.cluster_watch import Watching
from flaredb.shell.committer import Committer
from flaredb.shell.rpc import KvService
from flaredb.shell.serving import PROGRESS_S
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    GetRequest,
    GetResponse,
    ScanRequest,
    ScanResponse,
    WatchRequest,
    WatchResponse,
)
from ultracloud.api.rpc import Call
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.streams import closing

ResultT = TypeVar("ResultT")


class ClusterKv:
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
        self._router = router
        self._watching = watching
        self._watchers = watchers
        self._access = access
        self._clock = clock
        writes = _Writes(router, txns, watchers, access, clock.now_ms)
        self.put = writes.put
        self.delete = writes.delete
        self.delete_range = writes.delete_range
        self.increment = writes.increment
        self.compare_and_set = writes.compare_and_set
        self.txn = writes.txn

    async def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._readable(call, request.namespace)
        key = limits.check_key(request.key)
        with deadlines.inside(call):
            read = await self._router.keys(namespace, [key], *self._read_at(request.at_version))
        kv = messages.key_value(read.found[0]) if read.found else None
        return GetResponse(kv=kv, read_version=read.version)

    async def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._readable(call, request.namespace)
        keys = limits.check_batch(request.keys)
        with deadlines.inside(call):
            read = await self._router.keys(namespace, keys, *self._read_at(request.at_version))
        return BatchGetResponse(kvs=map(messages.key_value, read.found), read_version=read.version)

    async def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse:
        """One page of a range."""
        namespace = self._readable(call, request.namespace)
        version, now_ms = self._read_at(request.at_version)
        query = Query(
            namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.scan_limit(request.limit),
            version,
            reverse=request.reverse,
            keys_only=request.keys_only,
            now_ms=now_ms,
        )
        with deadlines.inside(call):
            read = await self._router.range(query)
        return ScanResponse(kvs=map(messages.key_value, read.found), read_version=read.version, more=read.more)

    async def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every change of a range after a version, until the caller goes."""
        interest = Interest(
            self._readable(call, request.namespace),
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        version, _ = self._read_at(limits.check_version(request.from_version, "from_version"))
        self._watchers.open()
        told_s = self._clock.monotonic_ms()
        is_first = True
        try:
            async with closing(self._watching.pages(interest, version)) as pages:
                async for page in pages:
                    now_s = self._clock.monotonic_ms()
                    if page.changes or is_first or now_s - told_s >= PROGRESS_S * 1000:
                        is_first, told_s = False, now_s
                        changes = (messages.change(version, changed) for version, changed in page.changes)
                        yield WatchResponse(changes=changes, version=page.position)
        finally:
            self._watchers.leave()

    def _readable(self, call: Call, namespace: str) -> limits.Namespace:
        """The namespace, if the caller may read it."""
        checked = limits.check_namespace(namespace)
        self._access.check(call.peer.identity, checked, writes=False)
        return checked

    def _read_at(self, at_version: int) -> tuple[int, int]:
        """The version to read at, and the time by which what has ended is not seen: none where a version is named."""
        version, now_ms = limits.check_version(at_version, "at_version"), self._clock.now_ms()
        if version >> LOGICAL_BITS > now_ms + CLOCK_AHEAD_MAX_MS:
            raise not_yet(version, now_ms << LOGICAL_BITS)
        return version, 0 if version else now_ms


class _Submitting:
    """Takes transactions as a `Committer` does, and has them run where their keys are."""

    def __init__(self, router: Router, txns: Transactions) -> None:
        self._router = router
        self._txns = txns

    def submit(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> asyncio.Future[ResultT]:
        """See `Committer.submit`."""
        return asyncio.ensure_future(self._run(txn, deliver))

    async def _run(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> ResultT:
        outcome = await self._outcome(txn)
        if outcome.refusal is not None:
            raise refused(outcome.refusal)
        return deliver(outcome)

    async def _outcome(self, txn: Txn) -> Outcome:
        """What becomes of a transaction of one region, or of several."""
        where = min(places_of(txn), default=encode(txn.namespace, b""))
        try:
            (outcome,) = await self._router.execute(where, (txn,))
        except RegionMovedError:
            return await self._txns.run(txn)
        return outcome


class _Time:
    """The part of a `Store` that writes ask."""

    def __init__(self) -> None:
        self._now_ms = 0

    def tick(self, now_ms: int) -> int:
        """The latest time that anybody brought."""
        self._now_ms = max(self._now_ms, now_ms)
        return self._now_ms


class _Writes(KvService):
    """The writing half of `KvService`, which asks its committer only."""

    def __init__(
        self, router: Router, txns: Transactions, watchers: Watchers, access: Access, now_ms: Callable[[], int]
    ) -> None:
        committer = cast("Committer", _Submitting(router, txns))
        super().__init__(cast("Store", _Time()), committer, watchers, access, now_ms)
        self._router = router

    async def _look_through(self, namespace: limits.Namespace, each: DeleteRange, _slices: int) -> bytes:
        """Where the first region of a range ends, if it ends before the range."""
        lower, upper = bounds(namespace, each.start, each.end)
        region = self._router.region(lower)
        if region is None or not region.end or region.end >= upper:
            return b""
        return key_from(region.end, namespace)
