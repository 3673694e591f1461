"""The store: every key with its versions, readable as of any revision that is not compacted.

Each write makes a new record; nothing is changed in place. A revision is one applied command, so all records of a txn
share one. Callers write at `revision + 1` and then `advance`, which is when a command has happened.

Source: the etcd data model (etcd documentation, "Data model" and "API guarantees").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

from sortedcontainers import SortedList

from chainfire.core.history import History
from chainfire.core.keyvalue import (
    FIRST_REVISION,
    FROM_KEY,
    NO_LEASE,
    KeyValue,
    LeaseId,
    Record,
    is_tombstone,
    key_of,
    lease_of,
    origin_of,
    pack,
    revision_of,
    unpack,
)
from chainfire.errors import CompactedError, FutureRevisionError

RECORD_OVERHEAD_BYTES = 165
"""What a record takes besides its bytes: its share of dictionary, lists and objects. Measured; quotas count with it."""
UNCOMPACTED = -1
"""Compaction revision of a store that was never compacted, as etcd reports it."""


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
        # A key with one version has it here itself: most keys do, and the collector would walk a list for each of them.
        self._versions: dict[bytes, Record | list[Record]] = {}
        # Keys that exist now, and keys that only the past has: the newest reads then never step over tombstones, and
        # a count is the difference of two positions.
        self._live = SortedList()
        self._dead = SortedList()
        self._changes: list[Record] = []

    def get(self, key: bytes) -> KeyValue | None:
        """The record of a key as of now, writes of the current command included."""
        newest = self._newest(key)
        return None if newest is None or is_tombstone(newest) else unpack(newest)

    def put(self, key: bytes, value: bytes, lease: LeaseId, at: int) -> Record | None:
        """Write a key at revision `at` and give the record this replaces."""
        newest = self._newest(key)
        created, version = (at, 0) if newest is None else origin_of(newest)
        if not version:
            if newest is not None:
                self._dead.remove(key)
            self._live.add(key)
            self._write(key, pack(key, at, at, 1, value, lease))
            return None
        self._write(key, pack(key, created, at, version + 1, value, lease))
        self.live_bytes -= _size(newest)
        return newest

    def delete(self, key: bytes, at: int) -> Record:
        """Delete a key that exists, at revision `at`, and give its last record."""
        newest = self._newest(key)
        assert newest is not None, key
        assert not is_tombstone(newest), key
        self._live.remove(key)
        self._dead.add(key)
        self._write(key, pack(key, 0, at, 0, b"", NO_LEASE))
        self.live_bytes -= _size(newest)
        return newest

    def advance(self, revision: int) -> None:
        """Make what was written at `revision` the present."""
        assert revision == self.revision + 1, (revision, self.revision)
        self.revision = revision

    def take_changes(self) -> list[Record]:
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

    def read_live(self, start: bytes, end: bytes, limit: int) -> list[Record]:
        """Records of the range as of now, in key order, at most `limit` if that is not 0."""
        keys = (start,) if not end else islice(_between(self._live, start, end), limit or None)
        found = (self._newest(key) for key in keys)
        return [record for record in found if record is not None and not is_tombstone(record)]

    def read_past(self, start: bytes, end: bytes, revision: int) -> list[Record]:
        """Records of the range as of `revision`, in key order."""
        if not end:
            keys: Iterable[bytes] = (start,)
        else:
            # sorted() merges two sorted runs in linear time.
            keys = sorted([*_between(self._live, start, end), *_between(self._dead, start, end)])
        found = (self._as_of(key, revision) for key in keys)
        return [record for record in found if record is not None and not is_tombstone(record)]

    def versions_from(self, key: bytes, start_revision: int, records_max: int) -> tuple[list[Record], bool]:
        """Kept records of one key from `start_revision` on, tombstones included, and whether there are more."""
        versions = self._versions_of(key)
        at = bisect_right(versions, start_revision - 1, key=revision_of)
        return versions[at : at + records_max], at + records_max < len(versions)

    def before(self, record: KeyValue) -> KeyValue | None:
        """What the key held before `record` was written; None if nothing, or if it is compacted."""
        if record.mod_revision - 1 < self.compact_revision:
            return None
        previous = self._as_of(record.key, record.mod_revision - 1)
        return None if previous is None or is_tombstone(previous) else unpack(previous)

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

        def is_dead(record: Record) -> bool:
            dead = self._trim(record, target)
            if dead:
                self.stored_bytes -= _size(record)
            return dead

        return self.history.sweep(target, is_dead)

    def records(self, revision: int, compacted: int) -> Iterator[list[Record]]:
        """All records up to `revision` that a store compacted at `compacted` keeps, some at a time.

        Records that wait to be swept are left out, so every member gives the same, whatever it has swept.
        """
        for chunk in self.history.walk(revision):
            if revision_of(chunk[0]) > compacted:
                yield chunk
                continue
            yield [r for r in chunk if revision_of(r) > compacted or not self._is_superseded(r, compacted)]

    def restore(self, record: Record) -> None:
        """Take over a record of a snapshot. Records come in order; `adopt` ends it."""
        self._append_version(key_of(record), record)
        self.history.append(record)
        self.stored_bytes += _size(record)

    def adopt(self, revision: int, compact_revision: int) -> list[KeyValue]:
        """End a restore: the store is as of `revision`. Gives the records of the present that have a lease."""
        self.revision = revision
        self.compact_revision = compact_revision
        live: list[bytes] = []
        dead: list[bytes] = []
        leased: list[KeyValue] = []
        for key, versions in self._versions.items():
            newest = versions[-1] if isinstance(versions, list) else versions
            if is_tombstone(newest):
                dead.append(key)
                continue
            live.append(key)
            self.live_bytes += _size(newest)
            if lease_of(newest) != NO_LEASE:
                leased.append(unpack(newest))
        self._live, self._dead = SortedList(live), SortedList(dead)
        return leased

    def take_over(self, other: Mvcc) -> None:
        """Become another store; what was not taken of the changes is gone."""
        self.revision = other.revision
        self.compact_revision = other.compact_revision
        self.stored_bytes, self.live_bytes = other.stored_bytes, other.live_bytes
        self.history = other.history
        self._versions, self._live, self._dead = other._versions, other._live, other._dead
        self._changes = []

    def _newest(self, key: bytes) -> Record | None:
        """The last record of a key, a tombstone perhaps."""
        versions = self._versions.get(key)
        return versions[-1] if isinstance(versions, list) else versions

    def _versions_of(self, key: bytes) -> list[Record]:
        versions = self._versions.get(key)
        if versions is None:
            return []
        return versions if isinstance(versions, list) else [versions]

    def _write(self, key: bytes, record: Record) -> None:
        self._append_version(key, record)
        self.history.append(record)
        self._changes.append(record)
        size = len(record) + RECORD_OVERHEAD_BYTES
        self.stored_bytes += size
        if not is_tombstone(record):
            self.live_bytes += size

    def _append_version(self, key: bytes, record: Record) -> None:
        versions = self._versions.get(key)
        if versions is None:
            self._versions[key] = record
        elif isinstance(versions, list):
            versions.append(record)
        else:
            self._versions[key] = [versions, record]

    def _as_of(self, key: bytes, revision: int) -> Record | None:
        """The newest record of `key` that is not after `revision`, a tombstone perhaps."""
        versions = self._versions_of(key)
        at = bisect_right(versions, revision, key=revision_of)
        return versions[at - 1] if at else None

    def _is_superseded(self, record: Record, compacted: int) -> bool:
        """Whether no read or watch from `compacted` on can see a record that is not after it."""
        if is_tombstone(record):
            # A watch may still start at the compaction revision itself, and must see a deletion made there.
            return revision_of(record) < compacted
        # Not by revision: a txn that both puts and deletes a key has two records of one revision.
        return self._as_of(key_of(record), compacted) is not record

    def _trim(self, record: Record, target: int) -> bool:
        """Drop the versions of a record's key that `target` supersedes; tell whether the record is one of them.

        All versions of a key go at the first of its records: one by one, a key with a million would take minutes.
        """
        key = key_of(record)
        versions = self._versions_of(key)
        if not versions or revision_of(versions[0]) > revision_of(record):
            return True
        kept = bisect_right(versions, target, key=revision_of) - 1
        if is_tombstone(versions[kept]) and revision_of(versions[kept]) < target:
            kept += 1
        if kept == len(versions):
            del self._versions[key]
            self._dead.remove(key)
        elif kept == len(versions) - 1:
            self._versions[key] = versions[-1]
        else:
            del versions[:kept]
        return kept > 0


def _size(record: Record | None) -> int:
    return 0 if record is None else len(record) + RECORD_OVERHEAD_BYTES


def _between(keys: SortedList, start: bytes, end: bytes) -> Iterator[bytes]:
    """Keys of `keys` in the range; `end` is not empty."""
    if end == FROM_KEY:
        yield from keys.irange(start, None)
    elif start < end:
        yield from keys.irange(start, end, inclusive=(True, False))
