"""Writes that wait for their batch, whatever commits it: bounded, in the order they came, each a caller's future."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from flaredb.core.commands import Outcome, Txn
from flaredb.core.refusals import refused
from flaredb.errors import MIB, overloaded
from ultracloud.base.faults import Fault
from ultracloud.wire import ShortCall

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

    def is_gone(self) -> bool:
        """Whether nobody waits any more."""
        return self.future.done()

    def answer(self, outcome: Outcome) -> None:
        """Tell the caller what became of it."""
        if self.future.done():
            return
        if outcome.refusal is None:
            self.future.set_result(self.deliver(outcome))
        else:
            self.future.set_exception(refused(outcome.refusal))

    def refuse(self, fault: Fault) -> None:
        """Tell the caller that nothing became of it."""
        if not self.future.done():
            self.future.set_exception(fault)


@dataclass(slots=True)
class WaitingCall:
    """A write of a call that the wire keeps."""

    txn: Txn
    size_bytes: int
    call: ShortCall
    render: Callable[[Outcome], bytes]

    def is_gone(self) -> bool:
        """A call that has ended is written all the same: its caller does not know that it was not."""
        return False

    def answer(self, outcome: Outcome) -> None:
        """Tell the caller what became of it."""
        if outcome.refusal is None:
            self.call.reply(self.render(outcome))
        else:
            self.call.refuse(refused(outcome.refusal))

    def refuse(self, fault: Fault) -> None:
        """Tell the caller that nothing became of it."""
        self.call.refuse(fault)


AnyWaiting: TypeAlias = Waiting[Any] | WaitingCall


class WaitingWrites:
    """The queue between callers and batches."""

    def __init__(self) -> None:
        self._waiting: deque[AnyWaiting] = deque()
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
        future: asyncio.Future[ResultT] = loop.create_future()
        self._add(Waiting(txn, txn.size_bytes, future, deliver))
        return future

    def add_call(self, txn: Txn, call: ShortCall, render: Callable[[Outcome], bytes]) -> None:
        """Queue a transaction of a call, which gets what `render` makes of the outcome. Raises as `add`."""
        self._add(WaitingCall(txn, txn.size_bytes, call, render))

    def _add(self, one: AnyWaiting) -> None:
        if self._size_bytes > WAITING_BYTES_MAX or len(self._waiting) >= WAITING_COUNT_MAX:
            raise overloaded(len(self._waiting), self._size_bytes)
        self._waiting.append(one)
        self._size_bytes += one.size_bytes

    def take(self) -> list[AnyWaiting]:
        """The writes of the next batch, in the order they came; without those whose callers have gone."""
        taken: list[AnyWaiting] = []
        size_bytes = 0
        while self._waiting and len(taken) < BATCH_COUNT_MAX and size_bytes < BATCH_BYTES_MAX:
            one = self._waiting.popleft()
            self._size_bytes -= one.size_bytes
            if not one.is_gone():
                taken.append(one)
                size_bytes += one.size_bytes
        return taken

    def refuse_all(self, fault: Fault) -> None:
        """Answer all that wait with a fault."""
        tell(self._waiting, fault)
        self._waiting.clear()
        self._size_bytes = 0


def answer(waiting: Sequence[AnyWaiting], outcomes: Sequence[Outcome]) -> None:
    """Answer a batch's callers, those who are still there."""
    for one, outcome in zip(waiting, outcomes, strict=True):
        one.answer(outcome)


def tell(waiting: Iterable[AnyWaiting], fault: Fault) -> None:
    """Answer callers with a fault."""
    for one in waiting:
        one.refuse(fault)
