from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from flaredb.core.commands import Txn, Write
from flaredb.core.engine import Column, EngineFullError, Row
from flaredb.core.retention import History
from flaredb.shell import log_room
from flaredb.shell.log_room import BEGIN_BYTES, LOGS, PART_BYTES, ROOM_KEY, Logging, LogRoom
from flaredb.shell.rocks import RocksEngine
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine
from ultracloud.servicekit.clock import SystemClock

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and write on at once."""
    monkeypatch.setattr(log_room, "LOOK_S", 0.01)
    monkeypatch.setattr(log_room, "PAUSE_S", 0.001)


class Counting(MemoryEngine):
    """Counts the parts that it was given, and the syncs."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = self.syncs = self.flushes = 0

    def write(self, rows: Iterable[Row]) -> None:
        super().write(rows)
        self.parts += self.get(Column.META, ROOM_KEY) is not None

    def sync(self, version: int) -> None:
        super().sync(version)
        self.syncs += 1

    def flush(self) -> None:
        self.flushes += 1


def written(engine: Logging, history: History, size: int) -> Store:
    """A store to which callers wrote so much since its start."""
    store = Store(engine, history)
    room = LogRoom(store, engine, 4 * MIB, lambda: True, SystemClock())

    async def body() -> None:
        running = asyncio.create_task(room.run())
        await asyncio.sleep(0)
        txn = Txn("iam", (), (Write(b"k", bytes(size)),))
        store.publish(store.stage([txn], 0))
        async with asyncio.timeout(10):
            await running

    asyncio.run(body())
    return store


def test_the_log_that_is_written_has_room_ahead(
    open_store_folder: Callable[[], RocksEngine], history: History, tmp_path: Path
):
    engine = open_store_folder()
    written(engine, history, BEGIN_BYTES)
    newest = max((tmp_path / "db" / "rocksdb").glob("*.log"))
    assert newest.stat().st_size >= 3 * MIB
    assert engine.get(Column.META, ROOM_KEY) is None


def test_what_is_written_is_synced_part_by_part_and_nothing_stays(history: History):
    engine = Counting()
    written(engine, history, BEGIN_BYTES)
    assert engine.parts == LOGS * 3 * MIB // PART_BYTES
    assert engine.syncs == 1 + engine.parts  # the store's own first
    assert engine.flushes == LOGS
    assert engine.get(Column.META, ROOM_KEY) is None


def test_who_writes_little_pays_nothing(history: History):
    engine = Counting()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(idle(engine, history), 0.05))
    assert engine.parts == 0


async def idle(engine: Logging, history: History) -> None:
    """Wait for callers that do not come."""
    await LogRoom(Store(engine, history), engine, 4 * MIB, lambda: True, SystemClock()).run()


def test_a_full_disk_is_not_filled_further(history: History):
    engine = Counting()
    store = Store(engine, history)

    async def body() -> None:
        running = asyncio.create_task(LogRoom(store, engine, 4 * MIB, lambda: True, SystemClock()).run())
        await asyncio.sleep(0)
        store.publish(store.stage([Txn("iam", (), (Write(b"k", bytes(BEGIN_BYTES)),))], 0))
        engine.write_error = EngineFullError("No space left on device")
        await running

    asyncio.run(body())
    assert engine.parts == 0
