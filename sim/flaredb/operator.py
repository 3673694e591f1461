"""What operators and placement do: cut regions and move replicas, by maps that may be old, whatever else happens."""

from __future__ import annotations

from dataclasses import dataclass

from flaredb.core.keys import encode
from flaredb.core.region import Peer, RegionId
from flaredb.core.region_entry import Split
from flaredb.core.region_node import RegionNode
from sim.flaredb.clients import EVERY_KEY, NAMESPACE
from sim.flaredb.faults import FaultyPlace, leader_of
from sim.flaredb.place import Token
from ultracloud.base.faults import Fault
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NodeId

FIRST_MS = 500
MOVED = 0.7
"""Chance that a change takes a replica away, and that it adds one."""


@dataclass(slots=True)
class Splitter:
    """Cuts regions, whatever else happens, until clients stop; by a map that may be old, and more than once."""

    place: FaultyPlace

    is_first: bool = True

    def begin(self) -> None:
        """Cut the next region after a while; the first one soon."""
        mean_ms = FIRST_MS if self.is_first else self.place.settings.split_every_ms
        self.is_first = False
        wait_ms = int(self.place.random.expovariate(1 / mean_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        place = self.place
        at = encode(NAMESPACE, place.random.choice(EVERY_KEY).encode())
        region = place.look_up(at)
        found = leader_of(place, region.region)
        if found is not None:
            peers = tuple(Peer(NodeId(place.next_id()), each.store) for each in region.peers)
            split = Split(region.epoch, at, RegionId(place.next_id()), peers)
            found.take(lambda node: _split(place, node, region.region, split))
        self.begin()


def _split(place: FaultyPlace, node: RegionNode[Token], region: RegionId, split: Split) -> None:
    """Ask for one, and write down what comes of it."""
    try:
        node.split(region, split, lambda answer: place.note(f"split of region {region}: {answer}"))
    except Fault as fault:
        place.note(f"split of region {region}: {fault}")


@dataclass(slots=True)
class Joiner:
    """Makes neighbours one that stand on the same stores, until clients stop."""

    place: FaultyPlace

    def begin(self) -> None:
        """Join the next two after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.merge_every_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        place = self.place
        leading = [
            (store.router, replica.region)
            for store in place.stores.values()
            if store.router is not None and not store.is_stalled
            for replica in store.router.node.replicas.values()
            if replica.is_leader and replica.region.end
        ]
        if leading:
            router, left = place.random.choice(leading)
            right = place.look_up(left.end)
            if {peer.store for peer in left.peers} == {peer.store for peer in right.peers}:
                router.merge(left, right)
        self.begin()


@dataclass(slots=True)
class Mover:
    """Moves replicas between stores, adds and removes them, until all is healed."""

    place: FaultyPlace

    def begin(self) -> None:
        """Move the next one after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.move_every_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_healed:
            return
        place, random = self.place, self.place.random
        region = place.look_up(encode(NAMESPACE, random.choice(EVERY_KEY).encode()))
        found = leader_of(place, region.region)
        free = [store for store in place.stores if region.peer_on(store) == 0]
        leaving = random.choice(region.peers) if len(region.peers) > 1 and random.random() < MOVED else None
        joining = Peer(NodeId(place.next_id()), random.choice(free)) if free and random.random() < MOVED else None
        changes = [NodeChange(ChangeKind.ADD_VOTER, joining.peer)] if joining else []
        changes += [NodeChange(ChangeKind.REMOVE, leaving.peer)] if leaving else []
        if found is not None and changes:
            place.note(f"region {region.region} is to have {joining} and not {leaving}")
            joins = (joining,) if joining else ()

            def change(node: RegionNode[Token]) -> None:
                try:
                    node.change(region.region, region.epoch, changes, joins, lambda answer: place.note(f"{answer}"))
                except Fault as fault:
                    place.note(f"change of region {region.region}: {fault}")

            found.take(change)
        self.begin()
