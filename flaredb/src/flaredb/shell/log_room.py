"""Makes room in the log ahead: syncing a file that grows takes a third longer, for the file system's journal.

RocksDB writes over logs that it needs no more, but after a start each of them first has to grow. So once callers have
begun to write, two logs are filled with zeros, in small parts, with pauses, synced apart so that nobody's write waits
for them. Whoever writes little never pays for it.

Source: PostgreSQL, which fills each segment of its log before it uses it (XLogFileInit in access/transam/xlog.c).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from flaredb.core.engine import Column, Engine, EngineStalledError, EngineWriteError
from flaredb.shell.store import Store
from ultracloud.servicekit.clock import Clock

BEGIN_BYTES = 256 * 1024
"""What callers have written since the start when it begins."""
PART_BYTES = 512 * 1024
"""Written in half a millisecond, during which nobody is served."""
LOOK_S, PAUSE_S = 1.0, 0.01
"""Seconds between looks whether to begin, and between two parts."""
LOGS = 2
"""The one that is written while the other is flushed; whatever comes then is written over one of them."""
FILLED = 0.75
"""Part of a log: with more, RocksDB would begin the next one by itself, before this one may be written over."""
ROOM_KEY = b"room"

_log = logging.getLogger("flaredb.log_room")


class Logging(Engine, Protocol):
    """An engine with a log."""

    def flush(self) -> None:
        """Begin another log, and need those before it no more, soon. Raises as `write`."""
        ...


class LogRoom:
    """Fills the logs of one engine, once.

    Args:
        store: What callers write to.
        engine: The store's.
        log_bytes: About as long a log gets before RocksDB begins the next one.
        has_room: Whether the disk has room to spare.
        clock: Sleeps between parts.
    """

    def __init__(
        self, store: Store, engine: Logging, log_bytes: int, has_room: Callable[[], bool], clock: Clock
    ) -> None:
        self._store = store
        self._engine = engine
        self._parts = int(FILLED * log_bytes) // PART_BYTES
        self._has_room = has_room
        self._clock = clock

    async def run(self) -> None:
        """Wait until callers write, then fill the logs. When it is cancelled, no sync of its own is under way.

        Raises:
            EngineWriteError: The disk did not confirm what was written, so what it holds is unknown.
        """
        begun = self._store.applied.bytes
        while self._store.applied.bytes - begun < BEGIN_BYTES:
            await self._clock.sleep(LOOK_S)
        for log in range(LOGS):
            if not await self._fill():
                _log.warning("the log is not filled ahead: the disk takes no more")
                return
            _log.debug("%d of %d logs are filled", log + 1, LOGS)

    async def _fill(self) -> bool:
        """Fill a log, and let RocksDB begin the next one; False if the disk does not take it."""
        for _ in range(self._parts):
            if not (self._has_room() and await self._write(bytes(PART_BYTES))):
                return False
            await _to_its_end(asyncio.ensure_future(asyncio.to_thread(self._engine.sync, 0)))
            await self._clock.sleep(PAUSE_S)
        return await self._write(None)

    async def _write(self, part: bytes | None) -> bool:
        """Write something that nobody reads, or, after the last of a log, delete it and flush; whether that worked."""
        while True:
            try:
                self._engine.write([(Column.META, ROOM_KEY, part)])
                if part is None:
                    self._engine.flush()
            except EngineStalledError:
                await self._clock.sleep(PAUSE_S)
            except EngineWriteError:
                return False
            else:
                return True


async def _to_its_end(work: asyncio.Future[None]) -> None:
    """Wait for work in a thread, which cannot be cancelled: it is over when this is."""
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
