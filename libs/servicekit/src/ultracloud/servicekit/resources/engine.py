"""The kit's engine: every change of a resource is one transaction, admitted on a state that nobody changed meanwhile.

It knows no callers: `server` authorises, then asks here. A service's own loops ask here directly. Concurrency is
optimistic: read, admit, write if nothing that was relied on has changed; else again. Guards make relied-on ranges (all
subnets of a VPC) into one version that can be compared.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base import ids
from ultracloud.base.faults import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    UnavailableError,
)
from ultracloud.base.names import check_labels, check_name
from ultracloud.servicekit.clock import Clock, new_id
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.conditions import Condition, merge
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Committed, Conflict, Store, prefix_end
from ultracloud.servicekit.store.following import read_all

ATTEMPTS_MAX = 50
"""Times one change is tried while others are faster: beyond, something is wrong and the caller is told to come back."""
ATTEMPTS_FREE = 3
"""Attempts before changes of this process queue up behind each other instead of racing."""
IDEMPOTENCY_MS = 24 * 3600 * 1000
"""How long a create is remembered: longer than any client retries."""
BATCH_KEYS = 500
"""Keys of one multi-get."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class NewResource(Generic[MessageT]):
    """What a create is made of. `request_sha256` binds the idempotency key to the request it came with."""

    kind: Kind[MessageT]
    name: str
    spec: Message
    labels: Mapping[str, str]
    idempotency_key: str = ""
    request_sha256: bytes = b""
    owners: Sequence[pb.OwnerReference] = ()


