"""What every engine promises, tried on each: the same calls on RocksDB and on PostgreSQL.

Rules of the store alone stand in the tests beside this one; here stands what a caller sees, whatever keeps the bytes.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flaredb.config import EngineConfig
from flaredb.core import feed
from flaredb.core.access import Access
from flaredb.core.retention import History
from flaredb.shell.committer import Committer
from flaredb.shell.expirer import Expirer
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_expirer import PostgresExpirer
from flaredb.shell.postgres_rpc import PostgresKv
from flaredb.shell.postgres_session import Database
from flaredb.shell.postgres_store import PostgresStore
from flaredb.shell.rocks import open_rocks
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from flaredb.shell.watermark import Watermark
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import (
    FailedPreconditionError,
    InvalidArgumentError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.testkit.postgres import PostgresServer

MIB = 1024 * 1024
CALL: Any = SimpleNamespace(peer=SimpleNamespace(identity=None))
SCHEMAS = itertools.count()
LONG = History(age_ms=3_600_000, changes=100_000, bytes=100 * MIB)


@dataclass
class Kv:
    """A store of either kind, with its service and the tasks beside it."""

    service: Any
    store: Any
    committer: Any
    expirer: Any
    clock: SimpleNamespace

    async def call(self, method: str, request: Any, call: Any = CALL) -> Any:
        answer = getattr(self.service, method)(request, call)
        return await answer if inspect.isawaitable(answer) else answer

    async def put(self, key: bytes, value: bytes, namespace: str = "iam", **end: int) -> int:
        request = pb.PutRequest(namespace=namespace, key=key, value=value, **end)
        return int((await self.call("put", request)).version)

    async def delete(self, key: bytes) -> int:
        return int((await self.call("delete", pb.DeleteRequest(namespace="iam", key=key))).version)

    async def get(self, key: bytes, at: int = 0, namespace: str = "iam") -> bytes | None:
        answer = await self.call("get", pb.GetRequest(namespace=namespace, key=key, at_version=at))
        return bytes(answer.kv.value) if answer.HasField("kv") else None

    async def txn(self, compare: dict[bytes, int], writes: dict[bytes, bytes | None]) -> pb.TxnResponse:
        request = pb.TxnRequest(namespace="iam")
        for key, version in compare.items():
            request.comparisons.add(key=key, expected_version=version)
        for key, value in writes.items():
            request.writes.add(key=key, value=value)
        answer = await self.call("txn", request)
        assert isinstance(answer, pb.TxnResponse)
        return answer

    async def scan(self, start: bytes = b"", end: bytes = b"", **words: Any) -> pb.ScanResponse:
        answer = await self.call("scan", pb.ScanRequest(namespace="iam", start=start, end=end, **words))
        assert isinstance(answer, pb.ScanResponse)
        return answer

    async def watched(
        self, after: int, until: int, start: bytes = b"", end: bytes = b""
    ) -> list[tuple[int, bytes, bytes | None]]:
        """Changes that a watch of some time sends."""
        watch = self.service.watch(pb.WatchRequest(namespace="iam", start=start, end=end, from_version=after), CALL)
        changes: list[tuple[int, bytes, bytes | None]] = []
        position = after
        async for message in watch:
            assert message.version >= position
            position = message.version
            changes += ((c.version, c.key, c.value if c.HasField("value") else None) for c in message.changes)
            if position >= until:
                break
        await watch.aclose()
        return changes

    async def age(self, milliseconds: int) -> int:
        """Let time pass and sweep; the floor."""
        self.clock.time_ms += milliseconds
        for step in (
            lambda: self.store.raise_floor(self.clock.time_ms),
            self.store.sweep_slice,
            self.store.sweep_slice,
        ):
            done = step()
            if inspect.isawaitable(done):
                await done
        return int(self.store.floor)


@dataclass
class Place:
    """Where a test's store is; opened again, it is the same one."""

    kind: str
    folder: Path
    url: str
    schema: str
    clock: SimpleNamespace
    first_version: int = 1

    @asynccontextmanager
    async def open(self, history: History = LONG, owners: dict[str, frozenset[str]] | None = None) -> AsyncIterator[Kv]:
        access = Access(owners or {}, is_open=owners is None)
        watchers = Watchers()
        async with AsyncExitStack() as opened, asyncio.timeout(30):
            make = self._postgres if self.kind == "postgres" else self._embedded
            kv = await make(opened, history, access, watchers)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(kv.committer.run())
                try:
                    yield kv
                finally:
                    watchers.close()
                    kv.committer.close()

    async def _embedded(self, opened: AsyncExitStack, history: History, access: Access, watchers: Watchers) -> Kv:
        engine = opened.enter_context(closing(open_rocks(self.folder / "db", 4 * MIB, 4 * MIB)))
        store = Store(engine, history, self.first_version)
        committer = Committer(
            store, now_ms=self.clock.now_ms, free_bytes=lambda: 1, reserve_bytes=0, committed=watchers.tell
        )
        service = KvService(store, committer, watchers, access, self.clock.now_ms)
        return Kv(service, store, committer, Expirer(store, committer, self.clock), self.clock)  # type: ignore[arg-type]

    async def _postgres(self, opened: AsyncExitStack, history: History, access: Access, watchers: Watchers) -> Kv:
        database = Database(EngineConfig(postgres=self.url, schema=self.schema, connections=2), self.first_version)
        writer = await database.open_writer()
        readers = await database.open_readers()
        opened.callback(readers.terminate)
        watermark = opened.enter_context(closing(Watermark(self.folder / "synced")))
        store = PostgresStore(writer, readers, history, watermark)
        opened.push_async_callback(writer.connection.close)
        committer = PostgresCommitter(
            store,
            now_ms=self.clock.now_ms,
            reopen=database.open_again,
            committed=watchers.tell,
            connected=lambda _is_connected: None,
        )
        service = PostgresKv(store, committer, watchers, access, self.clock.now_ms)
        return Kv(service, store, committer, PostgresExpirer(store, committer, self.clock), self.clock)  # type: ignore[arg-type]


