"""One round of placement: what is known, what is wanted, and what the steps so far make of it.

`placement_plan` has the rules; here is what they ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flaredb.core.placement import (
    ChangeReplicas,
    MergeRegions,
    Observed,
    Plan,
    Policy,
    RegionSeen,
    Step,
    StoreSeen,
    TransferLead,
)
from flaredb.core.region import Peer, RegionId, StoreId
from ultracloud.raft.words import NodeId


@dataclass(slots=True)
class Round:
    """See the module.

    Attributes:
        used: Bytes of each store once the steps are done.
        holds: Replicas of each store once the steps are done.
        leads: Regions that each store leads once the steps are done.
        loads: Requests a second of those.
        joins: Replicas that each store gets.
        busy: Regions that have their step.
        sound: Stores that are neither lost nor leaving.
    """

    observed: Observed
    policy: Policy
    plan: Plan = field(default_factory=Plan)
    stores: dict[StoreId, StoreSeen] = field(default_factory=dict)
    regions: dict[RegionId, RegionSeen] = field(default_factory=dict)
    used: Counter[StoreId] = field(default_factory=Counter)
    holds: Counter[StoreId] = field(default_factory=Counter)
    leads: Counter[StoreId] = field(default_factory=Counter)
    loads: Counter[StoreId] = field(default_factory=Counter)
    joins: Counter[StoreId] = field(default_factory=Counter)
    busy: set[RegionId] = field(default_factory=set)
    sound: frozenset[StoreId] = frozenset()
    _domains: dict[StoreId, tuple[str, ...]] = field(default_factory=dict)
    _up: set[StoreId] = field(default_factory=set)
    _able: tuple[RegionSeen, ...] = ()

    def __post_init__(self) -> None:
        self.plan.next_id = self.observed.next_id
        for store in self.observed.stores:
            self.stores[store.store] = store
            if store.is_heard and self.observed.now_ms - store.seen_ms < self.policy.down_ms:
                self._up.add(store.store)
            self.used[store.store] = store.used_bytes
            self._domains[store.store] = tuple(store.label(name) for name in self.policy.domains)
        self.sound = frozenset(each for each in self.stores if not (self.is_lost(each) or self.is_leaving(each)))
        for seen in self.observed.regions:
            self.regions[seen.region.region] = seen
            self.holds.update(peer.store for peer in seen.region.peers)
            if seen.leader is not None:
                self.leads[seen.leader] += 1
                self.loads[seen.leader] += seen.load
        for step in self.observed.under_way:
            self.take(step)
        self._able = tuple(seen for seen in self.observed.regions if self._may_change(seen))

    def is_up(self, store: StoreId) -> bool:
        """Whether it was heard of lately."""
        return store in self._up

    def is_lost(self, store: StoreId) -> bool:
        """Whether its replicas are to be made anew."""
        found = self.stores.get(store)
        return found is None or self.observed.now_ms - found.seen_ms >= self.policy.dead_ms

    def is_leaving(self, store: StoreId) -> bool:
        """Whether it is to be emptied."""
        found = self.stores.get(store)
        return found is not None and found.is_leaving

    @property
    def wanted(self) -> int:
        """Replicas that a region is given: no more than there are stores to hold them."""
        return min(self.policy.replicas, len(self.sound))

    def fill(self, store: StoreId, more_bytes: int = 0) -> float:
        """Part of a store that is used once the steps so far, and `more_bytes`, are done."""
        return (self.used[store] + more_bytes) / max(1, self.stores[store].capacity_bytes)

    @property
    def takers(self) -> tuple[StoreId, ...]:
        """Stores that may get something."""
        return tuple(store for store in sorted(self._up) if not self.is_leaving(store))

    def free_regions(self) -> Iterator[RegionSeen]:
        """Regions that a step may be planned for: with a leader, not changing, and all peers there."""
        for seen in self._able:
            if seen.region.region not in self.busy:
                yield seen

    def whole_regions(self) -> Iterator[RegionSeen]:
        """Regions that may be cut: with a leader and a quorum, not changing; who is behind hears of it later."""
        for seen in self.observed.regions:
            is_able = self.has_leader(seen) and not self.has_lost_quorum(seen)
            if seen.region.region not in self.busy and is_able and not seen.region.config.outgoing:
                yield seen

    def has_leader(self, seen: RegionSeen) -> bool:
        """Whether somebody who is there says that he leads it."""
        return seen.leader is not None and self.is_up(seen.leader)

    def has_lost_quorum(self, seen: RegionSeen) -> bool:
        """Whether so many of its voters are silent that it can neither be written nor changed."""
        silent = frozenset(peer.peer for peer in seen.region.peers if not self.is_up(peer.store))
        config = seen.region.config
        return any(2 * len(part & silent) >= len(part) for part in (config.voters, config.outgoing) if part)

    def next_peer(self, store: StoreId) -> Peer:
        """A peer that never was."""
        peer = Peer(NodeId(self.plan.next_id), store)
        self.plan.next_id += 1
        return peer

    def crowding(self, store: StoreId, others: Iterable[StoreId]) -> tuple[int, ...]:
        """How many of `others` share each domain with a store, the widest first."""
        theirs = [self._domains[other] for other in others if other in self._domains]
        return tuple(sum(other[place] == mine for other in theirs) for place, mine in enumerate(self._domains[store]))

    def best_store(self, seen: RegionSeen, staying: Iterable[StoreId]) -> StoreId | None:
        """Where a new replica stands best beside those that stay; None if nowhere."""
        holding = {peer.store for peer in seen.region.peers}
        kept = [*staying]
        ranked = [
            (self.crowding(store, kept), round(self.fill(store), 2), self.holds[store], store)
            for store in self.takers
            if store not in holding
            and self.joins[store] < self.policy.joins_max
            and self.fill(store, seen.size_bytes) <= self.policy.fill_max
        ]
        return min(ranked)[-1] if ranked else None

    def worst(self, seen: RegionSeen) -> Peer:
        """The replica that shares most with the others, on the fullest store; the leader only if nothing else tells."""
        stores = [peer.store for peer in seen.region.peers]

        def badness(peer: Peer) -> tuple[tuple[int, ...], bool, float, StoreId]:
            others = [store for store in stores if store != peer.store]
            return self.crowding(peer.store, others), peer.store != seen.leader, self.fill(peer.store), peer.store

        known = [peer for peer in seen.region.peers if peer.store in self.stores]
        return max(known, key=badness, default=seen.region.peers[0])

    def take(self, step: Step) -> None:
        """Reckon with a step from here on."""
        match step:
            case MergeRegions():
                self.busy |= {step.left, step.right}
            case _:
                self.busy.add(step.region)
        if isinstance(step, ChangeReplicas):
            self._move(step)
        elif isinstance(step, TransferLead):
            seen = self.regions.get(step.region)
            if seen is not None and seen.leader is not None:
                for store, sign in ((step.to.store, 1), (seen.leader, -1)):
                    self.leads[store] += sign
                    self.loads[store] += sign * seen.load

    def _move(self, step: ChangeReplicas) -> None:
        seen = self.regions.get(step.region)
        size_bytes = 0 if seen is None else seen.size_bytes
        if step.joining is not None:
            self.joins[step.joining.store] += 1
            self.holds[step.joining.store] += 1
            self.used[step.joining.store] += size_bytes
        if step.leaving is not None:
            self.holds[step.leaving.store] -= 1
            self.used[step.leaving.store] -= size_bytes

    def _may_change(self, seen: RegionSeen) -> bool:
        region = seen.region
        is_late = any(not self.is_lost(peer.store) for peer in region.peers if peer.peer in seen.behind)
        return self.has_leader(seen) and not (region.config.outgoing or is_late or self.has_lost_quorum(seen))
