"""How resources are found: by id, by name in a place, by being public, or all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ultracloud.base import ids
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Store, prefix_end
from ultracloud.servicekit.store.following import read_all

BATCH_KEYS, BATCHES_AT_ONCE = 250, 4
"""Keys of one multi-get, and how many of those are under way: one is parsed while the store reads the next."""


class Reader:
    """Reads a service's resources from `store`."""

    def __init__(self, store: Store) -> None:
        self.store = store

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

    async def all_in(self, kind: Kind[MessageT], place: str, at_version: int = 0) -> tuple[Stored[MessageT], ...]:
        """All resources of a kind in a place, by name, as of one version."""
        prefix = layout.name_prefix(kind.key, place)
        names = await read_all(self.store, prefix, prefix_end(prefix), at_version)
        return await self.read_many(kind, [entry.value.decode() for entry in names.entries], names.version)

    async def read_many(
        self, kind: Kind[MessageT], identifiers: Sequence[str], at_version: int = 0
    ) -> tuple[Stored[MessageT], ...]:
        """Those that exist, in the order asked."""
        batches = [identifiers[first : first + BATCH_KEYS] for first in range(0, len(identifiers), BATCH_KEYS)]
        found: list[Stored[MessageT]] = []
        for first in range(0, len(batches), BATCHES_AT_ONCE):
            some = (self._read_batch(kind, one, at_version) for one in batches[first : first + BATCHES_AT_ONCE])
            for read in await asyncio.gather(*some):
                found.extend(read)
        return tuple(found)

    async def _read_batch(
        self, kind: Kind[MessageT], identifiers: Sequence[str], at_version: int
    ) -> list[Stored[MessageT]]:
        """Those of a few that exist."""
        reading = await self.store.get_many([layout.record_key(kind.key, one) for one in identifiers], at_version)
        return [records.parse_entry(kind, entry) for entry in reading.entries]

    async def guard_version(self, guard: str) -> int:
        """The version of the last change that was guarded so: a state as new as this shows them all."""
        entry = await self.store.get(layout.guard_key(guard))
        return entry.version if entry else 0

    async def claimed(self, prefix: str) -> dict[str, str]:
        """Claims that begin with `prefix` -> the id that holds each."""
        start = layout.claim_key(prefix)
        loaded = await read_all(self.store, start, prefix_end(start))
        return {layout.claim_of_key(entry.key): entry.value.decode() for entry in loaded.entries}
