"""How much history stays, and what goes when it goes.

History is what lets a list continue at its version and a watcher resume at its position. It is bounded three ways: by
age, by changes and by bytes; the strictest holds. Marks, made now and then with a commit, tell how old and how large
the history after a version is, without looking at it.

The floor is the oldest version that may still be read. Raising it is one small write; what it leaves behind is swept in
slices afterwards, by reading the change log between the old floor and the new: a key that was changed there has
versions that nobody can see any more, and a key that was not has none. So sweeping costs what writing did, whatever
the store's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Column, Cursor, Row
from flaredb.core.keys import version_of, versioned
from flaredb.core.records import Mark, is_tombstone

MARKS_A_WINDOW = 64
"""Marks within the bounds of history: the floor is this exact, a 64th of each bound."""


@dataclass(frozen=True, slots=True)
class History:
    """How much is kept; each at least 1."""

    age_ms: int
    changes: int
    bytes: int


def is_mark_due(last: Mark, applied: Mark, history: History) -> bool:
    """Whether so much happened since the last mark that the floor would be inexact without another."""
    return (
        (applied.at_ms - last.at_ms) * MARKS_A_WINDOW >= history.age_ms
        or (applied.changes - last.changes) * MARKS_A_WINDOW >= history.changes
        or (applied.bytes - last.bytes) * MARKS_A_WINDOW >= history.bytes
    )


def plan_floor(marks: Sequence[Mark], applied: Mark, history: History, now_ms: int, floor: int) -> int:
    """The oldest version to keep readable: of the newest mark that is out of bounds, never below `floor`."""
    for mark in reversed(marks):
        if mark.version <= floor:
            break
        if _is_out(mark, applied, history, now_ms):
            return mark.version
    return floor


def _is_out(mark: Mark, applied: Mark, history: History, now_ms: int) -> bool:
    """Whether the history after `mark` is more than is kept."""
    return (
        now_ms - mark.at_ms > history.age_ms
        or applied.changes - mark.changes > history.changes
        or applied.bytes - mark.bytes > history.bytes
    )


def sweep(cursor: Cursor, encoded_keys: Iterable[EncodedKey], swept: int, through: int) -> Iterator[Row]:
    """Deletions of what nobody who reads at `through` or after can see.

    Of each key that is all versions before the one seen at `through`, and that one too if it says "deleted".

    Args:
        cursor: Over the data.
        encoded_keys: All keys changed after `swept` and up to `through`.
        swept: What was done before: of every key, at most one version up to here is left.
        through: At most the floor.
    """
    # In the order of the disk, each once: neighbours share blocks, and a hot key appears in every commit.
    for encoded in sorted(set(encoded_keys)):
        cursor.seek(versioned(encoded, through))
        is_seen = True
        while cursor.valid() and (stored := cursor.key()).startswith(encoded):
            if not is_seen or is_tombstone(cursor.value()):
                yield Column.DATA, stored, None
            is_seen = False
            if version_of(stored) <= swept:
                # Nothing is left behind it but RocksDB's own traces of what earlier sweeps deleted: for a hot key so
                # many that stepping over them again in every slice would be most of the work.
                break
            cursor.next()
