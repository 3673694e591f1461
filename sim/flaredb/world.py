"""One run: stores, their regions, clients, and what goes wrong, all from one seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from flaredb.core.region import Peer, Region, RegionId, StoreId, first_region
from flaredb.core.region_node import Farewell, Letter, Mail
from sim.faults import CALM
from sim.flaredb import settings as drawing
from sim.flaredb.bank import Banker
from sim.flaredb.clients import Client
from sim.flaredb.faults import FaultMaker
from sim.flaredb.operator import Joiner, Mover, Splitter
from sim.flaredb.storage import Disk
from sim.flaredb.store import Store
from sim.flaredb.watchers import Watcher
from ultracloud.raft.words import NodeId
from ultracloud.testkit.checks import BrokenPromiseError
from ultracloud.testkit.checks.history import Call, History
from ultracloud.testkit.sim import SimClock, SimNetwork

QUIET_MS = 2500
"""After everything is healed: clients go on for so long before they stop."""
FIRST_REGION = RegionId(1)


class World:
    """Everything there is, as stores, clients and faults see it.

    Args:
        seed: Decides everything.
        trace: Takes each line of the trace; None if nobody reads it, which is quicker.
    """

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - a simulation repeats itself
        self.settings = drawing.draw(self.random)
        self.clock = SimClock(seed)
        self.network: SimNetwork[int, Mail] = SimNetwork(self.clock, seed, self.settings.network)
        self.calls: list[Call] = []
        self.open_calls: set[int] = set()
        self.is_healed = self.is_closing = False
        self.stores: dict[StoreId, Store] = {}
        self.watchers = [Watcher(self) for _ in range(self.settings.watchers)]
        self.sums: dict[tuple[RegionId, int], tuple[int, str]] = {}
        self.first = first_region(
            FIRST_REGION, (Peer(NodeId(number), StoreId(number)) for number in range(1, self.settings.voters + 1))
        )
        self._trace = trace
        self._stamps = 0
        self._last_id = self.settings.stores
        self.note(self.settings)

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        if self._trace is not None:
            self._trace(f"{self.clock.monotonic_ms()} {thing}")

    def stamp(self) -> float:
        """Now, later than every earlier stamp."""
        self._stamps += 1
        return self.clock.monotonic_ms() + self._stamps * 1e-6

    def next_id(self) -> int:
        """An id that nothing had before."""
        self._last_id += 1
        return self._last_id

    def send(self, letter: Mail) -> None:
        """Send to another store, or lose."""
        if self._trace is not None:
            region = letter.region.region if isinstance(letter, Letter | Farewell) else letter.region
            said = letter.message if isinstance(letter, Letter) else f"{type(letter).__name__}, peer {letter.peer}"
            self.note(f"s{letter.sender} to s{letter.to}, region {region}: {said}")
        self.network.send(letter.sender, letter.to, letter)

    def find(self, source: StoreId, target: StoreId) -> Store | None:
        """Another store, if it runs and can be reached."""
        found = self.stores.get(target)
        return None if found is None or found.node is None or self.network.is_blocked(source, target) else found

    def compare(self, region: Region, index: int, total: int, who: str) -> None:
        """Hold the sum of a region's rows as of an index against that of others."""
        known, first = self.sums.setdefault((region.region, index), (total, who))
        if known != total:
            raise BrokenPromiseError(f"region {region.region} at index {index}: {who} has other rows than {first} had")

    def look_up(self, key: bytes) -> Region:
        """A region that an encoded key belongs to, as some store has it."""
        running = [store.node for store in self.stores.values() if store.node is not None]
        found = [region for node in running if (region := node.covering(key)) is not None]
        return self.random.choice(found) if found else self.first

    def run(self) -> None:
        """Begin, let things go wrong for a while, heal everything, and let clients come to an end."""
        self._found()
        for number in range(self.settings.clients):
            Client(self, f"c{number}").begin()
        Banker(self, Client(self, "bank")).open()
        for number in range(self.settings.bankers):
            Banker(self, Client(self, f"b{number}")).begin()
        for watcher in self.watchers:
            watcher.begin()
        Splitter(self).begin()
        Mover(self).begin()
        Joiner(self).begin()
        FaultMaker(self).begin()
        self.clock.run_for(self.settings.chaos_ms)
        self.heal()
        self.clock.run_for(QUIET_MS)
        self.is_closing = True

    def heal(self) -> None:
        """End everything that is wrong."""
        self.note("everything is healed")
        self.is_healed = True
        self.network.heal()
        self.network.faults = CALM
        for store in self.stores.values():
            store.disk.is_full = False
            store.disk.stalled_until_ms = 0
            if store.is_stalled:
                store.go_on()
            if store.node is None:
                store.start()

    def history(self) -> History:
        """What clients were told."""
        return History(tuple(self.calls))

    def _found(self) -> None:
        for number in range(1, self.settings.stores + 1):
            name, most = StoreId(number), self.settings.skew_ms
            disk = Disk(self.clock, self.random, self.settings.disk_ms_max)
            store = self.stores[name] = Store(name, self, disk, self.random.randint(-most, most))
            self.network.join(number, lambda _sender, letter, store=store: store.receive(letter))
            if number <= self.settings.voters:
                store.found(self.first)
            store.start()
