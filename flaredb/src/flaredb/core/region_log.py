"""Which entries of a region's log stand on the disk, as rows."""

from __future__ import annotations

from collections.abc import Iterator

from flaredb.core.engine import Column, Engine, Row
from flaredb.core.region import RegionId
from flaredb.core.region_rows import Stored, entry_row, log_key, parse_entry, scan
from ultracloud.raft.words import Entry


class LogRows:
    """The entries from the first to the last, without holes.

    Attributes:
        first: Index of the first one, or of the next if there is none.
    """

    def __init__(self, stored: Stored) -> None:
        self.first = stored.entries[0].index if stored.entries else stored.applied.index + 1
        self._last = stored.entries[-1].index if stored.entries else 0

    def store(self, region: RegionId, entries: tuple[Entry, ...]) -> Iterator[Row]:
        """Rows that store entries; everything from the first one's index on is replaced."""
        last, before = entries[-1].index, self._last
        self._last = last
        yield from (entry_row(region, entry) for entry in entries)
        yield from _gone(region, last + 1, before + 1)

    def after(self, engine: Engine, region: RegionId, index: int) -> Iterator[Entry]:
        """Entries after an index, as far as they are written."""
        rows = scan(engine, Column.META, log_key(region, index + 1), log_key(region, self._last + 1))
        return (parse_entry(key, value) for key, value in rows)

    def drop(self, region: RegionId, through: int) -> Iterator[Row]:
        """Rows that drop everything up to an index."""
        first, self.first = self.first, through + 1
        yield from _gone(region, first, through + 1)

    def begin_after(self, region: RegionId, index: int) -> Iterator[Row]:
        """Rows that drop everything; the next entry is the one after `index`."""
        first, last = self.first, self._last
        self.first, self._last = index + 1, 0
        yield from _gone(region, first, last + 1)


def _gone(region: RegionId, first: int, end: int) -> Iterator[Row]:
    return ((Column.META, log_key(region, index), None) for index in range(first, end))