class Resources:
    """All resources of a service."""

    def __init__(self, store: Store, authority: Authority, clock: Clock, kinds: Iterable[Kind[Any]]) -> None:
        self.store = store
        self.authority = authority
        self.clock = clock
        self.kinds = {kind.key: kind for kind in kinds}
        self._crowd = asyncio.Lock()

    async def read(self, kind: Kind[MessageT], identifier: str) -> Stored[MessageT] | None:
        """The resource with this id, wherever it is; None if there is none."""
        if not ids.is_id(identifier, kind.prefix):
            return None
        entry = await self.store.get(layout.record_key(kind.key, identifier))
        return records.parse_entry(kind, entry) if entry else None

    async def find(self, kind: Kind[MessageT], place: str, ref: str) -> Stored[MessageT] | None:
        """The resource `ref` (name or id) means in a place; None if there is none."""
        if ids.is_id(ref, kind.prefix):
            found = await self.read(kind, ref)
            return found if found and found.metadata.project == place else None
        if "/" in ref:
            return None
        entry = await self.store.get(layout.name_key(kind.key, place, ref))
        return await self.read(kind, entry.value.decode()) if entry else None

    async def find_public(self, kind: Kind[MessageT], ref: str) -> Stored[MessageT] | None:
        """The oldest resource of this name (or the one with this id) that everybody may read."""
        identifier = ref
        if not ids.is_id(ref, kind.prefix):
            if "/" in ref:
                return None
            prefix = layout.public_prefix(kind.key, ref)
            page = await self.store.scan(prefix, prefix_end(prefix), limit=1)
            if not page.entries:
                return None
            identifier = page.entries[0].value.decode()
        found = await self.read(kind, identifier)
        return found if found and kind.readable_by_all(found.message) else None

    async def find_or_public(self, kind: Kind[MessageT], place: str, ref: str) -> Stored[MessageT] | None:
        """`find`, and if that finds nothing `find_public`."""
        return await self.find(kind, place, ref) or await self.find_public(kind, ref)

    async def all(self, kind: Kind[MessageT]) -> tuple[Stored[MessageT], ...]:
        """All resources of a kind, in the order they were made."""
        prefix = layout.record_prefix(kind.key)
        loaded = await read_all(self.store, prefix, prefix_end(prefix))
        return tuple(records.parse_entry(kind, entry) for entry in loaded.entries)

    async def all_in(self, kind: Kind[MessageT], place: str) -> tuple[Stored[MessageT], ...]:
        """All resources of a kind in a place, by name, as of one version."""
        prefix = layout.name_prefix(kind.key, place)
        names = await read_all(self.store, prefix, prefix_end(prefix))
        return await self.read_many(kind, [entry.value.decode() for entry in names.entries], names.version)

    async def read_many(
        self, kind: Kind[MessageT], identifiers: Sequence[str], at_version: int = 0
    ) -> tuple[Stored[MessageT], ...]:
        """Those that exist, in the order asked."""
        found: list[Stored[MessageT]] = []
        for first in range(0, len(identifiers), BATCH_KEYS):
            keys = [layout.record_key(kind.key, one) for one in identifiers[first : first + BATCH_KEYS]]
            reading = await self.store.get_many(keys, at_version)
            found.extend(records.parse_entry(kind, entry) for entry in reading.entries)
        return tuple(found)

    async def claimed(self, prefix: str) -> dict[str, str]:
        """Claims that begin with `prefix` -> the id that holds each."""
        start = layout.claim_key(prefix)
        loaded = await read_all(self.store, start, prefix_end(start))
        return {layout.claim_of_key(entry.key): entry.value.decode() for entry in loaded.entries}

    async def create(self, context: Context, new: NewResource[MessageT]) -> Stored[MessageT]:
        """Make a resource in the context's place, or give the one that the same request made before.

        Raises:
            AlreadyExistsError: The name, or a claim, is taken.
            FailedPreconditionError: The idempotency key came with another request before.
            InvalidArgumentError: A malformed name, label or key.
            Fault: What `admit` raises.
        """
        check_name(new.name, f"{new.kind.key} name")
        check_labels(new.labels)
        identifier = new_id(self.clock, new.kind.prefix)
        lost: set[str] = set()
        return await self._repeated(lambda: self._create_once(context, new, identifier, lost))

    async def _create_once(
        self, context: Context, new: NewResource[MessageT], identifier: str, lost: set[str]
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        kind, place = new.kind, context.place.id
        name_key = layout.name_key(kind.key, place, new.name)
        memory_key = layout.idempotency_key(kind.key, place, new.idempotency_key) if new.idempotency_key else b""
        reading = await self.store.get_many([key for key in (name_key, memory_key) if key])
        entries = {entry.key: entry for entry in reading.entries}
        now_ms = self.clock.now_ms()
        if memory_key in entries:
            made = await self._remembered(new, entries[memory_key].value, now_ms)
            if made is not None:
                return made
        if name_key in entries:
            raise AlreadyExistsError(
                f"a {kind.key} named '{new.name}' already exists in {context.place.shown}", reason="NAME_TAKEN"
            )
        message = _fresh(new, identifier, place, now_ms)
        admitted = await _hooked(kind.admit, message, context, records.copy(message), None)
        message = _with_metadata(admitted, message)
        writes: dict[bytes, bytes | None] = {name_key: identifier.encode()}
        comparisons = {name_key: 0}
        if memory_key:
            memory = pb.IdempotencyRecord(
                request_sha256=new.request_sha256, id=identifier, created_at=records.timestamp(now_ms)
            )
            writes[memory_key] = memory.SerializeToString()
            comparisons[memory_key] = entries[memory_key].version if memory_key in entries else 0
        return await self._write(kind, None, message, reading.read_version, lost, comparisons, writes)

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
        _check_etag(kind, old, etag)
        if old.metadata.HasField("deleted_at"):
            raise FailedPreconditionError(
                f"{kind.key} '{old.metadata.name}' is being deleted and cannot change", reason="BEING_DELETED"
            )
        wanted = change(records.copy(old.message))
        labels = dict(check_labels(records.metadata_of(wanted).labels))
        wanted = _with_metadata(wanted, old.message)
        before = records.copy(old.message)
        wanted = _with_metadata(await _hooked(kind.admit, wanted, context, wanted, before), old.message)
        metadata = records.metadata_of(wanted)
        metadata.labels.clear()
        metadata.labels.update(labels)
        if wanted == old.message:
            return old
        if records.spec_of(wanted) != records.spec_of(old.message):
            metadata.generation += 1
        metadata.updated_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        return await self._write(kind, old, wanted, read_version, lost, {}, {})

    async def delete(self, context: Context, kind: Kind[MessageT], identifier: str, etag: str = "") -> Stored[MessageT]:
        """Delete a resource, or begin to if it has finalizers; deleting it again while it goes is harmless.

        Raises:
            NotFoundError: It is gone.
            AbortedError: `etag` is given and is not the resource's.
            FailedPreconditionError: `deletable` says what uses it.
        """
        return await self._repeated(lambda: self._delete_once(context, kind, identifier, etag))

    async def _delete_once(
        self, context: Context, kind: Kind[MessageT], identifier: str, etag: str
    ) -> Stored[MessageT] | None:
        """One attempt; None asks for another."""
        old, read_version = await self._read_for_write(kind, identifier)
        _check_etag(kind, old, etag)
        if old.metadata.HasField("deleted_at"):
            return old
        await _hooked(kind.deletable, None, context, records.copy(old.message))
        message = records.copy(old.message)
        metadata = records.metadata_of(message)
        metadata.deleted_at.CopyFrom(records.timestamp(self.clock.now_ms()))
        if metadata.finalizers:
            return await self._write(kind, old, message, read_version, set(), {}, {})
        guards = await self._guards(kind, message, read_version)
        return None if guards is None else await self._remove(kind, old, message, guards)

    async def remove_finalizer(self, kind: Kind[MessageT], identifier: str, finalizer: str) -> None:
        """Say that `finalizer` has cleaned up; when it is the last of a resource being deleted, the resource goes."""
        await self._repeated(lambda: self._remove_finalizer_once(kind, identifier, finalizer))

    async def _remove_finalizer_once(self, kind: Kind[MessageT], identifier: str, finalizer: str) -> bool | None:
        """One attempt; None asks for another."""
        old = await self.read(kind, identifier)
        if old is None or finalizer not in old.metadata.finalizers:
            return True
        message = records.copy(old.message)
        metadata = records.metadata_of(message)
        metadata.finalizers.remove(finalizer)
        if metadata.HasField("deleted_at") and not metadata.finalizers:
            gone = await self._remove(kind, old, message, {})
            return None if gone is None else True
        return None if await self._replace(kind, old, message) is None else True

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
        done = await self._replace(kind, old, message)
        return records.parse(kind, records.render(kind, message, old.claims), done) if done else None

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

    async def _repeated(
        self, attempt: Callable[[], Awaitable[ResultT | None]], *, gone_is_none: bool = False
    ) -> ResultT:
        """Run `attempt` until it gives something; after a few, one of this process at a time."""
        try:
            for _ in range(ATTEMPTS_FREE):
                result = await attempt()
                if result is not None:
                    return result
            async with self._crowd:
                for _ in range(ATTEMPTS_MAX - ATTEMPTS_FREE):
                    result = await attempt()
                    if result is not None:
                        return result
        except NotFoundError as error:
            if gone_is_none and error.reason == "GONE":
                return None  # type: ignore[return-value]
            raise
        raise AbortedError("too many others change this at the same time; try again", reason="CONTENDED")

    async def _read_for_write(self, kind: Kind[MessageT], identifier: str) -> tuple[Stored[MessageT], int]:
        """A resource, and the version of the store it was read at."""
        reading = await self.store.get_many([layout.record_key(kind.key, identifier)])
        if not reading.entries:
            raise NotFoundError(f"no {kind.key} '{identifier}'", reason="GONE")
        return records.parse_entry(kind, reading.entries[0]), reading.read_version

    async def _write(
        self,
        kind: Kind[MessageT],
        old: Stored[MessageT] | None,
        message: MessageT,
        read_version: int,
        lost: set[str],
        comparisons: dict[bytes, int],
        writes: dict[bytes, bytes | None],
    ) -> Stored[MessageT] | None:
        """Write an admitted record with its claims; None when something it relied on has changed."""
        metadata = records.metadata_of(message)
        guards = await self._guards(kind, message, read_version)
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
        value = records.render(kind, message, claims)
        writes[layout.record_key(kind.key, metadata.id)] = value
        match await self._commit(comparisons, writes, layout.record_key(kind.key, metadata.id)):
            case Committed(version):
                return records.parse(kind, value, version)
            case Conflict(failed):
                lost.update(layout.claim_of_key(key) for key in failed if key.startswith(b"c/"))
                # Nobody else has this id: if it is there, an answer was lost, and somebody wrote its status since.
                return await self.read(kind, metadata.id) if old is None else None

    async def _guards(self, kind: Kind[MessageT], message: MessageT, read_version: int) -> dict[bytes, int] | None:
        """Guard keys and the versions they must still have; None when one was bumped since admission began."""
        keys = [layout.guard_key(guard) for guard in sorted(set(kind.guards(message)))]
        if not keys:
            return {}
        reading = await self.store.get_many(keys)
        versions = dict.fromkeys(keys, 0) | {entry.key: entry.version for entry in reading.entries}
        return None if any(version > read_version for version in versions.values()) else versions

    async def _claimable(self, kind: Kind[MessageT], claims: Sequence[str], lost: set[str]) -> bool:
        """Whether all `claims` are free; one that was lost before and is wanted again ends the request."""
        if not claims:
            return True
        reading = await self.store.get_many([layout.claim_key(claim) for claim in claims])
        held = {layout.claim_of_key(entry.key) for entry in reading.entries}
        insisted = sorted(held & lost)
        if insisted:
            raise AlreadyExistsError(
                f"{insisted[0]} is taken by another {kind.key}", reason="CLAIM_TAKEN", metadata={"claim": insisted[0]}
            )
        lost |= held
        return not held

    async def _commit(
        self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None], key: bytes
    ) -> Committed | Conflict:
        """Write, through a store that restarts.

        When the answer is lost nobody knows whether it happened. `comparisons` pin the version of `key`, so it cannot
        happen twice: sending it again either does it, or conflicts; and if `key` then is as we wanted it, it was us.
        """
        assert key in comparisons, key
        try:
            return await self.store.txn(comparisons, writes)
        except UnavailableError:
            done = await self.store.txn(comparisons, writes)
        if isinstance(done, Conflict):
            reading = await self.store.get_many([key])
            value = reading.entries[0].value if reading.entries else None
            if value == writes[key]:
                return Committed(reading.entries[0].version if reading.entries else reading.read_version)
        return done

    async def _replace(self, kind: Kind[MessageT], old: Stored[MessageT], message: MessageT) -> int | None:
        """Write over `old`, claims and all else as they were; the version, or None if `old` is not the newest."""
        key = layout.record_key(kind.key, old.metadata.id)
        done = await self._commit({key: old.version}, {key: records.render(kind, message, old.claims)}, key)
        return done.version if isinstance(done, Committed) else None

    async def _remove(
        self, kind: Kind[MessageT], old: Stored[MessageT], last: MessageT, guards: Mapping[bytes, int]
    ) -> Stored[MessageT] | None:
        """Take a record and all that it holds out of the store; None if it changed meanwhile."""
        metadata = old.metadata
        key = layout.record_key(kind.key, metadata.id)
        writes: dict[bytes, bytes | None] = dict.fromkeys(guards, b"")
        writes |= {
            key: None,
            layout.name_key(kind.key, metadata.project, metadata.name): None,
            **{layout.claim_key(claim): None for claim in old.claims},
        }
        if kind.readable_by_all(old.message):
            writes[layout.public_key(kind.key, metadata.name, metadata.id)] = None
        done = await self._commit({key: old.version, **guards}, writes, key)
        return Stored(last, done.version) if isinstance(done, Committed) else None


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
            owners=new.owners,
        )
    )
    parts.spec.CopyFrom(new.spec)
    parts.status.SetInParent()
    return message


