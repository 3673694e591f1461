"""Deletion in order: what is owned goes before its owner, and the last of those who must clean up ends it.

Deleting marks (`deleted_at`). While it owns something, a resource also has the finalizer DEPENDANTS; each dependant
that goes looks whether its owner may go now. So a deletion moves on with whatever ends; `Collector` takes it up again
where a process ended, or where somebody refused and no longer does.

Source: Kubernetes, "Garbage Collection": foreground deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.ids import is_id
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.changing import Changing, check_etag, hooked
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import prefix_end
from ultracloud.servicekit.store.following import read_all

DEPENDANTS = "dependants"
"""The finalizer of a resource whose dependants go first."""
OWNERS_MAX = 16
"""Owners of one resource."""
OWNERS_DEPTH_MAX = 16
"""Owners of owners: beyond, somebody builds a list and not a tree."""
PASS_MAX = 100
"""Dependants that one call deletes before it answers; the others go with the next pass."""


class Deleting(Changing):
    """Deletes resources, and knows who owns whom."""

    async def delete(self, context: Context, kind: Kind[MessageT], identifier: str, etag: str = "") -> Stored[MessageT]:
        """Delete a resource and what it owns, or begin to; deleting it again while it goes is harmless.

        Raises:
            NotFoundError: It is gone.
            AbortedError: `etag` is given and is not the resource's.
            FailedPreconditionError: `deletable` says what uses it.
        """
        stored = await self._repeated(lambda: self._delete_once(context, kind, identifier, etag))
        if DEPENDANTS in stored.metadata.finalizers:
            await self.collect(context, kind, identifier)
        elif not stored.metadata.finalizers:
            await self._owners_may_go(stored.metadata)
        return stored

    async def _delete_once(
        self, context: Context, kind: Kind[MessageT], identifier: str, etag: str
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        old, read_version = await self._read_for_write(kind, identifier)
        check_etag(kind, old, etag)
        if old.metadata.HasField("deleted_at"):
            return old
        await hooked(kind.deletable, None, context, records.copy(old.message))
        message = records.copy(old.message)
        metadata = records.metadata_of(message)
        metadata.deleted_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        gate, dependants = await self._dependants(identifier, 1)
        if dependants:
            metadata.finalizers.append(DEPENDANTS)
        draft = self._draft(context, "delete", kind, old.message, message)
        if metadata.finalizers:
            return await self._writer.write(kind, old, message, read_version, set(), gate, {}, draft)
        guards = await self._writer.guards(kind, message, read_version)
        return None if guards is None else await self._writer.remove(kind, old, message, guards, gate, draft)

    async def remove_finalizer(self, kind: Kind[MessageT], identifier: str, finalizer: str) -> None:
        """Say that `finalizer` has cleaned up; when it is the last of a resource being deleted, the resource goes."""
        gone = await self._repeated(lambda: self._remove_finalizer_once(kind, identifier, finalizer))
        if isinstance(gone, Stored):
            await self._owners_may_go(gone.metadata)

    async def _remove_finalizer_once(
        self, kind: Kind[MessageT], identifier: str, finalizer: str
    ) -> Stored[MessageT] | bool | None:
        """One attempt: what is gone, or True where it stays; None asks for another."""
        old = await self.read(kind, identifier)
        if old is None or finalizer not in old.metadata.finalizers:
            return True
        message = records.copy(old.message)
        metadata = records.metadata_of(message)
        metadata.finalizers.remove(finalizer)
        if metadata.HasField("deleted_at") and not metadata.finalizers:
            # Nothing new can be owned by what is marked; the gate is only taken away with the record.
            gate, _ = await self._dependants(identifier, 1)
            return await self._writer.remove(kind, old, message, {}, gate)
        return None if await self._writer.replace(kind, old, message) is None else True

    async def set_owners(self, kind: Kind[MessageT], identifier: str, owners: Sequence[str]) -> Stored[MessageT]:
        """Give a resource other owners, by id; none sets it free.

        Raises:
            NotFoundError: It is gone.
            InvalidArgumentError: As `owned`, or it would own itself.
        """
        return await self._repeated(lambda: self._set_owners_once(kind, identifier, owners))

    async def _set_owners_once(
        self, kind: Kind[MessageT], identifier: str, owners: Sequence[str]
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        old, _ = await self._read_for_write(kind, identifier)
        message = records.copy(old.message)
        comparisons = await self.owned(kind, message, owners)
        if records.metadata_of(message).owners == old.metadata.owners:
            return old
        records.metadata_of(message).updated_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        version = await self._writer.replace(kind, old, message, comparisons)
        if version is None:
            return None
        return records.parse(kind, records.render(kind, message, old.claims, old.charges), version)

    async def owned(self, kind: Kind[MessageT], message: MessageT, owners: Sequence[str]) -> dict[bytes, int]:
        """Write `owners` into a message; gives what must not change until it is stored, lest one goes or a ring forms.

        Raises:
            InvalidArgumentError: Too many; one that is no id of this service, does not exist, or is in another place; a
                resource that would own itself, at whatever distance.
            FailedPreconditionError: One that is being deleted.
        """
        metadata = records.metadata_of(message)
        if len(set(owners)) > OWNERS_MAX:
            raise InvalidArgumentError(
                f"{len(set(owners))} owners; at most {OWNERS_MAX} are accepted", reason="OWNERS_INVALID"
            )
        comparisons: dict[bytes, int] = {}
        found = [await self._owner(metadata, owner) for owner in sorted(set(owners))]
        del metadata.owners[:]
        for owner_kind, owner in found:
            reference = pb.OwnerReference(kind=owner_kind.name, id=owner.metadata.id, name=owner.metadata.name)
            metadata.owners.append(reference)
            comparisons[layout.record_key(owner_kind.key, owner.metadata.id)] = owner.version
        await self._refuse_ring(f"{kind.key} '{metadata.name}'", metadata.id, [one for _, one in found], comparisons)
        return comparisons

    async def _owner(self, metadata: pb.Metadata, identifier: str) -> tuple[Kind[Any], Stored[Any]]:
        """An owner that is there, here, and stays."""
        kind = next((kind for kind in self.kinds.values() if is_id(identifier, kind.prefix)), None)
        owner = await self.read(kind, identifier) if kind is not None else None
        if kind is None or owner is None or owner.metadata.project != metadata.project:
            raise InvalidArgumentError(
                f"owner {identifier[:80]!a} is none in the same project; give the id of one of its resources",
                reason="OWNER_NOT_FOUND",
            )
        if owner.metadata.HasField("deleted_at"):
            raise FailedPreconditionError(
                f"{kind.key} '{owner.metadata.name}' is being deleted; it cannot own anything", reason="BEING_DELETED"
            )
        return kind, owner

    async def _refuse_ring(
        self, shown: str, identifier: str, owners: Sequence[Stored[Any]], comparisons: dict[bytes, int]
    ) -> None:
        """Look at all owners of owners; adds them to what must not change."""
        above = list(owners)
        for _ in range(OWNERS_DEPTH_MAX):
            if any(one.metadata.id == identifier for one in above):
                raise InvalidArgumentError(f"{shown} would own itself; choose other owners", reason="OWNER_CYCLE")
            above = [one for owner in above for one in await self._owners_of(owner.metadata, comparisons)]
            if not above:
                return
        raise InvalidArgumentError(
            f"{shown} would have more than {OWNERS_DEPTH_MAX} owners above each other", reason="OWNERS_INVALID"
        )

    async def _owners_of(self, metadata: pb.Metadata, comparisons: dict[bytes, int]) -> list[Stored[Any]]:
        """The owners of a resource that are there."""
        found: list[Stored[Any]] = []
        for reference in metadata.owners:
            kind = self.kinds[reference.kind.lower()]
            owner = await self.read(kind, reference.id)
            if owner is not None:
                comparisons[layout.record_key(kind.key, reference.id)] = owner.version
                found.append(owner)
        return found

    # ---- what goes with its owner ----------------------------------------------------------------------------------

    async def collect(
        self, context: Context, kind: Kind[Any], identifier: str, limit: int = PASS_MAX
    ) -> FailedPreconditionError | None:
        """Delete what a resource being deleted owns, up to `limit` of them; gives why one stays, if one refused."""
        refusal: FailedPreconditionError | None = None
        _, dependants = await self._dependants(identifier)
        for dependant_kind, dependant in dependants:
            try:
                limit -= await self._let_go(context, dependant_kind, dependant, identifier)
            except FailedPreconditionError as error:
                refusal, limit = error, limit - 1
            if limit <= 0:
                break
        _, left = await self._dependants(identifier, 1)
        if not left:
            await self.remove_finalizer(kind, identifier, DEPENDANTS)
        return refusal

    async def _let_go(self, context: Context, kind: Kind[Any], identifier: str, owner: str) -> bool:
        """Delete a dependant, or take this owner from one that others own too who stay; whether there was need to."""
        stored = await self.read(kind, identifier)
        if stored is None or stored.metadata.HasField("deleted_at"):
            return False
        others = await self._owners_of(stored.metadata, {})
        staying = [one.metadata.id for one in others if not one.metadata.HasField("deleted_at")]
        if staying:
            await self.set_owners(kind, identifier, [one for one in staying if one != owner])
        else:
            await self.delete(context, kind, identifier)
        return True

    async def _owners_may_go(self, metadata: pb.Metadata) -> None:
        """A dependant is gone: an owner that waited for the last of them waits no more."""
        for reference in metadata.owners:
            _, left = await self._dependants(reference.id, 1)
            if not left:
                await self.remove_finalizer(self.kinds[reference.kind.lower()], reference.id, DEPENDANTS)

    async def _dependants(self, owner: str, limit: int = 0) -> tuple[dict[bytes, int], list[tuple[Kind[Any], str]]]:
        """The gate that a new dependant would move, as it is now, and the first dependants (0: all)."""
        gate = layout.dependant_prefix(owner)
        if limit:
            entries = (await self.store.scan(gate, prefix_end(gate), limit=limit + 1, keys_only=True)).entries
        else:
            entries = (await read_all(self.store, gate, prefix_end(gate))).entries
        versions = {gate: next((entry.version for entry in entries if entry.key == gate), 0)}
        found = [layout.dependant_of_key(entry.key) for entry in entries if entry.key != gate]
        return versions, [(self.kinds[kind], identifier) for kind, identifier in found]
