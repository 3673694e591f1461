"""A clock that does not jump: versions are times, and a version that is a day ahead stays a day ahead for good.

It follows the wall clock as far as that goes on evenly. Where it jumps, time goes on as it went, and comes nearer to
the wall clock a little at a time, so that one that was set right is followed in the end.

Source: the slewing of clocks, as in RFC 5905, section 11.
"""

from __future__ import annotations

from dataclasses import dataclass

SLEW_PART = 500
"""This part of the time that passes is what the clock comes nearer: two milliseconds a second. Stores whose clocks were
set apart stay within the half second that they may differ by for minutes."""
CREDIT_MS = 10_000
"""Time that counts at most, when nobody asked for long."""
JUMP_MS = 200
"""What is more than this is a jump and no drift. A process that stands still for a while is none: both clocks go on."""


@dataclass(slots=True)
class SteadyClock:
    """One process's time.

    Attributes:
        ahead_ms: How far it is ahead of the wall clock; negative behind it.
    """

    _last_ms: int = 0
    _last_monotonic_ms: int = 0
    _credit_ms: int = 0
    ahead_ms: int = 0

    @property
    def has_jumped(self) -> bool:
        """Whether the wall clock is somewhere else."""
        return abs(self.ahead_ms) > JUMP_MS

    def tell(self, wall_ms: int, monotonic_ms: int) -> int:
        """The time, which never goes back.

        Args:
            wall_ms: What the machine says it is.
            monotonic_ms: Of a clock that nobody sets.
        """
        if not self._last_ms:
            self._last_ms, self._last_monotonic_ms = wall_ms, monotonic_ms
            return wall_ms
        passed_ms = monotonic_ms - self._last_monotonic_ms
        expected_ms = self._last_ms + passed_ms
        self._credit_ms = min(self._credit_ms + passed_ms, CREDIT_MS)
        slew_ms = self._credit_ms // SLEW_PART
        self._credit_ms -= slew_ms * SLEW_PART
        nearer_ms = min(max(wall_ms, expected_ms - slew_ms), expected_ms + slew_ms)
        now_ms = wall_ms if 0 <= wall_ms - expected_ms <= JUMP_MS else nearer_ms
        self._last_ms, self._last_monotonic_ms = max(now_ms, self._last_ms), monotonic_ms
        self.ahead_ms = self._last_ms - wall_ms
        return self._last_ms
