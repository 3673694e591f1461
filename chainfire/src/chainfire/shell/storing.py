"""Making durable what Raft wants stored, one record and one sync at a time, in the log's thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from chainfire.core import wal
from chainfire.core.work import BATCH_BYTES_MAX, Store
from chainfire.shell.logthread import LogThread
from chainfire.shell.segments import Log, LogBrokenError, LogFullError
from ultracloud.raft.words import HardState

RETRY_FULL_S = 0.5
"""How soon a full disk is tried again."""
SYNC_BOUNDS_S = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192)
"""Upper bounds of the counted times of syncs: etcd's."""
_log = logging.getLogger("chainfire.log")


class Storing:
    """Stores for one member.

    Args:
        log: Open for appending; from now on touched by `thread` only.
        thread: Where the disk is waited for.
        stored: Called on the loop with the number of a `Store` that is durable.
        state: What the log said last when it was opened.

    Attributes:
        is_full: The last record found no room on the disk.
        sync_counts: Syncs by duration, in the bounds of SYNC_BOUNDS_S and one more; sync_sum_s is all of them.
        slowest_s: The longest sync since somebody last set it to 0.
    """

    def __init__(self, log: Log, thread: LogThread, stored: Callable[[int], None], state: HardState) -> None:
        self.is_full = False
        self.sync_counts = [0] * (len(SYNC_BOUNDS_S) + 1)
        self.sync_sum_s = 0.0
        self.slowest_s = 0.0
        self._log = log
        self._thread = thread
        self._stored = stored
        self._written = state
        self._loop = asyncio.get_running_loop()
        self._crash: asyncio.Future[None] = self._loop.create_future()
        self._idle = asyncio.Event()
        self._idle.set()

    def store(self, store: Store) -> None:
        """Make something durable, then tell."""
        self._idle.clear()
        self._thread.submit(lambda: self._write(store))

    def crash(self, error: BaseException) -> None:
        """End the process: what follows an error in the middle of a change would be served from a broken state."""
        if not self._crash.done():
            self._crash.set_exception(error)

    async def wait_crash(self) -> None:
        """Wait for ever; raises what storing or applying raised."""
        await self._crash

    async def wait_idle(self) -> None:
        """Wait until something is stored, or nothing is being stored; for good on a full disk."""
        await self._idle.wait()

    def seal(self) -> None:
        """Write one more record, so that damage to the last batch cannot pass for a torn tail.

        It repeats what the last one said. The member may have learned of more that is committed and that the log does
        not hold yet; a log that said so would be taken for damaged at the next start.
        """
        self._thread.submit(self._seal)

    def _seal(self) -> None:
        """In the thread."""
        try:
            self._log.append(self._written)
        except (LogFullError, LogBrokenError) as error:
            _log.warning("the log is not sealed: %s", error)

    def _write(self, store: Store) -> None:
        """In the thread."""
        started = time.monotonic()
        try:
            for payload in wal.payloads(store.state, store.entries, store.mark, BATCH_BYTES_MAX):
                if isinstance(payload, wal.Mark):
                    self._log.append_mark(payload)
                else:
                    self._log.append(payload.state, payload.entries)
                self._written = payload.state
        except LogFullError as error:
            self._loop.call_soon_threadsafe(self._wait_for_room, store, str(error))
        except LogBrokenError as error:
            self._loop.call_soon_threadsafe(self.crash, error)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self.crash, error)
            raise
        else:
            self._loop.call_soon_threadsafe(self._done, store.number, time.monotonic() - started)

    def _done(self, number: int, seconds: float) -> None:
        self.is_full = False
        self.sync_counts[_bucket(seconds)] += 1
        self.sync_sum_s += seconds
        self.slowest_s = max(self.slowest_s, seconds)
        self._idle.set()
        self._stored(number)

    def _wait_for_room(self, store: Store, why: str) -> None:
        """Nothing of it was promised, and writing some of it twice changes nothing."""
        if not self.is_full:
            _log.error("the disk is full, writes wait: %s", why)
        self.is_full = True
        self._loop.call_later(RETRY_FULL_S, self.store, store)


def _bucket(seconds: float) -> int:
    for number, bound in enumerate(SYNC_BOUNDS_S):
        if seconds <= bound:
            return number
    return len(SYNC_BOUNDS_S)
