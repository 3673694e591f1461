"""What becomes of a region's history: how far back it may be read, what is swept, and what a cut leaves each half.

The floor and what is swept are part of the region's state and move by entries of its log, so that a version that one
replica reads another one does too. A region's leader decides when: `HistoryKeeper` says what is due, with the bounds of
`retention.History`. Age is read off the floor itself, since versions are times. For changes and bytes it notes counters
now and then, in memory: a store that starts keeps up to twice as much until it has noted enough.

Changes stand by region, and those of before a cut under the left half. The right half gets a copy of those of its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flaredb.core.commands import Change, Commit, EncodedKey
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.keys import key_of, versioned
from flaredb.core.records import Mark, change_record, number, parse_change, parse_end, parse_number, parse_value
from flaredb.core.region import LOGICAL_BITS, Applied, Region, RegionId
from flaredb.core.region_entry import RaiseFloor, Sweep, Upkeep
from flaredb.core.region_rows import change_key
from flaredb.core.retention import MARKS_A_WINDOW, History, is_mark_due, plan_floor, sweep

SWEEP_KEYS_MAX = 256
"""Keys that one entry sweeps: about 2 ms on each replica, during which nobody else is served."""
COPIED_KEYS_MAX = 200_000
"""Changes that the right half of a cut gets: half a second on each replica. Its floor is above older ones."""
_VERSION_BYTES = 8


def stored_changes(
    engine: Engine, region: Region, after: int, through: int
) -> Iterator[tuple[int, tuple[EncodedKey, ...]]]:
    """Versions and keys of a region's commits after one version and up to another, in order.

    What is above the region's mark is not all there yet. Keys that a cut has taken away are left out.
    """
    cursor = engine.cursor(Column.CHANGES)
    cursor.seek(change_key(region.region, after + 1))
    head = number(region.region)
    while cursor.valid():
        key = cursor.key()
        if not key.startswith(head) or (version := parse_number(key[_VERSION_BYTES:])) > through:
            return
        encoded_keys = tuple(filter(region.covers, parse_change(cursor.value())))
        if encoded_keys:
            yield version, encoded_keys
        cursor.next()
    engine.check(cursor)


def stored_commits(engine: Engine, region: Region, after: int, through: int) -> Iterator[Commit]:
    """The commits themselves, one for each namespace that was changed at a version; see `stored_changes`."""
    for version, encoded_keys in stored_changes(engine, region, after, through):
        records = engine.get_many(Column.DATA, [versioned(encoded, version) for encoded in encoded_keys])
        by_namespace: dict[str, list[Change]] = {}
        for encoded, record in zip(encoded_keys, records, strict=True):
            assert record is not None, (region, version, encoded)
            namespace = encoded.partition(b"\x00")[0].decode()
            change = Change(encoded, key_of(encoded, namespace), parse_value(record), parse_end(record))
            by_namespace.setdefault(namespace, []).append(change)
        for namespace, changes in by_namespace.items():
            yield Commit(version, namespace, tuple(changes))


def sweep_rows(engine: Engine, region: Region, swept: int, through: int) -> Iterator[Row]:
    """Deletions of what nobody who reads at `through` can see, and of the changes up to there."""
    keys: list[EncodedKey] = []
    cursor = engine.cursor(Column.CHANGES)
    cursor.seek(change_key(region.region, swept + 1))
    last = change_key(region.region, through)
    while cursor.valid() and (key := cursor.key()) <= last:
        keys += filter(region.covers, parse_change(cursor.value()))
        yield Column.CHANGES, key, None
        cursor.next()
    engine.check(cursor)
    data = engine.cursor(Column.DATA)
    yield from sweep(data, keys, swept, through)
    engine.check(data)


def copied_changes(engine: Engine, left: Region, right: Region, applied: Applied) -> tuple[list[Row], int]:
    """The right half's changes under its own id, and its floor."""
    rows: list[Row] = []
    count = 0
    for key, record in _newest_first(engine, left.region, applied.swept):
        encoded_keys = tuple(filter(right.covers, parse_change(record)))
        version = parse_number(key[_VERSION_BYTES:])
        if count and count + len(encoded_keys) > COPIED_KEYS_MAX and version <= applied.mark.version:
            return rows, max(applied.floor, version)
        if encoded_keys:
            rows.append((Column.CHANGES, change_key(right.region, version), change_record(encoded_keys)))
            count += len(encoded_keys)
    return rows, applied.floor


@dataclass(slots=True)
class _Noted:
    """What is remembered of one region: counters at some moments, by rising version."""

    marks: list[Mark] = field(default_factory=list)


class HistoryKeeper:
    """Says what is due with the history of the regions of one store.

    Ask it every few seconds for each replica, whoever leads, so that a new leader knows what it needs; and a leader's
    again at once after what it said was done, as long as it says something.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._noted: dict[RegionId, _Noted] = {}

    def due(self, engine: Engine, region: Region, applied: Applied, now_ms: int) -> Upkeep | None:
        """What its leader should propose next for a region, or nothing."""
        noted = self._noted.setdefault(region.region, _Noted())
        floor = max(self._floor(noted, applied, now_ms), applied.floor)
        if applied.swept < applied.floor:
            return Sweep(_slice_end(engine, region, applied))
        has_old = floor > applied.floor and any(stored_changes(engine, region, applied.swept, floor))
        # Where nothing was changed nothing goes, and a quiet region logs nothing.
        return RaiseFloor(floor) if has_old else None

    def drop(self, region: RegionId) -> None:
        """A region is not here any more."""
        self._noted.pop(region, None)

    def _floor(self, noted: _Noted, applied: Applied, now_ms: int) -> int:
        """The oldest version to keep readable."""
        history, mark = self._history, applied.mark
        # Versions are times: what is out by age needs no notes. A floor of exactly now would be a new one each time.
        step_ms = max(history.age_ms // MARKS_A_WINDOW, 1)
        too_old = (now_ms - history.age_ms) // step_ms * step_ms << LOGICAL_BITS
        if not noted.marks or is_mark_due(noted.marks[-1], mark, history):
            noted.marks.append(mark)
        floor = plan_floor(noted.marks, mark, history, now_ms, applied.floor)
        noted.marks = [each for each in noted.marks if each.version >= floor]
        return min(max(floor, too_old), mark.version)


def _slice_end(engine: Engine, region: Region, applied: Applied) -> int:
    """How far the next slice goes: so that it sweeps about SWEEP_KEYS_MAX keys."""
    count = 0
    for version, encoded_keys in stored_changes(engine, region, applied.swept, applied.floor):
        count += len(encoded_keys)
        if count >= SWEEP_KEYS_MAX:
            return version
    return applied.floor


def _newest_first(engine: Engine, region: RegionId, after: int) -> Iterator[tuple[bytes, bytes]]:
    """Rows of a region's changes after a version, backwards."""
    cursor = engine.cursor(Column.CHANGES)
    first = change_key(region, after + 1)
    cursor.seek_for_prev(change_key(RegionId(region + 1), 0))
    while cursor.valid() and (key := cursor.key()) >= first:
        if key.startswith(number(region)):
            yield key, cursor.value()
        cursor.prev()
    engine.check(cursor)
