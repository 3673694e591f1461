"""The same with placement: whoever decides on it looks at what leaders report, plans, and has the steps carried out.

What random operators do meanwhile, and whatever stands still or dies in the middle of a step, placement must bring to
rest once everything is healed: regions whole again, everything the policy asks for, and nothing left half done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from flaredb.core.cluster_view import has_taken_over, is_newer, resolved
from flaredb.core.placement import (
    MIB,
    ChangeReplicas,
    MergeRegions,
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
from flaredb.core.region_entry import Split
from flaredb.core.region_node import RegionNode
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_work import Answer
from sim.flaredb.place import Token
from sim.flaredb.store import Store
from sim.flaredb.world import FIRST_REGION, World
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.words import NodeId
from ultracloud.testkit.checks import BrokenPromiseError

ROUND_MS = 300
STEP_MS = 4000
"""After this a step is given up, wherever it is."""
LAG_MAX = 5
"""Entries that a replica may be behind and still count as caught up."""
FORGETS = 0.05
"""Part of the rounds in which another one decides from here on, and knows nothing of the steps under way."""
LEAVES = 0.5
"""Part of the worlds with more stores than replicas in which one of them is to be emptied."""
LATE = 0.3
"""Part of the reports that do not arrive."""
POLICY = Policy(down_ms=1200, dead_ms=2500, steps_max=4, may_merge=True)
REST_MS_MAX = 60_000
"""After everything is healed placement must come to rest in this time."""


class PlacedWorld(World):
    """A world in which placement is decided, with more stores than replicas, and long enough for stores to be lost."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        super().__init__(seed, trace)
        random = Random(seed)  # noqa: S311 - a simulation repeats itself
        stores = random.choice((1, 2, 3, 4, 5, 5))
        chaos_ms = random.choice((5_000, 15_000))
        move_every_ms = random.choice((2000, 5000, 1_000_000))
        self.settings = replace(self.settings, stores=stores, voters=1, chaos_ms=chaos_ms, move_every_ms=move_every_ms)
        self.first = first_region(FIRST_REGION, [Peer(NodeId(1), StoreId(1))])
        self.leaving = StoreId(stores) if stores > POLICY.replicas and random.random() < LEAVES else None
        self.note(self.settings)

    def run(self) -> None:
        """As without, and then let placement come to rest."""
        placement = Placement(self)
        placement.begin()
        super().run()
        ends_ms = self.clock.monotonic_ms() + REST_MS_MAX
        while not placement.is_at_rest():
            if self.clock.monotonic_ms() > ends_ms:
                raise BrokenPromiseError(f"placement does not come to rest: {placement.look()}")
            self.clock.run_for(ROUND_MS)


