"""The process around `RegionNode`: turns of the loop, a thread for the disk, and ticks.

A turn takes everything that came since the last one: one batch of rows, the letters, the answers. A thread waits for
the disk, one sync at a time; what gathers meanwhile shares the next one, whichever regions it is of.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from flaredb.core.commands import Commit, Outcome, Txn
from flaredb.core.engine import Column, EngineFullError, EngineStalledError, EngineWriteError
from flaredb.core.records import number
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from flaredb.core.region_answers import MergeAnswer, StepAnswer
from flaredb.core.region_entry import MergeStep, Split, Step, Upkeep
from flaredb.core.region_locks import Sought
from flaredb.core.region_node import Mail, NodeWork, RegionNode, Shipment, Ticket
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_snapshot import Chunk
from flaredb.core.region_work import Answer, Awaits, Done, Fate, Incoming, Prepared, Sealed
from flaredb.errors import MIB, closing, disk_full
from flaredb.shell.cluster_disk import TURN_KEY, turn_of
from flaredb.shell.disk import SYNC_BUCKETS_S
from flaredb.shell.eventual import EventualSpace
from flaredb.shell.rocks import RocksEngine
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.messages import Install
from ultracloud.raft.options import Options
from ultracloud.raft.state import Draw
from ultracloud.raft.words import SnapshotMark
from ultracloud.servicekit.metrics import Times

TICK_S = 0.1
ELECTION_TICKS = 10
"""A leader that is not heard of for one to two seconds is replaced: its disk serves others too."""
FULL_RETRY_S, STALL_RETRY_S = 0.05, 0.005
"""Between attempts to write a batch for which there is no room, or that RocksDB wants to come later."""
HAND_OVER_S = 1.0
"""How long a stop waits for other stores to take over what this one leads."""

_log = logging.getLogger("flaredb.cluster")
Token: TypeAlias = Callable[[Answer | int], None]
"""What is called with a proposal's answer; of a read, with the version to look at, or why not."""


@dataclass(frozen=True, slots=True)
class Route:
    """By which map a request came: the region, and the epoch that it had."""

    region: RegionId
    epoch: Epoch


