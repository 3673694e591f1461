"""What is written in somebody's name is written only while that somebody still is who they were.

Whoever owns a shard wrote its fence, a key of the same store. Within `fenced`, every transaction also compares the
fence's version: once another owner has written it, nothing that the former one still has in hand gets through, however
late it arrives and whatever it believes about its lease. The fence is a context variable, so no hook and no planner can
forget it.

Source: Kleppmann, "How to do distributed locking" (2016): a lock is safe only where the storage checks a fence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from ultracloud.base.faults import AbortedError
from ultracloud.servicekit.store import Changes, Committed, Conflict, Entry, Reading, Store
from ultracloud.servicekit.store.interface import PAGE_DEFAULT

SHARD_LOST = "SHARD_LOST"
"""Reason of the fault that a former owner gets."""
_NO_FENCE: Mapping[bytes, int] = {}
_FENCE: ContextVar[Mapping[bytes, int]] = ContextVar("_FENCE", default=_NO_FENCE)


@contextmanager
def fenced(key: bytes, version: int) -> Iterator[None]:
    """Let every transaction within happen only while `key` has `version`."""
    token = _FENCE.set({key: version})
    try:
        yield
    finally:
        _FENCE.reset(token)


class FencedStore(Store):
    """`store`, whose transactions respect the fence they are in."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        """See `Store`."""
        return await self._store.get(key, at_version)

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        """See `Store`."""
        return await self._store.get_many(keys, at_version)

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
        return await self._store.scan(
            start, end, limit=limit, reverse=reverse, keys_only=keys_only, at_version=at_version
        )

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        """See `Store`.

        Raises:
            AbortedError: Somebody else is the owner now; nothing was written.
        """
        fence = _FENCE.get()
        if not fence:
            return await self._store.txn(comparisons, writes)
        done = await self._store.txn({**comparisons, **fence}, writes)
        if isinstance(done, Conflict) and not fence.keys().isdisjoint(done.failed):
            raise AbortedError("another replica works on this now", reason=SHARD_LOST)
        return done

    def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        """See `Store`."""
        return self._store.watch(start, end, from_version)
