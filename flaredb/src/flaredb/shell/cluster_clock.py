"""The time of a store: the machine's, but for its jumps, and not far ahead of what other stores say.

See `flaredb.core.steady_clock` and `flaredb.core.peer_times`.
"""

from __future__ import annotations

import logging

from flaredb.core.peer_times import PeerTimes
from flaredb.core.region import StoreId
from flaredb.core.steady_clock import SteadyClock
from ultracloud.servicekit.clock import Clock

_log = logging.getLogger("flaredb.cluster")


class StoreClock:
    """A `Clock` whose wall time goes on evenly."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steady = SteadyClock()
        self._peers = PeerTimes()
        self._has_jumped = self._is_ahead = False

    def heard(self, store: StoreId, their_ms: int) -> None:
        """Another store has told its time."""
        self._peers.note(store, their_ms, self._clock.monotonic_ms())

    def now_ms(self) -> int:
        """Milliseconds since 1970; does not jump once other stores were heard."""
        monotonic_ms = self._clock.monotonic_ms()
        own_ms = self._steady.tell(self._clock.now_ms(), monotonic_ms)
        self._tell_of_jumps()
        now_ms = self._peers.limited(own_ms, monotonic_ms)
        if (now_ms < own_ms) != self._is_ahead:
            self._is_ahead = now_ms < own_ms
            if self._is_ahead:
                _log.error(
                    "this machine's clock is %d ms ahead of most stores': they are believed; see that NTP runs here",
                    own_ms - now_ms,
                )
        return now_ms

    def _tell_of_jumps(self) -> None:
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

    def monotonic_ms(self) -> int:
        """Milliseconds since boot or so."""
        return self._clock.monotonic_ms()

    def entropy(self, length: int) -> bytes:
        """Random bytes."""
        return self._clock.entropy(length)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await self._clock.sleep(seconds)
