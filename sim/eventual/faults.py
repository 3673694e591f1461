"""What goes wrong: power cuts, stores that stand still, networks that break, disks slow or full, clocks set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flaredb.core.region import StoreId
from sim.eventual.settings import CALM
from sim.eventual.store import Outside, Store
from ultracloud.testkit.sim import SimNetwork

QUICK = 0.4
"""Part of the stores that start again at once after they died."""
REST_MS = (50, 8000)
"""How long a store stays dead, stands still, or is cut off, least and most."""


class FaultyPlace(Outside, Protocol):
    """What faults happen to.

    Attributes:
        is_healed: Nothing is to go wrong any more.
    """

    stores: dict[StoreId, Store]
    network: SimNetwork[StoreId, bytes]
    is_healed: bool

    def draw_skew(self) -> int:
        """How wrong a clock is from now on."""
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
            (self._cut_one, 5),
            (self._cut_all, 1),
            (self._stall, 2),
            (self._part, 4),
            (self._block_one_way, 3),
            (self._heal, 3),
            (self._change_network, 3),
            (self._stall_disk, 3),
            (self._fill_disk, 1),
            (self._set_clock, 3),
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
        if store.replica is None:
            return
        store.cut()
        # A machine that starts may have another time than when it stopped.
        store.skew_ms = self.place.draw_skew()
        if self.place.random.random() < QUICK:
            self.place.clock.call_later(self.place.random.randint(0, 30), lambda: start(store))
        else:
            self._later(lambda: start(store))

    def _stall(self) -> None:
        store = self._anybody()
        if store.replica is None or store.is_stalled:
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

    def _block_one_way(self) -> None:
        source, target = self.place.random.sample(list(self.place.stores), 2)
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

    def _set_clock(self) -> None:
        store = self._anybody()
        store.skew_ms = self.place.draw_skew()
        self.place.note(f"the clock of {store.name} is {store.skew_ms} ms off")

    def _anybody(self) -> Store:
        return self.place.random.choice(list(self.place.stores.values()))

    def _later(self, action: Callable[[], None]) -> None:
        self.place.clock.call_later(self.place.random.randint(*REST_MS), action)


def start(store: Store) -> None:
    """Start a store that nobody has started meanwhile."""
    if store.replica is None:
        store.start()
