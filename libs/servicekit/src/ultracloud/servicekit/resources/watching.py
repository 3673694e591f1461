"""A kind's change feed, as one caller may see it.

A deletion in the store names only a key, so the feed keeps what it has shown and repeats it in the DELETED event; it
also sends DELETED for a resource that is no longer selected.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Generic

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.resources import indexes, listing
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.listing import Visible
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.selectors import EVERYTHING, Selection
from ultracloud.servicekit.resources.shared import Turn


@dataclass(frozen=True, slots=True)
class Event(Generic[MessageT]):
    """One event; a BOOKMARK has no message."""

    type: pb.EventType
    message: MessageT | None
    version: int


@dataclass(frozen=True, slots=True)
class _View(Generic[MessageT]):
    """What one watcher has been shown."""

    kind: Kind[MessageT]
    place: str | None
    selection: Selection
    visible: Visible[MessageT] | None
    shown: dict[str, MessageT] = field(default_factory=dict)

    def wants(self, stored: Stored[MessageT]) -> bool:
        """Whether the watcher may see and asked for this."""
        metadata = stored.metadata
        here = self.place is None or metadata.project == self.place or self.kind.readable_by_all(stored.message)
        if not here or not indexes.is_met(self.selection, stored.message):
            return False
        return self.visible is None or self.visible(stored)

    def put(self, identifier: str, stored: Stored[MessageT]) -> Event[MessageT] | None:
        """What the watcher is told of a resource that is there; None if nothing."""
        if self.wants(stored):
            self.shown[identifier] = stored.message
            return Event(pb.PUT, stored.message, stored.version)
        last = self.shown.pop(identifier, None)
        return None if last is None else Event(pb.DELETED, last, stored.version)

    def event(self, turn: Turn[MessageT]) -> Event[MessageT] | None:
        """What the watcher is told of a change; None if nothing."""
        if turn.stored is not None:
            return self.put(turn.id, turn.stored)
        last = self.shown.pop(turn.id, None)
        return None if last is None else Event(pb.DELETED, last, turn.version)


async def events(
    resources: Resources,
    kind: Kind[MessageT],
    place: str | None,
    *,
    from_version: int,
    selection: Selection = EVERYTHING,
    visible: Visible[MessageT] | None = None,
) -> AsyncGenerator[Event[MessageT], None]:
    """Yield what exists (unless `from_version` is given), a bookmark, then every change for ever.

    Raises:
        InvalidArgumentError: `from_version` is negative.
        OutOfRangeError: Changes after `from_version` are no longer kept: watch from 0.
        UnavailableError: The store went away: watch again from the last version.
    """
    if from_version < 0:
        raise InvalidArgumentError(f"from_version is {from_version}; accepted: 0 or a version that was given")
    view = _View(kind, place, selection, visible)
    try:
        found, version = await listing.everything(resources, kind, place, selection, from_version)
        for stored in found:
            event = view.put(stored.metadata.id, stored)
            if event is not None and not from_version:
                yield event
        if not from_version:
            yield Event(pb.BOOKMARK, None, version)
        changes = resources.shared_watch(kind).after(version, is_new=not from_version)
        async with contextlib.aclosing(changes) as commits:
            async for commit in commits:
                for turn in commit.turns:
                    event = view.event(turn)
                    if event is not None:
                        yield event
    except OutOfRangeError as error:
        raise OutOfRangeError(
            f"a watch cannot go on from version {from_version}: what came after it is no longer kept, or there is "
            "no such version yet",
            hint="watch from version 0",
            reason="COMPACTED",
        ) from error
