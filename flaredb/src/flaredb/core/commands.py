"""Transactions in, outcomes and commits out: the whole vocabulary of writing.

Put, Delete and CompareAndSet are transactions of one key, so there is one way to write and one thing to get right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

EncodedKey = NewType("EncodedKey", bytes)
"""A namespace and a key as they stand on disk, without a version; see `flaredb.core.keys`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds if the newest version of `key` is `expected_version`; 0 is "does not exist"."""

    key: bytes
    expected_version: int


@dataclass(frozen=True, slots=True)
class Write:
    """Set `key` to `value`, or delete it where that is None."""

    key: bytes
    value: bytes | None

    @property
    def size_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key) + (len(self.value) if self.value is not None else 0)


@dataclass(frozen=True, slots=True)
class Txn:
    """All comparisons hold and all writes happen, or none does."""

    namespace: str
    comparisons: tuple[Comparison, ...]
    writes: tuple[Write, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(len(c.key) for c in self.comparisons) + sum(w.size_bytes for w in self.writes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction.

    Attributes:
        succeeded: Whether all comparisons held, so that all writes happened.
        version: The commit's version; where nothing was to be written, or a comparison failed, the version it was
            decided at.
        failed: Each comparison that did not hold, with the version that the key has.
    """

    succeeded: bool
    version: int
    failed: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One key that a commit set, or deleted where `value` is None."""

    encoded: EncodedKey
    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """All changes of one transaction: they share a version, and become visible and are watched together."""

    version: int
    namespace: str
    changes: tuple[Change, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(len(c.key) + (len(c.value) if c.value is not None else 0) for c in self.changes)
