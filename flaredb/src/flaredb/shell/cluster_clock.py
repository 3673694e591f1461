"""The time of a store: the machine's, but for its jumps; see `flaredb.core.steady_clock`."""

from __future__ import annotations

import logging

from flaredb.core.steady_clock import SteadyClock
from ultracloud.servicekit.clock import Clock

_log = logging.getLogger("flaredb.cluster")


class StoreClock:
    """A `Clock` whose wall time goes on evenly."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steady = SteadyClock()
        self._has_jumped = False

    def now_ms(self) -> int:
        """Milliseconds since 1970; never goes back, and does not jump."""
        now_ms = self._steady.tell(self._clock.now_ms(), self._clock.monotonic_ms())
        if self._steady.has_jumped != self._has_jumped:
            self._has_jumped = self._steady.has_jumped
            if self._has_jumped:
                _log.error(
                    "the machine's clock was set by %d ms: versions go on from where they were, and follow it slowly; "
                    "see that NTP runs here",
                    -self._steady.ahead_ms,
                )
            else:
                _log.info("the machine's clock is followed again")
        return now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since boot or so."""
        return self._clock.monotonic_ms()

    def entropy(self, length: int) -> bytes:
        """Random bytes."""
        return self._clock.entropy(length)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await self._clock.sleep(seconds)
