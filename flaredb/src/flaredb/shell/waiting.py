"""Writes that wait for their batch, whatever commits it: bounded, in the order they came, each a caller's future."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flaredb.core.commands import Outcome, Txn
from flaredb.core.refusals import refused
from flaredb.errors import MIB, overloaded
from ultracloud.base.faults import Fault

WAITING_BYTES_MAX = 32 * MIB
"""Keys and values of writes that wait: seconds of a slow disk; more would only make every caller's deadline pass."""
WAITING_COUNT_MAX = 50_000
"""The same in writes: small ones weigh more as objects than by their bytes."""
BATCH_BYTES_MAX = 4 * MIB
"""Keys and values of one batch: half a memtable, so that a batch never waits for two flushes."""
BATCH_COUNT_MAX = 2000
"""Transactions of one batch: about 20 ms of evaluating, during which nobody is read to."""

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Waiting(Generic[ResultT]):
    """A write that a caller waits for."""

    txn: Txn
    size_bytes: int
    future: asyncio.Future[ResultT]
    deliver: Callable[[Outcome], ResultT]


class WaitingWrites:
    """The queue between callers and batches."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting[Any]] = deque()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, txn: Txn, deliver: Callable[[Outcome], ResultT], loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[ResultT]:
        """Queue a transaction; its future has what `deliver` makes of the outcome, or fails with a fault.

        Raises:
            UnavailableError: Too much waits already. Nothing was queued.
        """
        if self._size_bytes > WAITING_BYTES_MAX or len(self._waiting) >= WAITING_COUNT_MAX:
            raise overloaded(len(self._waiting), self._size_bytes)
        size_bytes = txn.size_bytes
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append(Waiting(txn, size_bytes, future, deliver))
        self._size_bytes += size_bytes
        return future

    def take(self) -> list[Waiting[Any]]:
        """The writes of the next batch, in the order they came; without those whose callers have gone."""
        taken: list[Waiting[Any]] = []
        size_bytes = 0
        while self._waiting and len(taken) < BATCH_COUNT_MAX and size_bytes < BATCH_BYTES_MAX:
            one = self._waiting.popleft()
            self._size_bytes -= one.size_bytes
            if not one.future.done():
                taken.append(one)
                size_bytes += one.size_bytes
        return taken

    def refuse_all(self, fault: Fault) -> None:
        """Answer all that wait with a fault."""
        tell(self._waiting, fault)
        self._waiting.clear()
        self._size_bytes = 0


def answer(waiting: Sequence[Waiting[Any]], outcomes: Sequence[Outcome]) -> None:
    """Answer a batch's callers, those who are still there."""
    for one, outcome in zip(waiting, outcomes, strict=True):
        if one.future.done():
            continue
        if outcome.refusal is None:
            one.future.set_result(one.deliver(outcome))
        else:
            one.future.set_exception(refused(outcome.refusal))


def tell(waiting: Iterable[Waiting[Any]], fault: Fault) -> None:
    """Answer callers with a fault."""
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(fault)
