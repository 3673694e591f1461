"""A store's process: it does what a server will do with a `RegionNode`, and can be stopped at any moment.

A turn takes everything that came since the last one: one batch of rows, the letters, the answers, and a sync if none is
under way. Standing still is what a paused process does: nothing is lost, everything comes late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from flaredb.core.engine import EngineFullError
from flaredb.core.region import Region, RegionId, StoreId
from flaredb.core.region_codec import MalformedError
from flaredb.core.region_history import HistoryKeeper
from flaredb.core.region_node import Mail, NodeWork, RegionNode, Shipment
from flaredb.core.region_rows import checksum, founding_rows
from flaredb.core.region_snapshot import Assembly, Chunk
from flaredb.core.region_work import Incoming
from sim.flaredb.place import Outside, Token
from sim.flaredb.router import Router
from sim.flaredb.settings import ELECTION_TICKS, TICK_MS
from sim.flaredb.storage import Disk
from ultracloud.raft.events import SnapshotSent
from ultracloud.raft.options import Options

FULL_RETRY_MS = 50
STREAM_MS = (5, 400)
"""What a state takes to another store, least and most."""
STREAM_LOSS = 0.1
"""Part of the states that arrive damaged."""
SUMMED = 0.05
"""Part of the turns after which a store's rows are summed up and held against other stores'."""


@dataclass(slots=True)
class Store:
    """One store: its disk for good, and its process while it runs.

    Attributes:
        skew_ms: How wrong its clock is.
        life: How often its process was started.
        node: None while the process does not run.
        router: The same.
        is_stalled: The process stands still.
    """

    store: StoreId
    outside: Outside
    disk: Disk
    skew_ms: int = 0
    life: int = 0
    node: RegionNode[Token] | None = None
    is_stalled: bool = False
    router: Router | None = None
    _late: list[Callable[[RegionNode[Token]], None]] = field(default_factory=list)
    _is_scheduled: bool = False
    _is_syncing: bool = False
    _held: NodeWork | None = None

    @property
    def name(self) -> str:
        """This life of it, for traces and histories."""
        return f"s{self.store}.{self.life}"

    def found(self, region: Region) -> None:
        """Begin with a replica of the first region."""
        self.disk.write(founding_rows(region, self.store))
        self.disk.sync(0)

    def leads(self, region: RegionId) -> bool:
        """Whether it runs and believes that it leads a region."""
        replica = self.node.replicas.get(region) if self.node is not None else None
        return replica is not None and replica.is_leader

    def start(self) -> None:
        """Start the process on what the disk has."""
        assert self.node is None, self.name
        self.life += 1
        self.node = RegionNode(
            self.store, self.disk, Options(election_ticks=ELECTION_TICKS), self.outside.random.randrange
        )
        life = self.life
        self.router = Router(
            self.outside,
            self.store,
            self.node,
            self.disk,
            self.take,
            lambda: self.life == life and self.node is not None,
            HistoryKeeper(self.outside.settings.history),
            self.skew_ms,
        )
        self.outside.note(f"{self.name} starts with {self.node.regions}")
        self.take(lambda _: None)
        self._tick_later(self.life)

    def cut(self) -> None:
        """The power is gone."""
        if self.node is None:
            return
        self.outside.note(f"{self.name} dies")
        self.disk.cut()
        self.node = self.router = self._held = None
        self.is_stalled = self._is_scheduled = self._is_syncing = False
        self._late.clear()

    def stall(self) -> None:
        """Stand still until `go_on`."""
        self.is_stalled = self.node is not None

    def go_on(self) -> None:
        """Take everything that came meanwhile."""
        self.is_stalled = False
        late, self._late = self._late, []
        for action in late:
            self.take(action)

    def take(self, action: Callable[[RegionNode[Token]], None]) -> None:
        """Let the process take something that came, now or when it goes on; lost if it does not run."""
        if self.node is None:
            return
        if self.is_stalled:
            self._late.append(action)
            return
        action(self.node)
        self._turn_later(0)

    def receive(self, letter: Mail) -> None:
        """Take a letter of another store."""
        self.take(lambda node: node.receive(letter))

    def _turn_later(self, wait_ms: int) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            life = self.life
            self.outside.clock.call_later(wait_ms, lambda: self._turn(life))

    def _tick_later(self, life: int) -> None:
        def tick() -> None:
            if life == self.life and self.node is not None:
                if not self.is_stalled:
                    self.take(lambda node: node.tick())
                    assert self.router is not None
                    self.router.tick(self.outside.clock.now_ms() + self.skew_ms)
                self._tick_later(life)

        self.outside.clock.call_later(TICK_MS, tick)

    def _turn(self, life: int) -> None:
        """Take what came: write, send, answer, and sync what must be."""
        node = self.node
        if life != self.life or node is None:
            return
        self._is_scheduled = False
        if self.is_stalled:
            self._late.insert(0, lambda _: None)
            return
        for replica in node.replicas.values():
            replica.kept_entries = replica.compact_step = self.outside.settings.keeps_entries
        work = self._held or node.begin(self.outside.clock.now_ms() + self.skew_ms)
        try:
            self.disk.write(work.rows)
        except EngineFullError:
            self._held = work
            self._turn_later(FULL_RETRY_MS)
            return
        self._held = None
        for letter in work.letters:
            self.outside.send(letter)
        for shipment in work.shipments:
            self._ship(node, shipment)
        self._sync(node)
        self._finish(node)

    def _ship(self, node: RegionNode[Token], shipment: Shipment) -> None:
        """Send a state, of which a part may be lost or damaged on the way."""
        install, outside, life = shipment.install, self.outside, self.life
        mark, parts = node.ship(shipment.region)
        sent = list(parts)
        fate = outside.random.random()
        if fate < STREAM_LOSS:
            place = outside.random.randrange(len(sent))
            sent[place] = replace(sent[place], content=sent[place].content[:-1])

        def arrive() -> None:
            target = outside.find(self.store, shipment.to)
            if target is None or target.is_stalled or life != self.life:
                tell(ok=False)
                return
            try:
                incoming = _assembled(sent)
            except MalformedError as damaged:
                outside.note(f"state of region {shipment.region} for s{shipment.to}: {damaged}")
                tell(ok=False)
                return
            target.take(lambda node: tell(ok=node.receive_state(install, incoming)))

        def tell(*, ok: bool) -> None:
            where = "reaches" if ok else "does not reach"
            outside.note(f"state of region {shipment.region} at {mark.index} of {self.name} {where} s{shipment.to}")
            if life == self.life:
                self.take(lambda node: _told(node, shipment, SnapshotSent(install.to, ok, mark)))

        outside.clock.call_later(outside.random.randint(*STREAM_MS), arrive)

    def _sync(self, node: RegionNode[Token]) -> None:
        """Begin a sync, if one is needed and none is under way."""
        tickets = () if self._is_syncing else node.to_sync()
        if not tickets:
            return
        self._is_syncing = True

        def done() -> None:
            self._is_syncing = False
            self.take(lambda node: node.synced(tickets))

        self.disk.begin_sync(done)

    def _finish(self, node: RegionNode[Token]) -> None:
        result = node.finish()
        for token, answer in result.answers:
            token(answer)
        for token, refusal in result.reads:
            token(refusal)
        if self.outside.random.random() < SUMMED:
            for replica in node.replicas.values():
                if replica.region.is_known:
                    total = checksum(self.disk, replica.region)
                    self.outside.compare(replica.region, replica.applied.index, total, self.name)
        if result.has_more:
            self._turn_later(0)


def _assembled(sent: list[Chunk]) -> Incoming:
    assembly = Assembly()
    whole = [assembly.add(chunk) for chunk in sent][-1]
    assert whole is not None
    return whole


def _told(node: RegionNode[Token], shipment: Shipment, sent: SnapshotSent) -> None:
    """Tell a replica what became of a state, if it is still there."""
    if shipment.region in node.replicas:
        node.replica(shipment.region).tell(sent)
