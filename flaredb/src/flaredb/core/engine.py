"""What is asked of the storage below: ordered columns, cursors, an atomic batch, and a sync of its own.

`flaredb.shell.rocks` answers with RocksDB, `flaredb.testing` with sorted lists in memory. Writing and syncing are two
calls, because only the second waits for the disk: a store writes a batch at once and lets another thread wait.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias


class Column(enum.StrEnum):
    """Separate key spaces that one batch may write together."""

    DATA = "data"
    CHANGES = "changes"
    META = "meta"
    EXPIRY = "expiry"
    EVENTUAL = "eventual"

    # A column is looked up for each row and cursor; Enum's own hash is a function in Python.
    __hash__ = str.__hash__


Row: TypeAlias = tuple[Column, bytes, bytes | None]
"""Set a key of a column, or delete it where the value is None."""


class Cursor(Protocol):
    """A place in a column as it was when the cursor was made; later writes are not seen."""

    def seek(self, key: bytes, /) -> None:
        """Go to the first key that is not before `key`."""
        ...

    def seek_for_prev(self, key: bytes, /) -> None:
        """Go to the last key that is not after `key`."""
        ...

    def next(self) -> None:
        """Go to the next key. Only where `valid`."""
        ...

    def prev(self) -> None:
        """Go to the key before. Only where `valid`."""
        ...

    def valid(self) -> bool:
        """Whether it stands at a key; False at either end, and after damage, which `Engine.check` tells apart."""
        ...

    def key(self) -> bytes:
        """The key it stands at. Only where `valid`."""
        ...

    def value(self) -> bytes:
        """The value it stands at. Only where `valid`."""
        ...

    def status(self) -> None:
        """Raise what the storage raises if it stands nowhere because of damage; callers use `Engine.check`."""
        ...


class Engine(Protocol):
    """Ordered bytes on a disk."""

    def cursor(self, column: Column) -> Cursor:
        """A cursor over what the column holds now; it stands nowhere until it seeks."""
        ...

    def check(self, cursor: Cursor) -> None:
        """Pass if `cursor` came to its place, or to an end, without meeting damage.

        Raises:
            DataLossError: Stored bytes do not match their checksum.
        """
        ...

    def get(self, column: Column, key: bytes) -> bytes | None:
        """The value of one key, None without one. Raises DataLossError as `check`."""
        ...

    def get_many(self, column: Column, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys, in their order. Raises DataLossError as `check`."""
        ...

    def write(self, rows: Iterable[Row]) -> None:
        """Make all changes visible at once, and durable with the next `sync`.

        Raises:
            EngineStalledError: Nothing was changed; the disk is behind, try again in a moment.
            EngineFullError: Nothing was changed; the disk is full. Once it is not, later writes succeed.
            EngineWriteError: Nothing was changed, and no later write will do better.
        """
        ...

    def sync(self, version: int) -> None:
        """Wait until all earlier writes are on the disk, then remember `version`; 0 changes nothing of that.

        Other threads may call it, several at once.

        Raises:
            EngineWriteError: It is not known what the disk has.
        """
        ...

    def synced(self) -> int:
        """The version that the last `sync` before the engine was opened remembered; 0 if that is not known."""
        ...


class EngineWriteError(Exception):
    """The disk did not take a batch, or did not say that it has it."""


class EngineFullError(EngineWriteError):
    """There is no room for a batch."""


class EngineStalledError(Exception):
    """The storage wants a pause before it takes more: it is behind with flushing or compaction."""
