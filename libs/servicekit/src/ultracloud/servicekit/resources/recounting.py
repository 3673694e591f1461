"""Counts a place anew while changes go on: for kinds that cost something only now, or other things than before.

First each record is counted for what it costs today. Then the sum over the records is compared with the use, both read
at one version; what they differ by stays the same however many changes follow, since each counts in both, and is added.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ultracloud.servicekit.resources import layout, quota
from ultracloud.servicekit.resources.deleting import Deleting
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.store import Committed, Conflict


@dataclass(frozen=True, slots=True)
class Correction:
    """What was counted of one thing, and what there is."""

    what: str
    counted: int
    found: int


@dataclass(frozen=True, slots=True)
class Recount:
    """What counting anew has changed.

    Attributes:
        recharged: Records that were counted for something else than they cost.
        corrections: Where the use was not the sum over the records, which nothing but a defect or a restored part of
            the store explains.
    """

    recharged: int
    corrections: tuple[Correction, ...]


class Recounting(Deleting):
    """Looks after what places use."""

    async def recount(self, place: str) -> Recount:
        """Count a place (its id) anew, whatever the limits; harmless at any time."""
        recharged = 0
        for kind in self._counted():
            for stored in await self.all_in(kind, place):
                attempt = functools.partial(self._recharge, kind, stored.metadata.id)
                recharged += await self._repeated(attempt)
        corrections = await self._repeated(lambda: self._corrected(place))
        if corrections:
            await self.ledger.forget_shares(place)
        return Recount(recharged, corrections)

    async def _recharge(self, kind: Kind[MessageT], identifier: str) -> bool | None:
        """One attempt; None asks for another."""
        stored = await self.read(kind, identifier)
        return False if stored is None else await self._writer.recharge(kind, stored)

    async def _corrected(self, place: str) -> tuple[Correction, ...] | None:
        """One attempt; None asks for another."""
        marker = await self.store.get(layout.recount_key(place))
        parts, version = await self.ledger.read(place)
        counted = quota.total(known.part for known in parts.values())
        found: Counter[str] = Counter()
        for kind in self._counted():
            for stored in await self.all_in(kind, place, version):
                found.update(stored.charges)
        added = quota.difference(counted, found)
        if not added:
            return ()
        # Of two that count at once, one would add the same again.
        key = layout.recount_key(place)
        done: Committed | Conflict = await self.ledger.commit(
            place, added, {key: marker.version if marker else 0}, {key: b""}, self.store.txn, is_limited=False
        )
        if isinstance(done, Conflict):
            return None
        return tuple(Correction(what, counted.get(what, 0), found[what]) for what in added)

    def _counted(self) -> list[Kind[Any]]:
        """The kinds that cost something."""
        return [kind for kind in self.kinds.values() if kind.is_counted]
