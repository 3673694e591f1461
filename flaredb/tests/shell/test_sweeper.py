from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from flaredb.core.commands import Txn, Write
from flaredb.core.engine import EngineStalledError, EngineWriteError
from flaredb.core.retention import History
from flaredb.shell.store import Store
from flaredb.shell.sweeper import LOOK_S, Sweeper
from flaredb.testing import MemoryEngine


@dataclass
class PatientClock:
    """Time passes when somebody sleeps, and stops after some looks."""

    looks: int
    time_ms: int = 0
    slept: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_ms(self) -> int:
        return self.time_ms

    def entropy(self, length: int) -> bytes:
        return bytes(length)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_ms += int(seconds * 1000)
        if self.slept.count(LOOK_S) >= self.looks:
            raise asyncio.CancelledError


def swept(engine: MemoryEngine, looks: int) -> tuple[Store, PatientClock]:
    store = Store(engine, History(age_ms=7000, changes=6400, bytes=10_000_000))
    for n in range(300):
        store.publish(store.stage([Txn("iam", (), (Write(b"%d" % (n % 7), b"v"),))], 0))
    clock = PatientClock(looks)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(Sweeper(store, clock).run())
    return store, clock


def test_old_history_is_swept_in_slices_with_pauses():
    store, clock = swept(MemoryEngine(), 4)
    assert store.swept == store.floor == 301
    assert [seconds < LOOK_S for seconds in clock.slept] == [False, False, True, True, True, False, False]


def test_a_disk_that_fails_is_tried_again_later():
    for error in (EngineWriteError("disk"), EngineStalledError("Write stall")):
        engine = FailingEngine(error)
        store, _ = swept(engine, 5)
        assert store.swept == store.floor == 301


class FailingEngine(MemoryEngine):
    """Fails the first write that raises the floor, and the first that sweeps."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._failures = {302: error, 304: error}
        self._writes = 0

    def write(self, rows):  # noqa: ANN001
        """Count, and fail as planned."""
        self._writes += 1
        self.write_error = self._failures.get(self._writes)
        super().write(rows)
