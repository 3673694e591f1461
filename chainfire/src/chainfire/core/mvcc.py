"""The store: every key with its versions, readable as of any revision that is not compacted.

Each write makes a new record; nothing is changed in place. A revision is one applied command, so all records of a txn
share one. Callers write at `revision + 1` and then `advance`, which is when a command has happened.

Source: the etcd data model (etcd documentation, "Data model" and "API guarantees").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter

from sortedcontainers import SortedList

from chainfire.core.history import History
from chainfire.core.keyvalue import FIRST_REVISION, FROM_KEY, NO_LEASE, KeyValue, LeaseId
from chainfire.errors import CompactedError, FutureRevisionError

RECORD_OVERHEAD_BYTES = 200
"""What a record takes besides its key and value: tuple, numbers, two list entries. Measured; quotas count with it."""

UNCOMPACTED = -1
"""Compaction revision of a store that was never compacted, as etcd reports it."""

_revision_of: Callable[[KeyValue], int] = itemgetter(KeyValue._fields.index("mod_revision"))


class Mvcc:
    """Keys, versions and history.

    Attributes:
        revision: The newest revision that has happened.
        compact_revision: Reads and watches below it are refused; UNCOMPACTED before the first compaction.
        stored_bytes: What all kept records take.
        live_bytes: What the records that a read at `revision` sees take.
        changes: Records written since somebody last took them; see `take_changes`.
    """

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self.compact_revision = UNCOMPACTED
        self.stored_bytes = 0
        self.live_bytes = 0
        self.history = History()
        self._versions: dict[bytes, list[KeyValue]] = {}
        # Keys that exist now, and keys that only the past has: the newest reads then never step over tombstones, and
        # a count is the difference of two positions.
        self._live = SortedList()
        self._dead = SortedList()
        self._changes: list[KeyValue] = []

    def get(self, key: bytes) -> KeyValue | None:
        """The record of a key as of now, writes of the current command included."""
        versions = self._versions.get(key)
        if versions is None or not versions[-1].version:
            return None
        return versions[-1]

    def put(self, key: bytes, value: bytes, lease: LeaseId, at: int) -> KeyValue | None:
        """Write a key at revision `at` and give the record this replaces."""
        versions = self._versions.get(key)
        if versions is None:
            previous = None
            self._versions[key] = versions = []
            self._live.add(key)
        else:
            # One object for a key however often it is written: records are what memory goes to.
            previous = versions[-1]
            key = previous.key
            if not previous.version:
                previous = None
                self._dead.remove(key)
                self._live.add(key)
        if previous is None:
            record = KeyValue(key, at, at, 1, value, lease)
        else:
            record = KeyValue(key, previous.create_revision, at, previous.version + 1, value, lease)
            self.live_bytes -= _size(previous)
        self.live_bytes += _size(record)
        self._write(versions, record)
        return previous

    def delete(self, key: bytes, at: int) -> KeyValue:
        """Delete a key that exists, at revision `at`, and give its last record."""
        versions = self._versions[key]
        previous = versions[-1]
        assert previous.version, key
        self._live.remove(key)
        self._dead.add(key)
        self.live_bytes -= _size(previous)
        self._write(versions, KeyValue(previous.key, 0, at, 0, b"", NO_LEASE))
        return previous

    def advance(self, revision: int) -> None:
        """Make what was written at `revision` the present."""
        assert revision == self.revision + 1, (revision, self.revision)
        self.revision = revision

    def take_changes(self) -> list[KeyValue]:
        """Give the records written since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def check_readable(self, revision: int, now: int) -> None:
        """Refuse a revision that is compacted or lies after `now`.

        Raises:
            FutureRevisionError: It has not happened.
            CompactedError: It is not kept.
        """
        if revision > now:
            raise FutureRevisionError
        if 0 < revision < self.compact_revision:
            raise CompactedError

    def keys_live(self, start: bytes, end: bytes) -> list[bytes]:
        """Keys of the range that exist now, in order."""
        if not end:
            return [start] if self.get(start) is not None else []
        return list(_between(self._live, start, end))

    def count_live(self, start: bytes, end: bytes) -> int:
        """How many keys of the range exist now."""
        if not end:
            return int(self.get(start) is not None)
        last = len(self._live) if end == FROM_KEY else self._live.bisect_left(end)
        return max(0, int(last) - int(self._live.bisect_left(start)))

    def read_live(self, start: bytes, end: bytes, limit: int) -> list[KeyValue]:
        """Records of the range as of now, in key order, at most `limit` if that is not 0."""
        if not end:
            record = self.get(start)
            return [] if record is None else [record]
        versions = self._versions
        return [versions[key][-1] for key in islice(_between(self._live, start, end), limit or None)]

    def read_past(self, start: bytes, end: bytes, revision: int) -> list[KeyValue]:
        """Records of the range as of `revision`, in key order."""
        if not end:
            keys: Iterable[bytes] = (start,)
        else:
            # sorted() merges two sorted runs in linear time.
            keys = sorted([*_between(self._live, start, end), *_between(self._dead, start, end)])
        found = (self._as_of(key, revision) for key in keys)
        return [record for record in found if record is not None and record.version]

    def versions_from(self, key: bytes, start_revision: int, records_max: int) -> tuple[list[KeyValue], bool]:
        """Kept records of one key from `start_revision` on, tombstones included, and whether there are more."""
        versions = self._versions.get(key, [])
        at = bisect_right(versions, start_revision - 1, key=_revision_of)
        return versions[at : at + records_max], at + records_max < len(versions)

    def before(self, record: KeyValue) -> KeyValue | None:
        """What the key held before `record` was written; None if nothing, or if it is compacted."""
        if record.mod_revision - 1 < self.compact_revision:
            return None
        previous = self._as_of(record.key, record.mod_revision - 1)
        return previous if previous is not None and previous.version else None

    def compact(self, revision: int) -> None:
        """Refuse reads below `revision` from now on. The space is freed by the steps of `sweep`.

        Raises:
            CompactedError: It is compacted already.
            FutureRevisionError: It has not happened.
        """
        if revision <= self.compact_revision:
            raise CompactedError
        if revision > self.revision:
            raise FutureRevisionError
        self.compact_revision = revision

    def sweep(self) -> Iterator[None]:
        """Free what compaction up to now made unreadable, one small step at a time."""
        target = self.compact_revision

        def is_dead(record: KeyValue) -> bool:
            dead = self._trim(record, target)
            if dead:
                self.stored_bytes -= _size(record)
            return dead

        return self.history.sweep(target, is_dead)

    def records(self, revision: int, compacted: int) -> Iterator[list[KeyValue]]:
        """All records up to `revision` that a store compacted at `compacted` keeps, some at a time.

        Records that wait to be swept are left out, so every member gives the same, whatever it has swept.
        """
        for chunk in self.history.walk(revision):
            yield [r for r in chunk if r.mod_revision > compacted or not self._is_superseded(r, compacted)]

    def restore(self, record: KeyValue) -> None:
        """Take over a record of a snapshot. Records come in order; `adopt` ends it."""
        versions = self._versions.get(record.key)
        if versions is None:
            self._versions[record.key] = [record]
        else:
            versions.append(record)
        self.history.append(record)
        self.stored_bytes += _size(record)

    def leased(self) -> Iterator[tuple[bytes, LeaseId]]:
        """Keys that exist now and die with a lease."""
        for key, versions in self._versions.items():
            if versions[-1].lease != NO_LEASE:
                yield key, versions[-1].lease

    def adopt(self, revision: int, compact_revision: int) -> None:
        """End a restore: the store is as of `revision`."""
        self.revision = revision
        self.compact_revision = compact_revision
        self._live = SortedList(key for key, versions in self._versions.items() if versions[-1].version)
        self._dead = SortedList(key for key, versions in self._versions.items() if not versions[-1].version)
        self.live_bytes = sum(_size(versions[-1]) for versions in self._versions.values() if versions[-1].version)

    def _write(self, versions: list[KeyValue], record: KeyValue) -> None:
        versions.append(record)
        self.history.append(record)
        self._changes.append(record)
        self.stored_bytes += _size(record)

    def _as_of(self, key: bytes, revision: int) -> KeyValue | None:
        """The newest record of `key` that is not after `revision`, a tombstone perhaps."""
        versions = self._versions.get(key, [])
        at = bisect_right(versions, revision, key=_revision_of)
        return versions[at - 1] if at else None

    def _is_superseded(self, record: KeyValue, compacted: int) -> bool:
        """Whether no read or watch from `compacted` on can see a record that is not after it."""
        if not record.version:
            # A watch may still start at the compaction revision itself, and must see a deletion made there.
            return record.mod_revision < compacted
        newest = self._as_of(record.key, compacted)
        return newest is None or newest.mod_revision > record.mod_revision

    def _trim(self, record: KeyValue, target: int) -> bool:
        """Drop the versions of a record's key that `target` supersedes; tell whether the record is one of them.

        All versions of a key go at the first of its records: one by one, a key with a million would take minutes.
        """
        versions = self._versions.get(record.key)
        if versions is None or versions[0].mod_revision > record.mod_revision:
            return True
        kept = bisect_right(versions, target, key=_revision_of) - 1
        if not versions[kept].version and versions[kept].mod_revision < target:
            kept += 1
        del versions[:kept]
        if not versions:
            del self._versions[record.key]
            self._dead.remove(record.key)
        return kept > 0


def _size(record: KeyValue) -> int:
    return len(record.key) + len(record.value) + RECORD_OVERHEAD_BYTES


def _between(keys: SortedList, start: bytes, end: bytes) -> Iterator[bytes]:
    """Keys of `keys` in the range; `end` is not empty."""
    if end == FROM_KEY:
        yield from keys.irange(start, None)
    elif start < end:
        yield from keys.irange(start, end, inclusive=(True, False))
