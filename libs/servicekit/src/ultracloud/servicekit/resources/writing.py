"""How one change of a resource becomes one transaction: the record, its name, claims, guards, index, and its costs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AlreadyExistsError, UnavailableError
from ultracloud.servicekit.resources import indexes, layout, records
from ultracloud.servicekit.resources.charging import Ledger
from ultracloud.servicekit.resources.commits import Commit, Recovered
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.limits import Limits
from ultracloud.servicekit.resources.quota import difference
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.trail import Trail
from ultracloud.servicekit.store import Committed, Conflict, Store

_NOTHING: Mapping[bytes, int] = {}
_NO_WRITES: Mapping[bytes, bytes | None] = {}


class Writer:
    """Writes a service's resources to `store`. What gives None has written nothing: the change is to be tried again."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self.trail = Trail(store)
        self.ledger = Ledger(store, limits)

    async def write(
        self,
        kind: Kind[MessageT],
        old: Stored[MessageT] | None,
        message: MessageT,
        read_version: int,
        lost: set[str],
        comparisons: dict[bytes, int],
        writes: dict[bytes, bytes | None],
        draft: pb.AuditRecord,
    ) -> Stored[MessageT] | None:
        """Write an admitted record with its claims; None when something it relied on has changed."""
        metadata = records.metadata_of(message)
        guards = await self.guards(kind, message, read_version)
        if guards is None:
            return None
        before = set(old.claims) if old else set()
        claims = sorted(set(kind.claims(message)))
        added = [claim for claim in claims if claim not in before]
        if not await self._claimable(kind, added, lost):
            return None
        comparisons |= guards | {layout.claim_key(claim): 0 for claim in added}
        comparisons[layout.record_key(kind.key, metadata.id)] = old.version if old else 0
        writes |= dict.fromkeys(guards, b"")
        writes |= {layout.claim_key(claim): metadata.id.encode() for claim in added}
        writes |= {layout.claim_key(claim): None for claim in before.difference(claims)}
        writes |= _public_writes(kind, old, message)
        writes |= indexes.changes(kind, old.message if old else None, message)
        writes |= _owner_writes(kind, old.message if old else None, message)
        charges = charges_of(kind, message)
        value = records.render(kind, message, claims, charges)
        writes[layout.record_key(kind.key, metadata.id)] = value
        commit = self._commit(layout.record_key(kind.key, metadata.id), draft)
        more = difference(old.charges if old else {}, charges)
        match await self.ledger.commit(metadata.project, more, comparisons, writes, commit):
            case Committed(version):
                return records.parse(kind, value, version)
            case Conflict(failed):
                lost.update(layout.claim_of_key(key) for key in failed if key.startswith(b"c/"))
                return None

    async def guards(self, kind: Kind[MessageT], message: MessageT, read_version: int) -> dict[bytes, int] | None:
        """Guard keys and the versions they must still have; None when one was bumped since admission began."""
        keys = [layout.guard_key(guard) for guard in sorted(set(kind.guards(message)))]
        if not keys:
            return {}
        reading = await self._store.get_many(keys)
        versions = dict.fromkeys(keys, 0) | {entry.key: entry.version for entry in reading.entries}
        return None if any(version > read_version for version in versions.values()) else versions

    async def _claimable(self, kind: Kind[MessageT], claims: Sequence[str], lost: set[str]) -> bool:
        """Whether all `claims` are free; one that was lost before and is wanted again ends the request.

        Before any was lost nobody looks: most are free, and the transaction finds out.
        """
        if not claims or not lost:
            return True
        reading = await self._store.get_many([layout.claim_key(claim) for claim in claims])
        held = {layout.claim_of_key(entry.key) for entry in reading.entries}
        insisted = sorted(held & lost)
        if insisted:
            raise AlreadyExistsError(
                f"{insisted[0]} is taken by another {kind.key}", reason="CLAIM_TAKEN", metadata={"claim": insisted[0]}
            )
        lost |= held
        return not held

    def _commit(self, key: bytes, draft: pb.AuditRecord | None = None) -> Commit:
        """What writes a change of the record at `key`, with the audit record that `draft` becomes."""
        send = functools.partial(self._send, key)
        return send if draft is None else functools.partial(self._recorded, draft, send)

    async def _recorded(
        self,
        draft: pb.AuditRecord,
        send: Commit,
        comparisons: Mapping[bytes, int],
        writes: Mapping[bytes, bytes | None],
    ) -> Committed | Conflict:
        """Write with an audit record."""
        return await self.trail.commit(draft, comparisons, writes, send)

    async def _send(
        self, key: bytes, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]
    ) -> Committed | Conflict:
        """Write, through a store that restarts.

        When the answer is lost nobody knows whether it happened. `comparisons` pin the version of `key`, so it cannot
        happen twice: sending it again either does it, or conflicts. Then its audit record tells whether it was us,
        for nobody else writes that one. What goes without a record was us if `key` is as we wanted it: should another
        process have wanted the same, then that is done too.
        """
        assert key in comparisons, key
        try:
            return await self._store.txn(comparisons, writes)
        except UnavailableError:
            done = await self._store.txn(comparisons, writes)
        if isinstance(done, Conflict):
            proof = next((one for one in writes if one.startswith(layout.AUDIT_RECORDS)), key)
            reading = await self._store.get_many([proof])
            value = reading.entries[0].value if reading.entries else None
            if value == writes[proof]:
                return Recovered(reading.entries[0].version if reading.entries else reading.read_version)
        return done

    async def replace(
        self,
        kind: Kind[MessageT],
        old: Stored[MessageT],
        message: MessageT,
        comparisons: Mapping[bytes, int] = _NOTHING,
        more: Mapping[bytes, bytes | None] = _NO_WRITES,
    ) -> int | None:
        """Write over `old`, claims and all else as they were; the version, or None if something is not the newest."""
        key = layout.record_key(kind.key, old.metadata.id)
        value = records.render(kind, message, old.claims, old.charges)
        writes = {key: value, **more, **indexes.changes(kind, old.message, message)}
        writes |= _owner_writes(kind, old.message, message)
        done = await self._send(key, {**comparisons, key: old.version}, writes)
        return done.version if isinstance(done, Committed) else None

    async def recharge(self, kind: Kind[MessageT], old: Stored[MessageT]) -> bool | None:
        """Count a record for what it costs today, whatever the limits; whether that differs, None if it changed."""
        charges = charges_of(kind, old.message)
        added = difference(old.charges, charges)
        if not added:
            return False
        key = layout.record_key(kind.key, old.metadata.id)
        value = records.render(kind, old.message, old.claims, charges)
        place, commit = old.metadata.project, self._commit(key)
        done = await self.ledger.commit(place, added, {key: old.version}, {key: value}, commit, is_limited=False)
        return True if isinstance(done, Committed) else None

    async def remove(
        self,
        kind: Kind[MessageT],
        old: Stored[MessageT],
        last: MessageT,
        guards: Mapping[bytes, int],
        gate: Mapping[bytes, int],
        draft: pb.AuditRecord | None = None,
    ) -> Stored[MessageT] | None:
        """Take a record and all that it holds out of the store; None if it changed, or got a dependant, meanwhile."""
        metadata = old.metadata
        key = layout.record_key(kind.key, metadata.id)
        writes: dict[bytes, bytes | None] = dict.fromkeys(guards, b"")
        writes |= (
            dict.fromkeys(gate) | indexes.changes(kind, old.message, None) | _owner_writes(kind, old.message, None)
        )
        writes |= {
            key: None,
            layout.events_key(kind.key, metadata.id): None,
            layout.name_key(kind.key, metadata.project, metadata.name): None,
            **{layout.claim_key(claim): None for claim in old.claims},
        }
        if kind.readable_by_all(old.message):
            writes[layout.public_key(kind.key, metadata.name, metadata.id)] = None
        comparisons = {key: old.version, **guards, **gate}
        given_back = difference(old.charges, {})
        done = await self.ledger.commit(metadata.project, given_back, comparisons, writes, self._commit(key, draft))
        return Stored(last, done.version) if isinstance(done, Committed) else None


