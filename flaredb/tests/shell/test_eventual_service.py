"""Eventual namespaces as callers see them, on RocksDB, beside namespaces that are not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flaredb.config import Config, EventualConfig
from flaredb.core.access import Access
from flaredb.core.feed import FEED_BYTES_MAX
from flaredb.core.region import StoreId
from flaredb.core.retention import History
from flaredb.errors import StoreDirectoryError
from flaredb.shell.committer import Committer
from flaredb.shell.eventual import EventualSpace, check_unused, draw_from
from flaredb.shell.eventual_driver import EventualDriver
from flaredb.shell.eventual_service import EventualKv
from flaredb.shell.rocks import RocksEngine, open_rocks
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import (
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
)

MIB = 1024 * 1024
NS = "dns-status"
CALL: Any = SimpleNamespace(peer=SimpleNamespace(identity=None))


class Kv:
    """A single node with one eventual namespace."""

    def __init__(self, service: EventualKv, space: EventualSpace, clock: SimpleNamespace) -> None:
        self.service, self.space, self.clock = service, space, clock

    async def call(self, method: str, request: Any, call: Any = CALL) -> Any:
        answer = getattr(self.service, method)(request, call)
        return await answer if inspect.isawaitable(answer) else answer

    async def put(self, key: bytes, value: bytes, **end: int) -> int:
        return int((await self.call("put", pb.PutRequest(namespace=NS, key=key, value=value, **end))).version)

    async def delete(self, key: bytes) -> int:
        return int((await self.call("delete", pb.DeleteRequest(namespace=NS, key=key))).version)

    async def scan(self, **words: Any) -> Any:
        return await self.call("scan", pb.ScanRequest(namespace=NS, **words))

    async def watched(self, after: int, until: int, start: bytes = b"") -> list[tuple[int, bytes, bytes | None]]:
        """Changes that a watch of some time sends."""
        changes: list[tuple[int, bytes, bytes | None]] = []
        watch: Any = self.service.watch(pb.WatchRequest(namespace=NS, from_version=after, start=start), CALL)
        async for message in watch:
            changes += ((c.version, c.key, c.value if c.HasField("value") else None) for c in message.changes)
            if message.version >= until:
                break
        await watch.aclose()
        return changes


@asynccontextmanager
async def node(folder: Path, *, free_bytes: Callable[[], int] = lambda: 1 << 40) -> AsyncIterator[Kv]:
    with closing(open_rocks(folder / "db", 4 * MIB, 4 * MIB)) as engine:
        async with serving(engine, free_bytes) as kv:
            yield kv


@asynccontextmanager
async def serving(engine: RocksEngine, free_bytes: Callable[[], int]) -> AsyncIterator[Kv]:
    clock = SimpleNamespace(time_ms=1_700_000_000_000)
    store, watchers = Store(engine, History(3_600_000, 100_000, 100 * MIB)), Watchers()
    committer = Committer(
        store,
        now_ms=lambda: int(clock.time_ms),
        free_bytes=free_bytes,
        reserve_bytes=MIB,
        committed=watchers.tell,
    )
    access = Access({}, is_open=True)
    others = KvService(store, committer, watchers, access, lambda: int(clock.time_ms))
    space = EventualSpace(StoreId(1), engine, now_ms=lambda: int(clock.time_ms), draw=draw_from(bytes))
    driver = EventualDriver(space, engine, free_bytes=free_bytes, reserve_bytes=MIB)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run())
        tasks.create_task(driver.run())
        try:
            yield Kv(EventualKv(frozenset((NS,)), space, others, access), space, clock)
        finally:
            driver.close()
            committer.close()


def run(folder: Path, body: Callable[[Kv], Coroutine[Any, Any, None]], **words: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), node(folder, **words) as kv:
            await body(kv)

    asyncio.run(main())


def test_what_is_put_is_read_listed_and_deleted(tmp_path: Path):
    async def body(kv: Kv) -> None:
        first = await kv.put(b"a", b"1")
        assert await kv.put(b"b", b"2") > first
        found = await kv.call("get", pb.GetRequest(namespace=NS, key=b"a"))
        assert (found.kv.value, found.kv.version) == (b"1", first)
        batch = await kv.call("batch_get", pb.BatchGetRequest(namespace=NS, keys=[b"b", b"none", b"a"]))
        assert [one.value for one in batch.kvs] == [b"2", b"1"]
        assert await kv.delete(b"a") == (await kv.scan()).read_version
        assert [one.key for one in (await kv.scan()).kvs] == [b"b"]

    run(tmp_path, body)


def test_pages_go_both_ways_and_stop_at_their_limits(tmp_path: Path):
    async def body(kv: Kv) -> None:
        await asyncio.gather(*(kv.put(b"%04d" % number, b"v") for number in range(1200)))
        page = await kv.scan(start=b"0100", end=b"1100", limit=900, keys_only=True)
        assert (len(page.kvs), page.more, page.kvs[-1].key, page.kvs[0].value) == (900, True, b"0999", b"")
        rest = await kv.scan(start=page.kvs[-1].key + b"\x00", end=b"1100")
        assert (len(rest.kvs), rest.more) == (100, False)
        back = await kv.scan(start=b"0100", end=b"1100", limit=2, reverse=True)
        assert [one.key for one in back.kvs] == [b"1099", b"1098"]

    run(tmp_path, body)


def test_everything_is_there_after_a_restart(tmp_path: Path):
    versions: list[int] = []

    async def write(kv: Kv) -> None:
        versions.append(await kv.put(b"a", b"1"))

    async def look(kv: Kv) -> None:
        page = await kv.scan()
        assert [(one.key, one.version) for one in page.kvs] == [(b"a", versions[0])]
        assert page.read_version == versions[0]
        assert await kv.put(b"a", b"2") > versions[0]

    run(tmp_path, write)
    run(tmp_path, look)


def test_other_namespaces_stay_as_they_are(tmp_path: Path):
    async def body(kv: Kv) -> None:
        await kv.put(b"a", b"eventual")
        put = await kv.call("put", pb.PutRequest(namespace="iam", key=b"a", value=b"strong"))
        found = await kv.call("get", pb.GetRequest(namespace="iam", key=b"a", at_version=put.version))
        assert (found.kv.value, put.version) == (b"strong", 2)
        names = await kv.call("namespaces", pb.NamespacesRequest())
        assert list(names.namespaces) == ["iam"]

    run(tmp_path, body)


REFUSED = [
    ("txn", pb.TxnRequest(namespace=NS), "transactions", "Put and Delete each key"),
    ("increment", pb.IncrementRequest(namespace=NS, key=b"a"), "counters", "one key a writer"),
    ("compare_and_set", pb.CompareAndSetRequest(namespace=NS, key=b"a"), "comparisons", "the later write wins"),
    ("delete_range", pb.DeleteRangeRequest(namespace=NS), "DeleteRange", "Delete each"),
    ("get", pb.GetRequest(namespace=NS, key=b"a", at_version=7), "reads at a version", "at_version 0"),
    ("scan", pb.ScanRequest(namespace=NS, at_version=7), "reads at a version", "at_version 0"),
    ("batch_get", pb.BatchGetRequest(namespace=NS, at_version=7), "reads at a version", "at_version 0"),
]


@pytest.mark.parametrize(("method", "request_", "what", "instead"), REFUSED, ids=lambda value: str(value)[:16])
def test_what_it_cannot_promise_is_refused_and_what_to_use_is_said(
    method: str, request_: Any, what: str, instead: str, tmp_path: Path
):
    async def body(kv: Kv) -> None:
        with pytest.raises(FailedPreconditionError, match=f"'{NS}' is eventual, which has no {what}") as refused:
            await kv.call(method, request_)
        assert refused.value.reason == "EVENTUAL_NAMESPACE"
        assert instead in refused.value.hint

    run(tmp_path, body)


def test_limits_and_rights_are_those_of_every_namespace(tmp_path: Path):
    async def body(kv: Kv) -> None:
        with pytest.raises(InvalidArgumentError, match="4096"):
            await kv.put(b"k" * 5000, b"")
        with pytest.raises(InvalidArgumentError, match="'ttl_s' is -1"):
            await kv.put(b"k", b"", ttl_s=-1)
        stranger: Any = SimpleNamespace(peer=SimpleNamespace(identity="spiffe://ultracloud.local/service/iam"))
        with pytest.raises(PermissionDeniedError):
            await kv.call("put", pb.PutRequest(namespace=NS, key=b"a"), stranger)
        with pytest.raises(PermissionDeniedError):
            await kv.call("txn", pb.TxnRequest(namespace=NS), stranger)

    run(tmp_path, body)


def test_a_watch_begins_at_a_lists_version_and_resumes_at_its_own(tmp_path: Path):
    async def body(kv: Kv) -> None:
        await kv.put(b"a", b"0")
        position = (await kv.scan()).read_version
        waiting = asyncio.create_task(kv.watched(position, position + 2))
        one, two = await kv.put(b"a", b"1"), await kv.delete(b"b")
        assert await waiting == [(one, b"a", b"1"), (two, b"b", None)]
        assert await kv.watched(one, two) == [(two, b"b", None)]
        assert await kv.watched(position, two, start=b"b") == [(two, b"b", None)]

    run(tmp_path, body)


def test_a_watch_that_fell_behind_is_told_where_each_key_stands(tmp_path: Path):
    async def body(kv: Kv) -> None:
        position = kv.space.version
        for number in range(5):
            await kv.put(b"a", b"%d" % number)
        last = await kv.put(b"b", b"x")
        assert [(key, value) for _, key, value in await kv.watched(position, last)] == [(b"a", b"4"), (b"b", b"x")]

    run(tmp_path, body)


def test_a_watch_gets_a_long_history_in_messages_that_fit(tmp_path: Path):
    async def body(kv: Kv) -> None:
        position = kv.space.version
        value = bytes(FEED_BYTES_MAX // 3)
        last = max([await kv.put(b"%d" % number, value) for number in range(7)])
        watch: Any = kv.service.watch(pb.WatchRequest(namespace=NS, from_version=position), CALL)
        sizes = []
        async for message in watch:
            sizes.append(len(message.changes))
            if message.version >= last:
                break
        await watch.aclose()
        assert sizes == [3, 3, 1]

    run(tmp_path, body)


def test_a_watch_from_another_stores_version_is_told_to_read_again(tmp_path: Path):
    async def body(kv: Kv) -> None:
        version = await kv.put(b"a", b"1")
        for other in (0, version + (1 << 43), version + 1):
            with pytest.raises(OutOfRangeError, match="not of this store") as refused:
                await kv.watched(other, version)
            assert refused.value.reason == "VERSION_UNKNOWN"

    run(tmp_path, body)


def test_a_key_ends_and_its_watchers_hear_of_it(tmp_path: Path):
    async def body(kv: Kv) -> None:
        version = await kv.put(b"a", b"1", ttl_s=10)
        waiting = asyncio.create_task(kv.watched(version, version + 1))
        kv.clock.time_ms += 10_000
        assert not (await kv.scan()).kvs
        assert [(key, value) for _, key, value in await waiting] == [(b"a", None)]

    run(tmp_path, body)


def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path: Path):
    free = [1 << 40]

    async def body(kv: Kv) -> None:
        await kv.put(b"a", b"1")
        free[0] = 0
        held = asyncio.create_task(kv.put(b"b", b"1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ResourceExhaustedError, match="refused until there is more"):
            await kv.put(b"c", b"1")
        assert (await kv.scan()).kvs[0].key == b"a"
        free[0] = 1 << 40
        await held
        await kv.put(b"c", b"1")

    run(tmp_path, body, free_bytes=lambda: free[0])


def test_both_kinds_of_namespaces_are_written_at_once(tmp_path: Path):
    async def body(kv: Kv) -> None:
        strong = [pb.PutRequest(namespace="iam", key=b"%d" % number, value=b"v") for number in range(300)]
        for number in range(3):
            await asyncio.gather(
                *(kv.put(b"%d" % each, b"%d" % number) for each in range(300)),
                *(kv.call("put", request) for request in strong),
            )
        assert len((await kv.scan()).kvs) == len((await kv.call("scan", pb.ScanRequest(namespace="iam"))).kvs) == 300

    async def look(kv: Kv) -> None:
        assert {one.value for one in (await kv.scan()).kvs} == {b"2"}

    run(tmp_path, body)
    run(tmp_path, look)


def test_many_writers_share_batches(tmp_path: Path):
    async def body(kv: Kv) -> None:
        versions = await asyncio.gather(*(kv.put(b"%d" % number, b"v") for number in range(2000)))
        assert len(set(versions)) == 2000
        assert kv.space.replica.contents.goal < 200

    run(tmp_path, body)


def test_a_namespace_that_has_other_keys_is_not_made_eventual(tmp_path: Path):
    async def body(kv: Kv) -> None:
        await kv.call("put", pb.PutRequest(namespace="iam", key=b"a", value=b"strong"))

    run(tmp_path, body)
    with closing(open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)) as engine:
        check_unused(engine, ["dns-status"])
        with pytest.raises(StoreDirectoryError, match="namespace 'iam' is listed under"):
            check_unused(engine, ["dns-status", "iam"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"namespaces": ("UPPER",)}, "namespace"),
        ({"tombstone_hours": 0}, "'tombstone_hours' is 0; accepted: 1 to 720"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(words: dict[str, Any], says: str, tmp_path: Path):
    with pytest.raises((ValueError, Fault), match=says):
        Config(state_dir=tmp_path, eventual=EventualConfig(**words))
