"""`ultracloud.flaredb.v1.Kv` where some namespaces are eventual: a door before the service of all others.

What an eventual namespace cannot promise is refused, never done in a weaker way: comparisons, transactions, counters
and deletions of ranges would need one who decides, and reads at a version would need all stores to count alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import Write
from flaredb.core.eventual_errors import not_eventual
from flaredb.core.eventual_reads import EventualScan
from flaredb.core.feed import Interest, Page
from flaredb.core.visibility import Found, Query
from flaredb.shell import messages
from flaredb.shell.eventual import EventualSpace
from flaredb.shell.rpc import SCAN_SLICE_KEYS
from flaredb.shell.serving import PROGRESS_S
from flaredb.shell.watchers import Place
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
    PutRequest,
    ScanRequest,
    ScanResponse,
    TxnRequest,
    TxnResponse,
    WatchRequest,
    WatchResponse,
    WriteResponse,
)
from ultracloud.api.flaredb.v1.flaredb_rpc import KvServer
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError

ELSEWHERE = "Keep what needs it in a namespace that is not listed under [eventual]."


class EventualKv:
    """Serves the Kv of one store whose namespaces are partly eventual.

    Args:
        names: Which are.
        space: Serves them.
        others: Serves the rest, and says which namespaces there are, if it can: what a backup reads at one version,
            which eventual ones are not.
        access: Who may use which.
    """

    def __init__(self, names: frozenset[str], space: EventualSpace, others: Any, access: Access) -> None:
        self._names = names
        self._space = space
        self._others: KvServer = others
        if hasattr(others, "namespaces"):
            self.namespaces = others.namespaces
        self._access = access

    def get(self, request: GetRequest, call: Call, /) -> GetResponse | Awaitable[GetResponse]:
        """The value of one key."""
        if request.namespace not in self._names:
            return self._others.get(request, call)
        self._check_read(request, call)
        found = self._space.get(request.namespace, limits.check_key(request.key))
        return GetResponse(kv=None if found is None else messages.key_value(found), read_version=self._space.version)

    def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse | Awaitable[BatchGetResponse]:
        """The values of several keys."""
        if request.namespace not in self._names:
            return self._others.batch_get(request, call)
        self._check_read(request, call)
        found = self._space.batch_get(request.namespace, limits.check_batch(request.keys))
        return BatchGetResponse(kvs=map(messages.key_value, found), read_version=self._space.version)

    def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse | Awaitable[ScanResponse]:
        """One page of a range, as it is now."""
        if request.namespace not in self._names:
            return self._others.scan(request, call)
        self._check_read(request, call)
        query = Query(
            request.namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.scan_limit(request.limit),
            self._space.version,
            reverse=request.reverse,
            keys_only=request.keys_only,
            now_ms=self._space.clock_ms(),
        )
        scan = self._space.scan(query)
        if scan.run(SCAN_SLICE_KEYS):
            return _scanned(scan)
        return asyncio.ensure_future(_scan_on(scan))

    def put(self, request: PutRequest, call: Call, /) -> Awaitable[WriteResponse] | WriteResponse:
        """Set one key."""
        if request.namespace not in self._names:
            return self._others.put(request, call)
        self._check_access(request.namespace, call, writes=True)
        end = messages.end_of(request, self._space.clock_ms())
        write = Write(limits.check_key(request.key), limits.check_value(request.value), *end)
        return self._space.write(request.namespace, write, _written)

    def delete(self, request: DeleteRequest, call: Call, /) -> Awaitable[WriteResponse] | WriteResponse:
        """Delete one key, also where this store has none: another may."""
        if request.namespace not in self._names:
            return self._others.delete(request, call)
        self._check_access(request.namespace, call, writes=True)
        return self._space.write(request.namespace, Write(limits.check_key(request.key), None), _written)

    def delete_range(
        self, request: DeleteRangeRequest, call: Call, /
    ) -> DeleteRangeResponse | Awaitable[DeleteRangeResponse]:
        """Refused: one version for many keys needs one who decides."""
        if request.namespace not in self._names:
            return self._others.delete_range(request, call)
        raise self._refused(request.namespace, call, "DeleteRange", "Scan for the keys and Delete each.")

    def increment(self, request: IncrementRequest, call: Call, /) -> IncrementResponse | Awaitable[IncrementResponse]:
        """Refused: of two stores' sums the later would win, and what the other added be lost."""
        if request.namespace not in self._names:
            return self._others.increment(request, call)
        instead = "Put one key a writer and add them up when you read. " + ELSEWHERE
        raise self._refused(request.namespace, call, "counters", instead)

    def compare_and_set(
        self, request: CompareAndSetRequest, call: Call, /
    ) -> CompareAndSetResponse | Awaitable[CompareAndSetResponse]:
        """Refused: two stores would both find that it compares."""
        if request.namespace not in self._names:
            return self._others.compare_and_set(request, call)
        raise self._refused(request.namespace, call, "comparisons", "Put: the later write wins. " + ELSEWHERE)

    def txn(self, request: TxnRequest, call: Call, /) -> TxnResponse | Awaitable[TxnResponse]:
        """Refused: other stores would have parts of it."""
        if request.namespace not in self._names:
            return self._others.txn(request, call)
        instead = "Put and Delete each key, or Put what belongs together in one value. " + ELSEWHERE
        raise self._refused(request.namespace, call, "transactions", instead)

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every key of a range that changed after a version of this store, until the caller goes."""
        if request.namespace not in self._names:
            return self._others.watch(request, call)
        return self._watch(request, call)

    async def _watch(self, request: WatchRequest, call: Call) -> AsyncIterator[WatchResponse]:
        self._check_access(request.namespace, call, writes=False)
        interest = Interest(
            request.namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        place = Place(limits.check_version(request.from_version, "from_version"))
        watchers = self._space.watchers
        watchers.open()
        watchers.places.add(place)
        try:
            async for page in self._pages(interest, place):
                yield WatchResponse(changes=(messages.change(v, c) for v, c in page.changes), version=page.position)
        finally:
            watchers.places.discard(place)
            watchers.leave()

    async def _pages(self, interest: Interest, place: Place) -> AsyncIterator[Page]:
        """What a watcher is sent: at once how far it is, then changes as they come, and now and then how far it is."""
        space, position, is_due = self._space, place.position, True
        while True:
            page = space.changes_after(interest, position)
            place.position = position = page.position
            if page.changes or is_due:
                is_due = False
                yield page
            elif position < space.version:
                await asyncio.sleep(0)  # much changed elsewhere: others are served between
            else:
                place.is_asleep = True
                position, is_touched = await space.watchers.wait_touched(interest, lambda: space.version, PROGRESS_S)
                place.is_asleep, place.position = False, position
                is_due = not is_touched

    def _check_access(self, namespace: str, call: Call, *, writes: bool) -> None:
        self._access.check(call.peer.identity, namespace, writes=writes)

    def _check_read(self, request: GetRequest | BatchGetRequest | ScanRequest, call: Call) -> None:
        """Pass if the caller may read, and asks for the newest."""
        self._check_access(request.namespace, call, writes=False)
        if limits.check_version(request.at_version, "at_version"):
            instead = "Read the newest (at_version 0); a list's next page starts after the last key of the one before."
            raise not_eventual(request.namespace, "reads at a version", instead)

    def _refused(self, namespace: str, call: Call, what: str, instead: str) -> FailedPreconditionError:
        """The fault for what there is not; who may not write hears that."""
        self._check_access(namespace, call, writes=True)
        return not_eventual(namespace, what, instead)


def _written(version: int) -> WriteResponse:
    return WriteResponse(version=version)


async def _scan_on(scan: EventualScan[Found]) -> ScanResponse:
    """The rest of a scan that is longer than a slice."""
    is_done = False
    while not is_done:
        await asyncio.sleep(0)
        is_done = scan.run(SCAN_SLICE_KEYS)
    return _scanned(scan)


def _scanned(scan: EventualScan[Found]) -> ScanResponse:
    response = ScanResponse(read_version=scan.query.at_version, more=scan.more)
    add = response.kvs.add
    for found in scan.found:
        add(key=found.key, value=found.value, version=found.version, expires_at_ms=found.expires_at_ms)
    return response
