"""What goes wrong with stores of eventual namespaces, besides what goes wrong everywhere: clocks are set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flaredb.core.region import StoreId
from sim.eventual.store import Outside, Store
from sim.faults import CommonFaults, Weighed
from ultracloud.testkit.sim import SimNetwork


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


class FaultMaker(CommonFaults[FaultyPlace, Store]):
    """Lets things go wrong until all is healed."""

    rest_ms = (50, 8000)

    def faults(self) -> Sequence[Weighed]:
        """What may happen."""
        return (
            (self.cut_one, 5),
            (self.cut_all, 1),
            (self.stall, 2),
            (self.part, 4),
            (self.block_one_way, 3),
            (self.heal, 3),
            (self.change_network, 3),
            (self.stall_disk, 3),
            (self.fill_disk, 1),
            (self._set_clock, 3),
        )

    def machines(self) -> dict[int, Store]:
        """All stores."""
        return {int(store): each for store, each in self.place.stores.items()}

    def is_up(self, machine: Store) -> bool:
        """Whether it runs."""
        return machine.replica is not None

    def was_cut(self, machine: Store) -> None:
        """A machine that starts may have another time than when it stopped."""
        machine.skew_ms = self.place.draw_skew()

    def _set_clock(self) -> None:
        store = self.anybody()
        store.skew_ms = self.place.draw_skew()
        self.place.note(f"the clock of {store.name} is {store.skew_ms} ms off")


def start(store: Store) -> None:
    """Start a store that nobody has started meanwhile."""
    if store.replica is None:
        store.start()
