"""A store's eventual namespaces at work: callers' futures, watchers, and what a driver asks.

Two drive it. On a single node `eventual_driver` does, with a thread of its own for the disk. In a cluster
`cluster_node` does, which drives the regions too, so that both share batches and syncs. A driver does, with `space` one
of these:

    space.soon = driver.soon                      # a caller wrote something: take a turn
    space.replica.set_members(stores)             # whenever the map of stores changes; at first before anything else
    in a tick        space.tick()                 # every 100 ms
    in a turn        rows += space.begin()        # into the one batch; if it cannot be written, the same rows again
                     send(space.take_outgoing())  # each (store, bytes); it may be lost, doubled and late
    before a sync    number = space.to_sync()     # once the batch is written; 0: nothing of ours waits for it
    after it         space.synced(number)         # answers callers; then another turn
    a frame came     space.receive(sender, frame) # then another turn

Everything runs on the loop's thread. `begin` must not be called again before the rows that it gave were written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from flaredb.core import eventual_reads, limits
from flaredb.core.commands import Write
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.eventual_contents import Contents
from flaredb.core.eventual_copying import Restored
from flaredb.core.eventual_errors import joining
from flaredb.core.eventual_reads import EventualScan
from flaredb.core.eventual_records import Stamped, Told
from flaredb.core.eventual_replica import TOMBSTONE_MS, EventualReplica
from flaredb.core.feed import Interest, Page
from flaredb.core.keys import bounds
from flaredb.core.region import StoreId
from flaredb.core.region_codec import MalformedError
from flaredb.core.visibility import Found, Query
from flaredb.errors import StoreDirectoryError, closing
from flaredb.shell.watchers import Watchers
from ultracloud.base.faults import Fault
from ultracloud.raft.state import Draw

_log = logging.getLogger("flaredb.eventual")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[ResultT]):
    """A write that a caller waits for."""

    future: asyncio.Future[ResultT]
    deliver: Callable[[int], ResultT]

    def done(self, version: int) -> None:
        """The disk has it."""
        if not self.future.done():
            self.future.set_result(self.deliver(version))


class EventualSpace:
    """One store's eventual namespaces.

    Attributes:
        replica: The core. Whoever tells it something calls `soon` afterwards.
        watchers: Who waits for changes.
        soon: Has the driver take a turn.
        refusal: Why no write is taken now, None if they are.
    """

    def __init__(
        self,
        store: StoreId,
        engine: Engine,
        *,
        now_ms: Callable[[], int],
        draw: Draw,
        tombstone_ms: int = TOMBSTONE_MS,
    ) -> None:
        """Go on from what the engine holds, on the running loop.

        Args:
            store: Which store this is; 1 on a single node.
            engine: Whoever drives this writes it.
            now_ms: Wall time.
            draw: draw(n) gives a random number from 0 to n - 1.
            tombstone_ms: How long deletions are kept, the same on all stores.
        """
        self.replica: EventualReplica[_Waiting[Any]] = EventualReplica(store, engine, draw, now_ms(), tombstone_ms)
        self.watchers = Watchers()
        self.soon: Callable[[], None] = _not_driven
        self.refusal: Fault | None = None
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._is_closed = False

    @property
    def version(self) -> int:
        """Of the newest change that is on the disk; what reads and watches are as of."""
        return self.replica.contents.published.version

    def clock_ms(self) -> int:
        """The store's clock."""
        return self.replica.clock.read_ms(self._now_ms())

    def write(self, namespace: str, write: Write, deliver: Callable[[int], ResultT]) -> asyncio.Future[ResultT]:
        """Set or delete a key; once the disk has it, the future has what `deliver` makes of the version.

        Raises:
            Fault: Nothing was done: the store stops, its disk is full, its clock is ahead, or too much waits.
        """
        self._check_may_write()
        future: asyncio.Future[ResultT] = self._loop.create_future()
        self.replica.put(namespace, write, _Waiting(future, deliver), self._now_ms())
        self.soon()
        return future

    async def restore(self, told: Sequence[Told]) -> Restored:
        """Take what a backup has; see `EventualReplica.restore`. Raises as `write`."""
        self._check_may_write()
        kept: asyncio.Future[int] = self._loop.create_future()
        done = self.replica.restore(told, _Waiting(kept, int), self._now_ms())
        self.soon()
        self._deliver()
        await kept
        return done

    def dump(self, namespace: str, start: bytes, limit: int) -> EventualScan[Stamped]:
        """A page of what is on the disk now, for a backup; run it. Raises as `get`."""
        return eventual_reads.dump(self._contents(), namespace, start, limit, self.clock_ms())

    def get(self, namespace: str, key: bytes) -> Found | None:
        """The value of one key. Raises DataLossError, and UnavailableError on a store that has just joined."""
        return eventual_reads.get(self._contents(), namespace, key, self.clock_ms())

    def batch_get(self, namespace: str, keys: Sequence[bytes]) -> list[Found]:
        """The values of several keys; see `get` and `eventual_reads.batch_get`."""
        return eventual_reads.batch_get(self._contents(), namespace, keys, self.clock_ms())

    def scan(self, query: Query) -> EventualScan[Found]:
        """A scan of what is on the disk now; run it. Raises as `get`."""
        return eventual_reads.scan(self._contents(), query)

    def changes_after(self, interest: Interest, position: int) -> Page:
        """The next message of a watch; see `get` and `eventual_reads.changes_after`."""
        return eventual_reads.changes_after(self._contents(), interest, position)

    def _check_may_write(self) -> None:
        if self._is_closed:
            raise closing()
        if self.refusal is not None:
            raise self.refusal

    def _contents(self) -> Contents:
        """What readers may look at."""
        if not self.replica.is_whole:
            raise joining()
        return self.replica.contents

    def tick(self) -> None:
        """Let time pass."""
        self.replica.tick(self._now_ms())
        self.soon()

    def begin(self) -> list[Row]:
        """The rows of the next batch; nothing if nothing changed."""
        return self.replica.begin(self._now_ms())

    def to_sync(self) -> int:
        """What a sync that begins now makes durable; 0 if none is needed."""
        return self.replica.to_sync()

    def synced(self, number: int) -> None:
        """A sync is done that began when `to_sync` said `number`: readers, watchers and callers learn of it at once."""
        self.replica.synced(number)
        self._deliver()

    def _deliver(self) -> None:
        result = self.replica.finish()
        if result.commits:
            self.watchers.tell(result.commits)
        for waiting, version in result.answers:
            waiting.done(version)

    def take_outgoing(self) -> list[tuple[StoreId, bytes]]:
        """What is to be sent to other stores."""
        return self.replica.take_outgoing()

    def receive(self, sender: StoreId, frame: bytes) -> None:
        """Take what another store sent; what is no message is logged and dropped."""
        try:
            self.replica.receive(sender, frame, self._now_ms())
        except MalformedError as error:
            _log.warning("store %d sent %s", sender, error)
        self.soon()

    def close(self) -> None:
        """Refuse new writes, and end the watches."""
        self._is_closed = True
        self.watchers.close()


def check_unused(engine: Engine, namespaces: Sequence[str]) -> None:
    """Pass if nothing is stored under these names that is not eventual.

    Raises:
        StoreDirectoryError: Something is; it would be hidden.
    """
    for name in map(limits.check_namespace, namespaces):
        cursor = engine.cursor(Column.DATA)
        lower, upper = bounds(name, b"", b"")
        cursor.seek(lower)
        if cursor.valid() and cursor.key() < upper:
            raise StoreDirectoryError(
                f"namespace '{name}' is listed under [eventual] and has keys that are not; take it off the list, or "
                "delete its keys first and wait until history is swept"
            )
        engine.check(cursor)


def draw_from(entropy: Callable[[int], bytes]) -> Draw:
    """Random numbers below a bound, of random bytes."""
    return partial(_draw, entropy)


def _draw(entropy: Callable[[int], bytes], below: int) -> int:
    return int.from_bytes(entropy(16), "big") % below


def _not_driven() -> None:
    """Nobody drives this yet; what was told waits for the first turn."""
