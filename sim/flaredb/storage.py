"""A store's disk: an engine whose writes are seen at once, and lost by a power cut unless a sync came after them.

A cut leaves the batches of some moment between the last sync and now, each whole: that is what RocksDB's log leaves,
since every batch is one record of it (ADR 0004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from sortedcontainers import SortedDict

from flaredb.core.engine import Column, Cursor, EngineFullError, Row
from ultracloud.testkit.sim import SimClock


class DiskCursor:
    """A place in a column; see `flaredb.core.engine.Cursor`. Nothing is written while it is used."""

    def __init__(self, rows: SortedDict) -> None:
        self._rows = rows
        self._keys = rows.keys()
        self._at = -1

    def seek(self, key: bytes, /) -> None:
        """Go to the first key that is not before `key`."""
        self._at = self._rows.bisect_left(key)

    def seek_for_prev(self, key: bytes, /) -> None:
        """Go to the last key that is not after `key`."""
        self._at = self._rows.bisect_right(key) - 1

    def next(self) -> None:
        """Go to the next key."""
        self._at += 1

    def prev(self) -> None:
        """Go to the key before."""
        self._at -= 1

    def valid(self) -> bool:
        """Whether it stands at a key."""
        return 0 <= self._at < len(self._rows)

    def key(self) -> bytes:
        """The key it stands at."""
        found: bytes = self._keys[self._at]
        return found

    def value(self) -> bytes:
        """The value it stands at."""
        found: bytes = self._rows[self.key()]
        return found

    def status(self) -> None:
        """Memory is not damaged."""


class Disk:
    """One store's disk; see `flaredb.core.engine.Engine`.

    Attributes:
        is_full: It takes no batch.
        stalled_until_ms: No sync ends before.
        syncs: How many ended.
    """

    def __init__(self, clock: SimClock, random: Random, sync_ms_max: int) -> None:
        self.is_full = False
        self.stalled_until_ms = 0
        self.syncs = 0
        self._clock = clock
        self._random = random
        self._sync_ms_max = sync_ms_max
        self._live = {column: SortedDict() for column in Column}
        self._durable: dict[Column, dict[bytes, bytes]] = {column: {} for column in Column}
        self._unsynced: list[tuple[Row, ...]] = []
        self._life = 0

    def cursor(self, column: Column) -> Cursor:
        """A cursor over what the column holds now."""
        return DiskCursor(self._live[column])

    def check(self, cursor: Cursor) -> None:
        """Memory is not damaged."""
        cursor.status()

    def get(self, column: Column, key: bytes) -> bytes | None:
        """The value of one key."""
        found: bytes | None = self._live[column].get(key)
        return found

    def get_many(self, column: Column, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys."""
        return [self.get(column, key) for key in keys]

    def write(self, rows: Iterable[Row]) -> None:
        """Make all changes visible at once."""
        if self.is_full:
            raise EngineFullError
        batch = tuple(rows)
        _put(self._live, batch)
        self._unsynced.append(batch)

    def sync(self, version: int) -> None:
        """Make all writes durable at once; only a new store needs that."""
        del version
        self._promote(len(self._unsynced))

    def synced(self) -> int:
        """It keeps no watermark."""
        return 0

    def begin_sync(self, done: Callable[[], None]) -> None:
        """Make what is written by now durable after a while, then call `done`; not if the power goes meanwhile."""
        count, life = len(self._unsynced), self._life

        def end() -> None:
            if life == self._life:
                self._promote(count)
                self.syncs += 1
                done()

        wait_ms = self._random.randint(0, self._sync_ms_max)
        self._clock.call_at(max(self._clock.now_ms() + wait_ms, self.stalled_until_ms), end)

    def cut(self) -> None:
        """The power is gone."""
        self._life += 1
        self._promote(self._random.randint(0, len(self._unsynced)))
        self._unsynced.clear()
        self._live = {column: SortedDict(rows) for column, rows in self._durable.items()}

    def _promote(self, count: int) -> None:
        for batch in self._unsynced[:count]:
            _put(self._durable, batch)
        del self._unsynced[:count]


def _put(columns: dict[Column, SortedDict] | dict[Column, dict[bytes, bytes]], batch: Iterable[Row]) -> None:
    for column, key, value in batch:
        if value is None:
            columns[column].pop(key, None)
        else:
            columns[column][key] = value
