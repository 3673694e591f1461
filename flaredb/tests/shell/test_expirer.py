from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

import pytest

from flaredb.core.commands import Txn, Write
from flaredb.core.engine import Column, EngineStalledError
from flaredb.core.retention import History
from flaredb.shell.committer import Committer
from flaredb.shell.expirer import LOOK_S, PAUSE_S, SLICE_KEYS, Expirer
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine
from ultracloud.servicekit.clock import SystemClock

HISTORY = History(age_ms=3_600_000, changes=100_000, bytes=100_000_000)


@dataclass
class Looks(SystemClock):
    """A clock that stands at 10,000 and stops after some looks."""

    count: int
    slept: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        return 10_000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        if self.slept.count(LOOK_S) == self.count:
            raise asyncio.CancelledError


def expired(engine: MemoryEngine, looks: int, *, free_bytes: int = 1) -> tuple[Store, Looks]:
    """A store where 250 keys had ended, and one ends later, after some looks of an expirer."""
    store = Store(engine, HISTORY)
    for n in range(250):
        store.publish(store.stage([Txn("iam", (), (Write(b"%d" % n, b"v", 1000 + n // 2),))], 0))
    store.publish(store.stage([Txn("iam", (), (Write(b"later", b"v", 10_001),))], 0))
    clock = Looks(looks)

    async def main() -> None:
        committer = Committer(
            store, now_ms=clock.now_ms, free_bytes=lambda: free_bytes, reserve_bytes=1, committed=lambda _: None
        )
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(committer.run())
            with contextlib.suppress(asyncio.CancelledError):
                await Expirer(store, committer, clock).run()
            committer.close()

    asyncio.run(main())
    return store, clock


def rows(engine: MemoryEngine) -> int:
    cursor = engine.cursor(Column.EXPIRY)
    cursor.seek(b"")
    count = 0
    while cursor.valid():
        count += 1
        cursor.next()
    return count


def test_what_has_ended_is_deleted_in_slices_with_pauses():
    engine = MemoryEngine()
    store, clock = expired(engine, 2)
    assert [found.key for found in store.batch_get("iam", [b"0", b"249", b"later"], 255)] == [b"later"]
    assert store.applied.version == 252 + 3
    assert rows(engine) == 1
    assert SLICE_KEYS == 100
    assert clock.slept == [PAUSE_S, PAUSE_S, LOOK_S, LOOK_S]


def test_what_is_refused_is_tried_again_and_told(caplog: pytest.LogCaptureFixture):
    engine = MemoryEngine()
    with caplog.at_level(logging.WARNING):
        store, clock = expired(engine, 3, free_bytes=0)
    assert clock.slept == [LOOK_S] * 3
    assert store.applied.version == 252
    assert rows(engine) == 251
    assert "expired keys are not deleted: the store's disk has 0 MiB free" in caplog.text


class StallingEngine(MemoryEngine):
    """Stalls once when it is asked to forget an end."""

    is_stalled = False

    def write(self, rows):  # noqa: ANN001
        """Fail the first such batch."""
        rows = list(rows)
        if not self.is_stalled and any(column is Column.EXPIRY and value is None for column, _, value in rows):
            self.is_stalled = True
            raise EngineStalledError
        super().write(rows)


def test_a_disk_that_is_behind_is_waited_for():
    engine = StallingEngine()
    store, _ = expired(engine, 2)
    assert engine.is_stalled
    assert store.applied.version == 255
