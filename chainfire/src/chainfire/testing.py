"""A log without a disk, for tests of what stands on one. It passes the same contract test as the real one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainfire.core import wal
from chainfire.shell.segments import LogBrokenError, LogFullError
from ultracloud.raft.words import Entry, HardState

SEGMENT_ENTRIES = 4
"""Batches that one "segment" of memory holds; small, so that tests meet its end."""


class MemoryLog:
    """Keeps batches in lists, and fails when told to.

    Args:
        kept: What an earlier log kept, to open that one again.

    Attributes:
        is_full: The next append finds no room.
        is_broken: The next append, and all after it, fail.
        defect: What the next append raises, as a defect of the program would and no disk does.
    """

    def __init__(self, kept: list[list[wal.Payload]] | None = None) -> None:
        self.kept: list[list[wal.Payload]] = [[]] if kept is None else kept
        self.is_full = False
        self.is_broken = False
        self.defect: Exception | None = None
        self.bytes_appended = 0
        self.has_room = True

    def append(self, state: HardState, entries: Sequence[Entry] = ()) -> None:
        """Keep a batch; raises as `SegmentedLog`."""
        self._append(wal.Batch(state, tuple(entries)), sum(len(each.body) for each in entries))

    def append_mark(self, mark: wal.Mark) -> None:
        """Keep a mark; raises as `SegmentedLog`."""
        self._append(mark, 0)

    def replay(self) -> Iterator[wal.Payload]:
        """Give everything that is kept."""
        for segment in self.kept:
            yield from segment

    def make_spare(self) -> bool:
        """There is room unless the log is full."""
        self.has_room = not self.is_full
        return self.has_room

    def drop_before(self, index: int) -> int:
        """Remove segments that hold nothing from `index` on."""
        dropped = 0
        while len(self.kept) > 1 and _first_index(self.kept[1]) <= index:
            del self.kept[0]
            dropped += 1
        return dropped

    def close(self) -> None:
        """There is nothing to let go of."""

    def _append(self, payload: wal.Payload, size: int) -> None:
        if self.defect is not None:
            raise self.defect
        if self.is_broken:
            raise LogBrokenError("told to be broken")
        if self.is_full:
            raise LogFullError("told to be full")
        if not self.kept or len(self.kept[-1]) >= SEGMENT_ENTRIES:
            self.kept.append([])
        self.kept[-1].append(payload)
        self.bytes_appended += size


def _first_index(segment: list[wal.Payload]) -> int:
    first = next(payload for payload in segment if isinstance(payload, wal.Mark) or payload.entries)
    return first.index + 1 if isinstance(first, wal.Mark) else first.entries[0].index
