from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from flaredb.core.commands import Commit, Comparison, Outcome, Txn, Write
from flaredb.core.engine import EngineFullError, EngineStalledError, EngineWriteError
from flaredb.core.retention import History
from flaredb.shell import waiting as module
from flaredb.shell.committer import Committer
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine
from ultracloud.base.faults import AbortedError, ResourceExhaustedError, UnavailableError
from ultracloud.servicekit import sync_place
from ultracloud.servicekit.sync_place import PAUSE_MIN

MIB = 1024 * 1024
QUICK_S = 0.1
"""What counts as quick here: whoever is not, was told to be, however busy the machine is."""
LOOP, THREAD = "MainThread", "flaredb-sync"


class Disk(MemoryEngine):
    """Knows which threads waited for it, and can be slow once."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []
        self.pause_s = 0.0

    def sync(self, version: int) -> None:
        self.threads.append(threading.current_thread().name)
        time.sleep(self.pause_s)
        self.pause_s = 0.0
        super().sync(version)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_place, "QUICK_S", QUICK_S)


@dataclass
class Bench:
    """A committer on an engine whose disk can fail, and what it told."""

    engine: Disk
    store: Store
    committer: Committer
    free_bytes: int = 100 * MIB
    asked: int = 0
    told: list[int] = field(default_factory=list)

    def put(self, key: bytes, value: bytes = b"v") -> asyncio.Future[Outcome]:
        self.asked += 1
        return self.committer.submit(Txn("iam", (), (Write(key, value),)), lambda outcome: outcome)

    async def synced_by(self, *keys: bytes) -> str:
        """Put keys; the thread that waited for the disk."""
        await asyncio.gather(*map(self.put, keys))
        return self.engine.threads[-1]


@asynccontextmanager
async def running(history: History) -> AsyncIterator[Bench]:
    engine = Disk()
    store = Store(engine, history)
    bench: Bench

    def committed(commits: tuple[Commit, ...]) -> None:
        assert store.applied.version == commits[-1].version
        bench.told += [commit.version for commit in commits]

    committer = Committer(
        store,
        now_ms=lambda: 5,
        free_bytes=lambda: bench.free_bytes,
        reserve_bytes=MIB,
        committed=committed,
    )
    committer.heard = lambda: bench.asked
    bench = Bench(engine, store, committer)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run())
        yield bench
        committer.close()


def run(body: Callable[[Bench], Awaitable[None]], history: History) -> None:
    async def main() -> None:
        async with asyncio.timeout(10), running(history) as bench:
            await body(bench)

    asyncio.run(main())


def test_writes_that_come_together_share_a_sync(history: History):
    async def body(bench: Bench) -> None:
        before = bench.store.stage([], 0)
        outcomes = await asyncio.gather(*(bench.put(b"%d" % n) for n in range(50)))
        assert [outcome.version for outcome in outcomes] == list(range(2, 52))
        assert bench.engine.remembered == 51
        assert bench.told == list(range(2, 52))
        assert before.evaluation.applied.version == 1

    run(body, history)


def test_a_write_is_answered_after_it_was_published(history: History):
    async def body(bench: Bench) -> None:
        outcome = await bench.put(b"a")
        found = bench.store.get("iam", b"a", outcome.version)
        assert found is not None
        assert bench.engine.remembered == bench.store.applied.version == outcome.version

    run(body, history)


def test_one_batch_decides_between_rivals(history: History):
    async def body(bench: Bench) -> None:
        rival = Txn("iam", (Comparison(b"lock", 0),), (Write(b"lock", b"mine"),))
        rivals = (bench.committer.submit(rival, lambda outcome: outcome.succeeded) for _ in range(20))
        assert sorted(await asyncio.gather(*rivals)) == [False] * 19 + [True]

    run(body, history)


def test_a_comparison_alone_is_answered(history: History):
    async def body(bench: Bench) -> None:
        only = Txn("iam", (Comparison(b"a", 0),), ())
        assert await bench.committer.submit(only, lambda outcome: outcome.version) == 1

    run(body, history)


def test_a_full_disk_refuses_writes_until_there_is_room(history: History):
    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        bench.free_bytes = MIB - 1
        with pytest.raises(ResourceExhaustedError, match="0 MiB free and 1 MiB are kept in reserve"):
            await bench.put(b"b")
        assert bench.store.get("iam", b"a", bench.store.read_version(0)) is not None
        bench.free_bytes = MIB
        assert (await bench.put(b"b")).version == 3

    run(body, history)


def test_an_engine_without_room_refuses_writes_until_it_has_some(history: History):
    async def body(bench: Bench) -> None:
        bench.engine.write_error = EngineFullError("No space left on device")
        with pytest.raises(ResourceExhaustedError):
            await bench.put(b"a")
        assert (await bench.put(b"a")).version == 2

    run(body, history)


def test_a_failing_disk_refuses_the_batch(history: History):
    async def body(bench: Bench) -> None:
        bench.engine.write_error = EngineWriteError("Input/output error")
        with pytest.raises(UnavailableError, match="reads continue") as refusal:
            await bench.put(b"a")
        assert refusal.value.detail == "Input/output error"
        assert "Input/output" not in refusal.value.public

    run(body, history)


def test_the_log_hears_once_that_writes_are_refused_and_once_that_they_are_taken(
    history: History, caplog: pytest.LogCaptureFixture
):
    async def body(bench: Bench) -> None:
        for free_bytes in (0, 0, MIB, MIB):
            bench.free_bytes = free_bytes
            await asyncio.gather(bench.put(b"a"), return_exceptions=True)

    with caplog.at_level("INFO", logger="flaredb.commit"):
        run(body, history)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "0 MiB free" in caplog.records[0].getMessage()


def test_an_engine_that_wants_a_pause_gets_it(history: History):
    async def body(bench: Bench) -> None:
        bench.engine.write_error = EngineStalledError("Write stall")
        assert (await bench.put(b"a")).version == 2

    run(body, history)


def test_a_lone_caller_s_write_waits_on_the_loop_and_that_of_several_on_a_thread(history: History):
    async def body(bench: Bench) -> None:
        assert await bench.synced_by(b"a") == LOOP
        assert await bench.synced_by(b"a", b"b") == THREAD
        assert await bench.synced_by(b"a") == LOOP

    run(body, history)


def test_while_somebody_else_asks_the_loop_does_not_wait(history: History):
    async def body(bench: Bench) -> None:
        bench.asked += 1
        assert await bench.synced_by(b"a") == THREAD
        assert await bench.synced_by(b"a") == LOOP

    run(body, history)


def test_a_disk_that_became_slow_stops_the_loop_once(history: History):
    async def body(bench: Bench) -> None:
        bench.engine.pause_s = 2 * QUICK_S
        assert await bench.synced_by(b"a") == LOOP
        assert {await bench.synced_by(b"%d" % n) for n in range(PAUSE_MIN)} == {THREAD}

    run(body, history)


def test_what_waits_on_the_loop_and_on_the_thread_is_answered_in_the_order_of_commits(history: History):
    async def writer(bench: Bench, number: int) -> None:
        for turn in range(50):
            await bench.put(b"%d" % number)
            for _ in range((number + turn) % 3):
                await asyncio.sleep(0)

    async def body(bench: Bench) -> None:
        await asyncio.gather(*(writer(bench, number) for number in range(3)))
        assert bench.told == list(range(2, 152))
        assert set(bench.engine.threads[1:]) == {LOOP, THREAD}

    run(body, history)


@pytest.mark.parametrize("writes", [1, 2])
def test_a_sync_that_fails_ends_the_committer_and_says_that_the_outcome_is_unknown(history: History, writes: int):
    async def body(bench: Bench) -> None:
        bench.engine.sync_error = EngineWriteError("Input/output error")
        waiting = [bench.put(b"%d" % number) for number in range(writes)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {AbortedError}
        assert bench.store.applied.version == 1
        with pytest.raises(UnavailableError, match="stopping"):
            bench.put(b"b")

    with pytest.raises(ExceptionGroup) as ended:
        run(body, history)
    assert ended.group_contains(EngineWriteError)


def test_a_defect_ends_the_committer_instead_of_leaving_callers_waiting(history: History):
    async def body(bench: Bench) -> None:
        bench.engine.write_error = AssertionError("broken invariant")
        bench.put(b"a")
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as ended:
        run(body, history)
    assert ended.group_contains(AssertionError, match="broken invariant")


def test_a_write_whose_caller_went_is_not_done(history: History):
    async def body(bench: Bench) -> None:
        gone = bench.put(b"gone")
        gone.cancel()
        assert (await bench.put(b"a")).version == 2
        assert bench.store.get("iam", b"gone", 2) is None

    run(body, history)


def test_more_waiting_writes_than_fit_are_refused(history: History, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WAITING_COUNT_MAX", 3)

    async def body(bench: Bench) -> None:
        waiting = [bench.put(b"%d" % n) for n in range(3)]
        with pytest.raises(UnavailableError, match="3 writes of 0 MiB already wait"):
            bench.put(b"3")
        await asyncio.gather(*waiting)
        await bench.put(b"3")

    run(body, history)


def test_batches_are_bounded(history: History, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH_COUNT_MAX", 4)

    async def body(bench: Bench) -> None:
        waiting = [bench.put(b"%d" % n) for n in range(10)]
        await waiting[3]
        assert not waiting[4].done()
        await asyncio.gather(*waiting)

    run(body, history)


def test_closing_finishes_what_waits(history: History):
    async def body(bench: Bench) -> None:
        waiting = [bench.put(b"%d" % n) for n in range(10)]
        bench.committer.close()
        with pytest.raises(UnavailableError, match="stopping"):
            bench.put(b"late")
        assert len(await asyncio.gather(*waiting)) == 10

    run(body, history)
