"""Streams end when their reader ends, and when their reader loses the right to them.

Python leaves an abandoned async iterator open until it is collected; and who opened a stream while they might would
otherwise keep it for as long as it says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

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

    Raises:
        Fault: What `require_still` raises; the stream has ended then, in the middle of waiting if need be.
    """
    waiting: asyncio.Future[ItemT] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(iterator))
            await asyncio.wait({waiting}, timeout=every_s)
            require_still()
            if waiting.done():
                try:
                    item = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = None
                yield item
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
