"""The store as iam's resource kit sees it: a write is done once the policy has it, and no read is ahead of the policy.

Hooks decide from the policy in memory, which follows the store some milliseconds behind. Without this, whoever makes a
project might not find it in the next call, and a hook that runs again because somebody was faster might decide on
what it already knew. Both hold because all of iam's writes go through the one process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

from iam.shell.source import Source
from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.store import Changes, Committed, Conflict, Entry, Reading, Store
from ultracloud.servicekit.store.interface import PAGE_DEFAULT

SEEN_S = 2.0
"""How long a call waits for its own write to come back; the feed takes milliseconds."""


class SettledStore(Store):
    """`store`, no further than `source` has seen."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store = store
        self._source = source

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        """See `Store`."""
        entry = await self._store.get(key, at_version)
        await self._settle([entry] if entry else [])
        return entry

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        """See `Store`."""
        reading = await self._store.get_many(keys, at_version)
        await self._settle(reading.entries)
        return reading

    async def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = PAGE_DEFAULT,
        reverse: bool = False,
        keys_only: bool = False,
        at_version: int = 0,
    ) -> Reading:
        """See `Store`."""
        reading = await self._store.scan(
            start, end, limit=limit, reverse=reverse, keys_only=keys_only, at_version=at_version
        )
        await self._settle(reading.entries)
        return reading

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        """See `Store`."""
        done = await self._store.txn(comparisons, writes)
        match done:
            case Committed(version) if any(key < layout.DERIVED for key in writes):
                await self._source.wait_seen(version, SEEN_S)
            case Conflict(failed):
                seen = [version for key, version in failed.items() if key < layout.DERIVED]
                await self._source.wait_seen(max(seen, default=0), SEEN_S)
        return done

    def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        """See `Store`."""
        return self._store.watch(start, end, from_version)

    async def _settle(self, entries: Iterable[Entry]) -> None:
        # What is derived says nothing of the policy, and the source does not follow it.
        seen = (entry.version for entry in entries if entry.key < layout.DERIVED)
        await self._source.wait_seen(max(seen, default=0), SEEN_S)
