"""The planner of placement: from what stores and regions say to a few steps that bring them nearer to the policy.

A round takes each region into at most one step, and at most `Policy.steps_max` in all, in this order: what lost a
replica is repaired, what has too many loses one, what is too large or too busy is cut, replicas that could fail
together are parted, small neighbours are merged, and last stores are made equally full and leaders spread. When all is
done a plan is empty, and no step undoes another (see `Policy`).
"""

from __future__ import annotations

from collections.abc import Iterator
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
    TransferLead,
)
from flaredb.core.placement_round import Round
from flaredb.core.region import Peer, RegionId, StoreId

COLD = 10
"""A merge is for regions with less than this part of the load that cuts one, both together."""


def plan(observed: Observed, policy: Policy) -> Plan:
    """The next steps.

    Args:
        observed: What is known; what is not, is left alone.
        policy: What is wanted.
    """
    round_ = Round(observed, policy)
    round_.plan.troubles += filter(None, (_trouble(seen, round_) for seen in observed.regions))
    for rule in (_finish, _repair, _shrink, _split, _part, _merge, _balance, _spread, _lead):
        for step in rule(round_):
            if len(round_.plan.steps) + len(observed.under_way) >= policy.steps_max:
                return round_.plan
            round_.plan.steps.append(step)
            round_.take(step)
    return round_.plan


def _finish(round_: Round) -> Iterator[Step]:
    """A replica that has caught up, and whose change nobody finished, becomes a voter."""
    for seen in round_.free_regions():
        region, gone = seen.region, _gone(round_, seen)
        learners = [peer for peer in region.peers if peer.peer in region.config.learners and peer not in gone]
        if learners:
            leaving = next((peer for peer in gone if peer.peer in region.config.voters), None)
            why = "it was added and has caught up"
            yield ChangeReplicas(region.region, region.epoch, learners[0], leaving, why)


def _repair(round_: Round) -> Iterator[Step]:
    """Replicas of stores that are lost or leaving are made anew, and missing ones added."""
    wanted = round_.wanted
    for seen in round_.free_regions():
        region, gone = seen.region, _gone(round_, seen)
        leaving = gone[0] if gone else None
        if leaving is None and len(region.peers) >= wanted:
            continue
        why = "a replica is missing"
        if leaving is not None:
            why = f"store {leaving.store} is {'lost' if round_.is_lost(leaving.store) else 'leaving'}"
            is_spare = len(region.config.voters) > round_.policy.replicas
            if is_spare or leaving.peer in region.config.learners:
                yield ChangeReplicas(region.region, region.epoch, None, leaving, why)
                continue
        store = round_.best_store(seen, (peer.store for peer in region.peers if peer != leaving))
        if store is not None:
            yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), leaving, why)
        elif not any(round_.joins.values()):
            round_.plan.troubles.append(f"region {region.region}: {why}, and no store can take one: {_wanted(round_)}")


def _shrink(round_: Round) -> Iterator[Step]:
    """What has more replicas than wanted loses the one that stands worst."""
    for seen in round_.free_regions():
        region = seen.region
        if len(region.config.voters) > round_.policy.replicas:
            yield ChangeReplicas(region.region, region.epoch, None, round_.worst(seen), "one replica too many")


def _split(round_: Round) -> Iterator[Step]:
    """What is too large or too busy is cut in the middle."""
    policy = round_.policy
    for seen in round_.whole_regions():
        region = seen.region
        is_large, is_busy = seen.size_bytes >= policy.split_bytes, seen.load >= policy.split_load
        if not (is_large or is_busy):
            continue
        if not (seen.middle > region.start and region.covers(seen.middle)):
            # What lies elsewhere is of before it was cut last, and soon counted anew.
            if is_large and seen.middle and seen.middle == region.start:
                round_.plan.troubles.append(f"region {region.region} is too large, and all of it is one key")
            continue
        right = RegionId(round_.plan.next_id)
        round_.plan.next_id += 1
        peers = tuple(round_.next_peer(peer.store) for peer in region.peers)
        why = f"{seen.size_bytes >> 20} MiB" if is_large else f"{seen.load} requests a second"
        yield SplitRegion(region.region, region.epoch, seen.middle, right, peers, why)


def _part(round_: Round) -> Iterator[Step]:
    """Replicas that could fail together are parted, where there is a better place."""
    for seen in round_.free_regions():
        region = seen.region
        worst = round_.worst(seen)
        staying = [peer.store for peer in region.peers if peer != worst]
        now = round_.crowding(worst.store, staying) if worst.store in round_.stores else ()
        store = round_.best_store(seen, staying) if any(now) else None
        if store is not None and round_.crowding(store, staying) < now:
            why = f"store {worst.store} shares a domain with another replica"
            yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), worst, why)


def _merge(round_: Round) -> Iterator[Step]:
    """Small neighbours on the same stores become one."""
    policy = round_.policy
    if not policy.may_merge:
        return
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


def _balance(round_: Round) -> Iterator[Step]:
    """A replica goes from a fuller store to an emptier one, if that brings them nearer to each other."""
    takers = round_.takers
    for seen in sorted(round_.free_regions(), key=lambda seen: -seen.size_bytes):
        region = seen.region
        full = [peer for peer in region.peers if round_.is_up(peer.store)]
        if not full or not seen.size_bytes:
            continue
        fullest = max(full, key=lambda peer: (round_.fill(peer.store), peer.store))
        if round_.fill(fullest.store) - min(map(round_.fill, takers), default=1.0) <= round_.policy.fill_gap:
            continue
        staying = [peer.store for peer in region.peers if peer != fullest]
        store = round_.best_store(seen, staying)
        if store is None or round_.crowding(store, staying) > round_.crowding(fullest.store, staying):
            continue
        gap = round_.fill(fullest.store) - round_.fill(store)
        after = round_.fill(fullest.store, -seen.size_bytes) - round_.fill(store, seen.size_bytes)
        if gap > round_.policy.fill_gap and after >= 0:
            why = f"store {fullest.store} is {round(gap * 100)} % fuller than store {store}"
            yield ChangeReplicas(region.region, region.epoch, round_.next_peer(store), fullest, why)


