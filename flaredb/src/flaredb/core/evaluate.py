"""Comparisons, then writes, then the next version: what a batch of transactions does to the store.

Transactions of a batch run one after the other, each seeing what those before it wrote, so the result is that of some
serial order, and the order is that of arrival: strict serialisability on one node. The same function will apply a Raft
log's entries: it reads nothing but its arguments, so every replica comes to the same commits.

Deleting what does not exist changes nothing: it takes no version and no watcher hears of it. What a range deletes is
decided here too, key by key, so that its commit names keys as every other does. A key that has ended by the batch's
time does not exist; the time is an argument and is held at its latest, so replicas agree on that too.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol, assert_never

from flaredb.core import counters
from flaredb.core.commands import (
    AnyWrite,
    Change,
    Commit,
    Comparison,
    DeleteRange,
    EncodedKey,
    Expire,
    Increment,
    Outcome,
    Refusal,
    RefusalReason,
    Txn,
    Write,
)
from flaredb.core.engine import Column, Row
from flaredb.core.expiry import expiry_key
from flaredb.core.keys import bounds, encode, key_of, versioned
from flaredb.core.limits import RANGE_BYTES_MAX, RANGE_KEYS_MAX
from flaredb.core.records import APPLIED_KEY, Mark, change_record, mark_record, number, value_record
from flaredb.core.visibility import Standing, is_ended


class View(Protocol):
    """What is stored before the batch."""

    def standing(self, encoded: EncodedKey, /) -> Standing | None:
        """What a key holds, None where it does not exist; it may have ended."""
        ...

    def standings(self, lower: bytes, upper: bytes, /) -> Iterator[Standing]:
        """What the keys of a range on disk hold, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a batch came to.

    Attributes:
        outcomes: One a transaction, in their order.
        commits: Those that changed something, by rising version.
        applied: The counters after the last commit.
    """

    outcomes: tuple[Outcome, ...]
    commits: tuple[Commit, ...]
    applied: Mark


def evaluate(txns: Sequence[Txn], view: View, applied: Mark, now_ms: int) -> Evaluation:
    """Run `txns` one after the other.

    Args:
        txns: Within `limits.check_txn`.
        view: What is stored.
        applied: The counters before the batch.
        now_ms: Wall time; a clock that goes backwards is held at its latest.
    """
    batch = _Batch(view, max(applied.at_ms, now_ms))
    outcomes: list[Outcome] = []
    commits: list[Commit] = []
    version = applied.version
    for txn in txns:
        failed = batch.failed(txn) if txn.comparisons else ()
        if failed:
            outcomes.append(Outcome(succeeded=False, version=version, failed=failed))
            continue
        try:
            done = batch.run(txn)
        except _RefusedError as refused:
            outcomes.append(Outcome(succeeded=False, version=version, refusal=refused.refusal))
            continue
        if done.changes:
            version += 1
            commits.append(Commit(version, txn.namespace, tuple(done.changes)))
            for change in done.changes:
                batch.written[change.encoded] = version, change
        outcomes.append(Outcome(True, version, (), done.deleted, done.next_start, tuple(done.counters)))
    return Evaluation(tuple(outcomes), tuple(commits), _counted(applied, commits, now_ms))


def rows(evaluation: Evaluation) -> Iterator[Row]:
    """What the engine writes for a batch, counters last; nothing if nothing was changed."""
    for commit in evaluation.commits:
        for change in commit.changes:
            record = value_record(change.value, change.expires_at_ms)
            yield Column.DATA, versioned(change.encoded, commit.version), record
            if change.ended_ms:
                yield Column.EXPIRY, expiry_key(change.ended_ms, change.encoded), None
            if change.expires_at_ms:
                yield Column.EXPIRY, expiry_key(change.expires_at_ms, change.encoded), b""
        yield Column.CHANGES, number(commit.version), change_record(change.encoded for change in commit.changes)
    if evaluation.commits:
        yield Column.META, APPLIED_KEY, mark_record(evaluation.applied)


class _RefusedError(Exception):
    """Ends a transaction that what is stored does not let happen; never leaves this module."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


