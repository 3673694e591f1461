"""Transactions in, outcomes and commits out: the whole vocabulary of writing.

Put, Delete, DeleteRange, Increment and CompareAndSet are transactions of one write, so there is one way to write and
one thing to get right.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NewType, TypeAlias

from flaredb.core.counters import COUNTER_BYTES_MAX
from flaredb.core.values import value_class

EncodedKey = NewType("EncodedKey", bytes)
"""A namespace and a key as they stand on disk, without a version; see `flaredb.core.keys`."""

RANGE_WEIGHT_BYTES = 64 * 1024
"""What a range counts for where transactions are measured: its keys are not known before it is evaluated, and finding
and deleting a thousand takes about as long as writing this much."""


@value_class
class Comparison:
    """Holds if the newest version of `key` is `expected_version`; 0 is "does not exist"."""

    key: bytes
    expected_version: int


@value_class
class Write:
    """Set `key` to `value`, or delete it where that is None.

    Attributes:
        ttl_ms: Milliseconds after its commit at which the key ends; 0 is never, unless `expires_at_ms` says when.
        expires_at_ms: Moment of the store's clock at which the key ends.
    """

    key: bytes
    value: bytes | None
    ttl_ms: int = 0
    expires_at_ms: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key) + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class DeleteRange:
    """Delete every key of [start, end); an empty `end` is the namespace's.

    Attributes:
        keys_max: Keys that it deletes at most.
        may_stop: Where there are more: True ends it there, and the outcome says where; False refuses the transaction.
    """

    start: bytes
    end: bytes
    keys_max: int
    may_stop: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the bounds, and a weight for the keys between them."""
        return len(self.start) + len(self.end) + RANGE_WEIGHT_BYTES


@dataclass(frozen=True, slots=True)
class Increment:
    """Add `delta`, which may be negative, to the counter at `key`; one that does not exist stands at 0.

    Attributes:
        ttl_ms: As in `Write`, for a counter that this makes; one that exists keeps its own end.
        expires_at_ms: The same.
    """

    key: bytes
    delta: int
    ttl_ms: int = 0
    expires_at_ms: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of the key and of the longest counter."""
        return len(self.key) + COUNTER_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Expire:
    """Delete `key` if its end has come; nobody but the store itself asks for this."""

    key: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of the key."""
        return len(self.key)


AnyWrite: TypeAlias = Write | DeleteRange | Increment | Expire
"""What a transaction may do."""


@value_class
class Txn:
    """All comparisons hold and all writes happen, or none does."""

    namespace: str
    comparisons: tuple[Comparison, ...]
    writes: tuple[AnyWrite, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all keys and values."""
        size = 0
        for write in self.writes:
            size += write.size_bytes
        for comparison in self.comparisons:
            size += len(comparison.key)
        return size


class RefusalReason(enum.StrEnum):
    """Why what is stored does not let a transaction happen."""

    RANGE_SIZE = "RANGE_SIZE"
    NOT_A_COUNTER = "NOT_A_COUNTER"
    COUNTER_OVERFLOW = "COUNTER_OVERFLOW"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transaction could not be done on what is stored, and the key of the write that could not."""

    reason: RefusalReason
    key: bytes


@value_class
class Outcome:
    """What became of a transaction.

    Attributes:
        succeeded: Whether all comparisons held and nothing was refused, so that all writes happened.
        version: The commit's version; where nothing was to be written, or a comparison failed, the version it was
            decided at.
        failed: Each comparison that did not hold, with the version that the key has.
        deleted: Keys that its ranges deleted.
        next_start: The first key that a range left because it may stop; empty if it left none.
        counters: Where those that were incremented stand now, in the order of the writes.
        refusal: Why none of its writes happened although all comparisons held.
    """

    succeeded: bool
    version: int
    failed: tuple[Comparison, ...] = ()
    deleted: int = 0
    next_start: bytes = b""
    counters: tuple[int, ...] = ()
    refusal: Refusal | None = None


@value_class
class Change:
    """One key that a commit set, or deleted where `value` is None.

    Attributes:
        expires_at_ms: When the value ends; 0 is never.
        ended_ms: The end, now void, of the value before it, where the commit knows of one.
    """

    encoded: EncodedKey
    key: bytes
    value: bytes | None
    expires_at_ms: int = 0
    ended_ms: int = 0


@value_class
class Commit:
    """All changes of one transaction: they share a version, and become visible and are watched together."""

    version: int
    namespace: str
    changes: tuple[Change, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all keys and values."""
        size = 0
        for change in self.changes:
            size += len(change.key) + len(change.value or b"")
        return size
