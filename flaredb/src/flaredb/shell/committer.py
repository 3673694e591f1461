"""Group commit: many callers' writes in one batch with one sync, off the loop.

While one batch waits for the disk, writes gather for the next. So the more callers there are the larger the batches,
and one caller alone waits for one sync. A caller gets a future and no task: the server answers when it is done.

Source: group commit as in DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from flaredb.core.commands import Commit, Outcome, Txn
from flaredb.core.engine import EngineFullError, EngineStalledError, EngineWriteError
from flaredb.errors import MIB, closing, disk_full, overloaded, write_refused, write_unknown
from flaredb.shell.store import Staged, Store
from ultracloud.base.faults import Fault

WAITING_BYTES_MAX = 32 * MIB
"""Keys and values of writes that wait: seconds of a slow disk; more would only make every caller's deadline pass."""
WAITING_COUNT_MAX = 50_000
"""The same in writes: small ones weigh more as objects than by their bytes."""
BATCH_BYTES_MAX = 4 * MIB
"""Keys and values of one batch: half a memtable, so that a batch never waits for two flushes."""
BATCH_COUNT_MAX = 2000
"""Transactions of one batch: about 20 ms of evaluating, during which nobody is read to."""
STALL_RETRY_S = 0.005
"""RocksDB asks for a pause while it flushes a memtable, which takes a few times this."""

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Waiting(Generic[ResultT]):
    """A write that a caller waits for."""

    txn: Txn
    size_bytes: int
    future: asyncio.Future[ResultT]
    deliver: Callable[[Outcome], ResultT]


class Committer:
    """Runs transactions of many callers in batches; one at a time is under way, in the task that calls `run`."""

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
        self._free_bytes = free_bytes
        self._reserve_bytes = reserve_bytes
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting[object]] = deque()
        self._waiting_bytes = 0
        self._is_closed = False
        self._wake: asyncio.Future[None] | None = None

    @property
    def waiting_count(self) -> int:
        """Writes that no batch has yet."""
        return len(self._waiting)

    def submit(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> asyncio.Future[ResultT]:
        """Queue a transaction that `limits.check_txn` passed.

        Args:
            txn: Dropped if its future is cancelled before its batch begins.
            deliver: Makes the future's result of the outcome.

        Raises:
            UnavailableError: Too much waits already, or the server stops. Nothing was queued.
        """
        if self._is_closed:
            raise closing()
        if self._waiting_bytes > WAITING_BYTES_MAX or len(self._waiting) >= WAITING_COUNT_MAX:
            raise overloaded(len(self._waiting), self._waiting_bytes)
        size_bytes = txn.size_bytes
        future: asyncio.Future[ResultT] = self._loop.create_future()
        waiting = _Waiting(txn, size_bytes, future, deliver)
        self._waiting.append(waiting)  # type: ignore[arg-type]  # a queue of many result types
        self._waiting_bytes += size_bytes
        self._rouse()
        return future

    def close(self) -> None:
        """Refuse new writes; `run` ends when those that wait are done."""
        self._is_closed = True
        self._rouse()

    async def run(self) -> None:
        """Commit what is submitted until `close`.

        Raises:
            EngineWriteError: The disk did not confirm a batch. What it holds is unknown, so the process must end and
                read the disk again.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="flaredb-sync") as thread:
            while self._waiting or not self._is_closed:
                if self._waiting:
                    await self._commit(self._take(), thread)
                else:
                    self._wake = self._loop.create_future()
                    await self._wake

    def _rouse(self) -> None:
        # The task runs in the loop's next turn, so whatever else the loop has read from its sockets joins the batch.
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _take(self) -> list[_Waiting[object]]:
        """The writes of the next batch, in the order they came."""
        batch: list[_Waiting[object]] = []
        size_bytes = 0
        while self._waiting and len(batch) < BATCH_COUNT_MAX and size_bytes < BATCH_BYTES_MAX:
            one = self._waiting.popleft()
            self._waiting_bytes -= one.size_bytes
            if not one.future.done():
                batch.append(one)
                size_bytes += one.size_bytes
        return batch

    async def _commit(self, batch: list[_Waiting[object]], thread: ThreadPoolExecutor) -> None:
        """Stage a batch, sync it, and show it to readers, watchers and its callers, in this order."""
        try:
            staged = await self._stage(batch)
        except Fault as fault:
            _refuse(batch, fault)
            return
        if staged.evaluation.commits:
            try:
                await self._loop.run_in_executor(thread, self._store.sync, staged)
            except EngineWriteError as error:
                self._is_closed = True
                _refuse(batch, write_unknown(str(error)))
                while self._waiting:
                    _refuse(self._take(), closing())
                raise
        self._store.publish(staged)
        if staged.evaluation.commits:
            self._committed(staged.evaluation.commits)
        for one, outcome in zip(batch, staged.evaluation.outcomes, strict=True):
            if not one.future.done():
                one.future.set_result(one.deliver(outcome))

    async def _stage(self, batch: list[_Waiting[object]]) -> Staged:
        """The batch as the engine holds it.

        Raises:
            Fault: Nothing was done, for want of room or because of the disk.
        """
        txns = [one.txn for one in batch]
        while True:
            free = self._free_bytes()
            if free < self._reserve_bytes:
                raise disk_full(free, self._reserve_bytes)
            try:
                return self._store.stage(txns, self._now_ms())
            except EngineStalledError:
                await asyncio.sleep(STALL_RETRY_S)
            except EngineFullError as error:
                raise disk_full(free, self._reserve_bytes) from error
            except EngineWriteError as error:
                raise write_refused(str(error)) from error


def _refuse(batch: list[_Waiting[object]], fault: Fault) -> None:
    """Tell a batch's callers why."""
    for one in batch:
        if not one.future.done():
            one.future.set_exception(fault)
