"""Time and randomness, as arguments: a core gets numbers, a shell gets a `Clock`, a test gets its own.

Wall time is for what people and other machines read; monotonic time is for how long something took.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Protocol

from ultracloud.base import ids


class Clock(Protocol):
    """Where a shell takes time and randomness from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970; may jump when the machine's time is set."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; never goes back."""
        ...

    def entropy(self, length: int) -> bytes:
        """`length` random bytes."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The machine's own time and randomness."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since boot or so."""
        return time.monotonic_ns() // 1_000_000

    def entropy(self, length: int) -> bytes:
        """From the kernel."""
        return os.urandom(length)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)


def new_id(clock: Clock, prefix: str) -> str:
    """A fresh id of the kind that `prefix` names."""
    return ids.make_id(prefix, clock.now_ms(), clock.entropy(ids.ENTROPY_BYTES))
