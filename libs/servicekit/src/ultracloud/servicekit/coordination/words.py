"""What coordination speaks of: pairs, ranges, events, operations, comparisons, transactions, leases, members.

Revisions are etcd's: one number for the whole store that grows with every write. Nothing here knows protobuf.

Source: etcd's v3 API (kv.proto, rpc.proto).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from ultracloud.servicekit.store.interface import prefix_end

EVERY_KEY_FROM = b"\x00"
"""As the end of a range: there is none."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value.

    Attributes:
        create_revision: Of the write that made the key; what a lock or election is fenced with.
        mod_revision: Of the write that gave it this value.
        lease: The lease it dies with; 0 for one that stays until deleted.
        version: How many writes since it was made, from 1.
    """

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True)
class Range:
    """Pairs in the order asked for, as of `revision`.

    Attributes:
        revision: The store's when the answer was made. It is at least the revision that was asked for.
        count: How many there are, whatever the limit.
        more: The limit cut some off.
    """

    pairs: tuple[Pair, ...]
    revision: int
    count: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A key got a value (`pair`), or lost it (None); `previous` is what was there, if that was asked for."""

    key: bytes
    pair: Pair | None
    revision: int
    previous: Pair | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order of their revisions; all of a revision's are in one batch.

    Attributes:
        revision: Everything the watch is about up to here has been told: go on from the next one.
    """

    events: tuple[Event, ...]
    revision: int

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


class SortBy(Enum):
    """What a range is sorted by. The values are etcd's."""

    KEY = 0
    VERSION = 1
    CREATE_REVISION = 2
    MOD_REVISION = 3
    VALUE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """A read of one key, or of the keys from `key` to before `end`.

    Attributes:
        end: Empty: `key` alone. EVERY_KEY_FROM: all from `key` on.
        limit: 0: none.
        revision: Read as of this one; 0: the newest.
        serializable: Whichever member is asked answers from what it has: fast, and perhaps stale.
        min_mod_revision, max_mod_revision, min_create_revision, max_create_revision: Inclusive; 0: no bound.
    """

    key: bytes
    end: bytes = b""
    limit: int = 0
    revision: int = 0
    sort_by: SortBy = SortBy.KEY
    descending: bool = False
    keys_only: bool = False
    count_only: bool = False
    serializable: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A write.

    Attributes:
        value: None keeps the value the key has; it is an error if there is none.
        lease: The key dies with it; 0: it stays. None keeps the lease the key has.
        previous: Give back what was there.
    """

    key: bytes
    value: bytes | None
    lease: int | None = 0
    previous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """A removal of one key, or of a range as in `Get`."""

    key: bytes
    end: bytes = b""
    previous: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What a put did; `previous` if it was asked for and there was one."""

    revision: int
    previous: Pair | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete did: how many keys went, and which if that was asked for."""

    count: int
    revision: int
    previous: tuple[Pair, ...] = ()


class Target(Enum):
    """What of a key a comparison looks at. The values are etcd's."""

    VERSION = 0
    CREATE_REVISION = 1
    MOD_REVISION = 2
    VALUE = 3
    LEASE = 4


class Relation(Enum):
    """How it must stand to the operand. The values are etcd's."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition on a key, or on every key of a range. A key that does not exist has 0 for every number.

    Attributes:
        operand: Bytes for VALUE, a number for the others.
    """

    key: bytes
    target: Target
    relation: Relation
    operand: int | bytes
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Subject:
    """A key's property that a comparison is about: ``mod_revision(b"k").equal(7)``."""

    key: bytes
    target: Target
    end: bytes = b""

    def equal(self, operand: int | bytes) -> Compare:
        """It is the same."""
        return Compare(self.key, self.target, Relation.EQUAL, operand, self.end)

    def not_equal(self, operand: int | bytes) -> Compare:
        """It differs."""
        return Compare(self.key, self.target, Relation.NOT_EQUAL, operand, self.end)

    def greater(self, operand: int | bytes) -> Compare:
        """It is more."""
        return Compare(self.key, self.target, Relation.GREATER, operand, self.end)

    def less(self, operand: int | bytes) -> Compare:
        """It is less."""
        return Compare(self.key, self.target, Relation.LESS, operand, self.end)


def version(key: bytes, end: bytes = b"") -> Subject:
    """How often the key was written since it was made; 0: it does not exist."""
    return Subject(key, Target.VERSION, end)


def create_revision(key: bytes, end: bytes = b"") -> Subject:
    """When the key was made; 0: it does not exist."""
    return Subject(key, Target.CREATE_REVISION, end)


def mod_revision(key: bytes, end: bytes = b"") -> Subject:
    """When the key got its value; 0: it does not exist."""
    return Subject(key, Target.MOD_REVISION, end)


def value(key: bytes, end: bytes = b"") -> Subject:
    """The value; no comparison holds for a key that does not exist."""
    return Subject(key, Target.VALUE, end)


def lease(key: bytes, end: bytes = b"") -> Subject:
    """The lease the key dies with; 0: none."""
    return Subject(key, Target.LEASE, end)


@dataclass(frozen=True, slots=True)
class Txn:
    """If all comparisons hold, `success` is done, else `failure`; either way at one revision.

    Txn().when(version(b"k").equal(0)).then(Put(key=b"k", value=b"v")).otherwise(Get(key=b"k"))
    """

    compares: tuple[Compare, ...] = ()
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()

    def when(self, *compares: Compare) -> Txn:
        """The same with more conditions."""
        return replace(self, compares=(*self.compares, *compares))

    def then(self, *operations: Operation) -> Txn:
        """The same with more to do if the conditions hold."""
        return replace(self, success=(*self.success, *operations))

    def otherwise(self, *operations: Operation) -> Txn:
        """The same with more to do if they do not."""
        return replace(self, failure=(*self.failure, *operations))

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, whichever way it goes."""
        return all(isinstance(each, Get) or (isinstance(each, Txn) and each.is_read) for each in self._operations)

    @property
    def _operations(self) -> tuple[Operation, ...]:
        return (*self.success, *self.failure)


Operation = Get | Put | Delete | Txn


@dataclass(frozen=True, slots=True)
class TxnResult:
    """Which way it went, and what each operation of that way gave, in order."""

    succeeded: bool
    revision: int
    results: tuple[Result, ...] = ()


Result = Range | Written | Deleted | TxnResult


@dataclass(frozen=True, slots=True)
class TimeToLive:
    """How long a lease still lives, how long it was granted for, and (if asked) its keys."""

    left_s: int
    granted_s: int
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What one member says of itself.

    Attributes:
        endpoint: Which one was asked.
        leader: The member that leads, as far as it knows; 0: nobody.
        index, applied: Of the log: the last entry, the last one done.
        errors: One sentence for each alarm.
    """

    endpoint: str
    cluster: int
    member: int
    leader: int
    revision: int
    term: int
    index: int
    applied: int
    size_bytes: int
    version: str
    is_learner: bool = False
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Who takes part; `name` is empty until it has started."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    is_learner: bool = False


def below(prefix: bytes, *, limit: int = 0, keys_only: bool = False, revision: int = 0) -> Get:
    """A read of all keys that begin with `prefix`; of all keys there are if it is empty."""
    start, end = span(prefix)
    return Get(key=start, end=end, limit=limit, keys_only=keys_only, revision=revision)


def span(prefix: bytes) -> tuple[bytes, bytes]:
    """Start and end of the keys that begin with `prefix`."""
    return prefix or b"\x00", prefix_end(prefix) or EVERY_KEY_FROM
