"""Which version of a key a reader sees, and scans.

A reader reads at one version: of each key it sees the newest version that is not after it, unless that is a deletion.
Since every commit takes a new version and history above the floor is kept, a read at a version gives the same answer
whenever it is asked, which is what makes pages of one list agree with each other.

Keys may end by themselves. A reader of the newest state brings the time, and does not see what has ended by then. A
reader at a version brings none: it sees what was committed up to there, whatever has ended meanwhile, or the answer
would depend on when it is asked for.

A scan is a machine that takes a number of steps at a time: a range full of deletions may take many steps for few keys,
and the shell serves others in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Cursor
from flaredb.core.keys import (
    NEWEST,
    TERMINATOR_BYTES,
    VERSION_BYTES,
    ZERO,
    bounds,
    key_of,
    version_of,
    versioned,
)
from flaredb.core.limits import PAGE_BYTES_MAX
from flaredb.core.records import VALUE_TAG, parse_end, parse_value

NEXT_STEPS_MAX = 8
"""Versions of one key to step over before seeking past the rest: a seek costs about as much as ten steps."""


class Found(NamedTuple):
    """A key's value at the version read. `value` is empty in a scan for keys only; 0 in `expires_at_ms` is never.

    A page has thousands, and a tuple is made in a third of the time of a frozen dataclass.
    """

    key: bytes
    value: bytes
    version: int
    expires_at_ms: int = 0


Plain = tuple[bytes, bytes, bytes]
"""Key, value and version of what never ends; the version as it stands on disk."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a scan looks for: keys of [start, end), at most `limit`, at `at_version`; none that end by `now_ms`.

    Attributes:
        within: Encoded bounds that it does not leave either: those of a region. An empty end is none.
    """

    namespace: str
    start: bytes
    end: bytes
    limit: int
    at_version: int
    reverse: bool = False
    keys_only: bool = False
    now_ms: int = 0
    within: tuple[bytes, bytes] = (b"", b"")


def is_ended(expires_at_ms: int, now_ms: int) -> bool:
    """Whether a value with this end has ended."""
    return 0 < expires_at_ms <= now_ms


def read(cursor: Cursor, encoded: EncodedKey, key: bytes, at_version: int, now_ms: int = 0) -> Found | None:
    """The value of one key at a version, None where it did not exist or has ended by `now_ms`."""
    return read_at(cursor, encoded, key, versioned(encoded, at_version), now_ms)


def read_at(cursor: Cursor, encoded: EncodedKey, key: bytes, place: bytes, now_ms: int) -> Found | None:
    """See `read`; `place` is where the version asked for would stand on disk."""
    cursor.seek(place)
    if not cursor.valid():
        return None
    stored = cursor.key()
    if not stored.startswith(encoded):
        return None
    record = cursor.value()
    if record[0] == VALUE_TAG:
        return Found(key, record[1:], version_of(stored), 0)
    value, expires_at_ms = parse_value(record), parse_end(record)
    if value is None or is_ended(expires_at_ms, now_ms):
        return None
    return Found(key, value, version_of(stored), expires_at_ms)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the newest version of a key that is not deleted holds; it may have ended."""

    encoded: EncodedKey
    version: int
    value: bytes
    expires_at_ms: int = 0


def standing(cursor: Cursor, encoded: EncodedKey) -> Standing | None:
    """What a key holds now, None where it does not exist."""
    cursor.seek(encoded + NEWEST)
    if not cursor.valid():
        return None
    stored = cursor.key()
    return _standing(stored, cursor.value()) if stored.startswith(encoded) else None


def standings(cursor: Cursor, lower: bytes, upper: bytes) -> Iterator[Standing]:
    """What the keys of a range on disk hold now, in order."""
    cursor.seek(lower)
    stored = cursor.key() if cursor.valid() else upper
    while stored < upper:
        found = _standing(stored, cursor.value())
        if found is not None:
            yield found
        encoded, steps = stored[:-VERSION_BYTES], 0
        while stored.startswith(encoded):
            if steps < NEXT_STEPS_MAX:
                cursor.next()
            else:
                cursor.seek(versioned(encoded, 0) + b"\x00")
            if not cursor.valid():
                return
            stored, steps = cursor.key(), steps + 1


def _standing(stored: bytes, record: bytes) -> Standing | None:
    """What a newest record says, None for a deletion."""
    value = parse_value(record)
    if value is None:
        return None
    return Standing(EncodedKey(stored[:-VERSION_BYTES]), version_of(stored), value, parse_end(record))


