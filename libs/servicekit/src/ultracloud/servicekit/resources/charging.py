"""Counts what a place uses in the transaction that changes it, and looks after the books.

What each record is counted for is written in the record, so that what is given back is what was taken, and so that the
books can be proved: the use of a place is the sum over its records. `quota` says how the parts of a place's use change;
a change takes a part that no other change of this process has, so that they do not wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError
from ultracloud.servicekit.resources import layout, quota
from ultracloud.servicekit.resources.commits import Commit, is_as_left
from ultracloud.servicekit.resources.limits import Limits
from ultracloud.servicekit.resources.quota import PARTS, Amount, Part, Plan
from ultracloud.servicekit.resources.slots import Slots
from ultracloud.servicekit.store import Committed, Conflict, Store

AT_ONCE = 8
"""Changes of a process that count in one place at once; a commit takes some milliseconds, so some hundred a second."""
RACES_MAX = 50
"""Times other processes may be faster at the same part."""
PLACES_MAX = 1_000
"""Places whose parts are kept in memory; one that is not costs a read more."""


@dataclass(slots=True)
class _Known:
    """A part as this process knows it."""

    part: Part
    version: int


class _Place:
    """The parts of one place: which of them no change of ours has, and how they were last."""

    def __init__(self) -> None:
        self.slots = Slots(PARTS, AT_ONCE)
        self.known: dict[int, _Known] = {}
        self.planning = asyncio.Lock()


class Ledger:
    """The use of all places of a service, in `store`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.limits = limits
        self._store = store
        self._places: dict[str, _Place] = {}

    async def commit(
        self,
        place: str,
        added: Mapping[str, int],
        comparisons: Mapping[bytes, int],
        writes: Mapping[bytes, bytes | None],
        commit: Commit,
        *,
        is_limited: bool = True,
    ) -> Committed | Conflict:
        """`commit` the writes together with what they add to the use of a place.

        Raises:
            ResourceExhaustedError: It would be more than a limit; nothing is written.
            AbortedError: Other processes were faster again and again.
        """
        if not added:
            return await commit(comparisons, writes)
        limits = {what: self.limits.limit(place, what) if is_limited else None for what in added}
        here = self._place(place)
        for _ in range(RACES_MAX):
            async with here.slots.taken() as slot:
                part, version = await self._own(place, here, slot.number)
                changed = quota.counted(part, added, limits)
                if changed is not None:
                    versions = {layout.quota_key(place, slot.number): version}
                    parts = {slot.number: changed}
                    done = await self._attempt(place, here, parts, {**comparisons, **versions}, writes, commit)
                else:
                    # One at a time, or those who look for the last room would take it from each other for ever.
                    async with here.planning:
                        plan, versions = await self._planned(place, slot.number, added, limits)
                        done = await self._attempt(place, here, plan, {**comparisons, **versions}, writes, commit)
                slot.was_raced = isinstance(done, Conflict) and _is_only_ours(done, versions)
                if not slot.was_raced:
                    return done
        raise AbortedError("too many others change this at the same time; try again", reason="CONTENDED")

    async def used(self, place: str) -> dict[str, int]:
        """What a place uses, at one version."""
        parts, _ = await self.read(place)
        return quota.total(known.part for known in parts.values())

    async def read(self, place: str) -> tuple[dict[int, _Known], int]:
        """All parts of a place, and the version of the store at which they are so."""
        keys = {layout.quota_key(place, number): number for number in range(PARTS)}
        reading = await self._store.get_many(list(keys))
        parts = {number: _Known(Part(), 0) for number in range(PARTS)}
        for entry in reading.entries:
            parts[keys[entry.key]] = _Known(parse(entry.value), entry.version)
        return parts, reading.read_version

    async def forget_shares(self, place: str) -> None:
        """Let the next change share out anew: the use was corrected."""
        for number in range(PARTS):
            key = layout.quota_key(place, number)
            for _ in range(RACES_MAX):
                entry = await self._store.get(key)
                if entry is None:
                    break
                amounts = parse(entry.value).amounts.items()
                part = Part({what: Amount(amount.used) for what, amount in amounts})
                if isinstance(await self._store.txn({key: entry.version}, {key: render(part)}), Committed):
                    break

    async def _own(self, place: str, here: _Place, own: int) -> tuple[Part, int]:
        """A part that no other change of ours has, and its version, as we last knew it."""
        known = here.known.get(own)
        if known is None:
            entry = await self._store.get(layout.quota_key(place, own))
            known = _Known(parse(entry.value), entry.version) if entry else _Known(Part(), 0)
        return known.part, known.version

    async def _planned(
        self, place: str, own: int, added: Mapping[str, int], limits: Mapping[str, int | None]
    ) -> tuple[Mapping[int, Part], dict[bytes, int]]:
        """The parts that change, and the versions that this is right for."""
        parts, _ = await self.read(place)
        plan: Plan = quota.planned({number: one.part for number, one in parts.items()}, own, added, limits)
        relied_on = parts if plan.needs_all else plan.parts
        return plan.parts, {layout.quota_key(place, number): parts[number].version for number in relied_on}

    async def _attempt(
        self,
        place: str,
        here: _Place,
        changed: Mapping[int, Part],
        comparisons: Mapping[bytes, int],
        writes: Mapping[bytes, bytes | None],
        commit: Commit,
    ) -> Committed | Conflict:
        """Write; unless this succeeds, we know these parts no more."""
        for number in changed:
            here.known.pop(number, None)
        counted = {layout.quota_key(place, number): render(part) for number, part in changed.items()}
        done = await commit(comparisons, {**writes, **counted})
        if is_as_left(done):
            here.known |= {number: _Known(part, done.version) for number, part in changed.items()}
        return done

    def _place(self, place: str) -> _Place:
        """What is known of a place."""
        known = self._places.get(place)
        if known is None:
            if len(self._places) >= PLACES_MAX:
                self._places = {key: one for key, one in self._places.items() if not one.slots.is_idle}
            known = self._places[place] = _Place()
        return known


def parse(value: bytes) -> Part:
    """A part as it is stored."""
    stored = pb.QuotaPart.FromString(value)
    return Part(
        {
            what: Amount(one.used, one.share, one.limit_plus_one - 1 if one.limit_plus_one else None)
            for what, one in stored.amounts.items()
        }
    )


def render(part: Part) -> bytes:
    """The opposite of `parse`."""
    stored = pb.QuotaPart()
    for what, amount in part.amounts.items():
        limit = 0 if amount.limit is None else amount.limit + 1
        stored.amounts[what].CopyFrom(pb.QuotaAmount(used=amount.used, share=amount.share, limit_plus_one=limit))
    return stored.SerializeToString(deterministic=True)


def _is_only_ours(done: Conflict, versions: Mapping[bytes, int]) -> bool:
    """Whether nothing but counting stood in the way, or the end of an audit lane, which is looked up again."""
    return all(key in versions or key.startswith(layout.AUDIT_HEADS) for key in done.failed)