@dataclass(slots=True)
class Placement:
    """Who decides.

    Attributes:
        reported: Regions as their leaders told last.
        under_way: Steps that do not show yet.
        troubles: Of the last round.
    """

    world: PlacedWorld
    reported: dict[RegionId, RegionSeen] = field(default_factory=dict)
    seen_ms: dict[StoreId, int] = field(default_factory=dict)
    under_way: dict[RegionId, Carried] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Look again and again."""
        self.world.clock.call_later(ROUND_MS, self._round)

    def is_at_rest(self) -> bool:
        """Whether nothing is left to be done, and all is as wanted."""
        wanted = min(POLICY.replicas, self.world.settings.stores)
        is_whole = all(
            len(each.region.config.voters) == len(each.region.peers) == wanted for each in self.reported.values()
        )
        return is_whole and not self.under_way and not self.troubles and not plan(self.look(), POLICY).steps

    def look(self) -> Observed:
        """What is known."""
        now_ms, settings = self.world.clock.monotonic_ms(), self.world.settings
        leaving = self.world.leaving if now_ms > settings.chaos_ms // 2 else None
        stores = tuple(
            StoreSeen(store, 1000 * MIB, 0, seen_ms, (), store == leaving)
            for store, seen_ms in sorted(self.seen_ms.items())
        )
        whole = tuple(each for each in resolved(self.reported.values()) if self.reported[each.region.region] is each)
        under_way = tuple(each.step for each in self.under_way.values())
        return Observed(stores, whole, now_ms, self.world.next_id(), under_way)

    def _round(self) -> None:
        world = self.world
        for store in world.stores.values():
            if store.node is not None and not store.is_stalled and (world.is_healed or world.random.random() > LATE):
                self._report(store, store.node)
        if not world.is_healed and world.random.random() < FORGETS:
            world.note("another one decides on placement")
            self.under_way.clear()
        self._carry_on()
        planned = plan(self.look(), POLICY)
        self.troubles = planned.troubles
        while world.next_id() < planned.next_id:
            pass
        for step in planned.steps:
            world.note(f"placement: {step}")
            epoch = step.left_epoch if isinstance(step, MergeRegions) else step.epoch
            self.under_way[region_of(step)] = Carried(step, epoch, world.clock.monotonic_ms())
        self.begin()

    def _report(self, store: Store, node: RegionNode[Token]) -> None:
        self.seen_ms[store.store] = self.world.clock.monotonic_ms()
        for replica in node.replicas.values():
            known = self.reported.get(replica.id)
            is_old = known is not None and is_newer(known.region, replica.region)
            if replica.is_leader and replica.region.is_known and not is_old:
                behind = frozenset(peer for peer in replica.raft.progress() if not _has_caught_up(replica, peer))
                for gone in [each for each, old in self.reported.items() if has_taken_over(replica.region, old.region)]:
                    del self.reported[gone]
                self.reported[replica.id] = RegionSeen(replica.region, MIB, 0, store.store, behind=behind)

    def _carry_on(self) -> None:
        """Bring each step on by what comes next, or give it up."""
        for region, carried in [*self.under_way.items()]:
            seen = self.reported.get(region)
            is_late = self.world.clock.monotonic_ms() - carried.since_ms > STEP_MS
            if seen is None or is_late or carried.is_refused or shows(carried.step, seen):
                del self.under_way[region]
                continue
            leader = next((each for each in self.world.stores.values() if each.leads(region)), None)
            if leader is None or carried.is_asked:
                continue
            if isinstance(carried.step, MergeRegions):
                carried.is_asked = self._merge(leader, carried.step)
            else:
                leader.take(carried.ask)

    def _merge(self, leader: Store, step: MergeRegions) -> bool:
        """Let the leader of the left one drive it."""
        left, right = self.reported.get(step.left), self.reported.get(step.right)
        if leader.router is None or leader.is_stalled or left is None or right is None:
            return False
        if (left.region.epoch, right.region.epoch) == (step.left_epoch, step.right_epoch):
            leader.router.merge(left.region, right.region)
        return True


@dataclass(slots=True)
class Carried:
    """A step that is carried out.

    Attributes:
        epoch: Of the region as it was last heard of.
        is_asked: The region is asked for something, and has not answered.
    """

    step: Step
    epoch: object
    since_ms: int
    is_asked: bool = False
    is_refused: bool = False

    def ask(self, node: RegionNode[Token]) -> None:
        """Ask the leader for what comes next."""
        replica = node.replicas.get(region_of(self.step))
        if replica is None or not replica.is_leader or replica.region.epoch != self.epoch or self.is_asked:
            return
        try:
            match self.step:
                case SplitRegion(epoch=epoch, at=at, right=right, peers=peers):
                    node.split(replica.id, Split(epoch, at, right, peers), self._answered())
                case TransferLead(to=to):
                    replica.tell(events.TransferLeader(to.peer))
                case ChangeReplicas():
                    self._change(node, replica, self.step)
                case MergeRegions():
                    raise AssertionError("its router drives a merge")
        except Fault:
            self.is_refused = True

    def _change(self, node: RegionNode[Token], replica: RegionReplica[Token], step: ChangeReplicas) -> None:
        change = next_change(step, replica.region)
        if change is None or (change.awaited is not None and not _has_caught_up(replica, change.awaited)):
            return
        node.change(replica.id, replica.region.epoch, change.changes, change.joining, self._answered())

    def _answered(self) -> Callable[[Answer | int], None]:
        self.is_asked = True

        def answered(answer: Answer | int) -> None:
            self.is_asked = False
            if isinstance(answer, Region):
                self.epoch = answer.epoch
            else:
                self.is_refused = True

        return answered


def region_of(step: Step) -> RegionId:
    """The region whose leader does a step."""
    return step.left if isinstance(step, MergeRegions) else step.region


def _has_caught_up(replica: RegionReplica[Token], peer: int) -> bool:
    progress = next((one for each, one in replica.raft.progress().items() if each == peer), None)
    return progress is not None and progress.is_active and progress.match + LAG_MAX >= replica.raft.last_index
