"""Ranges that hold more, or more deleted keys, than is looked at in one go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from flaredb.core.access import Access
from flaredb.core.retention import History
from flaredb.shell import rpc
from flaredb.shell.committer import Committer
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from flaredb.testing import MemoryEngine
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError

CALL: Any = SimpleNamespace(peer=SimpleNamespace(identity=None))


@asynccontextmanager
async def serving(history: History) -> AsyncIterator[KvService]:
    store, watchers = Store(MemoryEngine(), history), Watchers()
    committer = Committer(store, now_ms=lambda: 5, free_bytes=lambda: 1, reserve_bytes=0, committed=watchers.tell)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run())
        yield KvService(store, committer, watchers, Access({}, is_open=True), lambda: 5)
        committer.close()


def run(body: Callable[[KvService], Awaitable[None]], history: History) -> None:
    async def main() -> None:
        async with serving(history) as service:
            writes = [pb.Write(key=b"%03d" % n, value=b"v") for n in range(40)]
            await service.txn(pb.TxnRequest(namespace="iam", writes=writes), CALL)
            await body(service)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look through a range ends after 16 keys."""
    monkeypatch.setattr(rpc, "SCAN_SLICE_KEYS", 2)


async def delete_parts(service: KvService, request: pb.DeleteRangeRequest) -> list[int]:
    """Delete a range part by part; how many keys each part had."""
    parts = []
    while True:
        answer = await service.delete_range(request, CALL)
        parts.append(answer.deleted)
        if not answer.more:
            return parts
        request.start = answer.next_start


def test_a_long_range_is_deleted_part_by_part(history: History):
    async def body(service: KvService) -> None:
        assert await delete_parts(service, pb.DeleteRangeRequest(namespace="iam", end=b"035")) == [16, 16, 3]
        answer = service.scan(pb.ScanRequest(namespace="iam"), CALL)
        assert isinstance(answer, asyncio.Future)
        assert [kv.key for kv in (await answer).kvs] == [b"035", b"036", b"037", b"038", b"039"]

    run(body, history)


def test_keys_that_history_still_has_are_stepped_over_part_by_part(history: History):
    async def body(service: KvService) -> None:
        await delete_parts(service, pb.DeleteRangeRequest(namespace="iam", end=b"035"))
        assert await delete_parts(service, pb.DeleteRangeRequest(namespace="iam")) == [0, 0, 5]

    run(body, history)


def test_a_transaction_does_not_delete_a_long_range(history: History):
    async def body(service: KvService) -> None:
        long, short = pb.Write(range_end=b"035"), pb.Write(range_end=b"005")
        with pytest.raises(FailedPreconditionError, match="holds more keys than one transaction deletes") as refused:
            await service.txn(pb.TxnRequest(namespace="iam", writes=[long]), CALL)
        assert refused.value.reason == "RANGE_SIZE"
        assert (await service.txn(pb.TxnRequest(namespace="iam", writes=[short]), CALL)).deleted == 5

    run(body, history)


def test_a_range_that_grew_after_the_look_is_refused_all_the_same(history: History):
    async def body(service: KvService) -> None:
        txn = pb.TxnRequest(namespace="iam", writes=[pb.Write(key=b"9", range_end=b"")])
        growing = [pb.Write(key=b"9%d" % n, value=b"") for n in range(1001)]
        first = service.txn(pb.TxnRequest(namespace="iam", writes=growing), CALL)
        second = service.txn(txn, CALL)
        await first
        with pytest.raises(FailedPreconditionError, match="1000 keys"):
            await second

    run(body, history)
