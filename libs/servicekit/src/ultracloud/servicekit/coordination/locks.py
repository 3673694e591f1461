"""A lock: one holder at a time, as far as clocks can be trusted; beyond that, fence with `Lock.fence`.

    async with Session(kv, clock) as session, Lock(session, b"/locks/disk") as lock:
        await disk.write(block, fence=lock.fence)

The holder may be stopped for longer than its lease lives and wake up without knowing. Therefore everything done under
the lock carries `fence`, a number that grows from holder to holder, and whoever does it refuses a smaller one than it
has seen. A change in the same store is fenced by `Lock.held()` as a comparison of its transaction.

Source: etcd 3.5, client/v3/concurrency/mutex.go (the protocol); Kleppmann, "How to do distributed locking" (fencing).
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from ultracloud.base.faults import FailedPreconditionError, Fault
from ultracloud.servicekit.coordination import queue
from ultracloud.servicekit.coordination.sessions import REVOKE_S, Session
from ultracloud.servicekit.coordination.words import Compare, Pair, create_revision


class Lock:
    """See the module. In a block its body is cancelled when the lease is lost, as in `Session.guard`."""

    def __init__(self, session: Session, name: bytes) -> None:
        self._session = session
        self._name = name
        self._mine: Pair | None = None
        self._guard = contextlib.AsyncExitStack()

    @property
    def fence(self) -> int:
        """The number to fence with: greater than that of every holder before.

        Raises:
            FailedPreconditionError: The lock is not held.
        """
        return self._held().create_revision

    def held(self) -> Compare:
        """True in the store exactly as long as the lock is ours; raises as `fence`."""
        mine = self._held()
        return create_revision(mine.key).equal(mine.create_revision)

    async def acquire(self) -> None:
        """Wait for the lock.

        Raises:
            LeaseLostError: The session was lost meanwhile.
        """
        async with self._session.guard():
            mine = await queue.take_place(self._session, self._name, b"")
            try:
                await queue.wait_first(self._session, self._name, mine)
            except BaseException:
                await self._leave(mine)
                raise
        self._mine = mine

    async def try_acquire(self) -> bool:
        """Take the lock if nobody has it; does not wait."""
        mine = await queue.take_place(self._session, self._name, b"")
        holder = await queue.first(self._session.coordinator, self._name)
        if holder is not None and holder.key == mine.key and holder.create_revision == mine.create_revision:
            self._mine = mine
            return True
        await self._leave(mine)
        return False

    async def release(self) -> None:
        """Let the next one have it; nothing if it is not held."""
        mine, self._mine = self._mine, None
        if mine is not None:
            await self._session.coordinator.delete(mine.key)

    async def __aenter__(self) -> Self:
        await self.acquire()
        await self._guard.enter_async_context(self._session.guard())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._guard.__aexit__(kind, error, trace)
        finally:
            mine, self._mine = self._mine, None
            if mine is not None:
                await self._leave(mine)

    async def _leave(self, mine: Pair) -> None:
        """Leave the line, if that is quick; the lease does it otherwise."""
        with contextlib.suppress(Fault, TimeoutError):
            async with asyncio.timeout(REVOKE_S):
                await self._session.coordinator.delete(mine.key)

    def _held(self) -> Pair:
        if self._mine is None:
            raise FailedPreconditionError("the lock is not held", reason="NOT_HELD")
        return self._mine
