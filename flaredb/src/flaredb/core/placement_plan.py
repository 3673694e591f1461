"""The planner of placement: from what stores and regions say to a few steps that bring them nearer to the policy.

A round takes each region into at most one step, and at most `Policy.steps_max` in all, in this order: what lost a
replica is repaired, what has too many loses one, what is too large or too busy is cut, replicas that could fail
together are parted, small neighbours are merged, and last stores are made equally full and leaders spread. When all is
done a plan is empty, and no step undoes another (see `Policy`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from flaredb.core.placement import (
    ChangeReplicas,
    MergeRegions,
    Observed,
    Plan,
    Policy,
    RegionSeen,
    SplitRegion,
    Step,
    StoreSeen,
    TransferLead,
)
from flaredb.core.region import Peer, RegionId, StoreId
from ultracloud.raft.words import NodeId

COLD = 10
"""A merge is for regions with less than this part of the load that cuts one, both together."""


def plan(observed: Observed, policy: Policy) -> Plan:
    """The next steps.

    Args:
        observed: What is known; what is not, is left alone.
        policy: What is wanted.
    """
    round_ = _Round(observed, policy)
    round_.plan.troubles += (_no_quorum(seen, round_) for seen in observed.regions if round_.has_lost_quorum(seen))
    for rule in (_repair, _shrink, _split, _part, _merge, _balance, _lead):
        for step in rule(round_):
            if len(round_.plan.steps) >= policy.steps_max:
                return round_.plan
            round_.take(step)
    return round_.plan


@dataclass(slots=True)
class _Round:
    """One round: what is known, and what the steps so far make of it.

    Attributes:
        used: Bytes of each store once the steps are done.
        leads: Regions that each store leads.
        joins: Replicas that each store gets.
        busy: Regions that have their step.
    """

    observed: Observed
    policy: Policy
    plan: Plan = field(default_factory=Plan)
    stores: dict[StoreId, StoreSeen] = field(default_factory=dict)
    used: Counter[StoreId] = field(default_factory=Counter)
    leads: Counter[StoreId] = field(default_factory=Counter)
    joins: Counter[StoreId] = field(default_factory=Counter)
    busy: set[RegionId] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.plan.next_id = self.observed.next_id
        for store in self.observed.stores:
            self.stores[store.store] = store
            self.used[store.store] = store.used_bytes
        for seen in self.observed.regions:
            if seen.leader is not None:
                self.leads[seen.leader] += 1

    def is_up(self, store: StoreId) -> bool:
        """Whether it was heard of lately."""
        found = self.stores.get(store)
        return found is not None and self.observed.now_ms - found.seen_ms < self.policy.down_ms

    def is_lost(self, store: StoreId) -> bool:
        """Whether its replicas are to be made anew."""
        found = self.stores.get(store)
        return found is None or self.observed.now_ms - found.seen_ms >= self.policy.dead_ms

    def is_leaving(self, store: StoreId) -> bool:
        """Whether it is to be emptied."""
        found = self.stores.get(store)
        return found is not None and found.is_leaving

    def fill(self, store: StoreId, more_bytes: int = 0) -> float:
        """Part of a store that is used once the steps so far, and `more_bytes`, are done."""
        return (self.used[store] + more_bytes) / max(1, self.stores[store].capacity_bytes)

    def free_regions(self) -> Iterator[RegionSeen]:
        """Regions that a step may be planned for: with a leader, not changing, and all peers there."""
        for seen in self.observed.regions:
            is_changing = seen.region.config.outgoing or any(
                not self.is_lost(peer.store) for peer in seen.region.peers if peer.peer in seen.behind
            )
            is_able = seen.leader is not None and not self.has_lost_quorum(seen)
            if seen.region.region not in self.busy and is_able and not is_changing:
                yield seen

    def seen(self, region: RegionId) -> RegionSeen:
        """A region by its id."""
        return next(each for each in self.observed.regions if each.region.region == region)

    def has_lost_quorum(self, seen: RegionSeen) -> bool:
        """Whether so many of its stores are silent that it can neither be written nor changed."""
        silent = sum(not self.is_up(peer.store) for peer in seen.region.peers)
        return 2 * silent >= len(seen.region.peers)

    def next_peer(self, store: StoreId) -> Peer:
        """A peer that never was."""
        peer = Peer(NodeId(self.plan.next_id), store)
        self.plan.next_id += 1
        return peer

    def crowding(self, store: StoreId, others: Iterable[StoreId]) -> tuple[int, ...]:
        """How many of `others` share each domain with a store, the widest first."""
        mine, theirs = self.stores[store], [self.stores[other] for other in others if other in self.stores]
        domains = self.policy.domains
        return tuple(sum(mine.label(name) == other.label(name) for other in theirs) for name in domains)

    def best_store(self, seen: RegionSeen, staying: Iterable[StoreId]) -> StoreId | None:
        """Where a new replica stands best beside those that stay; None if nowhere."""
        holding = {peer.store for peer in seen.region.peers}
        kept = [*staying]
        ranked = [
            (self.crowding(store, kept), self.fill(store), store)
            for store in self.stores
            if store not in holding
            and self.is_up(store)
            and not self.is_leaving(store)
            and self.joins[store] < self.policy.joins_max
            and self.fill(store, seen.size_bytes) <= self.policy.fill_max
        ]
        return min(ranked)[2] if ranked else None

    def take(self, step: Step) -> None:
        """Add a step, and reckon with it from here on."""
        self.plan.steps.append(step)
        match step:
            case MergeRegions():
                self.busy |= {step.left, step.right}
            case _:
                self.busy.add(step.region)
        if isinstance(step, ChangeReplicas):
            seen = self.seen(step.region)
            if step.joining is not None:
                self.joins[step.joining.store] += 1
                self.used[step.joining.store] += seen.size_bytes
            if step.leaving is not None:
                self.used[step.leaving.store] -= seen.size_bytes
        elif isinstance(step, TransferLead):
            seen = self.seen(step.region)
            self.leads[step.to.store] += 1
            if seen.leader is not None:
                self.leads[seen.leader] -= 1


def _repair(round_: _Round) -> Iterator[Step]:
    """Replicas of stores that are lost or leaving are made anew, and missing ones added."""
    for seen in round_.free_regions():
        region, wanted = seen.region, round_.policy.replicas
        lost = [peer for peer in region.peers if round_.is_lost(peer.store)]
        gone = lost or [peer for peer in region.peers if round_.is_leaving(peer.store)]
        leaving = gone[0] if gone else None
        if leaving is None and len(region.peers) >= wanted:
            continue
        why = f"store {leaving.store} is {'lost' if lost else 'leaving'}" if leaving else "a replica is missing"
        if leaving is not None and len(region.peers) > wanted:
            yield ChangeReplicas(region.region, region.epoch, None, leaving, why)
            continue
        store = round_.best_store(seen, (peer.store for peer in region.peers if peer != leaving))
        if store is None:
            round_.plan.troubles.append(f"region {region.region}: {why}, and no store can take one: {_wanted(round_)}")
            continue
        yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), leaving, why)


def _shrink(round_: _Round) -> Iterator[Step]:
    """What has more replicas than wanted loses the one that stands worst."""
    for seen in round_.free_regions():
        region = seen.region
        if len(region.peers) > round_.policy.replicas:
            yield ChangeReplicas(region.region, region.epoch, None, _worst(round_, seen), "one replica too many")


def _split(round_: _Round) -> Iterator[Step]:
    """What is too large or too busy is cut in the middle."""
    policy = round_.policy
    for seen in round_.free_regions():
        region = seen.region
        is_large, is_busy = seen.size_bytes >= policy.split_bytes, seen.load >= policy.split_load
        if not (is_large or is_busy):
            continue
        if not (seen.middle > region.start and region.covers(seen.middle)):
            if is_large:
                round_.plan.troubles.append(f"region {region.region} is too large and has no key to be cut at")
            continue
        right = RegionId(round_.plan.next_id)
        round_.plan.next_id += 1
        peers = tuple(round_.next_peer(peer.store) for peer in region.peers)
        why = f"{seen.size_bytes >> 20} MiB" if is_large else f"{seen.load} requests a second"
        yield SplitRegion(region.region, region.epoch, seen.middle, right, peers, why)


def _part(round_: _Round) -> Iterator[Step]:
    """Replicas that could fail together are parted, where there is a better place."""
    for seen in round_.free_regions():
        region = seen.region
        worst = _worst(round_, seen)
        staying = [peer.store for peer in region.peers if peer != worst]
        store = round_.best_store(seen, staying)
        if store is None or worst.store not in round_.stores:
            continue
        now, then = round_.crowding(worst.store, staying), round_.crowding(store, staying)
        if then < now:
            why = f"store {worst.store} shares a domain with another replica"
            yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), worst, why)


def _merge(round_: _Round) -> Iterator[Step]:
    """Small neighbours on the same stores become one."""
    policy = round_.policy
    free = {seen.region.region for seen in round_.free_regions()}
    for left, right in pairwise(round_.observed.regions):
        one, other = left.region, right.region
        if not {one.region, other.region} <= free - round_.busy or one.end != other.start or not one.end:
            continue
        is_small = left.size_bytes + right.size_bytes <= policy.merge_bytes
        is_cold = (left.load + right.load) * COLD < policy.split_load
        is_together = {peer.store for peer in one.peers} == {peer.store for peer in other.peers}
        if is_small and is_cold and is_together:
            why = f"{left.size_bytes + right.size_bytes >> 20} MiB together"
            yield MergeRegions(one.region, one.epoch, other.region, other.epoch, why)


def _balance(round_: _Round) -> Iterator[Step]:
    """A replica goes from a fuller store to an emptier one, if that brings them nearer to each other."""
    for seen in sorted(round_.free_regions(), key=lambda seen: -seen.size_bytes):
        region = seen.region
        full = [peer for peer in region.peers if round_.is_up(peer.store)]
        if not full or not seen.size_bytes:
            continue
        fullest = max(full, key=lambda peer: (round_.fill(peer.store), peer.store))
        staying = [peer.store for peer in region.peers if peer != fullest]
        store = round_.best_store(seen, staying)
        if store is None or round_.crowding(store, staying) > round_.crowding(fullest.store, staying):
            continue
        gap = round_.fill(fullest.store) - round_.fill(store)
        after = round_.fill(fullest.store, -seen.size_bytes) - round_.fill(store, seen.size_bytes)
        if gap > round_.policy.fill_gap and after >= 0:
            why = f"store {fullest.store} is {round(gap * 100)} % fuller than store {store}"
            yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), fullest, why)


def _lead(round_: _Round) -> Iterator[Step]:
    """Leaders leave stores that are leaving, and stores that lead more than others."""
    for seen in round_.free_regions():
        region, leader = seen.region, seen.leader
        able = [
            peer
            for peer in region.peers
            if peer.store != leader
            and peer.peer in region.config.voters - seen.behind
            and round_.is_up(peer.store)
            and not round_.is_leaving(peer.store)
        ]
        if leader is None or not able:
            continue
        least = min(able, key=lambda peer: (round_.leads[peer.store], peer.store))
        if round_.is_leaving(leader):
            yield TransferLead(region.region, region.epoch, least, f"store {leader} is leaving")
        elif round_.leads[leader] - round_.leads[least.store] > round_.policy.leads_gap:
            why = (
                f"store {leader} leads {round_.leads[leader]} regions, store {least.store} {round_.leads[least.store]}"
            )
            yield TransferLead(region.region, region.epoch, least, why)


def _worst(round_: _Round, seen: RegionSeen) -> Peer:
    """The replica that shares most with the others, on the fullest store; the leader only if nothing else tells."""
    stores = [peer.store for peer in seen.region.peers]

    def badness(peer: Peer) -> tuple[tuple[int, ...], bool, float, StoreId]:
        others = [store for store in stores if store != peer.store]
        return round_.crowding(peer.store, others), peer.store != seen.leader, round_.fill(peer.store), peer.store

    known = [peer for peer in seen.region.peers if peer.store in round_.stores]
    return max(known, key=badness, default=seen.region.peers[0])


def _no_quorum(seen: RegionSeen, round_: _Round) -> str:
    stores = ", ".join(str(peer.store) for peer in seen.region.peers if not round_.is_up(peer.store))
    return f"region {seen.region.region} has lost its quorum: stores {stores} are silent; bring one of them back"


def _wanted(round_: _Round) -> str:
    policy = round_.policy
    return f"one is needed that is up, holds none of it, and is less than {round(policy.fill_max * 100)} % full"