def charges_of(kind: Kind[MessageT], message: MessageT) -> dict[str, int]:
    """What a resource counts for."""
    charges = {what: amount for what, amount in kind.costs(message).items() if amount}
    assert all(amount > 0 for amount in charges.values()), f"{kind.name} costs {charges}"
    return charges


def _public_writes(kind: Kind[MessageT], old: Stored[MessageT] | None, message: MessageT) -> dict[bytes, bytes | None]:
    """What changes in the index of records everybody may read."""
    metadata = records.metadata_of(message)
    was, shall = old is not None and kind.readable_by_all(old.message), kind.readable_by_all(message)
    if was == shall:
        return {}
    key = layout.public_key(kind.key, metadata.name, metadata.id)
    return {key: metadata.id.encode() if shall else None}


def _owner_writes(kind: Kind[MessageT], old: MessageT | None, new: MessageT | None) -> dict[bytes, bytes | None]:
    """What changes in the lists of what is owned. Who gets a dependant has its gate moved, lest it go meanwhile."""
    before = {one.id for one in records.metadata_of(old).owners} if old is not None else set[str]()
    after = {one.id for one in records.metadata_of(new).owners} if new is not None else set[str]()
    if before == after:
        return {}
    message = new if new is not None else old
    assert message is not None
    identifier = records.metadata_of(message).id
    writes: dict[bytes, bytes | None] = {
        layout.dependant_key(one, kind.key, identifier): None for one in before - after
    }
    for owner in after - before:
        writes |= {layout.dependant_key(owner, kind.key, identifier): b"", layout.dependant_prefix(owner): b""}
    return writes
