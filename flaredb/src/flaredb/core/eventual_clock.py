"""Which of two writes is the later one: a hybrid logical clock.

A stamp is the time of a clock and, where two writes share a millisecond or the clock stands still, a counter. A store's
stamps rise, and are above every stamp that it has taken from others. So a write that was made by somebody who could see
another is later than it, however wrong the clocks are; and two that did not know of each other are in the order of the
clocks, with the store's id where even these agree.

The clock follows others, so one bad clock would carry all along, for good. Hence the bound.

Source: Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed Databases", 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

from flaredb.core.eventual_errors import peer_ahead
from flaredb.core.region import StoreId

COUNTER_BITS = 16
"""Writes within one millisecond: 65 times what a store of ours takes. More of them borrow from the next millisecond."""
SKEW_MS_MAX = 500
"""How far a peer's clock may be ahead. NTP keeps clocks within 10 ms; ten times that is a machine that woke up."""


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When a write was made. No two writes have the same, and the higher wins.

    Attributes:
        time: Milliseconds since 1970, then the counter.
        store: Who made it; decides between equal times.
    """

    time: int
    store: StoreId

    @property
    def ms(self) -> int:
        """Milliseconds since 1970."""
        return self.time >> COUNTER_BITS


class HybridClock:
    """One store's clock.

    Args:
        store: Whose it is.
        time: The highest time that it gave or followed before; a restarted store has it from its disk.

    Attributes:
        time: The highest that it gave or followed.
    """

    def __init__(self, store: StoreId, time: int = 0) -> None:
        self.time = time
        self._store = store

    def read_ms(self, now_ms: int) -> int:
        """What time it is, never less than before; `now_ms` is the wall clock's."""
        self.time = max(self.time, now_ms << COUNTER_BITS)
        return self.time >> COUNTER_BITS

    def stamp(self, now_ms: int) -> Stamp:
        """A stamp above all before."""
        self.time = max(self.time + 1, now_ms << COUNTER_BITS)
        return Stamp(self.time, self._store)

    def follow(self, stamp: Stamp, now_ms: int) -> None:
        """Be above a stamp that another store made.

        Raises:
            ClockSkewError: It is too far ahead of the wall clock; the clock is unchanged.
        """
        check_ahead(stamp.ms, now_ms)
        self.time = max(self.time, stamp.time)


def check_ahead(theirs_ms: int, now_ms: int) -> None:
    """Pass if a peer's time is within the bound. Time on the way makes it look older, never newer.

    Raises:
        ClockSkewError: It is not.
    """
    # Against the wall clock, not ours: that follows, and a peer could lead it ahead step by step.
    if theirs_ms > now_ms + SKEW_MS_MAX:
        raise peer_ahead(theirs_ms - now_ms, SKEW_MS_MAX)
