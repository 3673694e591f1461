"""Streams end when their reader ends: Python leaves an abandoned async iterator open until it is collected."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

ItemT = TypeVar("ItemT")


@asynccontextmanager
async def closing(iterator: AsyncIterator[ItemT]) -> AsyncGenerator[AsyncIterator[ItemT], None]:
    """Close `iterator` at the end of the block, whatever happened in it, if it can be closed."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
