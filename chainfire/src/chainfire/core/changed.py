"""The keys that operations of a txn change: puts in order, and deleted ranges merged.

A txn of a megabyte can hold a hundred thousand operations, nested. To compare each deletion with each put would take
minutes, and everybody would wait.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from sortedcontainers import SortedList

from chainfire.core.keyvalue import FROM_KEY
from chainfire.errors import DuplicateKeyError

Bound = tuple[int, bytes]
"""Where a range ends: 0 and the key it ends before, or what is larger than all of those."""
NEVER: Bound = (1, b"")


class Spans:
    """Ranges of keys, those that touch made one."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._ends: list[Bound] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[bytes, Bound]]:
        return zip(self._starts, self._ends, strict=True)

    def covers(self, key: bytes) -> bool:
        """Whether a key is in one of them."""
        at = bisect_right(self._starts, key) - 1
        return at >= 0 and (0, key) < self._ends[at]

    def add(self, start: bytes, end: Bound) -> None:
        """Add a range."""
        if end <= (0, start):
            return
        first = bisect_left(self._ends, (0, start))
        after = len(self._starts) if end == NEVER else bisect_right(self._starts, end[1])
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]


class Changed:
    """Keys that some operations put, and ranges that they delete.

    Attributes:
        puts: The keys.
        order: The same in order, from the first deletion on: most txns have none.
        deletes: The ranges.
    """

    __slots__ = ("deletes", "order", "puts")

    def __init__(self) -> None:
        self.puts: set[bytes] = set()
        self.order: SortedList[bytes] | None = None
        self.deletes = Spans()

    def put(self, key: bytes) -> None:
        """Add a put.

        Raises:
            DuplicateKeyError: The key is put or deleted already.
        """
        self.refuse_put(key)
        self.puts.add(key)
        if self.order is not None:
            self.order.add(key)

    def delete(self, key: bytes, end: bytes) -> None:
        """Add a deletion of a range, in etcd's words for its end.

        Raises:
            DuplicateKeyError: A key of it is put.
        """
        bound = NEVER if end == FROM_KEY else (0, end or key + b"\x00")
        self.refuse_delete(key, bound)
        self.deletes.add(key, bound)

    def add(self, other: Changed) -> Changed:
        """Add what others change; gives whichever of the two then has all of it, the other one is used up.

        Raises:
            DuplicateKeyError: Both put a key, or one deletes what the other one puts.
        """
        smaller, larger = sorted((self, other), key=len)
        for key in smaller.puts:
            larger.refuse_put(key)
        for start, end in smaller.deletes:
            larger.refuse_delete(start, end)
        return larger.join(smaller)

    def join(self, other: Changed) -> Changed:
        """Add what others change instead, of which only one happens; gives one of the two, as `add`."""
        smaller, larger = sorted((self, other), key=len)
        if larger.order is not None:
            larger.order.update(smaller.puts - larger.puts)
        larger.puts |= smaller.puts
        for start, end in smaller.deletes:
            larger.deletes.add(start, end)
        return larger

    def refuse_put(self, key: bytes) -> None:
        """Refuse a key that is put or deleted already; raises as `put`."""
        if key in self.puts or (self.deletes and self.deletes.covers(key)):
            raise DuplicateKeyError

    def refuse_delete(self, start: bytes, end: Bound) -> None:
        """Refuse a range of which a key is put; raises as `delete`."""
        if not self.puts:
            return
        if self.order is None:
            self.order = SortedList(self.puts)
        at = self.order.bisect_left(start)
        if at < len(self.order) and (0, self.order[at]) < end:
            raise DuplicateKeyError

    def __len__(self) -> int:
        return len(self.puts) + len(self.deletes)
