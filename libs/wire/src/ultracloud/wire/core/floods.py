"""Budgets against floods: a token bucket that time fills, and that useful work fills too.

Frames that cost us work and a client nothing (resets, pings, settings, empty frames) draw from a budget; an honest
client's pings come with calls, so each call gives some back. Go's clients measure bandwidth by a ping a round trip.
"""

from __future__ import annotations

from ultracloud.wire.errors import ConnectionFault, ErrorCode


class Budget:
    """How many more frames of one sort are welcome.

    Args:
        what: The sort, for the sentence that refuses it.
        burst: Most that are ever welcome at once.
        per_second: How many come back each second.
        now_s: When the connection began.
    """

    __slots__ = ("_burst", "_filled_s", "_left", "_per_second", "_what")

    def __init__(self, what: str, burst: int, per_second: int, now_s: float) -> None:
        self._what = what
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._filled_s = now_s

    def spend(self, now_s: float) -> None:
        """Count one frame at `now_s`, which never goes back.

        Raises:
            ConnectionFault: The budget is spent.
        """
        if self._left < 1:
            refill = (now_s - self._filled_s) * self._per_second
            self._left = min(self._burst, self._left + refill)
            self._filled_s = now_s
        self._left -= 1
        if self._left < 0:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"too many {self._what}")

    def earn(self, count: int = 1) -> None:
        """Give back what `count` calls that moved something are worth."""
        left = self._left + count
        # Each call earns, three times: a call of min() is two thirds of what this takes.
        self._left = left if left < self._burst else self._burst  # noqa: FURB136 - see above
