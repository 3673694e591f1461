"""What other stores' clocks say, so that one wrong clock does not become everybody's versions.

A version that is a day ahead stays for good: every region that meets it would have to go there. So a store gives no
version that is further ahead of the middle of all clocks it hears, its own among them, than clocks may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median_low

from flaredb.core.region import StoreId
from flaredb.core.region_work import CLOCK_AHEAD_MAX_MS

AHEAD_MS = CLOCK_AHEAD_MAX_MS * 4 // 5
"""How far ahead of the middle is allowed: a little less than what others accept, for what is on its way meanwhile."""
HEARD_MS_MAX = 10_000
"""What a store said longer ago is forgotten: it may have been set right since."""


@dataclass(slots=True)
class PeerTimes:
    """Other stores' clocks, as they were last heard: when that was by ours that nobody sets, and what they said."""

    _heard: dict[StoreId, tuple[int, int]] = field(default_factory=dict)

    def note(self, store: StoreId, their_ms: int, monotonic_ms: int) -> None:
        """A store has told its time."""
        self._heard[store] = (monotonic_ms, their_ms)

    def limited(self, own_ms: int, monotonic_ms: int) -> int:
        """Our own time, or less if it is further ahead than clocks may be."""
        told = [
            their_ms + monotonic_ms - at_ms
            for at_ms, their_ms in self._heard.values()
            if monotonic_ms - at_ms <= HEARD_MS_MAX
        ]
        # Of an even number the lower one of the two in the middle: of two clocks the one behind is believed.
        return min(own_ms, median_low([own_ms, *told]) + AHEAD_MS)
