"""Whatever a request holds, it is answered or refused with a sentence; a transaction that is refused leaves nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core.access import Access
from flaredb.core.retention import History
from flaredb.shell.committer import Committer
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from flaredb.testing import MemoryEngine
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import Fault, InternalError, UnknownError

CALL: Any = SimpleNamespace(peer=SimpleNamespace(identity=None))
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
NUMBERS = st.sampled_from([0, 0, 0, 1, 2, 5000]) | INT64
KEYS = st.sampled_from([b"", b"a", b"b", b"c", b"a\0", b"k" * 4096, b"k" * 4097, b"k" * 4098])
VALUES = st.sampled_from([b"", b"7", b"-07", b"9223372036854775807", b"text", b"v" * ((1 << 20) + 1)])
NAMESPACES = st.sampled_from(["iam", "iam", "iam", "dns", "", "UPPER"])


def messages(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda found: kind(**found))


ENDS = {"ttl_s": NUMBERS, "expires_at_ms": NUMBERS}
WRITES = messages(pb.Write, key=KEYS, value=VALUES, range_end=KEYS, increment=NUMBERS, **ENDS)
COMPARISONS = messages(pb.Comparison, key=KEYS, expected_version=NUMBERS)
LIMITS = st.sampled_from([0, 1, 1000, 1001, -1])
REQUESTS = st.one_of(
    messages(pb.PutRequest, namespace=NAMESPACES, key=KEYS, value=VALUES, **ENDS),
    messages(pb.IncrementRequest, namespace=NAMESPACES, key=KEYS, delta=NUMBERS, **ENDS),
    messages(pb.DeleteRangeRequest, namespace=NAMESPACES, start=KEYS, end=KEYS, limit=LIMITS),
    messages(
        pb.TxnRequest,
        namespace=NAMESPACES,
        comparisons=st.lists(COMPARISONS, max_size=2),
        writes=st.lists(WRITES, max_size=3),
    ),
    messages(pb.ScanRequest, namespace=NAMESPACES, start=KEYS, end=KEYS, at_version=NUMBERS),
)
METHODS = {
    pb.PutRequest: KvService.put,
    pb.IncrementRequest: KvService.increment,
    pb.DeleteRangeRequest: KvService.delete_range,
    pb.TxnRequest: KvService.txn,
    pb.ScanRequest: KvService.scan,
}


@settings(deadline=None)
@given(st.lists(REQUESTS, max_size=6))
def test_every_request_is_answered_or_refused(requests: list[Any]):
    async def main() -> None:
        store, watchers = Store(MemoryEngine(), History(60_000, 10_000, 10_000_000)), Watchers()
        committer = Committer(store, now_ms=lambda: 50, free_bytes=lambda: 1, reserve_bytes=0, committed=watchers.tell)
        service = KvService(store, committer, watchers, Access({}, is_open=True), lambda: 50)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(committer.run())
            for request in requests:
                await _ask(service, store, request)
            committer.close()

    asyncio.run(main())


async def _ask(service: KvService, store: Store, request: Any) -> None:
    before = store.applied
    fault = await _refusal(service, request)
    if fault is not None:
        assert not isinstance(fault, InternalError | UnknownError)
        assert fault.public
        assert store.applied == before


async def _refusal(service: KvService, request: Any) -> Fault | None:
    try:
        answer = METHODS[type(request)](service, request, CALL)
        if isinstance(answer, asyncio.Future):
            await answer
    except Fault as fault:
        return fault
    return None
