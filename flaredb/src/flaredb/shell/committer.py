"""Group commit: many callers' writes in one batch with one sync.

A thread waits for the disk, or the loop itself where that holds up nobody else and is quicker; see `SyncPlace`. While
one batch waits for the disk, writes gather for the next, and the last one is answered. So the more callers there are
the larger the batches, and one caller alone waits for one sync. A caller gets a future and no task, and what happens
between two batches is a callback and no task either: one caller's write is mostly such hand-overs.

Source: group commit as in DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

from flaredb.core.commands import Commit, Outcome, Txn
from flaredb.core.engine import EngineFullError, EngineStalledError, EngineWriteError
from flaredb.errors import closing, disk_full, write_refused, write_unknown
from flaredb.shell.disk import SYNC_BUCKETS_S
from flaredb.shell.store import Staged, Store
from flaredb.shell.waiting import AnyWaiting, ResultT, WaitingWrites, answer, tell
from ultracloud.base.faults import Fault
from ultracloud.servicekit.metrics import Times
from ultracloud.servicekit.sync_place import SyncPlace
from ultracloud.wire import ShortCall

STALL_RETRY_S = 0.005
"""RocksDB asks for a pause while it flushes a memtable, which takes a few times this."""

_log = logging.getLogger("flaredb.commit")


@dataclass(slots=True)
class _Batch:
    """Writes that the engine holds and the disk is waited for."""

    waiting: list[AnyWaiting]
    staged: Staged


class Committer:
    """Runs transactions of many callers in batches; one at a time is staged or synced.

    Attributes:
        is_refusing: Whether the last batch was refused.
        stall_count: How often the engine asked for a pause.
        free_bytes: Tells how much room there is.
        reserve_bytes: Below so much, writes are refused.
        times: How long batches waited for the disk.
        heard: Tells how much callers have asked so far, of whatever kind.
    """

    def __init__(
        self,
        store: Store,
        *,
        now_ms: Callable[[], int],
        free_bytes: Callable[[], int],
        reserve_bytes: int,
        committed: Callable[[Sequence[Commit]], None],
    ) -> None:
        """Take transactions on the running loop.

        Args:
            store: Nobody else stages in it.
            now_ms: Wall time.
            free_bytes: Room on the store's disk.
            reserve_bytes: Room that is not used up: RocksDB needs some to flush and compact, and so to make more room.
            committed: Told of each batch's commits, once readers see them.
        """
        self._store = store
        self._now_ms = now_ms
        self.free_bytes = free_bytes
        self.reserve_bytes = reserve_bytes
        self.times = Times(SYNC_BUCKETS_S)
        self.heard: Callable[[], int] = _unheard
        self._place = SyncPlace()
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting = WaitingWrites()
        self._is_busy = False
        self._is_closed = False
        self.is_refusing = False
        self.stall_count = 0
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._to_sync: SimpleQueue[_Batch | None] = SimpleQueue()

    @property
    def waiting_count(self) -> int:
        """Writes that no batch has yet."""
        return len(self._waiting)

    def submit(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> asyncio.Future[ResultT]:
        """Queue a transaction that `limits.check_txn` passed.

        Args:
            txn: Dropped if its future is cancelled before its batch begins.
            deliver: Makes the future's result of the outcome. If that is a refusal, the future fails instead: with
                FailedPreconditionError, and nothing was written.

        Raises:
            UnavailableError: Too much waits already, or the server stops. Nothing was queued.
        """
        if self._is_closed:
            raise closing()
        future = self._waiting.add(txn, deliver, self._loop)
        self._wake()
        return future

    def submit_call(self, txn: Txn, call: ShortCall, render: Callable[[Outcome], bytes]) -> Literal[True]:
        """The same of a call that the wire keeps, which is answered with what `render` makes of the outcome."""
        if self._is_closed:
            raise closing()
        self._waiting.add_call(txn, call, render)
        self._wake()
        return True

    def _wake(self) -> None:
        """See to it that a batch begins."""
        if not self._is_busy:
            self._is_busy = True
            # In the loop's next turn: whatever else it has read from its sockets joins the batch.
            self._loop.call_soon(self._guarded, self._begin)

    def close(self) -> None:
        """Refuse new writes; `run` ends when those that wait are done."""
        self._is_closed = True
        if not self._is_busy:
            self._end(None)

    async def run(self) -> None:
        """Have a thread for the disk until `close`; without it nothing is committed.

        Raises:
            EngineWriteError: The disk did not confirm a batch. What it holds is unknown, so the process must end and
                read the disk again.
        """
        thread = threading.Thread(target=self._sync_batches, name="flaredb-sync")
        thread.start()
        try:
            await self._ended
        finally:
            self._to_sync.put(None)
            thread.join()

    def _sync_batches(self) -> None:
        """What the thread does: wait for the disk, batch by batch."""
        while (batch := self._to_sync.get()) is not None:
            failure, seconds = self._sync(batch)
            self._loop.call_soon_threadsafe(self._guarded, self._waited, batch, failure, seconds, False)

    def _sync(self, batch: _Batch) -> tuple[EngineWriteError | None, float]:
        """Wait for the disk: what it said if it failed, and for how many seconds."""
        failure: EngineWriteError | None = None
        began = time.perf_counter()
        try:
            self._store.sync(batch.staged)
        except EngineWriteError as error:
            failure = error
        return failure, time.perf_counter() - began

    def _sync_here(self, batch: _Batch) -> None:
        """The same on the loop, then answer."""
        self._waited(batch, *self._sync(batch), True)

    def _waited(self, batch: _Batch, failure: EngineWriteError | None, seconds: float, is_here: bool) -> None:  # noqa: FBT001 - called by the loop
        """The disk has been waited for, here or by the thread."""
        self._place.took(seconds, here=is_here)
        self.times.add(seconds)
        self._synced(batch, failure)

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a step; if it fails, so does `run`, and with it the process: nobody would be answered any more."""
        try:
            step(*arguments)
        except BaseException as error:
            self._end(error)
            raise

    def _begin(self, before: _Batch | None = None) -> None:
        """Stage the next batch; rest if there is none. The one `before` is answered after that, if there is one."""
        waiting = self._waiting.take()
        if waiting:
            self._stage(waiting, before)
            return
        self._is_busy = False
        if self._is_closed:
            self._end(None)

    def _stage(self, waiting: list[AnyWaiting], before: _Batch | None = None) -> None:
        """Evaluate a batch and write it; whatever comes of it, something follows that begins the next."""
        try:
            free = self.free_bytes()
            if free < self.reserve_bytes:
                raise disk_full(free, self.reserve_bytes)
            batch = _Batch(waiting, self._store.stage([one.txn for one in waiting], self._now_ms()))
        except EngineStalledError:
            self.stall_count += 1
            self._loop.call_later(STALL_RETRY_S, self._guarded, self._stage, waiting)
        except EngineFullError:
            self._refuse(waiting, disk_full(self.free_bytes(), self.reserve_bytes))
        except EngineWriteError as error:
            self._refuse(waiting, write_refused(str(error)))
        except Fault as fault:
            self._refuse(waiting, fault)
        else:
            if self.is_refusing:
                self.is_refusing = False
                _log.info("the disk takes writes again")
            if batch.staged.evaluation.commits:
                is_lone = before is None and len(waiting) == 1 and not self._waiting
                if self._place.is_here(self.heard(), is_lone=is_lone):
                    self._sync_here(batch)
                else:
                    self._to_sync.put(batch)
            else:
                # Nothing to wait for; but not at once, since the batch before is answered first.
                self._loop.call_soon(self._guarded, self._synced, batch, None)

    def _refuse(self, waiting: list[AnyWaiting], fault: Fault) -> None:
        """Tell a batch's callers why nothing was done, and go on. The log hears of the first of a row."""
        if not self.is_refusing:
            self.is_refusing = True
            _log.error("writes are refused: %s", fault)
        tell(waiting, fault)
        self._loop.call_soon(self._guarded, self._begin)

    def _synced(self, batch: _Batch, failure: EngineWriteError | None) -> None:
        """Begin the next batch, then answer this one while the disk works again."""
        if failure is not None:
            self._is_closed = True
            tell(batch.waiting, write_unknown(str(failure)))
            self._waiting.refuse_all(closing())
            _log.critical("the disk did not confirm a batch: %s", failure)
            raise failure
        self._begin(batch)
        self._answer(batch)

    def _answer(self, batch: _Batch) -> None:
        """Show a batch to readers, watchers and its callers, in this order."""
        staged = batch.staged
        self._store.publish(staged)
        if staged.evaluation.commits:
            self._committed(staged.evaluation.commits)
        answer(batch.waiting, staged.evaluation.outcomes)

    def _end(self, error: BaseException | None) -> None:
        """Let `run` end."""
        self._is_closed = True
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)


def _unheard() -> int:
    """Nobody counts."""
    return 0
