"""Which of many key ranges cover a key.

Single keys are looked up in a dictionary. Ranges cut the key space at their ends into intervals, each of which knows
the ranges that cover it: one bisection finds them all, however many ranges there are. Making a range costs more when it
overlaps many others, which prefixes of services rarely do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar

from chainfire.core.keyvalue import FROM_KEY

MemberT = TypeVar("MemberT")


class Intervals(Generic[MemberT]):
    """Members by the range of keys they want; a member may stand under several ranges, once under each."""

    def __init__(self) -> None:
        self._points: dict[bytes, dict[MemberT, None]] = {}
        self._ranges: dict[tuple[bytes, bytes], dict[MemberT, None]] = {}
        # Interval i holds the keys from _bounds[i] up to _bounds[i + 1]; the last has no end.
        self._bounds: list[bytes] = [b""]
        self._cover: list[tuple[dict[MemberT, None], ...]] = [()]

    def __bool__(self) -> bool:
        return bool(self._points or self._ranges)

    def add(self, start: bytes, end: bytes, member: MemberT) -> None:
        """Put a member under a range; `end` follows etcd's conventions."""
        if not end:
            self._points.setdefault(start, {})[member] = None
            return
        members = self._ranges.get((start, end))
        if members is None:
            members = self._ranges[start, end] = {}
            for at in self._intervals_of(start, end):
                self._cover[at] = (*self._cover[at], members)
        members[member] = None

    def remove(self, start: bytes, end: bytes, member: MemberT) -> None:
        """Take a member from a range it was put under."""
        if not end:
            members = self._points[start]
            del members[member]
            if not members:
                del self._points[start]
            return
        members = self._ranges[start, end]
        del members[member]
        if not members:
            del self._ranges[start, end]
            touched = self._intervals_of(start, end)
            for at in touched:
                # By identity: two empty dictionaries are equal.
                self._cover[at] = tuple(other for other in self._cover[at] if other is not members)
            self._join(touched)

    def covering(self, key: bytes) -> list[Iterable[MemberT]]:
        """Give the groups of members whose range covers `key`."""
        found: list[Iterable[MemberT]] = list(self._cover[bisect_right(self._bounds, key) - 1])
        point = self._points.get(key)
        if point is not None:
            found.append(point)
        return found

    def _intervals_of(self, start: bytes, end: bytes) -> range:
        """Cut at both ends, and give the indexes of the intervals between them."""
        first = self._cut(start)
        return range(first, len(self._bounds) if end == FROM_KEY else self._cut(end))

    def _cut(self, key: bytes) -> int:
        """Make an interval begin at `key` and give its index."""
        at = bisect_right(self._bounds, key) - 1
        if self._bounds[at] != key:
            at += 1
            self._bounds.insert(at, key)
            self._cover.insert(at, self._cover[at - 1])
        return at

    def _join(self, touched: range) -> None:
        """Remove cuts that no longer separate anything."""
        for at in range(min(touched.stop, len(self._bounds) - 1), max(touched.start, 1) - 1, -1):
            here, before = self._cover[at], self._cover[at - 1]
            if len(here) == len(before) and all(a is b for a, b in zip(here, before, strict=True)):
                del self._bounds[at], self._cover[at]
