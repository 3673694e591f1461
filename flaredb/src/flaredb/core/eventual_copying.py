"""What a restore makes of a backup of an eventual namespace (`eventual_reads.dump` takes it): writes with their stamps.

A backup is like one more store that was away: what it has is compared with what is here, and of each key the later
write stays. It has no deletions, so it deletes nothing; a key that was deleted here so long ago that nothing is left of
that comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flaredb.core.eventual_clock import SKEW_MS_MAX
from flaredb.core.eventual_errors import stamped_ahead
from flaredb.core.eventual_records import Record, Stamped, Told
from flaredb.core.keys import encode
from flaredb.core.limits import PAGE_BYTES_MAX
from flaredb.core.visibility import is_ended

RESTORE_KEYS_MAX = 1000
"""Keys of one request to restore: some 20 ms."""
RESTORE_BYTES_MAX = PAGE_BYTES_MAX
"""Keys and values of one; with a value more, it fits a message."""


@dataclass(slots=True)
class Restored:
    """What became of keys that were to be restored.

    Attributes:
        written: They have that write now.
        same: They had it.
        later: They have a later one, or were deleted by one, and keep it.
        ended: Their end has come.
    """

    written: int = 0
    same: int = 0
    later: int = 0
    ended: int = 0


def told_of(namespace: str, found: Stamped) -> Told:
    """The same as stores tell each other."""
    return Told(encode(namespace, found.key), found.stamp, found.value, found.expires_at_ms)


def check_stamps(told: Sequence[Told], now_ms: int) -> None:
    """Pass if all may be taken.

    Raises:
        ClockSkewError: A stamp is too far ahead of the wall clock: it would win over all writes until then.
    """
    ahead_ms = max((each.stamp.ms for each in told), default=0) - now_ms
    if ahead_ms > SKEW_MS_MAX:
        raise stamped_ahead(ahead_ms, SKEW_MS_MAX)


def settle(told: Told, known: Record | None, now_ms: int, done: Restored) -> Told | None:
    """What a key is to have that has `known`, None where that stays; it is counted in `done`."""
    has_ended = is_ended(told.expires_at_ms, now_ms)
    if known is not None and told.stamp <= known.told.stamp:
        is_same = told.stamp == known.told.stamp and known.told.value is not None
        done.same, done.later = done.same + is_same, done.later + (not is_same)
        return None
    if not has_ended:
        done.written += 1
        return told
    done.ended += 1
    # It ended, and what is here was written before it: that is gone too.
    return replace(told, value=None) if known is not None else None
