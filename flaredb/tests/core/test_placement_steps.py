"""How steps are carried out, and that whatever is left half done is finished by later plans."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flaredb.core.placement import (
    MIB,
    ChangeReplicas,
    Observed,
    Policy,
    RegionSeen,
    SplitRegion,
    Step,
    StoreSeen,
    TransferLead,
    next_change,
    shows,
)
from flaredb.core.placement_plan import plan
from flaredb.core.region import Peer, Region, RegionId, StoreId, first_region
from ultracloud.raft.membership import changed
from ultracloud.raft.words import NodeId

GIB = 1024 * MIB
ONE = first_region(RegionId(1), [Peer(NodeId(10 + store), StoreId(store)) for store in (1, 2, 3)])


def advanced(step: ChangeReplicas, region: Region) -> Region | None:
    """The region after the next change of a step, out of joint consensus; None if there is none."""
    change = next_change(step, region)
    if change is None:
        return None
    after = region.changed(changed(region.config, change.changes), change.joining)
    return after.changed(changed(after.config, ()), ()) if after.config.outgoing else after


def done(step: ChangeReplicas, region: Region) -> Region:
    while (after := advanced(step, region)) is not None:
        region = after
    return region


def change_of(joining: Peer | None, leaving: Peer | None) -> ChangeReplicas:
    return ChangeReplicas(ONE.region, ONE.epoch, joining, leaving, "")


def stores_of(region: Region) -> list[int]:
    return [peer.store for peer in region.peers]


def test_a_new_replica_is_a_learner_before_it_takes_a_place() -> None:
    step = change_of(Peer(NodeId(40), StoreId(4)), ONE.peers[0])
    middle = advanced(step, ONE)
    assert middle is not None
    assert (stores_of(middle), sorted(middle.config.voters)) == ([1, 2, 3, 4], [11, 12, 13])
    last = next_change(step, middle)
    assert last is not None
    assert (last.awaited, last.joining) == (40, ())
    region = done(step, middle)
    assert (stores_of(region), sorted(region.config.voters)) == ([2, 3, 4], [12, 13, 40])


def test_a_change_shows_once_it_is_done_to_its_end() -> None:
    step = change_of(Peer(NodeId(40), StoreId(4)), ONE.peers[0])
    middle = advanced(step, ONE)
    assert middle is not None
    last = next_change(step, middle)
    assert last is not None
    joint = middle.changed(changed(middle.config, last.changes), last.joining)
    seen = RegionSeen(ONE, 0, 0, StoreId(1))
    assert [shows(step, replace(seen, region=each)) for each in (ONE, middle, joint, done(step, ONE))] == [
        False,
        False,
        False,
        True,
    ]


def test_a_removal_and_an_addition_alone() -> None:
    assert stores_of(done(change_of(None, ONE.peers[2]), ONE)) == [1, 2]
    region = done(change_of(Peer(NodeId(40), StoreId(4)), None), ONE)
    assert (stores_of(region), region.config.learners) == ([1, 2, 3, 4], frozenset())


def test_splits_and_hand_overs_show() -> None:
    right = tuple(Peer(NodeId(20 + peer.store), peer.store) for peer in ONE.peers)
    split = SplitRegion(ONE.region, ONE.epoch, b"m", RegionId(2), right, "")
    lead = TransferLead(ONE.region, ONE.epoch, ONE.peers[1], "")
    seen = RegionSeen(ONE, 0, 0, StoreId(1))
    cut = replace(seen, region=ONE.split(b"m", RegionId(2), right)[0])
    assert [shows(split, seen), shows(split, cut)] == [False, True]
    assert [shows(lead, seen), shows(lead, replace(seen, leader=StoreId(2)))] == [False, True]


@dataclass
class World:
    """Stores that come and go, and regions whose steps may be left half done."""

    stores: set[int] = field(default_factory=lambda: {1})
    lost: set[int] = field(default_factory=set)
    leaving: set[int] = field(default_factory=set)
    regions: dict[RegionId, RegionSeen] = field(default_factory=dict)
    next_id: int = 100

    def observed(self) -> Observed:
        stores = tuple(
            StoreSeen(StoreId(store), 100 * GIB, 0, 0 if store in self.lost else 900_000, (), store in self.leaving)
            for store in sorted(self.stores)
        )
        regions = sorted(self.regions.values(), key=lambda seen: seen.region.start)
        return Observed(stores, tuple(regions), 900_000, self.next_id)

    def round(self, changes_max: int) -> list[Step]:
        """Plan, and do of each step so many changes at most; then regions without a leader elect."""
        planned = plan(self.observed(), Policy())
        self.next_id = planned.next_id
        for step in planned.steps:
            self._do(step, changes_max)
        for region, seen in self.regions.items():
            able = [
                peer.store
                for peer in seen.region.peers
                if peer.peer in seen.region.config.voters and peer.store not in self.lost
            ]
            self.regions[region] = seen if seen.leader in able else replace(seen, leader=able[0])
        return planned.steps

    def _do(self, step: Step, changes_max: int) -> None:
        match step:
            case ChangeReplicas():
                seen = self.regions[step.region]
                region: Region | None = seen.region
                for _ in range(changes_max):
                    region = advanced(step, seen.region)
                    seen = seen if region is None else replace(seen, region=region)
                self.regions[step.region] = seen
            case SplitRegion():
                seen = self.regions[step.region]
                for half in seen.region.split(step.at, step.right, step.peers):
                    self.regions[half.region] = replace(seen, region=half, size_bytes=seen.size_bytes // 2, middle=b"")
            case TransferLead():
                self.regions[step.region] = replace(self.regions[step.region], leader=step.to.store)
            case _:
                raise AssertionError(step)


def world(keys: list[bytes]) -> World:
    """One store with regions of one replica each."""
    made = World()
    region = first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))])
    for number, key in enumerate(sorted(keys), 10):
        left, region = region.split(key, RegionId(2 * number), (Peer(NodeId(2 * number + 1), StoreId(1)),))
        made.regions[left.region] = RegionSeen(left, MIB, 10, StoreId(1))
    made.regions[region.region] = RegionSeen(region, MIB, 10, StoreId(1))
    return made


STORES_MIN = 4
"""Stores that are left, so that every replica has a place."""
NO_VOTER_WAS_LEFT = [("join", 0), ("join", 0), ("leave", 0), ("leave", 1), ("join", 1)]
EVENTS = st.lists(st.tuples(st.sampled_from(("join", "leave", "lose")), st.integers(0, 1)), max_size=8)


@example([b"\0", b"\1", b"\2", b"\3"], NO_VOTER_WAS_LEFT)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=1), max_size=6, unique=True), EVENTS)
def test_whatever_is_left_half_done_all_regions_come_to_three_voters(
    keys: list[bytes], events: list[tuple[str, int]]
) -> None:
    made = world(keys)
    for what, changes_max in [*[("join", 1)] * 3, *events]:
        able = sorted(made.stores - made.lost - made.leaving)
        if what == "join":
            made.stores.add(max(made.stores) + 1)
        elif what == "leave" and len(able) > STORES_MIN:
            made.leaving.add(able[0])
        elif what == "lose" and len(able) > STORES_MIN:
            # Or a quorum may be lost, which nobody can help.
            settle(made)
            made.lost.add(able[0])
        made.round(changes_max)
    settle(made)
    for seen in made.regions.values():
        stores = set(stores_of(seen.region))
        assert (len(stores), len(seen.region.config.voters), seen.region.config.learners) == (3, 3, frozenset())
        assert not stores & (made.lost | made.leaving)


def settle(made: World) -> None:
    for _ in range(100):
        if not made.round(3):
            return
    raise AssertionError(plan(made.observed(), Policy()))
