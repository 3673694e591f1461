"""Eventual namespaces on a single node: turns of the loop, and a thread for the disk, beside the committer's.

Both write one RocksDB, whose log keeps the order; a sync of either makes all durable that was written before it. A
batch is written and synced, then the next: what is told meanwhile gathers for that one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from flaredb.core.engine import EngineFullError, EngineStalledError, EngineWriteError, Row
from flaredb.errors import disk_full, write_refused
from flaredb.shell.eventual import EventualSpace
from flaredb.shell.rocks import RocksEngine
from ultracloud.base.faults import Fault

TICK_S = 0.1
RETRY_S = 0.5
"""Between attempts to write a batch that the disk has no room for."""
STALL_RETRY_S = 0.005
"""RocksDB asks for a pause while it flushes a memtable, which takes a few times this."""

_log = logging.getLogger("flaredb.eventual")


class EventualDriver:
    """Drives the eventual namespaces of a node that is alone."""

    def __init__(
        self, space: EventualSpace, engine: RocksEngine, *, free_bytes: Callable[[], int], reserve_bytes: int
    ) -> None:
        """Drive on the running loop; see `Committer` for the arguments."""
        self._space = space
        self._engine = engine
        self._free_bytes = free_bytes
        self._reserve_bytes = reserve_bytes
        self._loop = asyncio.get_running_loop()
        self._is_busy = self._is_closed = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._to_sync: SimpleQueue[int] = SimpleQueue()
        self._ticking = self._loop.call_later(TICK_S, self._guarded, self._tick)
        space.soon = self.soon

    async def run(self) -> None:
        """Have a thread for the disk until `close`.

        Raises:
            EngineWriteError: The disk did not confirm a batch; the process must end and read the disk again.
        """
        thread = threading.Thread(target=self._sync_batches, name="flaredb-eventual")
        thread.start()
        try:
            await self._ended
        finally:
            self._ticking.cancel()
            self._to_sync.put(0)
            thread.join()

    def soon(self) -> None:
        """Take a turn, unless a batch is under way: what comes after it takes the next."""
        if not self._is_busy and not self._ended.done():
            self._is_busy = True
            self._loop.call_soon(self._guarded, self._turn)

    def close(self) -> None:
        """Refuse new writes; `run` ends when those that wait are done."""
        self._space.close()
        self._is_closed = True
        self.soon()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._guarded, self._tick)
        free = self._free_bytes()
        if free < self._reserve_bytes:
            self._refuse(disk_full(free, self._reserve_bytes))
        elif not self._is_busy:
            self._accept()
        self._space.tick()

    def _turn(self) -> None:
        """Write what was told, and hand it to the thread; rest if there is nothing."""
        self._space.take_outgoing()  # there is nobody
        rows = self._space.begin()
        if rows:
            self._write(rows)
            return
        self._is_busy = False
        if self._is_closed and not self._ended.done():
            self._ended.set_result(None)

    def _write(self, rows: list[Row]) -> None:
        """Write a batch, now or later: it is staged, so it cannot be refused any more."""
        free = self._free_bytes()
        try:
            if free < self._reserve_bytes:
                raise EngineFullError
            self._engine.write(rows)
        except EngineStalledError:
            self._loop.call_later(STALL_RETRY_S, self._guarded, self._write, rows)
        except EngineWriteError as error:
            is_full = isinstance(error, EngineFullError)
            self._refuse(disk_full(free, self._reserve_bytes) if is_full else write_refused(str(error)))
            self._give_up_or_retry(rows)
        else:
            self._accept()
            self._to_sync.put(self._space.to_sync())

    def _refuse(self, refusal: Fault) -> None:
        """Take no more writes; the log hears of the first reason."""
        if self._space.refusal is None:
            _log.error("eventual writes are refused: %s", refusal)
        self._space.refusal = refusal

    def _accept(self) -> None:
        if self._space.refusal is not None:
            _log.info("the disk takes eventual writes again")
            self._space.refusal = None

    def _give_up_or_retry(self, rows: list[Row]) -> None:
        if not self._is_closed:
            self._loop.call_later(RETRY_S, self._guarded, self._write, rows)
        elif not self._ended.done():
            self._ended.set_result(None)

    def _sync_batches(self) -> None:
        """What the thread does: wait for the disk, batch by batch."""
        while number := self._to_sync.get():
            failure: EngineWriteError | None = None
            try:
                self._engine.sync(0)
            except EngineWriteError as error:
                failure = error
            self._loop.call_soon_threadsafe(self._guarded, self._synced, number, failure)

    def _synced(self, number: int, failure: EngineWriteError | None) -> None:
        if failure is not None:
            _log.critical("the disk did not confirm a batch of eventual writes: %s", failure)
            raise failure
        self._space.synced(number)
        self._turn()

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a step; if it fails, so does `run`, and with it the process: nobody would be answered any more."""
        try:
            step(*arguments)
        except BaseException as error:
            if not self._ended.done():
                self._ended.set_exception(error)
            raise
