"""Which keys of a store's regions have come to their end: deletions for those it leads, and rows that are void.

The rows of ends stand by time and not by region, so one look serves all regions of a store. A region's leader deletes
what is overdue, as a transaction like any other; what another store leads is stepped over until its leader has deleted
it. A row that is void (its key was put again, or is not here any more) is no part of a region's state: each store drops
its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flaredb.core.commands import EncodedKey, Expire, Txn
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.keys import key_of
from flaredb.core.records import number, parse_number
from flaredb.core.region import Region
from flaredb.core.visibility import standing

LOOK_ROWS_MAX = 500
"""Rows that one look takes: about 5 ms, during which nobody else is served."""
WHOLE_LOOK_MS = 60_000
"""How often a look begins at the first row again, and not where the one before found something to do. A replica that is
behind adds rows before that place; but stepping over all that was deleted there costs."""
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Ends:
    """What a look found.

    Attributes:
        due: For regions that are led here, transactions that delete what is overdue, by region.
        stale: Rows that are void, to be written in a batch of their own, or with the next.
        is_done: Nothing more is overdue: look again in a while. Otherwise at once, if others are served in between.
        behind_ms: How long the first row that was found is overdue; 0 without one.
    """

    due: tuple[tuple[Region, Txn], ...]
    stale: tuple[Row, ...]
    is_done: bool
    behind_ms: int


class ExpiryLooker:
    """Looks through what has ended, a bounded part at a time."""

    def __init__(self) -> None:
        self._next = b""
        self._first_left = b""
        self._whole_at_ms = 0

    def look(self, engine: Engine, covering: Callable[[bytes], tuple[Region, bool] | None], now_ms: int) -> Ends:
        """Look at up to LOOK_ROWS_MAX rows whose time has come.

        Args:
            engine: The store's.
            covering: The region here that an encoded key belongs to, and whether it is led here; None without one.
            now_ms: Wall time.
        """
        due: dict[tuple[Region, str], list[EncodedKey]] = {}
        stale: list[Row] = []
        ends, data = engine.cursor(Column.EXPIRY), engine.cursor(Column.DATA)
        ends.seek(self._next or self._begin(now_ms))
        limit, first_ms, count = number(now_ms + 1), 0, 0
        while ends.valid() and (row := ends.key()) < limit:
            if count == LOOK_ROWS_MAX:
                self._next = row
                return Ends(_deletions(due), tuple(stale), False, now_ms - first_ms)
            at_ms, encoded = parse_number(row[:_TIME_BYTES]), EncodedKey(row[_TIME_BYTES:])
            first_ms, count = first_ms or at_ms, count + 1
            found, stands = covering(encoded), standing(data, encoded)
            if found is None or stands is None or stands.expires_at_ms != at_ms:
                stale.append((Column.EXPIRY, row, None))
            else:
                self._first_left = self._first_left or row
                if found[1]:
                    due.setdefault((found[0], encoded.partition(b"\x00")[0].decode()), []).append(encoded)
            ends.next()
        for cursor in (ends, data):
            if not cursor.valid():
                engine.check(cursor)
        self._next = b""
        return Ends(_deletions(due), tuple(stale), True, now_ms - first_ms if first_ms else 0)

    def _begin(self, now_ms: int) -> bytes:
        """Where the next pass begins."""
        first, self._first_left = self._first_left, b""
        if now_ms - self._whole_at_ms >= WHOLE_LOOK_MS:
            self._whole_at_ms = now_ms
            return number(0)
        return first or number(max(now_ms - WHOLE_LOOK_MS, 0))


def _deletions(due: dict[tuple[Region, str], list[EncodedKey]]) -> tuple[tuple[Region, Txn], ...]:
    """One transaction for each region and namespace."""
    return tuple(
        (region, Txn(namespace, (), tuple(Expire(key_of(encoded, namespace)) for encoded in found)))
        for (region, namespace), found in due.items()
    )
