"""One watch of a kind in the store for all who watch it here: each change is received and parsed once, told to many.

The last changes are kept, so that each reader goes on from its own version; there are no queues to fill. Who is further
behind than what is kept, or begins at an older version, catches up on a watch of its own, and joins the others then.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic

from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Changes, Store, prefix_end

KEPT = 1_000
"""Commits that are kept: some seconds of a busy service, a few MB."""


@dataclass(frozen=True, slots=True)
class Turn(Generic[MessageT]):
    """What happened to a resource; `stored` is None where it went."""

    id: str
    stored: Stored[MessageT] | None
    version: int


@dataclass(frozen=True, slots=True)
class Turns(Generic[MessageT]):
    """Whole commits; everything up to `version` has been seen."""

    turns: tuple[Turn[MessageT], ...]
    version: int


class SharedWatch(Generic[MessageT]):
    """All watches of one kind in this process."""

    def __init__(self, store: Store, kind: Kind[MessageT]) -> None:
        self._store = store
        self._kind = kind
        self._range = (layout.record_prefix(kind.key), prefix_end(layout.record_prefix(kind.key)))
        self._kept: list[Turns[MessageT]] = []
        self._from = 0
        self._told = asyncio.Event()
        self._readers = 0
        self._following: asyncio.Task[None] | None = None

    async def after(self, version: int, *, is_new: bool = False) -> AsyncGenerator[Turns[MessageT], None]:
        """Every change after a version, in order, until closed; `is_new` says that it was read just now.

        Raises:
            OutOfRangeError: Changes after `version` are no longer kept.
            UnavailableError: The store went away.
        """
        self._readers += 1
        try:
            while True:
                if is_new and not self._is_followed:
                    self._begin(version)
                if not self._is_followed or version < self._from:
                    async with aclosing(self._store.watch(*self._range, version)) as own:
                        async for changes in own:
                            yield self._parsed(changes)
                            version, is_new = changes.version, True
                            if not self._is_followed or version >= self._from:
                                break
                    continue
                is_new, told, following = False, self._told, self._following
                for turns in self._kept[bisect.bisect_right(self._kept, version, key=lambda one: one.version) :]:
                    yield turns
                    version = turns.version
                if told is self._told:
                    await told.wait()
                if following is not None and following.done():
                    following.result()
        finally:
            self._readers -= 1
            if not self._readers and self._following is not None:
                self._following.cancel()
                self._following = None

    @property
    def _is_followed(self) -> bool:
        """Whether changes are received for all."""
        return self._following is not None and not self._following.done()

    def _begin(self, version: int) -> None:
        """Follow the store from a version on."""
        self._kept, self._from = [], version
        self._following = asyncio.create_task(self._follow(version), name=f"watch every {self._kind.key}")
        # What ends it is told by each reader to its own caller, who begins anew.
        self._following.add_done_callback(lambda _task: self._tell())

    async def _follow(self, version: int) -> None:
        """Keep what happens, until the store goes away."""
        async with aclosing(self._store.watch(*self._range, version)) as watched:
            async for changes in watched:
                self._keep(self._parsed(changes))

    def _keep(self, turns: Turns[MessageT]) -> None:
        """Keep it for all readers, and drop what is old."""
        self._kept.append(turns)
        if len(self._kept) > KEPT:
            half = len(self._kept) // 2
            self._from = self._kept[half - 1].version
            del self._kept[:half]
        self._tell()

    def _tell(self) -> None:
        """Wake all readers."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    def _parsed(self, changes: Changes) -> Turns[MessageT]:
        """What readers want of what the store says."""
        found = (
            Turn(
                layout.id_of_record_key(one.key),
                None if one.value is None else records.parse(self._kind, one.value, one.version),
                one.version,
            )
            for one in changes.changes
        )
        return Turns(tuple(found), changes.version)
