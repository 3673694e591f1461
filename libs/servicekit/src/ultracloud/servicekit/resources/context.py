"""What a hook may read while it decides: who asks, where, and what else there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ultracloud.base.faults import FailedPreconditionError, NotFoundError
from ultracloud.base.policy import Principal
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.places import Place

if TYPE_CHECKING:
    from ultracloud.servicekit.resources.engine import Resources

NAMED_MAX = 5
"""Users that a refused delete names."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from, for the audit trail.

    Attributes:
        source: Address of the caller; empty for what a service does by itself.
        request: Trace id of the call.
        verb: Last part of the permission that was asked for; empty for the engine's own word.
    """

    source: str = ""
    request: str = ""
    verb: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """One request's surroundings.

    Attributes:
        resources: The kit, for reading other kinds of this service.
        principal: Who asks.
        place: The project (or organisation) the request is about.
        clock: Time and randomness.
        origin: Where the request comes from.
        is_internal: Whether the service itself makes this change, on behalf of `principal`.
    """

    resources: Resources
    principal: Principal
    place: Place
    clock: Clock
    origin: Origin = Origin()
    is_internal: bool = False

    def internally(self) -> Context:
        """The same, for what the service does on its own while it answers."""
        return replace(self, is_internal=True)

    async def resolve(self, kind: Kind[MessageT], ref: str, *, deleting: bool = False) -> MessageT:
        """The resource of `kind` that `ref` (name or id) means in this place, or a public one of another.

        Args:
            kind: Which kind.
            ref: Name or id, as the caller wrote it.
            deleting: Whether one that is being deleted will do.

        Raises:
            NotFoundError: None.
            FailedPreconditionError: It is being deleted.
        """
        found = await self.resources.find_or_public(kind, self.place.id, ref)
        if found is None:
            raise NotFoundError(
                f"no {kind.key} {ref[:80]!a} in {self.place.shown}",
                reason=f"{kind.name.upper()}_NOT_FOUND",
                metadata={"kind": kind.key, "ref": ref[:80]},
            )
        if found.metadata.HasField("deleted_at") and not deleting:
            raise FailedPreconditionError(
                f"{kind.key} {ref[:80]!a} is being deleted; use another", reason="BEING_DELETED"
            )
        return found.message

    async def read(self, kind: Kind[MessageT], identifier: str) -> MessageT | None:
        """The resource with this id, wherever it is; None if there is none."""
        found = await self.resources.read(kind, identifier)
        return found.message if found else None

    async def list(self, kind: Kind[MessageT]) -> tuple[MessageT, ...]:
        """All resources of `kind` in this place, by name."""
        return tuple(one.message for one in await self.resources.all_in(kind, self.place.id))

    async def names(self, kind: Kind[MessageT], identifiers: Iterable[str]) -> dict[str, str]:
        """Id -> name of those that exist."""
        found = await self.resources.read_many(kind, sorted(set(identifiers)))
        return {one.metadata.id: one.metadata.name for one in found}

    async def refuse_if_used(self, what: str, kind: Kind[MessageT], users: Iterable[str]) -> None:
        """Let nobody delete what resources of `kind` (their ids) use.

        Raises:
            FailedPreconditionError: Some do; the sentence names a few.
        """
        ids = sorted(set(users))
        if not ids:
            return
        found = await self.resources.read_many(kind, ids[:NAMED_MAX])
        # A public image is used by tenants that its owner must not hear of.
        here = sorted(one.metadata.name for one in found if self.place.id in ("", one.metadata.project))
        others = len(ids) - len(here)
        more = f" and {others} more" if others else ""
        shown = f"{kind.key} {', '.join(here)}{more}" if here else f"{others} {kind.collection} of other projects"
        raise FailedPreconditionError(
            f"{what} is used by {shown}; delete them first",
            reason="IN_USE",
            metadata={"kind": kind.key, "count": str(len(ids))},
        )

    async def claimed(self, prefix: str) -> dict[str, str]:
        """Claims that begin with `prefix` -> the id that holds each."""
        return await self.resources.claimed(prefix)