@dataclass(slots=True)
class Scan:
    """One page of a range, in the making.

    Attributes:
        found: Keys so far, in the order of the scan.
        more: Whether the range goes on after the page.
        done: Whether the page is complete.
    """

    cursor: Cursor
    query: Query
    found: list[Found] = field(default_factory=list)
    more: bool = False
    done: bool = False
    _count: int = 0
    _size_bytes: int = 0
    _lower: bytes = b""
    _upper: bytes = b""
    _at: bytes = b""

    def __post_init__(self) -> None:
        query = self.query
        self._lower, self._upper = bounds(query.namespace, query.start, query.end)
        first, after = query.within
        self._lower, self._upper = max(self._lower, first), min(self._upper, after or self._upper)
        self._at = versioned(b"", query.at_version)
        if self._lower >= self._upper:
            self.done = True
        elif query.reverse:
            # No key on disk equals a bound: a bound has no version. So this is the last key before the range's end.
            self.cursor.seek_for_prev(self._upper)
        else:
            self.cursor.seek(self._lower)

    def run(self, steps: int) -> bool:
        """Look at up to `steps` keys; True when the page is complete."""
        if not self.done:
            (self._run_back if self.query.reverse else self._run)(steps)
        return self.done

    def resume_key(self) -> bytes:
        """The key before which a forward scan stands that is not done; empty if its range ends there."""
        assert not self.done
        assert not self.query.reverse
        stored = self._here(self._upper)
        return key_of(stored[:-VERSION_BYTES], self.query.namespace) if stored < self._upper else b""

    def _run(self, steps: int) -> None:
        """Forward. The cursor stands at the newest version of a key whenever a step begins.

        What most keys are, one version of a value without an end, is taken here and not in `_take`: calls of our own
        were two thirds of the time of a page. What such keys become is made of many at a time, by `_add`.
        """
        cursor, upper, at = self.cursor, self._upper, self._at
        step, is_valid, key, value = cursor.next, cursor.valid, cursor.key, cursor.value
        head_bytes, keys_only = len(self.query.namespace) + 1, self.query.keys_only
        room, size_bytes = self.query.limit - self._count, self._size_bytes
        plain: list[Plain] = []
        add = plain.append
        stored = key() if is_valid() else upper
        encoded = stored[:-VERSION_BYTES]
        for _ in range(steps):
            if stored >= upper:
                self.done = True
                break
            version = stored[-VERSION_BYTES:]
            if version < at:  # newer than asked for: a version stands with its bits turned
                cursor.seek(encoded + at)
                stored = key() if is_valid() else upper
                if not stored.startswith(encoded):
                    encoded = stored[:-VERSION_BYTES]
                    continue
                version = stored[-VERSION_BYTES:]
            record, name = value(), encoded[head_bytes:-TERMINATOR_BYTES]
            if record[0] != VALUE_TAG or ZERO in name or size_bytes >= PAGE_BYTES_MAX or not room:
                self._add(plain)
                plain.clear()
                self._count, self._size_bytes = self.query.limit - room, size_bytes
                self._take(encoded, stored)
                if self.done:
                    return
                size_bytes, room = self._size_bytes, self.query.limit - self._count
            else:
                data = b"" if keys_only else record[1:]
                add((name, data, version))
                size_bytes += len(name) + len(data)
                room -= 1
            step()
            stored = key() if is_valid() else upper
            before, encoded = encoded, stored[:-VERSION_BYTES]
            if before == encoded:
                stored = self._leave(encoded)
                encoded = stored[:-VERSION_BYTES]
        self._add(plain)
        self._count, self._size_bytes = self.query.limit - room, size_bytes

    def _add(self, plain: list[Plain]) -> None:
        """Add keys to the page."""
        from_bytes = int.from_bytes
        self.found += [Found(name, data, ~from_bytes(version, "big", signed=True), 0) for name, data, version in plain]

    def _leave(self, encoded: bytes) -> bytes:
        """Step over the older versions of a key, all but the first, and give the key after."""
        cursor, upper = self.cursor, self._upper
        for _ in range(NEXT_STEPS_MAX - 1):
            cursor.next()
            stored = cursor.key() if cursor.valid() else upper
            if not stored.startswith(encoded):
                return stored
        cursor.seek(versioned(encoded, 0) + b"\x00")
        return self._here(upper)

    def _run_back(self, steps: int) -> None:
        """Backward. The cursor stands at the oldest version of a key whenever a step begins."""
        cursor, lower, at = self.cursor, self._lower, self._at
        for _ in range(steps):
            stored = self._here(b"")
            if stored < lower:
                self.done = True
                return
            encoded = stored[:-VERSION_BYTES]
            cursor.seek(encoded + at)
            stored = self._here(b"")
            if stored.startswith(encoded):
                self._take(encoded, stored)
                if self.done:
                    return
            cursor.seek_for_prev(encoded)

    def _here(self, beyond: bytes) -> bytes:
        """The key under the cursor; `beyond`, which is out of the range, where there is none."""
        return self.cursor.key() if self.cursor.valid() else beyond

    def _take(self, encoded: bytes, stored: bytes) -> None:
        """Add the key under the cursor to the page unless it was deleted or has ended; end the page at its limits."""
        record = self.cursor.value()
        value, expires_at_ms = parse_value(record), parse_end(record)
        query, found = self.query, self.found
        if value is None or is_ended(expires_at_ms, query.now_ms):
            return
        if self._count == query.limit or self._size_bytes >= PAGE_BYTES_MAX:
            self.more = self.done = True
            return
        key = key_of(encoded, query.namespace)
        if query.keys_only:
            value = b""
        found.append(Found(key, value, version_of(stored), expires_at_ms))
        self._count += 1
        self._size_bytes += len(key) + len(value)
