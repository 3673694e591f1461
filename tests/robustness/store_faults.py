"""What goes wrong with flaredb's stores: what goes wrong with members, and disks that are lost for good."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from flaredb.core import cluster_json
from flaredb.core.placement import RegionSeen
from tests.robustness import faults
from tests.robustness.bed import BedError, Member
from tests.robustness.faults import Scene, names
from ultracloud.base.faults import Fault
from ultracloud.servicekit.coordination import Coordination

PREFIX = b"/ultracloud/flaredb/robust/"
WHOLE_S = 90.0
"""Until every region has all its replicas again: a store is taken for lost after six seconds, silent for twenty."""


@dataclass(slots=True)
class StoreScene(Scene):
    """What a fault of stores finds.

    Attributes:
        coordination: Where the region map is; set before the first fault.
        replicas: Of each region.
    """

    coordination: Coordination | None = None
    replicas: int = 3

    async def leader(self) -> Member:
        """The store that leads most regions, as the map has it; somebody, if that is not known."""
        seen, addresses = await self.regions(), await self.addresses()
        leads = Counter(one.leader for one in seen if one.leader is not None)
        for store, _ in leads.most_common():
            for member in self.bed.members:
                if addresses.get(store) == member.target:
                    return member
        return self.random.choice(self.bed.members)

    async def regions(self) -> list[RegionSeen]:
        """The map."""
        return [cluster_json.parse_region(value) for value in await self._entries(b"regions/")]

    async def addresses(self) -> dict[int, str]:
        """Where stores are."""
        found = [cluster_json.parse_store(value) for value in await self._entries(b"stores/")]
        return {one.seen.store: one.address for one in found}

    async def wait_whole(self) -> None:
        """Wait until every region has all its replicas, on stores that run."""
        ends_at = time.monotonic() + WHOLE_S
        while True:
            try:
                said = await self._missing()
            except Fault as fault:
                said = fault.public
            if not said:
                return
            if time.monotonic() > ends_at:
                tails = "".join(f"\n{member.name}:\n{member.tail()}" for member in self.bed.members)
                raise BedError(f"regions were not made whole within {WHOLE_S:g} s: {said}{tails}")
            await asyncio.sleep(0.2)

    async def _missing(self) -> str:
        """What is not whole yet, in words."""
        addresses = await self.addresses()
        # A store that was wiped is another one now, at the same address: the newest id is it.
        newest = {address: store for store, address in sorted(addresses.items())}
        running = {newest.get(member.target) for member in self.bed.members if member.is_running}
        for one in await self.regions():
            region = one.region
            stores = {peer.store for peer in region.peers}
            if not stores <= running or len(region.config.voters) != len(stores) or len(stores) != self.replicas:
                return f"region {region.region} is on {sorted(stores)}, {len(region.config.voters)} vote"
        return ""

    async def _entries(self, kind: bytes) -> list[bytes]:
        assert self.coordination is not None
        return [pair.value for pair in (await self.coordination.range(PREFIX + kind)).pairs]


async def kill_two(scene: Scene) -> None:
    """Two die at once, and come back: regions that had both stand still meanwhile, and lose nothing."""
    await faults.kill(scene, scene.pick(2))


async def lose_store(scene: Scene) -> None:
    """A store loses its disk for good and joins as another: its replicas are made anew, under load."""
    await _lose(scene, 1)


async def lose_two(scene: Scene) -> None:
    """Two lose their disks, one after the other: the second as soon as everything is whole again."""
    await _lose(scene, 1)
    await _lose(scene, 1)


async def lose_two_at_once(scene: Scene) -> None:
    """Two of five lose their disks in one moment; with five replicas nothing is lost."""
    await _lose(scene, 2)


async def lose_and_shrink(scene: Scene) -> None:
    """A store is gone for good and nobody comes in its place: the others make its replicas anew."""
    assert isinstance(scene, StoreScene)
    (victim,) = scene.pick()
    scene.note(f"{victim.name} is gone for good")
    scene.bed.wipe(victim)
    scene.bed.members.remove(victim)
    await scene.wait_whole()
    scene.note(f"all regions are whole without it; {victim.name} comes back empty")
    before = await scene.addresses()
    scene.bed.members.append(victim)
    scene.bed.start(victim)
    await _wait_joined(scene, [victim], set(before))


async def _lose(scene: Scene, count: int) -> None:
    assert isinstance(scene, StoreScene)
    victims = scene.pick(count)
    before = await scene.addresses()
    scene.note(f"{names(victims)} lose their disks")
    for victim in victims:
        scene.bed.wipe(victim)
    await scene.hold()
    for victim in victims:
        scene.bed.start(victim)
    await _wait_joined(scene, victims, set(before))
    scene.note(f"{names(victims)} have joined as other stores")
    await scene.wait_whole()
    scene.note("all regions are whole")


async def _wait_joined(scene: StoreScene, members: Sequence[Member], old: set[int]) -> None:
    """Wait until members are in the map as stores that were not there before."""
    ends_at = time.monotonic() + WHOLE_S
    targets = {member.target for member in members}
    while True:
        with contextlib.suppress(Fault):
            addresses = await scene.addresses()
            if targets <= {address for store, address in addresses.items() if store not in old}:
                return
        if time.monotonic() > ends_at:
            raise BedError(f"{names(members)} did not join within {WHOLE_S:g} s")
        await asyncio.sleep(0.1)


STORE_FAULTS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    fault.__name__: fault
    for fault in (
        *(faults.kill_leader, faults.kill_follower, faults.kill_all, faults.kill_again_and_again, kill_two),
        *(faults.stop_leader, faults.stop_most),
        *(faults.isolate_leader, faults.isolate_follower, faults.deafen_leader, faults.silence_leader),
        *(faults.deafen_follower, faults.split_pair, faults.slow_disk, faults.slow_disks, faults.clock_jump),
        *(lose_store, lose_two, lose_two_at_once, lose_and_shrink),
    )
}
NEEDS_WHOLE = frozenset({"lose_store", "lose_two", "lose_two_at_once", "lose_and_shrink"})
"""Faults before which every region must be whole, or a majority is lost for good."""
NEEDS_FIVE_REPLICAS = frozenset({"lose_two_at_once"})
NEEDS_SPARE = frozenset({"lose_and_shrink"})
"""Faults after which fewer stores must still be enough for all replicas."""
STARTS_MOST = frozenset({"kill_all", "kill_two"})
