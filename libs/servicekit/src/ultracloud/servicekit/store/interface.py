"""What a store promises, whichever it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PAGE_MAX = 10_000
"""Entries of one scan; flaredb's own limit."""
PAGE_DEFAULT = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's value; `version` is that of the write that made it."""

    key: bytes
    value: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one version.

    Attributes:
        read_version: The version of the whole store it was read at: pass it as `at_version` to read more of the same.
        more: Keys follow after the last.
    """

    entries: tuple[Entry, ...]
    read_version: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction happened, at `version`."""

    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was written; `failed` has the keys that differed, with the version each has (0: none)."""

    failed: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A key got a value, or lost it (None)."""

    key: bytes
    value: bytes | None
    version: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of whole commits in order; everything up to `version` has been seen. May be empty."""

    changes: tuple[Change, ...]
    version: int


class Store(Protocol):
    """An ordered map of bytes. Keys sort by their bytes; ranges are ``[start, end)``, an empty `end` means no end."""

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        """The newest value of `key`, or the one at `at_version`."""
        ...

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        """Those of `keys` that exist, in the order asked, all at one version."""
        ...

    async def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = PAGE_DEFAULT,
        reverse: bool = False,
        keys_only: bool = False,
        at_version: int = 0,
    ) -> Reading:
        """The first (last, if `reverse`) `limit` entries of a range.

        Raises:
            OutOfRangeError: `at_version` is no longer kept.
        """
        ...

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        """Write all of `writes` (None deletes) if every key of `comparisons` has that version (0: does not exist).

        Not sent twice: after Unavailable or DeadlineExceeded it may or may not have happened.
        """
        ...

    def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        """Every change of a range after `from_version`, in order, until closed.

        Raises:
            OutOfRangeError: Changes after `from_version` are no longer kept: scan, then watch from there.
            UnavailableError: The server went away: watch again from the last version seen.
        """
        ...


async def put(store: Store, key: bytes, value: bytes) -> int:
    """Write whatever is there; gives the version."""
    done = await store.txn({}, {key: value})
    assert isinstance(done, Committed), done  # nothing was compared
    return done.version


async def delete(store: Store, key: bytes) -> int:
    """Remove whatever is there; gives the version."""
    done = await store.txn({}, {key: None})
    assert isinstance(done, Committed), done  # nothing was compared
    return done.version


def prefix_end(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix`; empty (no end) if there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b""
