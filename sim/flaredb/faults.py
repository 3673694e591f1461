"""What goes wrong with flaredb's stores and regions, besides what goes wrong everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flaredb.core.keys import encode
from flaredb.core.region import Region, RegionId
from flaredb.core.region_node import Mail
from sim.faults import CommonFaults, Weighed
from sim.flaredb.clients import KEYS, NAMESPACE, Place
from sim.flaredb.store import Store
from ultracloud.raft import events
from ultracloud.testkit.sim import SimNetwork


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


class FaultMaker(CommonFaults[FaultyPlace, Store]):
    """Lets things go wrong until all is healed."""

    def faults(self) -> Sequence[Weighed]:
        """What may happen."""
        return (
            (self.cut_one, 4),
            (self.cut_all, 1),
            (self.stall, 4),
            (self.part, 3),
            (self._isolate_leader, 2),
            (self.block_one_way, 3),
            (self.heal, 3),
            (self.change_network, 3),
            (self.stall_disk, 2),
            (self.fill_disk, 1),
            (self._transfer, 2),
        )

    def machines(self) -> dict[int, Store]:
        """All stores."""
        return {int(store): each for store, each in self.place.stores.items()}

    def is_up(self, machine: Store) -> bool:
        """Whether it runs."""
        return machine.node is not None

    def _isolate_leader(self) -> None:
        found = leader_of(self.place, self._any_region())
        if found is not None:
            self.isolate(found, "a leader")

    def _transfer(self) -> None:
        region = self._any_region()
        found = leader_of(self.place, region)
        if found is not None and region.config.voters:
            target = self.place.random.choice(sorted(region.config.voters))
            self.place.note(f"{found.name} is to hand region {region.region} over to peer {target}")
            found.take(lambda node: node.replica(region.region).tell(events.TransferLeader(target)))

    def _any_region(self) -> Region:
        return self.place.look_up(encode(NAMESPACE, self.place.random.choice(KEYS).encode()))


def leader_of(place: FaultyPlace, region: Region | RegionId) -> Store | None:
    """A store that believes that it leads a region."""
    wanted = region.region if isinstance(region, Region) else region
    return next((store for store in place.stores.values() if store.leads(wanted)), None)
