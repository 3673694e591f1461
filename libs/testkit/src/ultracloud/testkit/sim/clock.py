"""Simulated time: it stands still until it is told to pass, and everything that is due happens in order."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

EVENTS_MAX = 10_000_000
"""Events of one run: more is a loop that never rests."""


@dataclass(slots=True)
class Timer:
    """Something that will happen."""

    at_ms: int
    action: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Let it not happen."""
        self.is_cancelled = True


class SimClock:
    """Time, timers, and random bytes from a seed."""

    def __init__(self, seed: int = 0, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = self._now_ms = now_ms
        self._random = Random(seed)  # noqa: S311 - a simulation repeats itself
        # Tuples compare in C. Equal times happen in the order they were asked for.
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since the clock was made."""
        return self._now_ms - self._start_ms

    def entropy(self, length: int) -> bytes:
        """`length` bytes, the same for the same seed."""
        return self._random.randbytes(length)

    def call_at(self, at_ms: int, action: Callable[[], None]) -> Timer:
        """Let `action` happen at a time; one that has passed means as soon as time passes."""
        timer = Timer(max(at_ms, self._now_ms), action)
        heapq.heappush(self._timers, (timer.at_ms, next(self._numbers), timer))
        return timer

    def call_later(self, delay_ms: int, action: Callable[[], None]) -> Timer:
        """Let `action` happen after a while."""
        return self.call_at(self._now_ms + delay_ms, action)

    def step(self) -> bool:
        """Let the next thing happen, passing the time until it; False if there is none."""
        while self._timers:
            _, _, timer = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                self._now_ms = timer.at_ms
                timer.action()
                return True
        return False

    def run_for(self, duration_ms: int) -> int:
        """Let `duration_ms` pass and everything in it happen; gives how many things did."""
        end_ms, happened = self._now_ms + duration_ms, 0
        while self._next_at_ms() <= end_ms:
            happened += self.step()
            assert happened < EVENTS_MAX, "the simulation never rests"
        self._now_ms = end_ms
        return happened

    def run_until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Let things happen until `condition` holds; False if it does not within `limit_ms`."""
        end_ms = self._now_ms + limit_ms
        while not condition():
            if self._next_at_ms() > end_ms:
                self._now_ms = end_ms
                return condition()
            self.step()
        return True

    def _next_at_ms(self) -> float:
        """When the next thing happens; infinity if nothing does."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else float("inf")
