"""What a backup takes of an eventual namespace, and what a restore makes of it: writes with their stamps.

A backup is like one more store that was away: what it has is compared with what is here, and of each key the later
write stays. It has no deletions, so it deletes nothing; a key that was deleted here so long ago that nothing is left of
that comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from flaredb.core.eventual_clock import SKEW_MS_MAX
from flaredb.core.eventual_contents import Contents
from flaredb.core.eventual_errors import stamped_ahead
from flaredb.core.eventual_reads import is_visible
from flaredb.core.eventual_records import Record, Stamped, Told
from flaredb.core.keys import bounds, encode, key_of
from flaredb.core.limits import PAGE_BYTES_MAX
from flaredb.core.visibility import is_ended

RESTORE_KEYS_MAX = 1000
"""Keys of one request to restore: some 20 ms."""
RESTORE_BYTES_MAX = PAGE_BYTES_MAX
"""Keys and values of one; with a value more, it fits a message."""


@dataclass(slots=True)
class Dump:
    """One page of a namespace as it was when the dump was made, in the making.

    Attributes:
        limit: Keys at most.
        now_ms: What has ended by then is left out.
        found: Keys so far, in order.
        more: Whether the namespace goes on after the page.
    """

    namespace: str
    limit: int
    now_ms: int
    records: Iterator[Record]
    found: list[Stamped] = field(default_factory=list)
    more: bool = False
    _size_bytes: int = 0

    def run(self, steps: int) -> bool:
        """Look at up to `steps` keys, deleted ones too; True when the page is complete. Raises DataLossError."""
        for _ in range(steps):
            record = next(self.records, None)
            if record is None or self._take(record):
                return True
        return False

    def _take(self, record: Record) -> bool:
        """Add a key to the page; True if the page is full without it."""
        told = record.told
        if told.value is None or not is_visible(record, self.now_ms):
            return False
        if len(self.found) == self.limit or self._size_bytes >= PAGE_BYTES_MAX:
            self.more = True
            return True
        key = key_of(told.encoded, self.namespace)
        self.found.append(Stamped(key, told.value, told.stamp, told.expires_at_ms))
        self._size_bytes += len(key) + len(told.value)
        return False


def dump(contents: Contents, namespace: str, start: bytes, limit: int, now_ms: int) -> Dump:
    """A page of what is on the disk now; run it."""
    return Dump(namespace, limit, now_ms, contents.scan(*bounds(namespace, start, b"")))


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
