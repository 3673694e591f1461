"""The audit trail of a service in its store: a change commits together with its record, or not at all.

One chain would make every change wait for the one before it. So there are LANES chains; a change takes one that is
free, and this process knows how each ends. Another process may have written meanwhile: then the transaction says so,
and is sent again behind what is there now.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.trail.v1.trail_pb2 import AuditResponse
from ultracloud.base.faults import AbortedError
from ultracloud.servicekit.resources import audit, layout
from ultracloud.servicekit.resources.commits import Commit, is_as_left
from ultracloud.servicekit.resources.records import milliseconds
from ultracloud.servicekit.resources.slots import Slots
from ultracloud.servicekit.store import Committed, Conflict, Entry, Store, prefix_end
from ultracloud.servicekit.store.following import read_all

LANES = 64
"""Enough that four processes have as many to themselves as each uses at once."""
AT_ONCE = 16
"""Changes of a process that commit at the same time; a commit takes some milliseconds, so some thousand a second."""
RACES_MAX = 50
"""Times another process may be faster at the end of a lane."""
KEPT_MS = 90 * 24 * 3600 * 1000
"""How long records are kept: who asks what happened asks within a quarter."""
FORGET_BATCH = 200


@dataclass(slots=True)
class _Lane:
    """One chain; `version` is that of the key that says how it ends, None where nobody knows."""

    number: int
    version: int | None = None
    last: pb.AuditMark = field(default_factory=lambda: audit.START)


class Trail:
    """The audit trail in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes = [_Lane(number) for number in range(LANES)]
        self._slots = Slots(LANES, AT_ONCE)

    async def commit(
        self,
        draft: pb.AuditRecord,
        comparisons: Mapping[bytes, int],
        writes: Mapping[bytes, bytes | None],
        commit: Commit,
    ) -> Committed | Conflict:
        """`commit` the writes together with the record of them.

        Raises:
            AbortedError: Other processes were faster again and again.
        """
        for _ in range(RACES_MAX):
            async with self._slots.taken() as slot:
                done = await self._attempt(self._lanes[slot.number], draft, comparisons, writes, commit)
                slot.was_raced = isinstance(done, Conflict) and set(done.failed) == {layout.audit_head_key(slot.number)}
                if not slot.was_raced:
                    return done
        raise AbortedError("too many others change this at the same time; try again", reason="CONTENDED")

    async def _attempt(
        self,
        lane: _Lane,
        draft: pb.AuditRecord,
        comparisons: Mapping[bytes, int],
        writes: Mapping[bytes, bytes | None],
        commit: Commit,
    ) -> Committed | Conflict:
        """Behind the end of the lane as this process knows it; unless this succeeds, it knows no more."""
        if lane.version is None:
            head = await self._store.get(layout.audit_head_key(lane.number))
            lane.version = head.version if head else 0
            lane.last = pb.AuditMark.FromString(head.value) if head else audit.START
        stored, last = audit.sealed(draft, lane.number, lane.last)
        head_key, known, lane.version = layout.audit_head_key(lane.number), lane.version, None
        record_key = layout.audit_key(lane.number, last.sequence)
        added = {head_key: last.SerializeToString(), record_key: stored}
        done = await commit({**comparisons, head_key: known}, {**writes, **added})
        if is_as_left(done):
            lane.version, lane.last = done.version, last
        return done

    async def record(self, draft: pb.AuditRecord) -> None:
        """Write a record of what changes nothing that is stored here: a refusal, or a deed elsewhere.

        Raises:
            UnavailableError: The store is away; nobody knows whether it is written.
            AbortedError: As `commit`.
        """
        await self.commit(draft, {}, {}, self._store.txn)

    async def marks(self) -> list[tuple[pb.AuditMark, pb.AuditMark]]:
        """Of every lane, behind which record it begins and with which it ends, all at one moment."""
        keys = [key(lane) for lane in range(LANES) for key in (layout.audit_floor_key, layout.audit_head_key)]
        reading = await self._store.get_many(keys)
        known = {entry.key: pb.AuditMark.FromString(entry.value) for entry in reading.entries}
        floors = [known.get(layout.audit_floor_key(lane), audit.START) for lane in range(LANES)]
        return [(floor, known.get(layout.audit_head_key(lane), floor)) for lane, floor in enumerate(floors)]

    async def between(self, lane: int, floor: pb.AuditMark, head: pb.AuditMark) -> AsyncGenerator[list[bytes], None]:
        """The records of a lane between two marks, as they are stored, page by page."""
        start, end = layout.audit_key(lane, floor.sequence + 1), layout.audit_key(lane, head.sequence + 1)
        while floor.sequence < head.sequence:
            page = await self._store.scan(start, end, limit=FORGET_BATCH)
            if page.entries:
                yield [entry.value for entry in page.entries]
            if not page.more:
                return
            start = page.entries[-1].key + b"\x00"

    async def read(self, lane: int) -> list[pb.AuditRecord]:
        """All records of a lane, verified.

        Raises:
            DataLossError: They are not as they were written.
        """
        floor, head, version = await self._marks(lane)
        prefix = layout.audit_prefix(lane)
        loaded = await read_all(self._store, prefix, prefix_end(prefix), version)
        return audit.verify(lane, (entry.value for entry in loaded.entries), floor, head)

    async def page(self, lane: int, after: int, limit: int) -> AuditResponse:
        """Records of a lane behind one, as they are stored, and the marks at the same version."""
        floor, head, version = await self._marks(lane)
        start, end = layout.audit_key(lane, after + 1), prefix_end(layout.audit_prefix(lane))
        found = await self._store.scan(start, end, limit=limit, at_version=version)
        stored = (entry.value for entry in found.entries)
        return AuditResponse(records=stored, floor=floor, head=head, lanes=LANES, more=found.more)

    async def _marks(self, lane: int) -> tuple[pb.AuditMark, pb.AuditMark, int]:
        """Behind which record a lane begins, with which it ends, and the version of the store where that is so."""
        marks = await self._store.get_many([layout.audit_floor_key(lane), layout.audit_head_key(lane)])
        known = {entry.key: pb.AuditMark.FromString(entry.value) for entry in marks.entries}
        floor = known.get(layout.audit_floor_key(lane), audit.START)
        return floor, known.get(layout.audit_head_key(lane), floor), marks.read_version

    async def forget(self, before_ms: int) -> int:
        """Drop the records of before a moment, and say behind which the lanes begin now; gives how many."""
        dropped = 0
        for lane in range(LANES):
            # Most often the oldest is young enough, so look at one before reading many.
            limit = 1
            while old := await self._older(lane, before_ms, limit):
                last = old[-1]
                sequence = pb.AuditRecord.FromString(last.value).sequence
                floor = audit.mark_of(sequence, last.value).SerializeToString()
                gone = dict.fromkeys(entry.key for entry in old)
                await self._store.txn({last.key: last.version}, {**gone, layout.audit_floor_key(lane): floor})
                dropped, limit = dropped + len(old), FORGET_BATCH
        return dropped

    async def _older(self, lane: int, before_ms: int, limit: int) -> list[Entry]:
        """The first records of a lane that are from before a moment."""
        prefix = layout.audit_prefix(lane)
        page = await self._store.scan(prefix, prefix_end(prefix), limit=limit)
        return [one for one in page.entries if milliseconds(pb.AuditRecord.FromString(one.value).time) < before_ms]
