"""A planner that has just begun does not know who is there: what it has not heard itself gets nothing."""

from dataclasses import replace

from flaredb.core.placement import MIB, ChangeReplicas, Observed, Policy, RegionSeen, StoreSeen
from flaredb.core.placement_plan import plan
from flaredb.core.region import Peer, RegionId, StoreId, first_region
from ultracloud.raft.words import NodeId

STORES = tuple(StoreSeen(StoreId(number), 1000 * MIB, 10 * MIB, seen_ms=1000) for number in (1, 2))
REGION = RegionSeen(first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))]), 0, 0, StoreId(1))


def test_a_store_that_was_only_found_in_the_map_gets_nothing() -> None:
    silent = replace(STORES[1], is_heard=False)
    assert plan(Observed((STORES[0], silent), (REGION,), 1000, 10), Policy()).steps == []


def test_it_gets_its_part_once_it_is_heard() -> None:
    (step,) = plan(Observed(STORES, (REGION,), 1000, 10), Policy()).steps
    assert isinstance(step, ChangeReplicas)
    assert step.joining == Peer(NodeId(10), StoreId(2))