@dataclass(slots=True)
class _Done:
    """What a transaction's writes come to.

    Attributes:
        ranged_bytes: Keys that its ranges deleted.
    """

    changes: list[Change] = field(default_factory=list)
    deleted: int = 0
    ranged_bytes: int = 0
    next_start: bytes = b""
    counters: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """What is stored, and what the transactions before wrote over it, each change with its version."""

    view: View
    now_ms: int
    written: dict[EncodedKey, tuple[int, Change]] = field(default_factory=dict)

    def failed(self, txn: Txn) -> tuple[Comparison, ...]:
        """The comparisons that do not hold, each with the version that the key has."""
        failed = []
        for comparison in txn.comparisons:
            standing = self._standing(encode(txn.namespace, comparison.key))
            version = 0 if standing is None else standing.version
            if version != comparison.expected_version:
                failed.append(Comparison(comparison.key, version))
        return tuple(failed)

    def run(self, txn: Txn) -> _Done:
        """What the writes change, without deletions of what does not exist.

        Raises:
            _RefusedError: What is stored does not let it happen.
        """
        done = _Done()
        for write in txn.writes:
            self._write(txn.namespace, write, done)
        return done

    def _write(self, namespace: str, write: AnyWrite, done: _Done) -> None:
        match write:
            case Write():
                self._put_or_delete(namespace, write, done)
            case DeleteRange():
                self._delete_range(namespace, write, done)
            case Increment():
                self._increment(namespace, write, done)
            case Expire(key):
                encoded = encode(namespace, key)
                stored = self._stored(encoded)
                if stored is not None and is_ended(stored.expires_at_ms, self.now_ms):
                    done.changes.append(Change(encoded, key, None, ended_ms=stored.expires_at_ms))
            case _:
                assert_never(write)

    def _put_or_delete(self, namespace: str, write: Write, done: _Done) -> None:
        """Set or delete a key. Setting one that does not end reads nothing: that is most of all writing."""
        encoded = encode(namespace, write.key)
        if write.value is not None and not write.ttl_ms and not write.expires_at_ms:
            done.changes.append(Change(encoded, write.key, write.value))
            return
        expires_at_ms = self._end(write)
        stored = self._stored(encoded) if write.value is not None else self._standing(encoded)
        if write.value is not None or stored is not None:
            ended_ms = 0 if stored is None else stored.expires_at_ms
            done.changes.append(Change(encoded, write.key, write.value, expires_at_ms, ended_ms))

    def _delete_range(self, namespace: str, write: DeleteRange, done: _Done) -> None:
        """Delete keys from the range's start until it, or what one transaction may delete, ends."""
        for deleted, standing in enumerate(self._standings(*bounds(namespace, write.start, write.end))):
            key = key_of(standing.encoded, namespace)
            is_full = done.deleted == RANGE_KEYS_MAX or done.ranged_bytes + len(key) > RANGE_BYTES_MAX
            if deleted == write.keys_max or is_full:
                if not write.may_stop:
                    raise _RefusedError(Refusal(RefusalReason.RANGE_SIZE, write.start))
                done.next_start = key
                return
            done.changes.append(Change(standing.encoded, key, None, ended_ms=standing.expires_at_ms))
            done.ranged_bytes += len(key)
            done.deleted += 1

    def _increment(self, namespace: str, write: Increment, done: _Done) -> None:
        """Add to a counter that is one, if the sum can be one."""
        encoded = encode(namespace, write.key)
        stored, stands = self._stored(encoded), self._standing(encoded)
        before = 0 if stands is None else counters.parse(stands.value)
        if before is None:
            raise _RefusedError(Refusal(RefusalReason.NOT_A_COUNTER, write.key))
        after = before + write.delta
        if not counters.is_counted(after):
            raise _RefusedError(Refusal(RefusalReason.COUNTER_OVERFLOW, write.key))
        expires_at_ms = self._end(write) if stands is None else stands.expires_at_ms
        ended_ms = 0 if stored is None else stored.expires_at_ms
        done.changes.append(Change(encoded, write.key, counters.render(after), expires_at_ms, ended_ms))
        done.counters.append(after)

    def _end(self, write: Write | Increment) -> int:
        """When what is written ends; 0 is never.

        An end that has passed is put off to the next moment: whoever deletes what has ended looks at no moment twice.
        """
        if write.ttl_ms:
            return self.now_ms + write.ttl_ms
        return max(write.expires_at_ms, self.now_ms + 1) if write.expires_at_ms else 0

    def _standing(self, encoded: EncodedKey) -> Standing | None:
        """What a key holds, None where it does not exist or has ended."""
        stored = self._stored(encoded)
        return None if stored is None or is_ended(stored.expires_at_ms, self.now_ms) else stored

    def _stored(self, encoded: EncodedKey) -> Standing | None:
        """What a key holds, None where it does not exist."""
        written = self.written.get(encoded)
        return self.view.standing(encoded) if written is None else _standing_of(*written)

    def _standings(self, lower: bytes, upper: bytes) -> Iterator[Standing]:
        """What the keys of a range hold that exist and have not ended, in order."""
        stored = (one for one in self.view.standings(lower, upper) if one.encoded not in self.written)
        inside = sorted(encoded for encoded in self.written if lower <= encoded < upper)
        written = (one for one in (_standing_of(*self.written[encoded]) for encoded in inside) if one is not None)
        both = heapq.merge(stored, written, key=attrgetter("encoded"))
        return (one for one in both if not is_ended(one.expires_at_ms, self.now_ms))


def _standing_of(version: int, change: Change) -> Standing | None:
    """What a change leaves."""
    return None if change.value is None else Standing(change.encoded, version, change.value, change.expires_at_ms)


def _counted(applied: Mark, commits: Iterable[Commit], now_ms: int) -> Mark:
    """The counters after `commits`."""
    version, changes, size = applied.version, applied.changes, applied.bytes
    for commit in commits:
        version = commit.version
        changes += len(commit.changes)
        size += commit.size_bytes
    if version == applied.version:
        return applied
    return Mark(version, max(applied.at_ms, now_ms), changes, size)