class ClusterNode:
    """One store's replicas at work.

    Attributes:
        node: The core. Whoever tells it something calls `soon` afterwards.
        send: Takes letters for other stores; it must not call back at once.
        ship: Takes a state for another store: its mark as it is sent, and its chunks.
        space: Its eventual namespaces, None if there are none.
        say: Takes what those have to say to other stores; as `send`.
        committed: Told of what regions committed, once readers see it.
        times: How long batches waited for the disk.
        asked: Counts requests by region.
        stall_count: How often the engine asked for a pause.
        now_ms: Wall time, as versions are made of.
    """

    def __init__(
        self,
        store: StoreId,
        engine: RocksEngine,
        *,
        now_ms: Callable[[], int],
        draw: Draw,
        free_bytes: Callable[[], int],
        reserve_bytes: int,
    ) -> None:
        """Go on from what the engine holds, on the running loop.

        Args:
            store: Which store this is.
            engine: Nobody else writes it.
            now_ms: Wall time.
            draw: draw(n) gives a random number from 0 to n - 1.
            free_bytes: Room on the store's disk.
            reserve_bytes: Room that is not used up; see `Committer`.
        """
        self.engine = engine
        self.node: RegionNode[Token] = RegionNode(store, engine, Options(election_ticks=ELECTION_TICKS), draw)
        self.send: Callable[[Sequence[Mail]], None] = _nowhere
        self.space: EventualSpace | None = None
        self.say: Callable[[Sequence[tuple[StoreId, bytes]]], None] = _nowhere
        self.ship: Callable[[Shipment, SnapshotMark, Iterator[Chunk]], None] = _no_ship
        self.committed: Callable[[Sequence[tuple[RegionId, Commit]]], None] = _nowhere
        self.times = Times(SYNC_BUCKETS_S)
        self.asked: Counter[RegionId] = Counter()
        self.stall_count = 0
        self.free_bytes, self.reserve_bytes = free_bytes, reserve_bytes
        self.now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._turn_number = turn_of(engine)
        self._is_scheduled = self._is_syncing = self._is_closed = self._is_full = False
        self._held: NodeWork | None = None
        self._watching: dict[RegionId, tuple[int, set[asyncio.Future[None]]]] = {}
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._to_sync: SimpleQueue[tuple[int, tuple[Ticket, ...], int] | None] = SimpleQueue()
        self._ticking = self._loop.call_later(TICK_S, self._guarded, self._tick)
        self.soon()

    @property
    def store(self) -> StoreId:
        """Which store this is."""
        return self.node.store

    @property
    def is_refusing(self) -> bool:
        """Whether writes are refused, for want of room."""
        return self._is_full

    async def run(self) -> None:
        """Have a thread for the disk until `close`.

        Raises:
            EngineWriteError: The disk did not confirm a batch. What it holds is unknown: the process must end and read
                the disk again.
        """
        thread = threading.Thread(target=self._sync_batches, name="flaredb-sync")
        thread.start()
        try:
            await self._ended
        finally:
            self._is_closed = True
            self._ticking.cancel()
            self._to_sync.put(None)
            thread.join()

    async def hand_over(self) -> None:
        """Let other stores lead what this one does, for as long as that may take."""
        ends_at = self._loop.time() + HAND_OVER_S
        while self._loop.time() < ends_at:
            led = [
                each for each in self.node.replicas.values() if each.is_leader and len(each.region.config.voters) > 1
            ]
            if not led:
                return
            for replica in led:
                target = min(replica.region.config.voters - {replica.me})
                self.node.replica(replica.id).tell(events.TransferLeader(target))
            self.soon()
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        """Let `run` end; whoever waits is refused."""
        self._is_closed = True
        if not self._ended.done():
            self._ended.set_result(None)

    async def execute(self, route: Route, txns: Sequence[Txn], floor: int = 0) -> tuple[Outcome, ...]:
        """Run transactions in one region that this store leads; see `RegionReplica.propose`.

        Raises:
            Fault: Nothing was done, but for OutcomeUnknownError.
        """
        found = await self._ask(lambda token: self.ask_txns(route, txns, token, floor))
        assert isinstance(found, tuple), found
        return found

    def ask_txns(self, route: Route, txns: Sequence[Txn], token: Token, floor: int = 0) -> None:
        """The same; `token` is called with the answer, from within a later turn.

        Raises:
            Fault: Nothing was done, and `token` is not called.
        """
        self._check_writable()
        self.asked[route.region] += len(txns)
        self.node.propose(route.region, route.epoch, txns, token, floor)
        self.soon()

    async def step(self, route: Route, step: Step) -> StepAnswer:
        """Have a step of a transaction over several regions done in one that this store leads; see `region_txn`."""
        found = await self._ask(lambda token: self.ask_step(route, step, token))
        assert isinstance(found, tuple | Prepared | Fate | Done), found
        return found

    def ask_step(self, route: Route, step: Step, token: Token) -> None:
        """The same; `token` is called with the answer, from within a later turn.

        Raises:
            Fault: Nothing was done, and `token` is not called.
        """
        self._check_writable()
        self.asked[route.region] += 1
        self.node.step(route.region, route.epoch, step, token)
        self.soon()

    def _check_writable(self) -> None:
        """Pass while writes are taken. Raises UnavailableError or ResourceExhaustedError."""
        if self._is_closed:
            raise closing()
        if self._is_full:
            raise disk_full(self.free_bytes(), self.reserve_bytes)

    async def read_round(self, route: Route, sought: Sought) -> int:
        """Wait until the rows here have all that was answered anywhere before now, and the version at which.

        See `RegionReplica.read`.
        """
        self.asked[route.region] += 1
        found = await self._ask(lambda token: self.node.read(route.region, route.epoch, token, sought))
        assert isinstance(found, int), found
        return found

    async def split(self, region: RegionId, split: Split) -> Region:
        """Cut a region that this store leads; gives the right half."""
        return _region(await self._ask(lambda token: self.node.split(region, split, token)))

    async def change(
        self, region: RegionId, epoch: Epoch, changes: Sequence[events.NodeChange], joining: Sequence[Peer]
    ) -> Region:
        """Change the members of a region that this store leads; gives the region after it."""
        return _region(await self._ask(lambda token: self.node.change(region, epoch, changes, joining, token)))

    async def merge(self, region: RegionId, step: MergeStep) -> MergeAnswer:
        """Have a step of a merge done in a region that this store leads; see `region_merge`."""
        found = await self._ask(lambda token: self.node.merge(region, step, token))
        assert isinstance(found, Awaits | Sealed | Region | Done), found
        return found

    async def keep(self, region: RegionId, upkeep: Upkeep) -> None:
        """Have done what is due with the history of a region that this store leads."""
        await self._ask(lambda token: self.node.keep(region, upkeep, token))

    def replica(self, region: RegionId) -> RegionReplica[Token]:
        """A region's replica here; raises RegionMovedError as `RegionNode.replica`."""
        return self.node.replica(region)

    def receive(self, mail: Iterable[Mail]) -> None:
        """Take letters of another store."""
        for each in mail:
            self.node.receive(each)
        self.soon()

    def receive_state(self, install: Install, incoming: Incoming) -> bool:
        """Take a state that has arrived; False if it has no place here, now or any more."""
        is_taken = self.node.receive_state(install, incoming)
        self.soon()
        return is_taken

    def shipped(self, shipment: Shipment, mark: SnapshotMark, *, ok: bool) -> None:
        """A state has reached another store, or has not."""
        if shipment.region in self.node.replicas:
            sent = events.SnapshotSent(shipment.install.to, ok, mark)
            self.node.replica(shipment.region).tell(sent)
            self.soon()

    def unreachable(self, store: StoreId) -> None:
        """Letters to a store do not arrive."""
        for replica in self.node.replicas.values():
            for peer in replica.region.peers:
                if peer.store == store and replica.is_leader:
                    self.node.replica(replica.id).tell(events.Unreachable(peer.peer))
        self.soon()

    async def wait_mark(self, region: RegionId, version: int, timeout_s: float) -> None:
        """Wait until a region's mark here is above a version, or it is not here any more, or time is up."""
        replica = self.node.replicas.get(region)
        if replica is None or replica.applied.mark.version > version:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._watching.setdefault(region, (replica.applied.mark.version, set()))[1].add(future)
        timer = self._loop.call_later(timeout_s, _wake, future)
        try:
            await future
        finally:
            timer.cancel()
            _, waiting = self._watching.get(region, (0, set()))
            waiting.discard(future)

    def soon(self) -> None:
        """Take a turn: something was told to the core."""
        if not self._is_scheduled and self._held is None and not self._is_closed:
            self._is_scheduled = True
            self._loop.call_soon(self._guarded, self._turn)

    async def _ask(self, tell: Callable[[Token], None]) -> Answer | int:
        """Tell the core something that is answered, and wait for the answer."""
        if self._is_closed:
            raise closing()
        future: asyncio.Future[Answer | int] = self._loop.create_future()
        tell(partial(_settle, future))
        self.soon()
        return await future

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._guarded, self._tick)
        self._look_at_disk()
        self.node.tick()
        if self.space is not None:
            self.space.tick()
        self.soon()

    def _look_at_disk(self) -> None:
        free = self.free_bytes()
        is_full = free < self.reserve_bytes
        if is_full and not self._is_full:
            _log.error("writes are refused: the disk has %d MiB free", free // MIB)
        elif self._is_full and not is_full:
            _log.info("the disk takes writes again")
        self._is_full = is_full
        if self.space is not None:
            self.space.refusal = disk_full(free, self.reserve_bytes) if is_full else None

    def _turn(self) -> None:
        """Take what came: write, send, answer, and sync what must be."""
        self._is_scheduled = False
        if self._is_closed:
            return
        work = self._held or self._begin()
        try:
            if work.rows:
                turn = (Column.META, TURN_KEY, number(self._turn_number + 1))
                self.engine.write([*work.rows, turn])
                self._turn_number += 1
        except (EngineFullError, EngineStalledError) as refusal:
            self.stall_count += isinstance(refusal, EngineStalledError)
            self._hold(work, FULL_RETRY_S if isinstance(refusal, EngineFullError) else STALL_RETRY_S)
            return
        self._held = None
        if work.letters:
            self.send(work.letters)
        for shipment in work.shipments:
            mark, parts = self.node.ship(shipment.region)
            self.ship(shipment, mark, parts)
        if self.space is not None:
            self.say(self.space.take_outgoing())
        self._sync()
        self._finish()

    def _begin(self) -> NodeWork:
        """What must be written and sent now, of regions and of what has none, in one batch."""
        work = self.node.begin(self.now_ms())
        if self.space is not None:
            work.rows += self.space.begin()
        return work

    def _hold(self, work: NodeWork, pause_s: float) -> None:
        """The batch cannot be written now: nothing else may be, until it can."""
        self._held = work
        self._loop.call_later(pause_s, self._guarded, self._turn)

    def _sync(self) -> None:
        """Hand the thread what must be durable, if it has nothing to do."""
        if self._is_syncing:
            return
        tickets = self.node.to_sync()
        # What is held is not written yet.
        number = self.space.to_sync() if self.space is not None and self._held is None else 0
        if tickets or number:
            self._is_syncing = True
            self._to_sync.put((self._turn_number, tickets, number))

    def _finish(self) -> None:
        result = self.node.finish()
        for token, answer in result.answers:
            token(answer)
        for token, told in result.reads:
            token(told)
        if result.commits:
            self.committed(result.commits)
        self._wake_watching()
        if result.has_more:
            self.soon()

    def _wake_watching(self) -> None:
        """Tell those who wait for a region's mark that it has moved, or that the region has gone."""
        for region, (version, waiting) in list(self._watching.items()):
            replica = self.node.replicas.get(region)
            if replica is None or replica.applied.mark.version > version:
                del self._watching[region]
                for future in waiting:
                    _wake(future)

    def _sync_batches(self) -> None:
        """What the thread does: wait for the disk, again and again."""
        while (batch := self._to_sync.get()) is not None:
            turn, tickets, number = batch
            failure: EngineWriteError | None = None
            began = time.perf_counter()
            try:
                self.engine.sync(turn)
            except EngineWriteError as error:
                failure = error
            self.times.add(time.perf_counter() - began)
            self._loop.call_soon_threadsafe(self._guarded, self._synced, tickets, number, failure)

    def _synced(self, tickets: tuple[Ticket, ...], number: int, failure: EngineWriteError | None) -> None:
        self._is_syncing = False
        if failure is not None:
            _log.critical("the disk did not confirm a batch: %s", failure)
            raise failure
        self.node.synced(tickets)
        if self.space is not None and number:
            self.space.synced(number)
        self._sync()
        self.soon()

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a step; if it fails, so does `run`, and with it the process: nobody would be answered any more."""
        if self._ended.done():
            return
        try:
            step(*arguments)
        except BaseException as error:
            self._is_closed = True
            self._ended.set_exception(error)
            raise


def _region(found: Answer | int) -> Region:
    assert isinstance(found, Region), found
    return found


def _settle(future: asyncio.Future[Answer | int], answer: Answer | int) -> None:
    """Answer whoever waits, if somebody still does."""
    if future.done():
        return
    if isinstance(answer, Fault):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _nowhere(_things: object) -> None:
    """Nobody listens yet."""


def _no_ship(_shipment: Shipment, _mark: SnapshotMark, _parts: Iterator[Chunk]) -> None:
    """Nobody sends yet."""
