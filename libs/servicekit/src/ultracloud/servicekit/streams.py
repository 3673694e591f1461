"""Streams end when their reader ends, and when their reader loses the right to them.

Python leaves an abandoned async iterator open until it is collected; and who opened a stream while they might would
otherwise keep it for as long as it says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from ultracloud.base.faults import Fault

LOOK_S = 0.4
"""How often a stream is asked whether it may go on: revocations are in force within a second, everywhere."""

ItemT = TypeVar("ItemT")


@asynccontextmanager
async def closing(iterator: AsyncIterator[ItemT]) -> AsyncGenerator[AsyncIterator[ItemT], None]:
    """Close `iterator` at the end of the block, whatever happened in it, if it can be closed."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def while_allowed(
    iterator: AsyncIterator[ItemT], require_still: Callable[[], None], every_s: float = LOOK_S
) -> AsyncGenerator[ItemT, None]:
    """Pass `iterator` on for as long as `require_still`, called with each item and `every_s`, raises nothing.

    Closes `iterator` when it ends or is closed.

    Raises:
        Fault: What `require_still` raises; the stream has ended then, in the middle of waiting if need be.
    """
    looks = _Looks(require_still, every_s)
    async with closing(iterator):
        try:
            while True:
                item = await looks.interrupting(anext(iterator))
                require_still()
                yield item
        except StopAsyncIteration:
            return
        finally:
            looks.end()


class _Looks:
    """Looks again and again whether somebody who waits still may, without a task: an item costs next to nothing."""

    __slots__ = ("_every_s", "_fault", "_require_still", "_timer", "_waiting")

    def __init__(self, require_still: Callable[[], None], every_s: float) -> None:
        self._require_still = require_still
        self._every_s = every_s
        self._waiting: asyncio.Task[object] | None = None
        self._fault: Fault | None = None
        self._timer = asyncio.get_running_loop().call_later(every_s, self._look)

    async def interrupting(self, awaitable: Awaitable[ItemT]) -> ItemT:
        """What `awaitable` gives, unless the right to it ends first."""
        task = self._waiting = asyncio.current_task()
        try:
            return await awaitable
        except asyncio.CancelledError:
            # Whoever else has cancelled it meanwhile wants it to end so.
            if self._fault is None or task is None or task.uncancel():
                raise
            raise self._fault from None
        finally:
            self._waiting = None

    def _look(self) -> None:
        """Once; what runs between two waits is told by `require_still` itself."""
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)
        if self._waiting is None or self._fault is not None:
            return
        try:
            self._require_still()
        except Fault as fault:
            self._fault = fault
            self._waiting.cancel()

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
