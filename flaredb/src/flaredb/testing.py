"""An engine in memory, for tests of the store's rules without a disk. It passes the tests of the one on RocksDB."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from flaredb.core.engine import Column, Cursor, EngineWriteError, Row


class MemoryCursor:
    """A place in a sorted list; see `flaredb.core.engine.Cursor`."""

    def __init__(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs
        self._keys = [key for key, _ in pairs]
        self._at = -1

    def seek(self, key: bytes, /) -> None:
        """Go to the first key that is not before `key`."""
        self._at = bisect_left(self._keys, key)

    def seek_for_prev(self, key: bytes, /) -> None:
        """Go to the last key that is not after `key`."""
        self._at = bisect_right(self._keys, key) - 1

    def next(self) -> None:
        """Go to the next key."""
        assert self.valid()
        self._at += 1

    def prev(self) -> None:
        """Go to the key before."""
        assert self.valid()
        self._at -= 1

    def valid(self) -> bool:
        """Whether it stands at a key."""
        return 0 <= self._at < len(self._pairs)

    def key(self) -> bytes:
        """The key it stands at."""
        return self._pairs[self._at][0]

    def value(self) -> bytes:
        """The value it stands at."""
        return self._pairs[self._at][1]

    def status(self) -> None:
        """Memory is not damaged."""


class MemoryEngine:
    """Sorted columns in memory, with a disk that can be told to fail; see `flaredb.core.engine.Engine`.

    Attributes:
        write_error: What the next `write` raises, if not None.
        sync_error: What the next `sync` raises, if not None.
        remembered: The version of the last `sync`.
    """

    def __init__(self) -> None:
        self._columns: dict[Column, dict[bytes, bytes]] = {column: {} for column in Column}
        self._sorted: dict[Column, list[tuple[bytes, bytes]]] = {}
        self.write_error: Exception | None = None
        self.sync_error: EngineWriteError | None = None
        self.remembered = 0

    def cursor(self, column: Column) -> Cursor:
        """A cursor over what the column holds now."""
        pairs = self._sorted.get(column)
        if pairs is None:
            pairs = self._sorted[column] = sorted(self._columns[column].items())
        return MemoryCursor(pairs)

    def check(self, cursor: Cursor) -> None:
        """Memory is not damaged."""
        cursor.status()

    def get(self, column: Column, key: bytes) -> bytes | None:
        """The value of one key."""
        return self._columns[column].get(key)

    def get_many(self, column: Column, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys."""
        return [self._columns[column].get(key) for key in keys]

    def write(self, rows: Iterable[Row]) -> None:
        """Make all changes visible at once."""
        error, self.write_error = self.write_error, None
        if error is not None:
            raise error
        for column, key, value in rows:
            self._sorted.pop(column, None)
            if value is None:
                self._columns[column].pop(key, None)
            else:
                self._columns[column][key] = value

    def sync(self, version: int) -> None:
        """Fail as told, or remember the version."""
        error, self.sync_error = self.sync_error, None
        if error is not None:
            raise error
        self.remembered = version or self.remembered

    def synced(self) -> int:
        """The version of the last `sync`."""
        return self.remembered
