"""An election: of several candidates one leads, and everybody can see who.

    async with Session(kv, clock) as session:
        async with Election(session, b"/leaders/scheduler").lead(b"node-1") as leadership:
            ...        # cancelled, and LeaseLostError raised, when the leadership is lost

    async for leader in observe(kv, b"/leaders/scheduler"):   # a Pair, or None while nobody leads
        ...

What a leader does carries `Leadership.fence`, as with locks.

Source: etcd 3.5, client/v3/concurrency/election.go (the protocol).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ultracloud.base.faults import Fault
from ultracloud.servicekit.coordination import queue
from ultracloud.servicekit.coordination.errors import CompactedError, LeaseLostError
from ultracloud.servicekit.coordination.interface import Coordinator
from ultracloud.servicekit.coordination.sessions import REVOKE_S, Session
from ultracloud.servicekit.coordination.words import Compare, Delete, Get, Pair, Put, SortBy, Txn, create_revision, span
from ultracloud.servicekit.streams import closing


@dataclass(frozen=True, slots=True)
class Leadership:
    """That we lead.

    Attributes:
        fence: The number to fence with: greater than that of every leader before.
    """

    key: bytes
    fence: int

    def held(self) -> Compare:
        """True in the store exactly as long as we lead."""
        return create_revision(self.key).equal(self.fence)


class Election:
    """A candidate's part."""

    def __init__(self, session: Session, name: bytes) -> None:
        self._session = session
        self._name = name

    async def campaign(self, content: bytes) -> Leadership:
        """Stand as a candidate who says `content`, and wait until elected.

        Raises:
            LeaseLostError: The session was lost meanwhile.
        """
        async with self._session.guard():
            mine = await queue.take_place(self._session, self._name, content)
            leadership = Leadership(mine.key, mine.create_revision)
            try:
                if mine.value != content:
                    await self.proclaim(leadership, content)
                await queue.wait_first(self._session, self._name, mine)
            except BaseException:
                await self._leave(leadership)
                raise
        return leadership

    async def proclaim(self, leadership: Leadership, content: bytes) -> None:
        """Say something else.

        Raises:
            LeaseLostError: We lead no more.
        """
        put = Put(key=leadership.key, value=content, lease=self._session.lease)
        # Said twice it says the same.
        result = await self._session.coordinator.perform(Txn().when(leadership.held()).then(put), repeatable=True)
        if not result.succeeded:
            raise LeaseLostError("we lead no more", reason="LEASE_LOST")

    async def resign(self, leadership: Leadership) -> None:
        """Let the next one lead; nothing if we lead no more."""
        txn = Txn().when(leadership.held()).then(Delete(key=leadership.key))
        await self._session.coordinator.perform(txn, repeatable=True)

    @asynccontextmanager
    async def lead(self, content: bytes) -> AsyncGenerator[Leadership, None]:
        """Campaign, run the block as the leader, resign; raises as `Session.guard`."""
        leadership = await self.campaign(content)
        async with self.hold(leadership):
            yield leadership

    @asynccontextmanager
    async def hold(self, leadership: Leadership) -> AsyncGenerator[None, None]:
        """Run the block as the leader that `campaign` has made us, resign; raises as `Session.guard`."""
        try:
            async with self._session.guard():
                yield
        finally:
            await self._leave(leadership)

    async def _leave(self, leadership: Leadership) -> None:
        """Resign, if that is quick; the lease does it otherwise."""
        with contextlib.suppress(Fault, TimeoutError):
            async with asyncio.timeout(REVOKE_S):
                await self.resign(leadership)


async def leader(coordinator: Coordinator, name: bytes) -> Pair | None:
    """Who leads now, and says what; None while nobody does."""
    return await queue.first(coordinator, name)


async def observe(coordinator: Coordinator, name: bytes) -> AsyncGenerator[Pair | None, None]:
    """Who leads: now, and whenever that or what they say changes. What changes twice meanwhile may be told once."""
    start, end = span(name + b"/")
    told: Pair | None = None
    is_first = True
    while True:
        get = Get(key=start, end=end, limit=1, sort_by=SortBy.CREATE_REVISION)
        found = await coordinator.read(get)
        now = found.pairs[0] if found.pairs else None
        if is_first or now != told:
            is_first, told = False, now
            yield now
        with contextlib.suppress(CompactedError):
            async with closing(coordinator.watch(start, found.revision + 1, end=end)) as batches:
                async for batch in batches:
                    if batch.events:
                        break
