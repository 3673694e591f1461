"""Places in the store of which one change has one at a time, so that changes need not wait for each other.

Within a process nobody meets: a number that is taken is nobody else's. Other processes have the same numbers. Who meets
one there puts the number behind all others and takes the next, and who does not keeps it: so each process comes to
have numbers of its own, as long as there are enough.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Slot:
    """A number that is taken."""

    number: int
    was_raced: bool = False


class Slots:
    """The numbers from 0 to `count` - 1, of which this process has `at_once` at most."""

    def __init__(self, count: int, at_once: int) -> None:
        assert 0 < at_once <= count
        # Each process begins elsewhere.
        self._free = deque(random.SystemRandom().sample(range(count), count))
        self._count = count
        self._room = asyncio.Semaphore(at_once)

    @property
    def is_idle(self) -> bool:
        """Whether none is taken."""
        return len(self._free) == self._count

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[Slot, None]:
        """Have a number in the block; set its `was_raced` if another process was met there."""
        async with self._room:
            slot = Slot(self._free.pop())
            try:
                yield slot
            finally:
                if slot.was_raced:
                    self._free.appendleft(slot.number)
                else:
                    self._free.append(slot.number)
