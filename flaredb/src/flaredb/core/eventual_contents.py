"""What a store has in eventual namespaces: as it will be, for whoever changes it; as the disk has it, for all others.

A change is *staged*, then *begun* (its rows are in a batch), then *published* (they are on the disk). Rows are replaced
in place, so the engine shows what is not on the disk yet. Nobody may see that: neither a reader, who would keep what a
crash takes back, nor another store, which would have a write under a stamp that is given again afterwards. So whatever
a batch replaced is kept here until it is published, and laid over what the engine shows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Column, Cursor, Engine, Row
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import (
    COUNTERS,
    DUE,
    FEED,
    HASHED,
    RECORD,
    SHARED,
    Counters,
    Digest,
    Record,
    Shared,
    Told,
    counters_row,
    digest,
    key_rows,
    parse_counters,
    parse_due,
    parse_hashed,
    parse_record,
    parse_shared,
    shared_row,
)
from flaredb.core.eventual_tree import PAST, Span, Tree
from flaredb.core.records import number
from flaredb.core.region import StoreId
from flaredb.core.region_rows import scan

NOTHING = Counters(0, 0, 0)
VERSION_BITS = 43
"""Versions of one store begin at the milliseconds at which it was made empty and rise by one for each change: above
those of what stood there before, if that changed less than a thousand times a second; until 2248. Above them, the
store."""
KeyT = TypeVar("KeyT", bytes, EncodedKey, Digest)
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Item:
    """A key as the hash tree knows it."""

    digest: Digest
    stamp: Stamp
    encoded: EncodedKey


@dataclass(slots=True)
class Batch:
    """What goes to the disk together.

    Attributes:
        before: What it replaces, as the batch before it left it.
        after: What is there then.
    """

    number: int
    before: dict[EncodedKey, Record | None] = field(default_factory=dict)
    after: dict[EncodedKey, Record | None] = field(default_factory=dict)
    shared: dict[StoreId, Shared | None] = field(default_factory=dict)
    counters: Counters = NOTHING


class Contents:
    """The records of one store.

    Args:
        engine: Where the rows are; it only reads.
        tombstone_ms: How long it is kept that a key was deleted.
        start: Version of an empty store.

    Attributes:
        start: All versions of this store are above.
        counters: As of what is staged. Whoever gives stamps sets `time` before a batch begins.
        published: As of what is on the disk.
        tree: Over what is on the disk.
        shared: What other stores are known to have; as of what is staged.
    """

    def __init__(self, engine: Engine, tombstone_ms: int, start: int) -> None:
        self._engine = engine
        self._tombstone_ms = tombstone_ms
        self.start = start >> VERSION_BITS << VERSION_BITS
        stored = engine.get(Column.EVENTUAL, COUNTERS)
        self.counters = self.published = parse_counters(stored) if stored is not None else Counters(0, start, start)
        self.tree = Tree()
        self.shared: dict[StoreId, Shared] = {}
        self._staged = Batch(1)
        self._begun: list[Batch] = []
        self._hides: dict[EncodedKey, Record | None] | None = None
        self._due_from_ms = 0
        self._load()

    @property
    def goal(self) -> int:
        """Number of the batch with which all that was told by now is on the disk."""
        return self._staged.number if self.is_dirty else self._staged.number - 1

    @property
    def published_number(self) -> int:
        """Number of the newest batch that is on the disk."""
        return (self._begun[0] if self._begun else self._staged).number - 1

    @property
    def is_dirty(self) -> bool:
        """Whether something is staged."""
        return bool(self._staged.after or self._staged.shared)

    @property
    def staged_count(self) -> int:
        """Keys that the next batch has."""
        return len(self._staged.after)

    def latest(self, encoded: EncodedKey) -> Record | None:
        """What a key has once everything is on the disk."""
        for batch in (self._staged, *reversed(self._begun)):
            if encoded in batch.after:
                return batch.after[encoded]
        return self._stored(encoded)

    def get(self, encoded: EncodedKey) -> Record | None:
        """What a key has on the disk. Raises DataLossError."""
        for batch in self._begun:
            if encoded in batch.before:
                return batch.before[encoded]
        return self._stored(encoded)

    def stage(self, encoded: EncodedKey, told: Told | None) -> int:
        """Have a key with what was told, or without anything; gives the version of the change."""
        staged = self._staged
        if encoded not in staged.before:
            staged.before[encoded] = self.latest(encoded)
        if told is None:
            gone = staged.after[encoded] if encoded in staged.after else staged.before[encoded]
            # Whoever has not been told by now that it was deleted never will.
            floor = max(self.counters.floor, gone.version if gone is not None else 0)
            self.counters = Counters(self.counters.time, self.counters.version, floor)
            staged.after[encoded] = None
            return self.counters.version
        version = self.counters.version + 1
        self.counters = Counters(self.counters.time, version, self.counters.floor)
        staged.after[encoded] = Record(told, version)
        if due_ms := told.due_ms(self._tombstone_ms):
            self._due_from_ms = min(self._due_from_ms, due_ms)
        return version

    def share(self, peer: StoreId, shared: Shared | None) -> None:
        """Remember what another store has, or forget it."""
        if shared is None:
            self.shared.pop(peer, None)
        else:
            self.shared[peer] = shared
        self._staged.shared[peer] = shared

    def begin(self, time: int) -> list[Row]:
        """Make a batch of what is staged; nothing if nothing is.

        Args:
            time: Of the clock: a restarted store gives no stamp below it.
        """
        if not self.is_dirty:
            return []
        staged, self._staged = self._staged, Batch(self._staged.number + 1)
        self.counters = Counters(time, self.counters.version, self.counters.floor)
        staged.counters = self.counters
        self._begun.append(staged)
        self._hides = None
        rows = [counters_row(self.counters)]
        for encoded, record in staged.after.items():
            rows += key_rows(staged.before[encoded], record, self._tombstone_ms)
        return rows + [shared_row(peer, shared) for peer, shared in staged.shared.items()]

    def to_sync(self) -> int:
        """Number of the newest batch that was begun and is not published; 0 if there is none."""
        return self._begun[-1].number if self._begun else 0

    def publish(self, through: int) -> list[Batch]:
        """Batches up to a number are on the disk; gives those that were not before."""
        done = [batch for batch in self._begun if batch.number <= through]
        self._begun = [batch for batch in self._begun if batch.number > through]
        self._hides = None
        for batch in done:
            self.published = batch.counters
            for encoded, record in batch.after.items():
                before = batch.before[encoded]
                self.tree.change(digest(encoded), _stamp(before), _stamp(record))
        return done

    def scan(self, lower: bytes, upper: bytes, *, reverse: bool = False) -> Iterator[Record]:
        """Records of encoded keys in [lower, upper) as they are on the disk now, in order. Raises DataLossError."""
        hidden = [(encoded, record) for encoded, record in self._hidden().items() if lower <= encoded < upper]
        stored = self._records(RECORD + lower, RECORD + upper, reverse=reverse)
        return (record for _, record in _overlaid(stored, hidden, reverse=reverse))

    def changes(self, after: int) -> Iterator[Record]:
        """What changed after a version and is on the disk, in order: of each key its newest change."""
        through = self.published.version
        hidden = [
            (number(record.version), record)
            for record in self._hidden().values()
            if record is not None and after < record.version <= through
        ]
        found = scan(self._engine, Column.EVENTUAL, FEED + number(after + 1), FEED + number(through + 1))
        stored = ((key[len(FEED) :], self.get(EncodedKey(encoded))) for key, encoded in found)
        shown = ((key, record) for key, record in stored if record is not None and number(record.version) == key)
        return (record for _, record in _overlaid(shown, hidden))

    def items(self, span: Span) -> Iterator[Item]:
        """Keys whose digests are in a span, in their order, as they are on the disk. Raises DataLossError."""
        hidden = [
            (place, None if record is None else Item(place, record.told.stamp, encoded))
            for encoded, record in self._hidden().items()
            if span.start <= (place := digest(encoded)) < span.end
        ]
        found = scan(self._engine, Column.EVENTUAL, HASHED + span.start, HASHED + span.end)
        stored = ((place, Item(place, *parse_hashed(row))) for key, row in found for place in (Digest(key[1:]),))
        return (item for _, item in _overlaid(stored, hidden))

    def due(self, now_ms: int) -> Iterator[Record]:
        """Records that change by themselves by now, the oldest first; some may come with the next look only."""
        # Where everything is done nobody looks again: RocksDB would step over all that was deleted there.
        start = DUE + number(self._due_from_ms)
        for key, _ in scan(self._engine, Column.EVENTUAL, start, DUE + number(now_ms + 1)):
            due_ms, encoded = parse_due(key)
            record = self.latest(encoded)
            if record is not None and record.told.due_ms(self._tombstone_ms) == due_ms:
                yield record

    def all_done(self, now_ms: int) -> None:
        """Everything that `due` gave for this time is staged."""
        waiting = (record for batch in (*self._begun, self._staged) for record in batch.after.values())
        due = (record.told.due_ms(self._tombstone_ms) for record in waiting if record is not None)
        # What is not written yet, `due` has not seen.
        self._due_from_ms = min((due_ms for due_ms in due if due_ms), default=now_ms)
        self._due_from_ms = min(self._due_from_ms, now_ms)

    def is_empty(self) -> bool:
        """Whether nothing was ever published here."""
        return self.published.time == 0

    def _hidden(self) -> dict[EncodedKey, Record | None]:
        """Keys that the engine shows, or is about to show, as they will be, with what is on the disk."""
        if self._hides is None:
            self._hides = {}
            for batch in reversed(self._begun):
                self._hides.update(batch.before)
        return self._hides

    def _stored(self, encoded: EncodedKey) -> Record | None:
        row = self._engine.get(Column.EVENTUAL, RECORD + encoded)
        return None if row is None else parse_record(encoded, row)

    def _records(self, lower: bytes, upper: bytes, *, reverse: bool) -> Iterator[tuple[EncodedKey, Record]]:
        # The cursor is made now, and not when the first row is asked for: what is hidden is as of now too.
        cursor = self._engine.cursor(Column.EVENTUAL)
        found = self._back(cursor, lower, upper) if reverse else self._forward(cursor, lower, upper)
        return ((encoded, parse_record(encoded, row)) for key, row in found for encoded in (EncodedKey(key[1:]),))

    def _forward(self, cursor: Cursor, lower: bytes, upper: bytes) -> Iterator[tuple[bytes, bytes]]:
        cursor.seek(lower)
        while cursor.valid() and (key := cursor.key()) < upper:
            yield key, cursor.value()
            cursor.next()
        self._engine.check(cursor)

    def _back(self, cursor: Cursor, lower: bytes, upper: bytes) -> Iterator[tuple[bytes, bytes]]:
        # No row's key is a bound of a range of keys: a bound has no terminator.
        cursor.seek_for_prev(upper)
        while cursor.valid() and (key := cursor.key()) >= lower:
            yield key, cursor.value()
            cursor.prev()
        self._engine.check(cursor)

    def _load(self) -> None:
        """Make the tree, and read what is known of others."""
        for key, row in scan(self._engine, Column.EVENTUAL, HASHED, HASHED + PAST):
            self.tree.change(Digest(key[len(HASHED) :]), None, parse_hashed(row)[0])
        for key, row in scan(self._engine, Column.EVENTUAL, SHARED, SHARED + PAST):
            self.shared[StoreId(int.from_bytes(key[len(SHARED) :], "big"))] = parse_shared(row)


def _stamp(record: Record | None) -> Stamp | None:
    return None if record is None else record.told.stamp


def _overlaid(
    stored: Iterator[tuple[KeyT, ItemT]], hidden: Iterable[tuple[KeyT, ItemT | None]], *, reverse: bool = False
) -> Iterator[tuple[KeyT, ItemT]]:
    """What is stored, but where something is hidden, that; None hides a key altogether."""
    laid = sorted(hidden, key=_place, reverse=reverse)
    if not laid:
        yield from stored
        return
    last: bytes | None = None
    # Where both have a key, the hidden one comes first.
    for key, item in heapq.merge(laid, stored, key=_place, reverse=reverse):
        if key != last and item is not None:
            yield key, item
        last = key


_place: Callable[[tuple[KeyT, object]], KeyT] = lambda pair: pair[0]  # noqa: E731
