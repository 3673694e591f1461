"""A store in memory: for tests, and for a service run alone. It forgets everything when it ends.

Every version of every key is kept up to `history_max` commits, because readers page at one version and watchers resume.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncGenerator, Mapping, Sequence

from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.store.interface import (
    PAGE_DEFAULT,
    PAGE_MAX,
    Change,
    Changes,
    Committed,
    Conflict,
    Entry,
    Reading,
    Store,
)

HISTORY_MAX = 100_000
"""Commits that can be read and watched again: as much as any test makes."""


class MemoryStore(Store):
    """See `Store`."""

    def __init__(self, history_max: int = HISTORY_MAX) -> None:
        self._keys: list[bytes] = []
        self._versions: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self._version = 1
        self._log: list[Changes] = []
        self._kept_from = 1
        self._history_max = history_max
        self._grown = asyncio.Condition()

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        """See `Store`."""
        return self._entry(key, self._at(at_version))

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        """See `Store`."""
        at = self._at(at_version)
        found = (self._entry(key, at) for key in keys)
        return Reading(tuple(entry for entry in found if entry), at)

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
        at = self._at(at_version)
        if not 0 < limit <= PAGE_MAX:
            raise InvalidArgumentError(f"limit is {limit}; accepted: 1 to {PAGE_MAX}")
        first = bisect.bisect_left(self._keys, start)
        last = bisect.bisect_left(self._keys, end) if end else len(self._keys)
        keys = self._keys[first:last]
        found: list[Entry] = []
        for key in reversed(keys) if reverse else keys:
            entry = self._entry(key, at)
            if entry and len(found) == limit:
                return Reading(tuple(found), at, more=True)
            if entry:
                found.append(Entry(key, b"", entry.version) if keys_only else entry)
        return Reading(tuple(found), at)

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        """See `Store`."""
        failed = {key: self._newest(key) for key, wanted in comparisons.items() if self._newest(key) != wanted}
        if failed:
            return Conflict(failed)
        if not writes:
            return Committed(self._version)
        self._version += 1
        for key, value in writes.items():
            if key not in self._versions:
                bisect.insort(self._keys, key)
            self._versions.setdefault(key, []).append((self._version, value))
        self._log.append(Changes(tuple(Change(k, v, self._version) for k, v in writes.items()), self._version))
        self._forget()
        async with self._grown:
            self._grown.notify_all()
        return Committed(self._version)

    async def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        """See `Store`."""
        seen = from_version
        while True:
            if seen < self._kept_from - 1:
                raise OutOfRangeError(f"version {seen} is compacted; the oldest kept is {self._kept_from}")
            if seen > self._version:
                raise OutOfRangeError(f"version {seen} is in the future; the newest is {self._version}")
            index = bisect.bisect_right(self._log, seen, key=lambda changes: changes.version)
            for changes in self._log[index:]:
                seen = changes.version
                wanted = tuple(c for c in changes.changes if c.key >= start and (not end or c.key < end))
                yield Changes(wanted, seen)
            await self._wait_beyond(seen)

    async def _wait_beyond(self, version: int) -> None:
        """Wait for a commit after `version`."""
        async with self._grown:
            await self._grown.wait_for(lambda: self._version > version)

    def _at(self, at_version: int) -> int:
        """The version to read at."""
        if at_version > self._version:
            raise OutOfRangeError(f"version {at_version} is in the future; the newest is {self._version}")
        if at_version and at_version < self._kept_from - 1:
            raise OutOfRangeError(f"version {at_version} is compacted; the oldest kept is {self._kept_from}")
        return at_version or self._version

    def _entry(self, key: bytes, at: int) -> Entry | None:
        """The value `key` had at version `at`."""
        history = self._versions.get(key, [])
        index = bisect.bisect_right(history, at, key=lambda item: item[0])
        if index == 0:
            return None
        version, value = history[index - 1]
        return None if value is None else Entry(key, value, version)

    def _newest(self, key: bytes) -> int:
        """The version `key` has now, 0 without a value."""
        entry = self._entry(key, self._version)
        return entry.version if entry else 0

    def _forget(self) -> None:
        """Drop commits beyond the history."""
        if len(self._log) > self._history_max:
            del self._log[: len(self._log) - self._history_max]
            self._kept_from = self._log[0].version
