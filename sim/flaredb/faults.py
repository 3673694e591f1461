"""What goes wrong: power cuts, stores that stand still, networks that break, disks that are slow or full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flaredb.core.keys import encode
from flaredb.core.region import Region, RegionId
from flaredb.core.region_node import Mail
from sim.flaredb.clients import KEYS, NAMESPACE, Place
from sim.flaredb.settings import CALM
from sim.flaredb.store import Store
from ultracloud.raft import events
from ultracloud.testkit.sim import SimNetwork

QUICK = 0.4
"""Part of the stores that start again at once after they died."""
REST_MS = (50, 4000)
"""How long a store stays dead, stands still, or is cut off, least and most."""


class FaultyPlace(Place, Protocol):
    """What faults happen to.

    Attributes:
        is_healed: Nothing is to go wrong any more.
    """

    network: SimNetwork[int, Mail]
    is_healed: bool

    def next_id(self) -> int:
        """An id that nothing had before."""
        ...


@dataclass(slots=True)
class FaultMaker:
    """Lets things go wrong until all is healed."""

    place: FaultyPlace

    def begin(self) -> None:
        """Let the next thing go wrong after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.fault_every_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_healed:
            return
        faults = (
            (self._cut_one, 4),
            (self._cut_all, 1),
            (self._stall, 4),
            (self._part, 3),
            (self._isolate_leader, 2),
            (self._block_one_way, 3),
            (self._heal, 3),
            (self._change_network, 3),
            (self._stall_disk, 2),
            (self._fill_disk, 1),
            (self._transfer, 2),
        )
        chosen = self.place.random.choices([fault for fault, _ in faults], [weight for _, weight in faults])
        chosen[0]()
        self.begin()

    def _cut_one(self) -> None:
        self._cut(self._anybody())

    def _cut_all(self) -> None:
        for store in self.place.stores.values():
            self._cut(store)

    def _cut(self, store: Store) -> None:
        if store.node is None:
            return
        store.cut()
        if self.place.random.random() < QUICK:
            # It forgets what it did not store before those have that it told.
            self.place.clock.call_later(self.place.random.randint(0, 30), lambda: _start(store))
        else:
            self._later(lambda: _start(store))

    def _stall(self) -> None:
        store = self._anybody()
        if store.node is None or store.is_stalled:
            return
        self.place.note(f"{store.name} stands still")
        store.stall()
        life = store.life
        self._later(lambda: store.go_on() if store.life == life and store.is_stalled else None)

    def _part(self) -> None:
        names = list(self.place.stores)
        self.place.random.shuffle(names)
        at = self.place.random.randint(0, len(names))
        self.place.note(f"parted: {names[:at]} {names[at:]}")
        self.place.network.partition(names[:at], names[at:])

    def _isolate_leader(self) -> None:
        found = leader_of(self.place, self._any_region())
        if found is not None:
            others = [each for each in self.place.stores if each != found.store]
            self.place.note(f"parted: {found.name}, a leader, from the others")
            self.place.network.partition([found.store], others)
            self._later(self._heal)

    def _block_one_way(self) -> None:
        names = list(self.place.stores)
        if len(names) > 1:
            source, target = self.place.random.sample(names, 2)
            self.place.note(f"s{target} hears nothing of s{source}")
            self.place.network.block(source, target)

    def _heal(self) -> None:
        self.place.note("healed")
        self.place.network.heal()

    def _change_network(self) -> None:
        self.place.network.faults = self.place.random.choice((CALM, self.place.settings.network))

    def _stall_disk(self) -> None:
        store = self._anybody()
        store.disk.stalled_until_ms = self.place.clock.now_ms() + self.place.random.randint(*REST_MS)
        self.place.note(f"the disk of {store.name} stands still")

    def _fill_disk(self) -> None:
        store = self._anybody()
        store.disk.is_full = True
        self.place.note(f"the disk of {store.name} is full")

        def free() -> None:
            store.disk.is_full = False

        self._later(free)

    def _transfer(self) -> None:
        region = self._any_region()
        found = leader_of(self.place, region)
        if found is not None and region.config.voters:
            target = self.place.random.choice(sorted(region.config.voters))
            self.place.note(f"{found.name} is to hand region {region.region} over to peer {target}")
            found.take(lambda node: node.replica(region.region).tell(events.TransferLeader(target)))

    def _any_region(self) -> Region:
        return self.place.look_up(encode(NAMESPACE, self.place.random.choice(KEYS).encode()))

    def _anybody(self) -> Store:
        return self.place.random.choice(list(self.place.stores.values()))

    def _later(self, action: Callable[[], None]) -> None:
        self.place.clock.call_later(self.place.random.randint(*REST_MS), action)


def leader_of(place: FaultyPlace, region: Region | RegionId) -> Store | None:
    """A store that believes that it leads a region."""
    wanted = region.region if isinstance(region, Region) else region
    return next((store for store in place.stores.values() if store.leads(wanted)), None)


def _start(store: Store) -> None:
    """Start a store that nobody has started meanwhile."""
    if store.node is None:
        store.start()