@pytest.fixture(params=["embedded", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = ""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url()
    clock = SimpleNamespace(time_ms=1000)
    clock.now_ms = lambda: clock.time_ms
    return Place(request.param, tmp_path, url, f"contract_{next(SCHEMAS)}", clock)


def run(place: Place, body: Callable[[Kv], Awaitable[None]], history: History = LONG) -> None:
    async def main() -> None:
        async with place.open(history) as kv:
            await body(kv)

    asyncio.run(main())


def test_an_empty_store_is_at_version_1(place: Place):
    async def body(kv: Kv) -> None:
        assert (await kv.scan()).read_version == 1
        assert await kv.get(b"a", 1) is None
        assert await kv.put(b"a", b"1") == 2

    run(place, body)


def test_a_store_that_takes_anothers_place_begins_after_its_versions(place: Place):
    place.first_version = 5000

    async def main() -> None:
        async with place.open(replace(LONG, changes=1000)) as kv:
            assert (await kv.scan()).read_version == 5000
            for old in (1, 4999):
                with pytest.raises(OutOfRangeError, match="compacted"):
                    await kv.scan(at_version=old)
                with pytest.raises(OutOfRangeError, match="compacted"):
                    await kv.watched(old, 5001)
            assert await kv.put(b"a", b"1") == 5001
            assert await kv.watched(5000, 5001) == [(5001, b"a", b"1")]
        place.first_version = 1
        async with place.open() as kv:
            assert await kv.put(b"a", b"2") == 5002
            assert await kv.age(LONG.age_ms * 3) == 5000
            assert (await kv.age(1), kv.store.swept) == (5000, 5000)

    asyncio.run(main())


def test_a_version_reads_the_same_for_ever(place: Place):
    async def body(kv: Kv) -> None:
        versions = [await kv.put(b"a", b"1"), await kv.put(b"a", b""), await kv.delete(b"a"), await kv.put(b"a", b"3")]
        assert versions == [2, 3, 4, 5]
        assert [await kv.get(b"a", at) for at in (1, *versions, 0)] == [None, b"1", b"", None, b"3", b"3"]

    run(place, body)


def test_deleting_what_does_not_exist_takes_no_version(place: Place):
    async def body(kv: Kv) -> None:
        await kv.put(b"a", b"1")
        assert await kv.delete(b"b") == 2
        assert (await kv.txn({b"a": 2}, {})).version == 2
        assert await kv.put(b"b", b"1") == 3

    run(place, body)


def test_a_comparison_that_fails_writes_nothing_and_says_what_stands(place: Place):
    async def body(kv: Kv) -> None:
        await kv.txn({}, {b"a": b"1", b"b": b"1"})
        await kv.delete(b"b")
        failed = await kv.txn({b"a": 1, b"b": 2, b"c": 0}, {b"a": b"2", b"c": b"2"})
        assert not failed.succeeded
        assert [(c.key, c.expected_version) for c in failed.failed] == [(b"a", 2), (b"b", 0)]
        assert [await kv.get(b"a"), await kv.get(b"c")] == [b"1", None]
        assert (await kv.txn({b"a": 2, b"b": 0}, {b"a": None, b"c": b"2"})).version == 4

    run(place, body)


def test_one_of_many_rivals_wins_each_round(place: Place):
    async def body(kv: Kv) -> None:
        version = 0
        for _ in range(5):
            rivals = [kv.txn({b"lock": version}, {b"lock": b"%d" % n}) for n in range(20)]
            answers = await asyncio.gather(*rivals)
            assert sorted(answer.succeeded for answer in answers) == [False] * 19 + [True]
            version = next(answer.version for answer in answers if answer.succeeded)
        assert version == 6

    run(place, body)


def test_transactions_of_one_batch_see_each_other(place: Place):
    async def body(kv: Kv) -> None:
        chain = [kv.txn({b"a": n and n + 1}, {b"a": b"%d" % n, b"was/%d" % n: b"v"}) for n in range(10)]
        gone = kv.txn({b"a": 11}, {b"a": None, b"was/9": None})
        back = kv.txn({b"a": 0, b"was/9": 0}, {b"a": b"back"})
        answers = await asyncio.gather(*chain, gone, back)
        assert [(answer.succeeded, answer.version) for answer in answers] == [(True, n) for n in range(2, 14)]

    run(place, body)


def test_a_list_is_one_list_while_others_write(place: Place):
    async def body(kv: Kv) -> None:
        keys = [b"%d" % n for n in range(10, 35)]
        for key in keys:
            await kv.put(key, b"v" + key)
        await kv.put(b"other", b"v", namespace="iam-2")
        for reverse in (False, True):
            seen, start, end, at = [], b"", b"", 0
            while True:
                page = await kv.scan(start, end, limit=10, reverse=reverse, at_version=at)
                seen += [(found.key, found.value) for found in page.kvs]
                at, last = page.read_version, page.kvs[-1].key
                await kv.txn({}, {keys[0]: None, keys[-1]: None, b"115": b"new", keys[7]: b"changed"})
                if not page.more:
                    break
                start, end = (b"", last) if reverse else (last + b"\0", b"")
            wanted = [(key, b"v" + key) for key in keys]
            assert seen == (wanted[::-1] if reverse else wanted)
            await kv.txn({}, {key: b"v" + key for key in keys} | {b"115": None})

    run(place, body)


def test_scans_have_bounds_and_may_leave_values_out(place: Place):
    async def body(kv: Kv) -> None:
        for key in (b"a", b"a\0", b"a\0\1", b"a\xff", b"b"):
            await kv.put(key, b"v")
        assert [found.key for found in (await kv.scan(b"a\0", b"b")).kvs] == [b"a\0", b"a\0\1", b"a\xff"]
        assert [found.key for found in (await kv.scan(b"b", b"a")).kvs] == []
        last = await kv.scan(b"a", b"a\xff", limit=2, reverse=True, keys_only=True)
        assert [(found.key, found.value, found.version) for found in last.kvs] == [(b"a\0\1", b"", 4), (b"a\0", b"", 3)]
        assert last.more
        assert not (await kv.scan(b"a\xff", limit=2)).more

    run(place, body)


def test_a_page_ends_for_its_bytes(place: Place):
    async def body(kv: Kv) -> None:
        for n in range(5):
            await kv.put(b"%d" % n, b"v" * 900_000)
        for reverse in (False, True):
            page = await kv.scan(reverse=reverse)
            assert len(page.kvs) == 3
            assert page.more
        assert not (await kv.scan(keys_only=True)).more

    run(place, body)


def test_namespaces_are_listed_in_order_and_in_pages(place: Place):
    async def body(kv: Kv) -> None:
        assert not (await kv.call("namespaces", pb.NamespacesRequest())).namespaces
        for name in ("iam", "a", "iam-2", "b1", "zz"):
            await kv.put(b"\xff\xff", b"v", namespace=name)
            version = await kv.put(b"a", b"v", namespace=name)
        names, more = list[str](), True
        while more:
            request = pb.NamespacesRequest(after=names[-1] if names else "", limit=2)
            page = await kv.call("namespaces", request)
            assert page.read_version == version
            names, more = [*names, *page.namespaces], page.more
        assert names == ["a", "b1", "iam", "iam-2", "zz"]
        with pytest.raises(InvalidArgumentError, match="accepted: 1 to 1000"):
            await kv.call("namespaces", pb.NamespacesRequest(limit=1001))

    run(place, body)


def test_only_operators_list_namespaces(place: Place):
    async def main() -> None:
        async with place.open(owners={}) as kv:
            for identity, may in (("operator/ann", True), ("service/flaredb", True), ("service/iam", False)):
                peer = SimpleNamespace(identity=f"spiffe://ultracloud.local/{identity}")
                asked = kv.call("namespaces", pb.NamespacesRequest(), SimpleNamespace(peer=peer))
                if may:
                    await asked
                else:
                    with pytest.raises(PermissionDeniedError, match="may not list namespaces"):
                        await asked

    asyncio.run(main())


def test_batch_gets_give_what_exists_in_the_order_asked(place: Place):
    async def body(kv: Kv) -> None:
        for n in range(4):
            await kv.put(b"%d" % n, b"v" * 900_000)
        await kv.delete(b"1")
        request = pb.BatchGetRequest(namespace="iam", keys=[b"2", b"1", b"none", b"0", b"2"])
        assert [found.key for found in (await kv.call("batch_get", request)).kvs] == [b"2", b"0", b"2"]
        with pytest.raises(ResourceExhaustedError, match="ask for fewer keys"):
            await kv.call("batch_get", pb.BatchGetRequest(namespace="iam", keys=[b"0", b"2", b"3"] * 2))

    run(place, body)


def test_a_watch_sends_every_change_in_order_from_memory_and_from_history(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed, "RECENT_COMMITS_MAX", 3)

    async def body(kv: Kv) -> None:
        wanted: list[tuple[int, bytes, bytes | None]] = []
        for n in range(12):
            version = (await kv.txn({}, {b"z%d" % n: b"1", b"%d" % (n % 4): b"2", b"a": b"%d" % n})).version
            wanted += [(version, b"z%d" % n, b"1"), (version, b"%d" % (n % 4), b"2"), (version, b"a", b"%d" % n)]
            wanted.append((await kv.delete(b"a"), b"a", None))
        newest = wanted[-1][0]
        for position in range(1, newest + 1):
            assert await kv.watched(position, newest) == [change for change in wanted if change[0] > position]
        assert await kv.watched(1, newest, b"1", b"3") == [change for change in wanted if change[1] in (b"1", b"2")]
        assert await kv.watched(1, newest, b"zz") == []

    run(place, body)


def test_a_watch_of_large_history_ends_its_messages_between_commits(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "RECENT_COMMITS_MAX", 0)

    async def body(kv: Kv) -> None:
        for n in range(4):
            await kv.txn({}, {b"%d" % n: b"v" * 600_000, b"%d+" % n: b"v" * 100_000})
        watch = kv.service.watch(pb.WatchRequest(namespace="iam", from_version=1), CALL)
        messages = [await anext(watch), await anext(watch)]
        await watch.aclose()
        sent = [([change.version for change in message.changes], message.version) for message in messages]
        assert sent == [([2, 2, 3, 3], 3), ([4, 4, 5, 5], 5)]

    run(place, body)


def test_a_watch_wakes_for_a_change_and_hears_what_others_hear(place: Place):
    async def body(kv: Kv) -> None:
        watches = [asyncio.create_task(kv.watched(1, 31, b"", b"b")) for _ in range(10)]
        for n in range(10):
            await asyncio.gather(kv.put(b"a", b"%d" % n), kv.put(b"b", b""), kv.put(b"a%d" % n, b""))
        heard = await asyncio.gather(*watches)
        assert len(heard[0]) == 20
        assert all(one == heard[0] for one in heard)

    run(place, body)


def test_versions_out_of_reach_are_refused(place: Place):
    async def body(kv: Kv) -> None:
        await kv.put(b"gone", b"1")
        await kv.delete(b"gone")
        for n in range(10):
            kv.clock.time_ms += 100
            await kv.put(b"a", b"%d" % n)
        kv.clock.time_ms += 5000
        newest = await kv.put(b"a", b"last")
        floor = await kv.age(500)
        assert floor == newest - 1
        for at, said in ((floor - 1, f"compacted: history is kept after version {floor}"), (newest + 1, "newer than")):
            for ask in (kv.get(b"a", at), kv.scan(at_version=at), kv.watched(at, newest + 1)):
                with pytest.raises(OutOfRangeError, match=said):
                    await ask
        assert [await kv.get(b"a", at) for at in (floor, 0)] == [b"9", b"last"]
        assert await kv.watched(floor, newest) == [(newest, b"a", b"last")]

    run(place, body, History(age_ms=1000, changes=10_000, bytes=10 * MIB))


def test_a_store_opened_again_is_the_same(place: Place):
    history = History(age_ms=1000, changes=10_000, bytes=10 * MIB)

    async def first(kv: Kv) -> None:
        for n in range(5):
            kv.clock.time_ms += 1000
            await kv.put(b"k", b"%d" % n)
        assert await kv.age(0) == 4

    async def second(kv: Kv) -> None:
        assert kv.store.floor == kv.store.swept == 4
        assert [await kv.get(b"k"), await kv.get(b"k", 5)] == [b"4", b"3"]
        assert await kv.watched(4, 6) == [(5, b"k", b"3"), (6, b"k", b"4")]
        assert await kv.put(b"k", b"new") == 7

    run(place, first, history)
    run(place, second, history)


def test_closing_finishes_what_waits_and_refuses_what_comes(place: Place):
    async def body(kv: Kv) -> None:
        waiting = [asyncio.ensure_future(kv.put(b"%d" % n, b"v")) for n in range(10)]
        await asyncio.sleep(0)
        kv.committer.close()
        with pytest.raises(UnavailableError, match="stopping"):
            await kv.put(b"late", b"v")
        assert sorted(await asyncio.gather(*waiting)) == list(range(2, 12))

    run(place, body)


def test_a_write_whose_caller_went_is_not_done(place: Place):
    async def body(kv: Kv) -> None:
        await kv.put(b"first", b"v")
        gone = kv.service.put(pb.PutRequest(namespace="iam", key=b"gone"), CALL)
        gone.cancel()
        assert await kv.put(b"a", b"v") == 3
        assert await kv.get(b"gone") is None

    run(place, body)


def test_ranges_are_deleted_key_by_key(place: Place):
    async def body(kv: Kv) -> None:
        await kv.txn({}, {b"%03d" % n: b"v" for n in range(50)})
        request = pb.DeleteRangeRequest(namespace="iam", start=b"010", end=b"045", limit=20)
        answer = await kv.call("delete_range", request)
        assert (answer.deleted, answer.more, answer.next_start, answer.version) == (20, True, b"030", 3)
        both = pb.TxnRequest(namespace="iam")
        both.writes.add(key=b"x", value=b"1")
        both.writes.add(key=b"", range_end=b"005")
        answers = await asyncio.gather(kv.put(b"0021", b"new"), kv.call("txn", both), kv.put(b"000", b"back"))
        assert [answers[0], answers[1].deleted, answers[2]] == [4, 6, 5]
        assert len(await kv.watched(5, 6)) == 7
        left = [found.key for found in (await kv.scan(keys_only=True)).kvs]
        assert left == [*(b"%03d" % n for n in (*range(5, 10), *range(30, 50))), b"x"]

    run(place, body)


def test_a_range_of_more_keys_than_a_transaction_deletes_is_refused(place: Place):
    async def body(kv: Kv) -> None:
        for part in range(2):
            await kv.txn({}, {b"%04d" % n: b"" for n in range(part * 600, part * 600 + 600)})
        request = pb.TxnRequest(namespace="iam")
        request.writes.add(key=b"", range_end=b"")
        with pytest.raises(FailedPreconditionError, match="holds more keys than one transaction deletes"):
            await kv.call("txn", request)
        answer = await kv.call("delete_range", pb.DeleteRangeRequest(namespace="iam"))
        assert (answer.deleted, answer.more, answer.next_start) == (1000, True, b"1000")

    run(place, body)


def test_counters_add_up_whoever_adds(place: Place):
    async def body(kv: Kv) -> None:
        adds = [kv.call("increment", pb.IncrementRequest(namespace="iam", key=b"n", delta=n)) for n in range(1, 51)]
        sums = [answer.value for answer in await asyncio.gather(*adds)]
        assert sums == list(itertools.accumulate(range(1, 51)))
        await kv.put(b"text", b"not a number")
        with pytest.raises(FailedPreconditionError):
            await kv.call("increment", pb.IncrementRequest(namespace="iam", key=b"text", delta=1))

    run(place, body)


def test_keys_end_by_themselves_and_watchers_hear_of_it(place: Place):
    async def body(kv: Kv) -> None:
        await kv.put(b"a", b"1", ttl_s=5)
        await kv.put(b"b", b"1", ttl_s=9)
        renewed = await kv.put(b"renewed", b"1", ttl_s=5)
        await kv.put(b"renewed", b"2")
        kv.clock.time_ms += 5000
        assert await kv.get(b"a") is None
        assert [found.key for found in (await kv.scan()).kvs] == [b"b", b"renewed"]
        assert [found.key for found in (await kv.scan(limit=1)).kvs] == [b"b"]
        assert await kv.get(b"a", renewed) == b"1"
        assert (await kv.txn({b"a": 2}, {b"x": b""})).failed[0].expected_version == 0
        await kv.expirer.delete_due()
        assert await kv.watched(5, 6) == [(6, b"a", None)]
        await kv.expirer.delete_due()
        assert (await kv.scan()).read_version == 6

    run(place, body)


def test_namespaces_are_apart(place: Place):
    async def body(kv: Kv) -> None:
        await asyncio.gather(kv.put(b"a", b"1"), kv.put(b"a", b"2", "iam-2"))
        assert [await kv.get(b"a"), await kv.get(b"a", namespace="iam-2")] == [b"1", b"2"]
        assert [await kv.get(b"a", namespace="ia")] == [None]
        assert [version for version, *_ in await kv.watched(1, 3)] == [2]

    run(place, body)


def test_a_caller_without_the_right_is_refused(place: Place):
    stranger: Any = SimpleNamespace(peer=SimpleNamespace(identity="spiffe://ultracloud.local/service/dns"))

    async def main() -> None:
        async with place.open(owners={}) as kv:
            for method, request in (("get", pb.GetRequest), ("put", pb.PutRequest), ("scan", pb.ScanRequest)):
                with pytest.raises(PermissionDeniedError):
                    await kv.call(method, request(namespace="iam"), stranger)

    asyncio.run(main())


def test_what_is_out_of_limits_is_refused_before_anything_is_written(place: Place):
    async def body(kv: Kv) -> None:
        for writes in ({b"": b"v"}, {b"k" * 5000: b"v"}, {b"k": b"v" * (MIB + 1)}):
            with pytest.raises(InvalidArgumentError):
                await kv.txn({}, writes)
        assert (await kv.scan()).read_version == 1

    run(place, body)


def test_an_end_that_comes_while_its_key_is_being_written_is_not_missed(place: Place):
    async def body(kv: Kv) -> None:
        writes = [asyncio.ensure_future(kv.put(b"%d" % n, b"v", expires_at_ms=1001)) for n in range(5)]
        for _ in range(5):  # turns of the loop: the batch is decided
            await asyncio.sleep(0)
        kv.clock.time_ms += 5000
        await kv.expirer.delete_due()
        await asyncio.gather(*writes)
        kv.clock.time_ms += 5000
        await kv.expirer.delete_due()
        assert (await kv.scan(at_version=(await kv.scan()).read_version)).kvs == []

    run(place, body)
