"""`ultracloud.flaredb.v1.Kv`: messages to words of the core and back; no protobuf goes below this module.

Reads answer at once, on the loop, without a task; writes answer with the committer's future. Only a scan that looks at
more than a slice, and a watch, have a task of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import (
    Comparison,
    DeleteRange,
    EncodedKey,
    Increment,
    Outcome,
    Refusal,
    RefusalReason,
    Txn,
    Write,
)
from flaredb.core.feed import Interest, Page
from flaredb.core.keys import TERMINATOR, ZERO
from flaredb.core.octets import parse_get, parse_put
from flaredb.core.pages import OctetScan
from flaredb.core.refusals import refused
from flaredb.core.visibility import Query, Scan
from flaredb.shell import messages
from flaredb.shell.committer import Committer
from flaredb.shell.serving import Serving
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
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
    WriteResponse,
)
from ultracloud.api.rpc import Call
from ultracloud.wire import Short, ShortCall

PLACES_MAX = 4096
"""Callers and namespaces whose right is remembered: services, agents of hundreds of hosts."""
SCAN_SLICE_KEYS = 500
"""Keys of a scan looked at before others are served: about 2 ms."""
RANGE_LOOK_SLICES = 8
"""Slices of a range looked through before it is deleted: evaluating looks at as much in one go, about 15 ms."""


class KvService(Serving):
    """Serves the Kv of one store; see `flaredb.proto` for what each RPC promises."""

    def __init__(
        self, store: Store, committer: Committer, watchers: Watchers, access: Access, now_ms: Callable[[], int]
    ) -> None:
        super().__init__(watchers, access, now_ms)
        self._store: Store = store
        self._committer = committer
        self._places: dict[tuple[str | None, bytes, bool], tuple[limits.Namespace, bytes]] = {}

    def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._allowed(call, request.namespace, writes=False)
        key = limits.check_key(request.key)
        version, now_ms = self._read_at(request.at_version)
        return messages.get_response(self._store.get(namespace, key, version, now_ms), version)

    def get_octets(self, octets: bytes, call: Call, /) -> bytes | None:
        """`get` in short, for a plain request and a value without an end."""
        asked = parse_get(octets)
        if asked is None:
            return None
        namespace, key = asked
        _, head = self._place(namespace, call, writes=False)
        return self._store.get_octets(EncodedKey(head + key + TERMINATOR), key)

    def batch_get_octets(self, octets: bytes, call: Call, /) -> bytes | None:
        """`batch_get` in short, of the newest."""
        request = BatchGetRequest.FromString(octets)
        if request.at_version:
            return None
        _, head = self._place(request.namespace.encode(), call, writes=False)
        keys = limits.check_batch(request.keys)
        if any(map(_has_zero, keys)):
            return None
        return self._store.batch_octets(head, keys)

    def scan_octets(self, octets: bytes, call: Call, /) -> bytes | asyncio.Future[bytes]:
        """`scan` in short."""
        scan = self._store.octet_scan(self._query(ScanRequest.FromString(octets), call))
        if scan.run(SCAN_SLICE_KEYS):
            self._store.check_scan(scan)
            return scan.octets()
        return asyncio.ensure_future(self._octet_scan_on(scan))

    def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._allowed(call, request.namespace, writes=False)
        keys = limits.check_batch(request.keys)
        version, now_ms = self._read_at(request.at_version)
        found = self._store.batch_get(namespace, keys, version, now_ms)
        return messages.add_found(BatchGetResponse(read_version=version), found)

    def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse | asyncio.Future[ScanResponse]:
        """One page of a range."""
        scan = self._store.scan(self._query(request, call))
        if scan.run(SCAN_SLICE_KEYS):
            return self._scanned(scan)
        return asyncio.ensure_future(self._scan_on(scan))

    def put(self, request: PutRequest, call: Call, /) -> asyncio.Future[WriteResponse]:
        """Set one key."""
        namespace = self._allowed(call, request.namespace, writes=True)
        end = messages.end_of(request, self._clock())
        write = Write(limits.check_key(request.key), limits.check_value(request.value), *end)
        return self._committer.submit(Txn(namespace, (), (write,)), messages.write_response)

    def put_octets(self, octets: bytes, call: ShortCall, /) -> Short:
        """`put` in short, for a plain request without an end."""
        asked = parse_put(octets)
        if asked is None:
            return None
        name, key, value = asked
        namespace, _ = self._place(name, call, writes=True)
        return self._committer.submit_call(Txn(namespace, (), (Write(key, value),)), call, messages.write_octets)

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
        txn = self._txn_of(request, call)
        ranges = [write for write in txn.writes if isinstance(write, DeleteRange)]
        if ranges:
            return asyncio.ensure_future(self._txn_with(txn, ranges))
        return self._committer.submit(txn, messages.txn_response)

    def txn_octets(self, octets: bytes, call: ShortCall, /) -> Short:
        """`txn` in short, without ranges."""
        txn = self._txn_of(TxnRequest.FromString(octets), call)
        if any(isinstance(write, DeleteRange) for write in txn.writes):
            return None
        return self._committer.submit_call(txn, call, messages.txn_octets)

    def _txn_of(self, request: TxnRequest, call: Call) -> Txn:
        """What a request asks for, if it may."""
        namespace = self._allowed(call, request.namespace, writes=bool(request.writes))
        comparisons = tuple(Comparison(c.key, c.expected_version) for c in request.comparisons)
        now_ms = self._clock()
        writes = tuple(messages.write_of(write, now_ms) for write in request.writes)
        return limits.check_txn(Txn(namespace, comparisons, writes))

    def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse:
        """A page of the names of all namespaces."""
        after, limit = self._after(request, call)
        return messages.namespaces_response(self._store.namespaces(after, limit + 1), limit, self._newest())

    async def _changes_after(self, interest: Interest, position: int) -> Page:
        return self._store.changes_after(interest, position)

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
        await self._run_on(scan)
        return self._scanned(scan)

    async def _run_on(self, scan: Scan) -> None:
        """Run a scan to its end, others being served between slices. Raises DataLossError as `check_scan`."""
        is_done = False
        while not is_done:
            await asyncio.sleep(0)
            is_done = scan.run(SCAN_SLICE_KEYS)
        self._store.check_scan(scan)

    async def _octet_scan_on(self, scan: OctetScan) -> bytes:
        """The same of one whose answer is bytes."""
        await self._run_on(scan)
        return scan.octets()

    def _place(self, namespace: bytes, call: Call, *, writes: bool) -> tuple[limits.Namespace, bytes]:
        """The namespace, and what its keys begin with on disk, if the caller may use it. Raises as `_allowed`.

        Who may do what does not change while the process runs, so it is remembered.
        """
        identity = call.peer.identity
        place = self._places.get((identity, namespace, writes))
        if place is None:
            allowed = self._allowed(call, namespace.decode("utf-8", "replace"), writes=writes)
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            place = self._places[identity, namespace, writes] = allowed, allowed.encode() + b"\x00"
        return place

    def _scanned(self, scan: Scan) -> ScanResponse:
        self._store.check_scan(scan)
        return messages.add_found(ScanResponse(read_version=scan.query.at_version, more=scan.more), scan.found)


def _has_zero(key: bytes) -> bool:
    return ZERO in key
