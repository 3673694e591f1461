"""The kit's engine: every change of a resource is one transaction, admitted on a state that nobody changed meanwhile.

It knows no callers: `server` authorises, then asks here; a service's own loops ask here directly. Concurrency is
optimistic: read (`reading`), admit, write (`writing`) if nothing that was relied on has changed; else again. Guards
make relied-on ranges (all subnets of a VPC) into one version that can be compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from google.protobuf.message import Message

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import (
    AlreadyExistsError,
    FailedPreconditionError,
)
from ultracloud.base.names import check_labels, check_name
from ultracloud.servicekit.clock import Clock, new_id
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.resources import happenings, layout, records
from ultracloud.servicekit.resources.changing import check_etag, hooked
from ultracloud.servicekit.resources.conditions import Condition, merge, turns
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.indexing import ensure_whole
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.limits import Limits
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.recounting import Recounting
from ultracloud.servicekit.resources.shared import SharedWatch
from ultracloud.servicekit.resources.trail import KEPT_MS
from ultracloud.servicekit.store import Committed, Reading, Store, prefix_end
from ultracloud.servicekit.store.following import read_all

_UNREAD = Reading((), 0)
IDEMPOTENCY_MS = 24 * 3600 * 1000
"""How long a create is remembered: longer than any client retries."""


@dataclass(frozen=True, slots=True)
class NewResource(Generic[MessageT]):
    """What a create is made of.

    Attributes:
        request_sha256: Binds the idempotency key to the request it came with.
        owners: Ids of what it goes with, besides those that the kind says.
    """

    kind: Kind[MessageT]
    name: str
    spec: Message
    labels: Mapping[str, str]
    idempotency_key: str = ""
    request_sha256: bytes = b""
    owners: Sequence[str] = ()


class Resources(Recounting):
    """All resources of a service: what `Reader` finds, and every change."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        clock: Clock,
        kinds: Iterable[Kind[Any]],
        limits: Limits | None = None,
    ) -> None:
        """Make it; `limits` says what each place may have, without it as much as it likes."""
        super().__init__(store, authority, clock, kinds, limits)
        self._index_versions: dict[str, int] = {}
        self._indexing = asyncio.Lock()
        self._shared: dict[str, SharedWatch[Any]] = {}

    async def create(self, context: Context, new: NewResource[MessageT]) -> Stored[MessageT]:
        """Make a resource in the context's place, or give the one that the same request made before.

        Raises:
            AlreadyExistsError: The name, or a claim, is taken.
            ResourceExhaustedError: The place has no more of what it costs.
            FailedPreconditionError: The idempotency key came with another request before.
            InvalidArgumentError: A malformed name, label or key.
            Fault: What `admit` raises.
        """
        check_name(new.name, f"{new.kind.key} name")
        check_labels(new.labels)
        identifier = new_id(self.clock, new.kind.prefix)
        lost: set[str] = set()
        # Where nothing was read there is nothing to be behind of: most names are free, and the transaction finds out.
        if not new.kind.is_guarded and not new.idempotency_key:
            made = await self._create_once(context, new, identifier, lost, _UNREAD)
            if made is not None:
                return made
        return await self._repeated(lambda: self._create_once(context, new, identifier, lost))

    async def _create_once(
        self,
        context: Context,
        new: NewResource[MessageT],
        identifier: str,
        lost: set[str],
        reading: Reading | None = None,
    ) -> Stored[MessageT] | None:
        """One attempt, which begins with a reading of what is taken, if none is given; None asks for another."""
        kind, place = new.kind, context.place.id
        name_key = layout.name_key(kind.key, place, new.name)
        memory_key = layout.idempotency_key(kind.key, place, new.idempotency_key) if new.idempotency_key else b""
        if reading is None:
            reading = await self.store.get_many([key for key in (name_key, memory_key) if key])
        entries = {entry.key: entry for entry in reading.entries}
        now_ms = self.clock.now_ms()
        if memory_key in entries:
            made = await self._remembered(new, entries[memory_key].value, now_ms)
            if made is not None:
                return made
        if name_key in entries:
            holder = await self.find(kind, place, new.name)
            is_going = holder is not None and holder.metadata.HasField("deleted_at")
            raise AlreadyExistsError(
                f"a {kind.key} named '{new.name}' already exists in {context.place.shown}",
                hint="it is being deleted; its name is free when it is gone" if is_going else "",
                reason="NAME_TAKEN",
            )
        message = _fresh(new, identifier, place, now_ms)
        admitted = await hooked(kind.admit, message, context, records.copy(message), None)
        message = _with_metadata(admitted, message)
        owners = {*new.owners, *kind.owners(message)}
        comparisons = await self.owned(kind, message, sorted(owners)) if owners else {}
        writes: dict[bytes, bytes | None] = {name_key: identifier.encode()}
        comparisons[name_key] = 0
        if memory_key:
            memory = pb.IdempotencyRecord(
                request_sha256=new.request_sha256, id=identifier, created_at=records.timestamp(now_ms)
            )
            writes[memory_key] = memory.SerializeToString()
            comparisons[memory_key] = entries[memory_key].version if memory_key in entries else 0
        turned = turns(None, message)
        if turned:
            events = pb.ObjectEvents(events=happenings.turned((), turned, now_ms))
            writes[layout.events_key(kind.key, identifier)] = events.SerializeToString()
        draft = self._draft(context, "create", kind, None, message)
        return await self._writer.write(kind, None, message, reading.read_version, lost, comparisons, writes, draft)

    async def _remembered(self, new: NewResource[MessageT], value: bytes, now_ms: int) -> Stored[MessageT] | None:
        """What an earlier create with the same idempotency key made; None if that is too long ago."""
        memory = pb.IdempotencyRecord.FromString(value)
        if now_ms - records.milliseconds(memory.created_at) > IDEMPOTENCY_MS:
            return None
        if memory.request_sha256 != new.request_sha256:
            raise FailedPreconditionError(
                "idempotency_key was used for another request in the last 24 hours; use a new one",
                reason="IDEMPOTENCY_KEY_REUSED",
            )
        made = await self.read(new.kind, memory.id)
        if made is None:
            raise FailedPreconditionError(
                f"the {new.kind.key} this idempotency_key made has been deleted; use a new one",
                reason="IDEMPOTENCY_KEY_REUSED",
            )
        return made

    async def update(
        self,
        context: Context,
        kind: Kind[MessageT],
        identifier: str,
        change: Callable[[MessageT], MessageT],
        etag: str = "",
    ) -> Stored[MessageT]:
        """Change spec and labels: `change` gets a copy and gives what is wanted; `admit` decides.

        Raises:
            NotFoundError: It is gone.
            AbortedError: `etag` is given and is not the resource's.
            FailedPreconditionError: It is being deleted.
            AlreadyExistsError: A new claim is taken.
            ResourceExhaustedError: The place has no more of what it would cost.
            Fault: What `change` and `admit` raise.
        """
        lost: set[str] = set()
        return await self._repeated(lambda: self._update_once(context, kind, identifier, change, etag, lost))

    async def _update_once(
        self,
        context: Context,
        kind: Kind[MessageT],
        identifier: str,
        change: Callable[[MessageT], MessageT],
        etag: str,
        lost: set[str],
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        old, read_version = await self._read_for_write(kind, identifier)
        check_etag(kind, old, etag)
        if old.metadata.HasField("deleted_at"):
            raise FailedPreconditionError(
                f"{kind.key} '{old.metadata.name}' is being deleted and cannot change", reason="BEING_DELETED"
            )
        wanted = change(records.copy(old.message))
        labels = dict(check_labels(records.metadata_of(wanted).labels))
        wanted = _with_metadata(wanted, old.message)
        before = records.copy(old.message)
        wanted = _with_metadata(await hooked(kind.admit, wanted, context, wanted, before), old.message)
        metadata = records.metadata_of(wanted)
        metadata.labels.clear()
        metadata.labels.update(labels)
        before_ids, after_ids = set(kind.owners(old.message)), set(kind.owners(wanted))
        owners = {one.id for one in old.metadata.owners} - before_ids | after_ids
        comparisons = await self.owned(kind, wanted, sorted(owners)) if before_ids != after_ids else {}
        if wanted == old.message:
            return old
        if records.spec_of(wanted) != records.spec_of(old.message):
            metadata.generation += 1
        metadata.updated_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        relied_on, writes = await self._turned(kind, old.message, wanted)
        draft = self._draft(context, "update", kind, old.message, wanted)
        return await self._writer.write(kind, old, wanted, read_version, lost, comparisons | relied_on, writes, draft)

    async def write_status(
        self,
        kind: Kind[MessageT],
        identifier: str,
        status: Message | None = None,
        conditions: Sequence[Condition] = (),
    ) -> Stored[MessageT] | None:
        """Replace the status (None keeps it) and merge conditions into it; spec and generation stay.

        The conditions of `status` itself are ignored: those in the store and `conditions` are what counts. Nothing is
        written when nothing would change. None if the resource is gone.
        """
        for condition in conditions:
            known = not kind.reasons or condition.reason in kind.reasons
            assert known, f"{condition.reason} is not in the reasons of {kind.name}"

        def change(message: MessageT) -> None:
            kept = list(records.conditions_of(message))
            if status is not None:
                records.shaped(message).status.CopyFrom(status)
            merged = merge(kept, conditions, self.clock.now_ms())
            target = records.conditions_of(message)
            del target[:]
            target.extend(merged)

        return await self.change_status(kind, identifier, change)

    async def change_status(
        self, kind: Kind[MessageT], identifier: str, change: Callable[[MessageT], None]
    ) -> Stored[MessageT] | None:
        """Let `change` alter the status of a copy, and write it; what it alters besides is dropped."""
        return await self._repeated(lambda: self._change_status_once(kind, identifier, change), gone_is_none=True)

    async def _change_status_once(
        self, kind: Kind[MessageT], identifier: str, change: Callable[[MessageT], None]
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        old, _ = await self._read_for_write(kind, identifier)
        draft = records.copy(old.message)
        change(draft)
        if records.status_of(draft) == records.status_of(old.message):
            return old
        message = records.copy(old.message)
        records.shaped(message).status.CopyFrom(records.status_of(draft))
        records.metadata_of(message).updated_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        relied_on, writes = await self._turned(kind, old.message, message)
        done = await self._writer.replace(kind, old, message, relied_on, writes)
        return records.parse(kind, records.render(kind, message, old.claims, old.charges), done) if done else None

    async def _turned(
        self, kind: Kind[MessageT], old: MessageT, new: MessageT
    ) -> tuple[dict[bytes, int], dict[bytes, bytes | None]]:
        """What tells in the events that conditions have turned, to be written with the change, and what it rests on."""
        turned = turns(old, new)
        if not turned:
            return {}, {}
        key = layout.events_key(kind.key, records.metadata_of(new).id)
        entry = await self.store.get(key)
        known = list(pb.ObjectEvents.FromString(entry.value).events) if entry else []
        events = pb.ObjectEvents(events=happenings.turned(known, turned, self.clock.now_ms()))
        return {key: entry.version if entry else 0}, {key: events.SerializeToString()}

    async def record_event(self, kind: Kind[Any], identifier: str, reason: str, message: str = "") -> None:
        """Note that something happened to a resource; the same again counts. Nothing, if the resource is gone."""
        await self._repeated(lambda: self._record_event_once(kind, identifier, reason, message))

    async def _record_event_once(self, kind: Kind[Any], identifier: str, reason: str, message: str) -> bool | None:
        """One attempt; None asks for another."""
        record_key, key = layout.record_key(kind.key, identifier), layout.events_key(kind.key, identifier)
        found = {entry.key: entry for entry in (await self.store.get_many([record_key, key])).entries}
        if record_key not in found:
            return True
        known = list(pb.ObjectEvents.FromString(found[key].value).events) if key in found else []
        merged = happenings.happened(known, reason, message, self.clock.now_ms())
        # With the record's version, or the events of one that goes meanwhile would stay for ever.
        versions = {record_key: found[record_key].version, key: found[key].version if key in found else 0}
        done = await self.store.txn(versions, {key: pb.ObjectEvents(events=merged).SerializeToString()})
        return True if isinstance(done, Committed) else None

    async def events(self, kind: Kind[Any], identifier: str) -> tuple[pb.ObjectEvent, ...]:
        """What happened to a resource, the newest last."""
        entry = await self.store.get(layout.events_key(kind.key, identifier))
        return tuple(pb.ObjectEvents.FromString(entry.value).events) if entry else ()

    def shared_watch(self, kind: Kind[MessageT]) -> SharedWatch[MessageT]:
        """The changes of all resources of a kind, for all who watch some of them."""
        if kind.key not in self._shared:
            self._shared[kind.key] = SharedWatch(self.store, kind)
        return self._shared[kind.key]

    async def index_version(self, kind: Kind[Any]) -> int:
        """The version from which on the index of `kind` is whole; makes it whole first, where it is not."""
        if kind.key not in self._index_versions:
            async with self._indexing:
                self._index_versions[kind.key] = await ensure_whole(self.store, kind)
        return self._index_versions[kind.key]

    async def forget_audit(self) -> int:
        """Drop audit records older than `trail.KEPT_MS`; gives how many. For a daily task."""
        return await self.trail.forget(self.clock.now_ms() - KEPT_MS)

    async def forget_idempotency(self) -> int:
        """Drop remembered creates that are older than IDEMPOTENCY_MS; gives how many. For a daily task."""
        now_ms, prefix = self.clock.now_ms(), layout.IDEMPOTENCY_PREFIX
        loaded = await read_all(self.store, prefix, prefix_end(prefix))
        dropped = 0
        for entry in loaded.entries:
            memory = pb.IdempotencyRecord.FromString(entry.value)
            if now_ms - records.milliseconds(memory.created_at) > IDEMPOTENCY_MS:
                done = await self.store.txn({entry.key: entry.version}, {entry.key: None})
                dropped += isinstance(done, Committed)
        return dropped


def _fresh(new: NewResource[MessageT], identifier: str, place: str, now_ms: int) -> MessageT:
    """The message of a resource that begins."""
    message = new.kind.message()
    parts = records.shaped(message)
    parts.metadata.MergeFrom(
        pb.Metadata(
            id=identifier,
            name=new.name,
            project=place,
            labels=new.labels,
            generation=1,
            created_at=records.timestamp(now_ms),
            updated_at=records.timestamp(now_ms),
            finalizers=new.kind.finalizers,
        )
    )
    parts.spec.CopyFrom(new.spec)
    parts.status.SetInParent()
    return message


def _with_metadata(message: MessageT, source: MessageT) -> MessageT:
    """`message` with the metadata of `source`: a hook decides about spec and status only."""
    records.shaped(message).metadata.CopyFrom(records.metadata_of(source))
    return message