def _spread(round_: Round) -> Iterator[Step]:
    """Where stores are about equally full, a replica goes from one that holds many to one that holds few.

    Work goes where replicas are: what is small may be busy, and a new store is to take its part of that.
    """
    for seen in sorted(round_.free_regions(), key=lambda seen: (seen.size_bytes, seen.region.region)):
        for peer in sorted(seen.region.peers, key=lambda peer: (-round_.holds[peer.store], peer.store)):
            store = _emptier(round_, seen, peer)
            if store is not None:
                many, few = round_.holds[peer.store], round_.holds[store]
                why = f"store {peer.store} holds {many} replicas, store {store} {few}"
                yield ChangeReplicas(seen.region.region, seen.region.epoch, round_.next_peer(store), peer, why)
                break


def _emptier(round_: Round, seen: RegionSeen, peer: Peer) -> StoreId | None:
    """A store that holds so much less than a peer's that it may take the peer's place; None without one."""
    fewest = min((round_.holds[store] for store in round_.takers), default=0)
    if round_.holds[peer.store] - fewest <= round_.policy.holds_gap or peer.store not in round_.stores:
        return None
    staying = [each.store for each in seen.region.peers if each != peer]
    store = round_.best_store(seen, staying)
    if store is None:
        return None
    is_crowded = round_.crowding(store, staying) > round_.crowding(peer.store, staying)
    # Or balancing by bytes would take it back.
    after = round_.fill(store, seen.size_bytes) - round_.fill(peer.store, -seen.size_bytes)
    is_less = round_.holds[peer.store] - round_.holds[store] > round_.policy.holds_gap
    return store if is_less and not is_crowded and after <= round_.policy.fill_gap else None


def _lead(round_: Round) -> Iterator[Step]:
    """Leaders leave stores that are leaving, and stores that lead more, or serve more, than others."""
    for seen in sorted(round_.free_regions(), key=lambda seen: (-seen.load, seen.region.region)):
        able, leader = _able(round_, seen), seen.leader
        if leader is None or not able:
            continue
        least = min(able, key=lambda peer: (round_.leads[peer.store], round_.loads[peer.store], peer.store))
        idle = min(able, key=lambda peer: (round_.loads[peer.store], round_.leads[peer.store], peer.store))
        if round_.is_leaving(leader):
            to, why = least, f"store {leader} is leaving"
        elif _leads_less(round_, seen, leader, least.store):
            many, few = round_.leads[leader], round_.leads[least.store]
            to, why = least, f"store {leader} leads {many} regions, store {least.store} {few}"
        elif _serves_less(round_, seen, leader, idle.store):
            most, little = round_.loads[leader], round_.loads[idle.store]
            to, why = idle, f"store {leader} serves {most} requests a second, store {idle.store} {little}"
        else:
            continue
        yield TransferLead(seen.region.region, seen.region.epoch, to, why)


def _leads_less(round_: Round, seen: RegionSeen, leader: StoreId, other: StoreId) -> bool:
    """Whether another store leads so many fewer that it may take this one, and its load would not bring it back."""
    after = round_.loads[other] - round_.loads[leader] + 2 * seen.load
    return round_.leads[leader] - round_.leads[other] > round_.policy.leads_gap and after <= round_.policy.load_gap


def _serves_less(round_: Round, seen: RegionSeen, leader: StoreId, other: StoreId) -> bool:
    """Whether another store serves so much less that it may take this one, and would still not serve more."""
    gap, after = round_.loads[leader] - round_.loads[other], round_.leads[other] - round_.leads[leader] + 2
    is_better = 0 < 2 * seen.load <= gap and after <= round_.policy.leads_gap
    return gap > round_.policy.load_gap and is_better


def _able(round_: Round, seen: RegionSeen) -> list[Peer]:
    """Who may lead in place of who does."""
    voters = seen.region.config.voters - seen.behind
    takers = [peer for peer in seen.region.peers if peer.peer in voters and peer.store != seen.leader]
    return [peer for peer in takers if round_.is_up(peer.store) and not round_.is_leaving(peer.store)]


def _gone(round_: Round, seen: RegionSeen) -> list[Peer]:
    """Replicas to be made elsewhere: of lost stores, or if none is lost, of those that are leaving; learners first."""
    if all(peer.store in round_.sound for peer in seen.region.peers):
        return []
    learners = seen.region.config.learners
    peers = sorted(seen.region.peers, key=lambda peer: peer.peer not in learners)
    return [each for each in peers if round_.is_lost(each.store)] or [
        each for each in peers if round_.is_leaving(each.store)
    ]


def _trouble(seen: RegionSeen, round_: Round) -> str:
    """What placement cannot help a region with; empty if there is nothing."""
    region = seen.region
    if round_.has_lost_quorum(seen):
        silent = ", ".join(str(peer.store) for peer in region.peers if not round_.is_up(peer.store))
        return f"region {region.region} has lost its quorum: stores {silent} are silent; bring one of them back"
    if not round_.has_leader(seen):
        last = "nobody has led it" if seen.leader is None else f"store {seen.leader}, which led it, is silent"
        return f"region {region.region}: {last}, and no other store says that it leads"
    return ""


def _wanted(round_: Round) -> str:
    policy = round_.policy
    return f"one is needed that is up, holds none of it, and is less than {round(policy.fill_max * 100)} % full"
