"""How often one object may be worked on: a handful of times at once, then now and then.

Two who undo each other's work, or a planner that is never content, would otherwise keep a core and the store busy for
as long as they live. It counts only work that does something; looking is free.

Source: the token bucket of RFC 2697, section 3.
"""

from __future__ import annotations

from collections.abc import Hashable

from ultracloud.servicekit.clock import Clock

BURST = 20
"""Times in quick succession: an object that is made goes through some ten steps."""
EVERY_MS = 500
"""Beyond, once in this while: what asks all the time is told soon, and costs next to nothing."""


class Pace:
    """How much each object has asked for lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at_ms: dict[Hashable, int] = {}

    def wait_s(self, key: Hashable) -> float:
        """Seconds until `key` may be worked on again; 0 is now."""
        spent_ms = self._full_at_ms.get(key, 0) - self._clock.monotonic_ms()
        return max(0, spent_ms - (BURST - 1) * EVERY_MS) / 1000

    def acted(self, key: Hashable) -> None:
        """Note that it is worked on."""
        now_ms = self._clock.monotonic_ms()
        self._full_at_ms[key] = max(self._full_at_ms.get(key, 0), now_ms) + EVERY_MS

    def forget(self) -> None:
        """Drop what has been quiet; for a task that runs now and then."""
        now_ms = self._clock.monotonic_ms()
        self._full_at_ms = {key: full_ms for key, full_ms in self._full_at_ms.items() if full_ms > now_ms}
