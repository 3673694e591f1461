"""Who of several replicas reconciles an object: exactly one, elected for each shard in chainfire, fenced in flaredb.

`Replicas` is one replica's part. All that are there are listed under their leases; each stands for the shards that are
its share of that list (`shards`). Whoever is elected writes the shard's fence in the store, in a transaction that
compares what it read there before chainfire confirmed that it leads, waits until its own world shows that write, and
then begins: so it sees all that its predecessor wrote, and its predecessor writes nothing more. A lease ends by the
holder's own clock before anybody else can have it, and what is under way is cancelled then; a process that stands still
and wakes up finds the fence.

    elected --fence written--> fenced --world has seen it--> ours --lease lost, fence lost or share moved--> given up
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Protocol

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, Fault, UnavailableError
from ultracloud.servicekit.clock import Clock, new_id
from ultracloud.servicekit.coordination import CompactedError, Coordinator, Election, Session, Txn
from ultracloud.servicekit.coordination.elections import Leadership
from ultracloud.servicekit.coordination.errors import LeaseLostError
from ultracloud.servicekit.coordination.sessions import TTL_S
from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.resources.fencing import SHARD_LOST, fenced
from ultracloud.servicekit.resources.shards import SHARDS, shard_of, shares
from ultracloud.servicekit.store import Committed, Store
from ultracloud.servicekit.streams import closing

PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 2.0
"""Between attempts to take part while chainfire or flaredb is away."""


class Owners(Protocol):
    """Says which objects are ours to work on."""

    def holds(self, identifier: str) -> bool:
        """Whether the object with this id is ours now."""
        ...

    def working(self, identifier: str) -> AbstractAsyncContextManager[None]:
        """Work on an object: what is written within is written only while it is ours.

        Raises:
            AbortedError: It is not ours (any more); the block was not run, or was cancelled.
        """
        ...

    def saw(self, version: int) -> None:
        """Note that our world has all that was written up to `version`."""
        ...

    async def run(self, gained: Callable[[int], None]) -> None:
        """Take part for ever; `gained` is called with each shard that has become ours."""
        ...


class SoleOwner(Owners):
    """One process alone: everything is ours."""

    def holds(self, identifier: str) -> bool:
        """See `Owners`."""
        del identifier
        return True

    def working(self, identifier: str) -> AbstractAsyncContextManager[None]:
        """See `Owners`."""
        del identifier
        return nullcontext()

    def saw(self, version: int) -> None:
        """See `Owners`."""

    async def run(self, gained: Callable[[int], None]) -> None:
        """See `Owners`."""
        del gained
        await asyncio.Event().wait()


@dataclass(slots=True)
class _Shard:
    """A shard of ours.

    Attributes:
        fence: Version of its fence, as we wrote it.
        working: Objects of it that are worked on now.
    """

    session: Session
    fence: int
    working: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class _Share:
    """The shards that we should own."""

    def __init__(self) -> None:
        self._numbers: frozenset[int] = frozenset()
        self._changed = asyncio.Event()

    def become(self, numbers: frozenset[int]) -> None:
        """It is these from now on."""
        self._numbers = numbers
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, number: int, *, is_ours: bool) -> None:
        """Wait until a shard is ours, or is not."""
        while (number in self._numbers) != is_ours:
            await self._changed.wait()


class Replicas(Owners):
    """One replica of several.

    Args:
        store: Where the objects are; the fences go beside them.
        coordinator: Where the elections are.
        group: Names what is shared, ``prismnet/hosts``: one for each reconciler of a service.
        lease_s: Seconds after which a replica that says nothing is taken for gone.
    """

    def __init__(self, store: Store, coordinator: Coordinator, clock: Clock, group: str, lease_s: int = TTL_S) -> None:
        self.name = new_id(clock, "replica")
        self._store = store
        self._coordinator = coordinator
        self._clock = clock
        self._group = group
        self._lease_s = lease_s
        self._ours: dict[int, _Shard] = {}
        self._seen = 0
        self._saw = asyncio.Event()

    @property
    def shards(self) -> Mapping[int, int]:
        """The shards that are ours, and the version of each one's fence."""
        return {number: shard.fence for number, shard in self._ours.items()}

    def holds(self, identifier: str) -> bool:
        """See `Owners`."""
        return shard_of(identifier) in self._ours

    @asynccontextmanager
    async def working(self, identifier: str) -> AsyncGenerator[None, None]:
        """See `Owners`."""
        number = shard_of(identifier)
        shard = self._ours.get(number)
        if shard is None:
            raise AbortedError("another replica works on this now", reason=SHARD_LOST)
        shard.working += 1
        try:
            async with shard.session.guard():
                with fenced(layout.shard_key(self._group, number), shard.fence):
                    yield
        except LeaseLostError as error:
            raise AbortedError("another replica may work on this now", reason=SHARD_LOST) from error
        except AbortedError as error:
            if error.reason == SHARD_LOST:
                shard.lost.set()
            raise
        finally:
            shard.working -= 1
            if not shard.working:
                shard.idle.set()

    def saw(self, version: int) -> None:
        """See `Owners`."""
        self._seen = version
        saw, self._saw = self._saw, asyncio.Event()
        saw.set()

    async def run(self, gained: Callable[[int], None]) -> None:
        """See `Owners`."""
        pause_s = PAUSE_FIRST_S
        while True:
            begun_ms = self._clock.monotonic_ms()
            # In a task of its own, so that its end and a cancellation of ours cannot be taken for each other.
            part = asyncio.create_task(self._take_part(gained), name=f"take part in {self._group}")
            try:
                await asyncio.wait((part,))
            finally:
                part.cancel()
                await asyncio.wait((part,))
                self._ours.clear()
            self._ended(part.exception())
            is_new = self._clock.monotonic_ms() - begun_ms > self._lease_s * 1000
            pause_s = PAUSE_FIRST_S if is_new else min(pause_s * 2, PAUSE_MAX_S)
            await self._clock.sleep(pause_s)

    def _ended(self, error: BaseException | None) -> None:
        """Say why we own nothing any more; what is no fault goes up."""
        assert error is not None, "it never ends well"
        faults, others = error.split(Fault) if isinstance(error, BaseExceptionGroup) else (error, None)
        if others is not None or not isinstance(error, Fault | BaseExceptionGroup):
            raise error
        logging.getLogger(__name__).warning("works on nothing of %s: %s", self._group, _first(faults or error))

    async def _take_part(self, gained: Callable[[int], None]) -> None:
        """Be on the list, and own what is our share of it, until the lease is lost."""
        share = _Share()
        async with Session(self._coordinator, self._clock, self._lease_s) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(_until_lost(session), name=f"lease for {self._group}")
            tasks.create_task(self._follow_list(session, share), name=f"replicas of {self._group}")
            for number in range(SHARDS):
                own = self._own(session, share, number, gained)
                tasks.create_task(own, name=f"shard {number} of {self._group}")

    async def _follow_list(self, session: Session, share: _Share) -> None:
        """Be on the list of replicas, and keep our share of it current."""
        prefix = f"/ultracloud/owners/{self._group}/replicas/".encode()
        await self._coordinator.put(prefix + self.name.encode(), b"", session.lease)
        while True:
            found = await self._coordinator.range(prefix)
            everybody = [pair.key[len(prefix) :].decode() for pair in found.pairs]
            share.become(frozenset(number for number, owner in shares(everybody).items() if owner == self.name))
            with suppress(CompactedError):
                async with closing(self._coordinator.watch(prefix, found.revision + 1)) as batches:
                    async for batch in batches:
                        if batch.events:
                            break

    async def _own(self, session: Session, share: _Share, number: int, gained: Callable[[int], None]) -> None:
        """Own a shard whenever it is of our share."""
        election = Election(session, f"/ultracloud/owners/{self._group}/shards/{number:02x}".encode())
        while True:
            await share.wait(number, is_ours=True)
            leadership = await self._elected(election, share, number)
            if leadership is not None:
                async with election.hold(leadership):
                    await self._hold(session, share, number, leadership, gained)

    async def _elected(self, election: Election, share: _Share, number: int) -> Leadership | None:
        """Stand in the election until elected; None once the shard is not of our share any more."""
        campaign = asyncio.create_task(election.campaign(self.name.encode()), name="campaign")
        given_up = asyncio.create_task(share.wait(number, is_ours=False), name="share")
        try:
            await asyncio.wait((campaign, given_up), return_when=asyncio.FIRST_COMPLETED)
            return campaign.result() if campaign.done() else None
        finally:
            given_up.cancel()
            campaign.cancel()
            await asyncio.wait((campaign,))

    async def _hold(
        self, session: Session, share: _Share, number: int, leadership: Leadership, gained: Callable[[int], None]
    ) -> None:
        """Fence a shard that we lead, and have it until we shall not; nothing is under way in it then."""
        shard = _Shard(session, await self._fence(session, number, leadership))
        while self._seen < shard.fence:
            await self._saw.wait()
        self._ours[number] = shard
        gone = asyncio.create_task(share.wait(number, is_ours=False), name="share")
        lost = asyncio.create_task(shard.lost.wait(), name="fence")
        try:
            gained(number)
            await asyncio.wait((gone, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ours.pop(number, None)
            gone.cancel()
            lost.cancel()
        while shard.working:
            shard.idle.clear()
            await shard.idle.wait()

    async def _fence(self, session: Session, number: int, leadership: Leadership) -> int:
        """Write the fence of a shard that we lead; gives its version.

        Whoever wrote the one we replace led before we read it. Whoever leads after us, when chainfire confirms, finds
        ours: so the newest fence is always that of the newest leader.

        Raises:
            LeaseLostError: We lead no more.
        """
        key = layout.shard_key(self._group, number)
        value = pb.ShardOwner(replica=self.name, election=leadership.fence).SerializeToString()
        while True:
            try:
                before = await self._store.get(key)
                result = await session.coordinator.perform(Txn().when(leadership.held()))
                if not result.succeeded:
                    raise LeaseLostError("we lead no more", reason="LEASE_LOST")
                done = await self._store.txn({key: before.version if before else 0}, {key: value})
                if isinstance(done, Committed):
                    return done.version
            except (UnavailableError, DeadlineExceededError) as error:
                logging.getLogger(__name__).debug("shard %d not fenced yet", number, exc_info=error)
                await self._clock.sleep(PAUSE_FIRST_S)


async def _until_lost(session: Session) -> None:
    """Wait for a session's end.

    Raises:
        LeaseLostError: It has come.
    """
    await session.lost.wait()
    session.check()


def _first(error: BaseException) -> BaseException:
    """One of the faults in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
