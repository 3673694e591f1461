"""One run: stores, clients, followers, and what goes wrong, all from one seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from flaredb.core.commands import EncodedKey
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_messages import parse_message
from flaredb.core.eventual_records import Told
from flaredb.core.region import StoreId
from sim.eventual import settings as drawing
from sim.eventual.clients import Attempt, Client
from sim.eventual.faults import FaultMaker, start
from sim.eventual.followers import Follower
from sim.eventual.store import Store
from sim.faults import CALM
from sim.flaredb.storage import Disk
from ultracloud.testkit.sim import SimClock, SimNetwork

QUIET_MS = 500
"""After everything is healed: clients go on for so long before they stop."""


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
        self.network: SimNetwork[StoreId, bytes] = SimNetwork(self.clock, seed, self.settings.network)
        self.attempts: dict[Stamp, Attempt] = {}
        self.shown: dict[tuple[StoreId, EncodedKey], Told] = {}
        self.stores: dict[StoreId, Store] = {}
        self.followers: list[Follower] = []
        self.reads = self.changes = self.rereads = 0
        self.is_healed = self.is_closing = False
        self._trace = trace
        self.note(self.settings)

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        if self._trace is not None:
            self._trace(f"{self.clock.monotonic_ms()} {thing}")

    def send(self, source: StoreId, target: StoreId, content: bytes) -> None:
        """Send to another store, or lose."""
        if self._trace is not None:
            self.note(f"s{source} to s{target}: {parse_message(content).message}")
        self.network.send(source, target, content)

    def members(self) -> tuple[StoreId, ...]:
        """Which stores there are."""
        return tuple(self.stores)

    def draw_skew(self) -> int:
        """How wrong a clock is from now on."""
        return self.random.randint(-self.settings.skew_ms, self.settings.skew_ms)

    def run(self) -> None:
        """Begin, let things go wrong for a while, heal everything, and let clients come to an end."""
        for _ in range(self.settings.stores):
            self.join()
        for _ in range(self.settings.clients):
            Client(self).begin()
        for store in self.stores.values():
            self.followers.append(Follower(self, store))
            self.followers[-1].begin()
        for _ in range(self.settings.joins):
            self.clock.call_later(self.random.randint(0, self.settings.chaos_ms), self.join)
        FaultMaker(self).begin()
        self.clock.run_for(self.settings.chaos_ms)
        self.heal()
        self.clock.run_for(QUIET_MS)
        self.is_closing = True

    def join(self) -> None:
        """Add a store with an empty disk, and tell all."""
        name = StoreId(len(self.stores) + 1)
        disk = Disk(self.clock, self.random, self.settings.disk_ms_max)
        store = self.stores[name] = Store(name, self, disk, self.draw_skew())
        self.network.join(name, store.receive)
        store.start()
        for each in self.stores.values():
            each.take(lambda replica: replica.set_members(self.members()))

    def heal(self) -> None:
        """End everything that is wrong, but for the clocks, which are within the bound."""
        self.note("everything is healed")
        self.is_healed = True
        self.network.heal()
        self.network.faults = CALM
        for store in self.stores.values():
            store.disk.is_full = False
            store.disk.stalled_until_ms = 0
            if store.is_stalled:
                store.go_on()
            start(store)
