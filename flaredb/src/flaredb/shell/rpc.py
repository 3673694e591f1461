"""`ultracloud.flaredb.v1.Kv`: messages to words of the core and back; no protobuf goes below this module.

Reads answer at once, on the loop, without a task; writes answer with the committer's future. Only a scan that looks at
more than a slice, and a watch, have a task of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import Change, Comparison, Outcome, Txn, Write
from flaredb.core.feed import Interest, Page
from flaredb.core.visibility import Found, Query, Scan
from flaredb.shell.committer import Committer
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    CompareAndSetRequest,
    CompareAndSetResponse,
    DeleteRequest,
    GetRequest,
    GetResponse,
    KeyValue,
    PutRequest,
    ScanRequest,
    ScanResponse,
    TxnRequest,
    TxnResponse,
    WatchRequest,
    WatchResponse,
    WriteResponse,
)
from ultracloud.api.flaredb.v1.flaredb_pb2 import Change as ChangeMessage
from ultracloud.api.flaredb.v1.flaredb_pb2 import Comparison as ComparisonMessage
from ultracloud.api.rpc import Call

SCAN_SLICE_KEYS = 500
"""Keys of a scan looked at before others are served: about 2 ms."""
PROGRESS_S = 10.0
"""Seconds after which a watch without changes says how far it has seen. A quiet range's watcher that reconnects must
not name a version from before the floor, and history is kept for minutes at least."""


class KvService:
    """Serves the Kv of one store; see `flaredb.proto` for what each RPC promises."""

    def __init__(self, store: Store, committer: Committer, watchers: Watchers, access: Access) -> None:
        self._store = store
        self._committer = committer
        self._watchers = watchers
        self._access = access

    def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._allowed(call, request.namespace, writes=False)
        key = limits.check_key(request.key)
        version = self._read_version(request.at_version)
        found = self._store.get(namespace, key, version)
        return GetResponse(kv=None if found is None else _key_value(found), read_version=version)

    def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._allowed(call, request.namespace, writes=False)
        keys = limits.check_batch(request.keys)
        version = self._read_version(request.at_version)
        found = self._store.batch_get(namespace, keys, version)
        return BatchGetResponse(kvs=map(_key_value, found), read_version=version)

    def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse | asyncio.Future[ScanResponse]:
        """One page of a range."""
        namespace = self._allowed(call, request.namespace, writes=False)
        query = Query(
            namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.scan_limit(request.limit),
            self._read_version(request.at_version),
            reverse=request.reverse,
            keys_only=request.keys_only,
        )
        scan = self._store.scan(query)
        if scan.run(SCAN_SLICE_KEYS):
            return self._scanned(scan)
        return asyncio.ensure_future(self._scan_on(scan))

    def put(self, request: PutRequest, call: Call, /) -> asyncio.Future[WriteResponse]:
        """Set one key."""
        namespace = self._allowed(call, request.namespace, writes=True)
        write = Write(limits.check_key(request.key), limits.check_value(request.value))
        return self._committer.submit(Txn(namespace, (), (write,)), _write_response)

    def delete(self, request: DeleteRequest, call: Call, /) -> asyncio.Future[WriteResponse]:
        """Delete one key, if it exists."""
        namespace = self._allowed(call, request.namespace, writes=True)
        write = Write(limits.check_key(request.key), None)
        return self._committer.submit(Txn(namespace, (), (write,)), _write_response)

    def compare_and_set(self, request: CompareAndSetRequest, call: Call, /) -> asyncio.Future[CompareAndSetResponse]:
        """Set or delete one key if it has the version expected."""
        namespace = self._allowed(call, request.namespace, writes=True)
        value = request.value if request.HasField("value") else None
        txn = Txn(namespace, (Comparison(request.key, request.expected_version),), (Write(request.key, value),))
        return self._committer.submit(limits.check_txn(txn), _compare_and_set_response)

    def txn(self, request: TxnRequest, call: Call, /) -> asyncio.Future[TxnResponse]:
        """Write several keys if several have the versions expected."""
        namespace = self._allowed(call, request.namespace, writes=bool(request.writes))
        comparisons = tuple(Comparison(c.key, c.expected_version) for c in request.comparisons)
        writes = tuple(Write(w.key, w.value if w.HasField("value") else None) for w in request.writes)
        return self._committer.submit(limits.check_txn(Txn(namespace, comparisons, writes)), _txn_response)

    async def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every change of a range after a version, until the caller goes."""
        interest = Interest(
            self._allowed(call, request.namespace, writes=False),
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        position = limits.check_version(request.from_version, "from_version")
        self._watchers.open()
        try:
            async for page in self._pages(interest, position):
                yield WatchResponse(changes=(_change(v, c) for v, c in page.changes), version=page.position)
        finally:
            self._watchers.leave()

    async def _pages(self, interest: Interest, position: int) -> AsyncIterator[Page]:
        """What a watcher is sent: at once how far it is, then changes as they come, and now and then how far it is."""
        is_due = True
        while True:
            page = self._store.changes_after(interest, position)
            position = page.position
            if page.changes or is_due:
                is_due = False
                yield page
            elif position < self._store.applied.version:
                await asyncio.sleep(0)  # a long history without a change of this range: others are served between
            else:
                position, is_touched = await self._watchers.wait_touched(interest, self._newest, PROGRESS_S)
                is_due = not is_touched

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
            add(key=found.key, value=found.value, version=found.version)
        return response

    def _allowed(self, call: Call, namespace: str, *, writes: bool) -> limits.Namespace:
        """The namespace, if the caller may use it."""
        checked = limits.check_namespace(namespace)
        self._access.check(call.peer.identity, checked, writes=writes)
        return checked

    def _newest(self) -> int:
        return self._store.applied.version

    def _read_version(self, at_version: int) -> int:
        return self._store.read_version(limits.check_version(at_version, "at_version"))


def _key_value(found: Found) -> KeyValue:
    return KeyValue(key=found.key, value=found.value, version=found.version)


def _change(version: int, change: Change) -> ChangeMessage:
    return ChangeMessage(key=change.key, value=change.value, version=version)


def _write_response(outcome: Outcome) -> WriteResponse:
    return WriteResponse(version=outcome.version)


def _compare_and_set_response(outcome: Outcome) -> CompareAndSetResponse:
    if outcome.succeeded:
        return CompareAndSetResponse(succeeded=True, version=outcome.version)
    return CompareAndSetResponse(succeeded=False, version=outcome.failed[0].expected_version)


def _txn_response(outcome: Outcome) -> TxnResponse:
    return TxnResponse(succeeded=outcome.succeeded, version=outcome.version, failed=_comparisons(outcome.failed))


def _comparisons(failed: Iterable[Comparison]) -> Iterable[ComparisonMessage]:
    return (ComparisonMessage(key=c.key, expected_version=c.expected_version) for c in failed)
