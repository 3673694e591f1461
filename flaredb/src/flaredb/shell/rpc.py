"""`ultracloud.flaredb.v1.Kv`: messages to words of the core and back; no protobuf goes below this module.

Reads answer at once, on the loop, without a task; writes answer with the committer's future. Only a scan that looks at
more than a slice, and a watch, have a task of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import Comparison, DeleteRange, Increment, Outcome, Refusal, RefusalReason, Txn, Write
from flaredb.core.feed import Interest, Page
from flaredb.core.refusals import refused
from flaredb.core.visibility import Query, Scan
from flaredb.shell import messages
from flaredb.shell.committer import Committer
from flaredb.shell.store import Store
from flaredb.shell.watchers import Place, Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    CompareAndSetRequest,
    CompareAndSetResponse,
    DeleteRangeRequest,
    DeleteRangeResponse,
    DeleteRequest,
    GetRequest,
    GetResponse,
    IncrementRequest,
    IncrementResponse,
    NamespacesRequest,
    NamespacesResponse,
    PutRequest,
    ScanRequest,
    ScanResponse,
    TxnRequest,
    TxnResponse,
    WatchRequest,
    WatchResponse,
    WriteResponse,
)
from ultracloud.api.rpc import Call

SCAN_SLICE_KEYS = 500
"""Keys of a scan looked at before others are served: about 2 ms."""
RANGE_LOOK_SLICES = 8
"""Slices of a range looked through before it is deleted: evaluating looks at as much in one go, about 15 ms."""
PROGRESS_S = 10.0
"""Seconds after which a watch without changes says how far it has seen. A quiet range's watcher that reconnects must
not name a version from before the floor, and history is kept for minutes at least."""


class KvService:
    """Serves the Kv of one store; see `flaredb.proto` for what each RPC promises."""

    def __init__(
        self, store: Store, committer: Committer, watchers: Watchers, access: Access, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._committer = committer
        self._watchers = watchers
        self._access = access

    def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._allowed(call, request.namespace, writes=False)
        key = limits.check_key(request.key)
        version, now_ms = self._read_at(request.at_version)
        found = self._store.get(namespace, key, version, now_ms)
        return GetResponse(kv=None if found is None else messages.key_value(found), read_version=version)

    def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._allowed(call, request.namespace, writes=False)
        keys = limits.check_batch(request.keys)
        version, now_ms = self._read_at(request.at_version)
        found = self._store.batch_get(namespace, keys, version, now_ms)
        return BatchGetResponse(kvs=map(messages.key_value, found), read_version=version)

    def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse | asyncio.Future[ScanResponse]:
        """One page of a range."""
        namespace = self._allowed(call, request.namespace, writes=False)
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
        scan = self._store.scan(query)
        if scan.run(SCAN_SLICE_KEYS):
            return self._scanned(scan)
        return asyncio.ensure_future(self._scan_on(scan))

    def put(self, request: PutRequest, call: Call, /) -> asyncio.Future[WriteResponse]:
        """Set one key."""
        namespace = self._allowed(call, request.namespace, writes=True)
        end = messages.end_of(request, self._clock())
        write = Write(limits.check_key(request.key), limits.check_value(request.value), *end)
        return self._committer.submit(Txn(namespace, (), (write,)), messages.write_response)

    def delete(self, request: DeleteRequest, call: Call, /) -> asyncio.Future[WriteResponse]:
        """Delete one key, if it exists."""
        namespace = self._allowed(call, request.namespace, writes=True)
        write = Write(limits.check_key(request.key), None)
        return self._committer.submit(Txn(namespace, (), (write,)), messages.write_response)

    def delete_range(self, request: DeleteRangeRequest, call: Call, /) -> asyncio.Future[DeleteRangeResponse]:
        """Delete the keys of a range, as many as one commit may."""
        namespace = self._allowed(call, request.namespace, writes=True)
        whole = DeleteRange(
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.range_limit(request.limit),
            may_stop=True,
        )
        return asyncio.ensure_future(self._delete_range(namespace, whole))

    def increment(self, request: IncrementRequest, call: Call, /) -> asyncio.Future[IncrementResponse]:
        """Add to a counter."""
        namespace = self._allowed(call, request.namespace, writes=True)
        write = Increment(limits.check_key(request.key), request.delta, *messages.end_of(request, self._clock()))
        return self._committer.submit(Txn(namespace, (), (write,)), messages.increment_response)

    def compare_and_set(self, request: CompareAndSetRequest, call: Call, /) -> asyncio.Future[CompareAndSetResponse]:
        """Set or delete one key if it has the version expected."""
        namespace = self._allowed(call, request.namespace, writes=True)
        value = request.value if request.HasField("value") else None
        txn = Txn(namespace, (Comparison(request.key, request.expected_version),), (Write(request.key, value),))
        return self._committer.submit(limits.check_txn(txn), messages.compare_and_set_response)

    def txn(self, request: TxnRequest, call: Call, /) -> asyncio.Future[TxnResponse]:
        """Write several keys if several have the versions expected."""
        namespace = self._allowed(call, request.namespace, writes=bool(request.writes))
        comparisons = tuple(Comparison(c.key, c.expected_version) for c in request.comparisons)
        now_ms = self._clock()
        writes = tuple(messages.write_of(write, now_ms) for write in request.writes)
        txn = limits.check_txn(Txn(namespace, comparisons, writes))
        ranges = [write for write in txn.writes if isinstance(write, DeleteRange)]
        if ranges:
            return asyncio.ensure_future(self._txn_with(txn, ranges))
        return self._committer.submit(txn, messages.txn_response)

    async def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every change of a range after a version, until the caller goes."""
        interest = Interest(
            self._allowed(call, request.namespace, writes=False),
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        place = Place(limits.check_version(request.from_version, "from_version"))
        self._watchers.open()
        self._watchers.places.add(place)
        try:
            async for page in self._pages(interest, place):
                yield WatchResponse(changes=(messages.change(v, c) for v, c in page.changes), version=page.position)
        finally:
            self._watchers.places.discard(place)
            self._watchers.leave()

    def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse:
        """A page of the names of all namespaces."""
        self._access.check_operator(call.peer.identity)
        after, limit = limits.check_after(request.after), limits.namespaces_limit(request.limit)
        return messages.namespaces_response(self._store.namespaces(after, limit + 1), limit, self._newest())

    async def _pages(self, interest: Interest, place: Place) -> AsyncIterator[Page]:
        """What a watcher is sent: at once how far it is, then changes as they come, and now and then how far it is."""
        position, is_due = place.position, True
        while True:
            page = self._store.changes_after(interest, position)
            place.position = position = page.position
            if page.changes or is_due:
                is_due = False
                yield page
            elif position < self._store.applied.version:
                await asyncio.sleep(0)  # a long history without a change of this range: others are served between
            else:
                place.is_asleep = True
                position, is_touched = await self._watchers.wait_touched(interest, self._newest, PROGRESS_S)
                place.is_asleep, place.position = False, position
                is_due = not is_touched

    async def _delete_range(self, namespace: limits.Namespace, whole: DeleteRange) -> DeleteRangeResponse:
        stop = await self._look_through(namespace, whole, RANGE_LOOK_SLICES)
        part = replace(whole, end=stop) if stop else whole
        outcome: Outcome = await self._committer.submit(Txn(namespace, (), (part,)), lambda outcome: outcome)
        next_start = outcome.next_start or stop
        return DeleteRangeResponse(
            version=outcome.version, deleted=outcome.deleted, more=bool(next_start), next_start=next_start
        )

    async def _txn_with(self, txn: Txn, ranges: Sequence[DeleteRange]) -> TxnResponse:
        """A transaction that deletes ranges, unless they are more than may be looked at in one go."""
        for each in ranges:
            if await self._look_through(limits.Namespace(txn.namespace), each, RANGE_LOOK_SLICES // len(ranges) + 1):
                raise refused(Refusal(RefusalReason.RANGE_SIZE, each.start))
        return await self._committer.submit(txn, messages.txn_response)

    async def _look_through(self, namespace: limits.Namespace, each: DeleteRange, slices: int) -> bytes:
        """See how much deleting a range would look at: evaluating does it in one go, and nobody is served meanwhile.

        Deleted keys are looked at too for as long as history has them, so a range may be long that holds few.

        Returns:
            Where it is too much: the key to stop before. Otherwise nothing.
        """
        query = Query(
            namespace, each.start, each.end, each.keys_max, self._newest(), keys_only=True, now_ms=self._clock()
        )
        scan = self._store.scan(query)
        for _ in range(slices):
            if scan.run(SCAN_SLICE_KEYS):
                self._store.check_scan(scan)
                return b""
            await asyncio.sleep(0)
        return scan.resume_key()

    async def _scan_on(self, scan: Scan) -> ScanResponse:
        """The rest of a scan that is longer than a slice."""
        is_done = False
        while not is_done:
            await asyncio.sleep(0)
            is_done = scan.run(SCAN_SLICE_KEYS)
        return self._scanned(scan)

    def _scanned(self, scan: Scan) -> ScanResponse:
        self._store.check_scan(scan)
        response = ScanResponse(read_version=scan.query.at_version, more=scan.more)
        # In place: a list of messages handed to the constructor would be copied, which is a third of the work.
        add = response.kvs.add
        for found in scan.found:
            add(key=found.key, value=found.value, version=found.version, expires_at_ms=found.expires_at_ms)
        return response

    def _allowed(self, call: Call, namespace: str, *, writes: bool) -> limits.Namespace:
        """The namespace, if the caller may use it."""
        checked = limits.check_namespace(namespace)
        self._access.check(call.peer.identity, checked, writes=writes)
        return checked

    def _newest(self) -> int:
        return self._store.applied.version

    def _clock(self) -> int:
        """The store's clock."""
        return self._store.tick(self._now_ms())

    def _read_at(self, at_version: int) -> tuple[int, int]:
        """The version to read at, and the time by which what has ended is not seen: none where a version is named."""
        version = self._store.read_version(limits.check_version(at_version, "at_version"))
        return version, 0 if at_version else self._clock()