def _with_metadata(message: MessageT, source: MessageT) -> MessageT:
    """`message` with the metadata of `source`: a hook decides about spec and status only."""
    records.shaped(message).metadata.CopyFrom(records.metadata_of(source))
    return message


def _public_writes(kind: Kind[MessageT], old: Stored[MessageT] | None, message: MessageT) -> dict[bytes, bytes | None]:
    """What changes in the index of records everybody may read."""
    metadata = records.metadata_of(message)
    was, shall = old is not None and kind.readable_by_all(old.message), kind.readable_by_all(message)
    if was == shall:
        return {}
    key = layout.public_key(kind.key, metadata.name, metadata.id)
    return {key: metadata.id.encode() if shall else None}


def _check_etag(kind: Kind[MessageT], old: Stored[MessageT], etag: str) -> None:
    """Refuse a change of something else than what the caller read."""
    if etag and etag != old.metadata.etag:
        raise AbortedError(
            f"{kind.key} '{old.metadata.name}' has changed: its etag is {old.metadata.etag}, not {etag[:40]!a}",
            hint="get it again and decide again",
            reason="ETAG_MISMATCH",
        )


async def _hooked(hook: Callable[..., Any] | None, otherwise: Any, *arguments: Any) -> Any:
    """What a plain or async hook gives; `otherwise` without one."""
    if hook is None:
        return otherwise
    given = hook(*arguments)
    return await given if inspect.isawaitable(given) else given
