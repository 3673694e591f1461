"""Waiting for something outside the test's own loop: there is no event to wait for, so it looks often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 0.02


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 20) -> None:
    """Wait until `condition` holds; fail if it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - what it looks at is in another process or on disk
            await asyncio.sleep(LOOK_S)
