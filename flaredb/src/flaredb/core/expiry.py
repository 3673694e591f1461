"""Keys that go by themselves: which are overdue, and which were put again and have another end.

Two things make a key with an end disappear. From its end on it counts as absent wherever the newest state is asked for:
reads, comparisons, deletions, counters. Some moments later a transaction like any other deletes it, so that watchers
hear of it and its bytes go. Time is the store's own clock, which never goes back; a transaction is decided at one
moment of it.

`Column.EXPIRY` has a row for each end, by time. A put that sets no end does not look for one to remove, because puts
read nothing; the row it leaves is found stale when its time comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flaredb.core.commands import EncodedKey, Expire, Txn
from flaredb.core.engine import Column, Cursor, Row
from flaredb.core.keys import key_of
from flaredb.core.records import number, parse_number
from flaredb.core.visibility import standing

_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Overdue:
    """What a look found.

    Attributes:
        txns: Deletions of expired keys, one transaction a namespace.
        stale: Removals of rows whose key has another end by now, or none.
        through_ms: Every row up to here is in one of both.
        first_ms: Time of the first row; 0 without one.
        count: Rows looked at.
    """

    txns: tuple[Txn, ...]
    stale: tuple[Row, ...]
    through_ms: int
    first_ms: int
    count: int


def expiry_key(expires_at_ms: int, encoded: EncodedKey) -> bytes:
    """Where the row of an end stands: by time, then by key."""
    return number(expires_at_ms) + encoded


def overdue(ends: Cursor, data: Cursor, from_ms: int, now_ms: int, keys_max: int) -> Overdue:
    """Look at up to `keys_max` rows whose time has come.

    Args:
        ends: Over `Column.EXPIRY`.
        data: Over `Column.DATA`.
        from_ms: No row is before this time.
        now_ms: The store's clock.
        keys_max: At least 1.
    """
    expired: list[EncodedKey] = []
    stale: list[Row] = []
    through_ms, first_ms, count = now_ms, 0, 0
    ends.seek(number(from_ms))
    while ends.valid():
        row = ends.key()
        at_ms, encoded = parse_number(row[:_TIME_BYTES]), EncodedKey(row[_TIME_BYTES:])
        if at_ms > now_ms:
            break
        if count == keys_max:
            through_ms = at_ms - 1
            break
        stands = standing(data, encoded)
        if stands is not None and stands.expires_at_ms == at_ms:
            expired.append(encoded)
        else:
            stale.append((Column.EXPIRY, row, None))
        first_ms, count = first_ms or at_ms, count + 1
        ends.next()
    return Overdue(deletions(expired), tuple(stale), through_ms, first_ms, count)


def deletions(expired: Sequence[EncodedKey]) -> tuple[Txn, ...]:
    """What deletes keys if they have ended: one transaction for each namespace."""
    by_namespace = groupby(sorted(expired), key=_namespace_of)
    return tuple(
        Txn(namespace, (), tuple(Expire(key_of(encoded, namespace)) for encoded in group))
        for namespace, group in by_namespace
    )


def _namespace_of(encoded: EncodedKey) -> str:
    return encoded.partition(b"\x00")[0].decode()
