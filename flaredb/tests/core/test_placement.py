from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core.placement import (
    MIB,
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
from flaredb.core.placement_plan import plan
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from ultracloud.raft.words import Config, NodeId
from ultracloud.testkit.golden import check_conversation

GOLDEN = Path(__file__).parents[1] / "golden"
GIB = 1024 * MIB


class Table:
    """Stores and regions as somebody tells of them, and what becomes of them when a plan is done."""

    def __init__(self) -> None:
        self.stores: dict[StoreId, StoreSeen] = {}
        self.regions: dict[RegionId, RegionSeen] = {}
        self.now_ms = 0
        self.next_id = 100
        self.policy = Policy(steps_max=4, may_merge=True)
        self.plan = Plan()
        self.under_way: tuple[Step, ...] = ()

    def observed(self) -> Observed:
        regions = tuple(sorted(self.regions.values(), key=lambda seen: seen.region.start))
        return Observed(tuple(self.stores.values()), regions, self.now_ms, self.next_id, self.under_way)

    def say(self, line: str) -> str:
        word, *rest = line.split()
        words = {"store": self._store, "region": self._region, "plan": self._plan, "do": self._do, "wait": self._wait}
        return (words | {"forget": self._forget, "begin": self._begin, "elect": self._elect})[word](rest) or ""

    def _store(self, words: list[str]) -> None:
        """``store 1 zone=a used=10/100 leaving``; it was seen just now."""
        store, said = StoreId(int(words[0])), dict(word.split("=") for word in words[1:] if "=" in word)
        used, capacity = (int(number) for number in said.pop("used", "0/100").split("/"))
        labels = tuple(said.items())
        self.stores[store] = StoreSeen(store, capacity * GIB, used * GIB, self.now_ms, labels, "leaving" in words)

    def _region(self, words: list[str]) -> None:
        """``region 1 a..m 64MiB 10/s on 1* 2 3+!``: the leader, a learner that is behind.

        Peers have the ids of store + 10 * region.
        """
        region, span, size, load = RegionId(int(words[0])), words[1].split(".."), words[2], words[3]
        marked = {StoreId(int(word.rstrip("*+!"))): word for word in words[5:]}
        leader = next((store for store, word in marked.items() if "*" in word), None)
        ids = {store: NodeId(store + 10 * region) for store in marked}
        learners, behind = (frozenset(ids[each] for each in marked if mark in marked[each]) for mark in "+!")
        seen = region_of(
            region, span[0].encode(), span[1].encode(), tuple(Peer(ids[each], each) for each in marked), learners
        )
        self.regions[region] = RegionSeen(
            seen, int(size.removesuffix("MiB")) * MIB, int(load.removesuffix("/s")), leader, middle_of(seen), behind
        )

    def _begin(self, _words: list[str]) -> None:
        """The plan is carried out, and does not show yet."""
        self.next_id, self.under_way = self.plan.next_id, (*self.under_way, *self.plan.steps)

    def _elect(self, words: list[str]) -> None:
        """``elect 1 2``: region 1 has store 2 as its leader; ``elect 1 -``: nobody says so."""
        region, leader = RegionId(int(words[0])), None if words[1] == "-" else StoreId(int(words[1]))
        self.regions[region] = replace(self.regions[region], leader=leader)

    def _forget(self, words: list[str]) -> None:
        """``forget 1``: a region."""
        del self.regions[RegionId(int(words[0]))]

    def _plan(self, _words: list[str]) -> str:
        self.plan = plan(self.observed(), self.policy)
        lines = [show(step) for step in self.plan.steps] + [f"trouble: {each}" for each in self.plan.troubles]
        return "\n".join(lines) or "nothing"

    def _do(self, _words: list[str]) -> None:
        """All that is planned, and all that is under way, is done."""
        self.next_id = self.plan.next_id
        for step in (*self.under_way, *self.plan.steps):
            self.apply(step)
        self.under_way = ()

    def _wait(self, words: list[str]) -> None:
        """``wait 30 but 2 3``: seconds pass, all stores but some are seen, and regions whose leader is silent elect."""
        self.now_ms += int(words[0]) * 1000
        silent = {int(word) for word in words[2:]}
        for store, seen in self.stores.items():
            if store not in silent:
                self.stores[store] = replace(seen, seen_ms=self.now_ms)
        for region, there in self.regions.items():
            able = [peer.store for peer in there.region.peers if peer.store not in silent]
            if there.leader in silent and 2 * len(able) > len(there.region.peers):
                self.regions[region] = replace(there, leader=able[0])

    def apply(self, step: Step) -> None:
        match step:
            case SplitRegion():
                seen = self.regions[step.region]
                left, right = seen.region.split(step.at, step.right, step.peers)
                for half in (left, right):
                    self.regions[half.region] = replace(
                        seen, region=half, size_bytes=seen.size_bytes // 2, load=seen.load // 2, middle=middle_of(half)
                    )
            case ChangeReplicas():
                self._change(step)
            case TransferLead():
                self.regions[step.region] = replace(self.regions[step.region], leader=step.to.store)
            case MergeRegions():
                left_seen, right_seen = self.regions[step.left], self.regions.pop(step.right)
                merged = replace(left_seen.region, end=right_seen.region.end)
                self.regions[step.left] = replace(
                    left_seen,
                    region=merged,
                    size_bytes=left_seen.size_bytes + right_seen.size_bytes,
                    load=left_seen.load + right_seen.load,
                )

    def _change(self, step: ChangeReplicas) -> None:
        seen = self.regions[step.region]
        there = dict.fromkeys((*seen.region.peers, step.joining))
        peers = tuple(peer for peer in there if peer and peer != step.leaving)
        region = replace(seen.region, peers=peers, config=Config(frozenset(peer.peer for peer in peers)))
        stores = {peer.store for peer in peers}
        leader = seen.leader if seen.leader in stores else peers[0].store
        self.regions[step.region] = replace(seen, region=region, leader=leader)
        for peer, sign in ((step.joining, 1), (step.leaving, -1)):
            if peer is not None and peer.store in self.stores:
                store = self.stores[peer.store]
                self.stores[peer.store] = replace(store, used_bytes=store.used_bytes + sign * seen.size_bytes)


def region_of(
    region: RegionId, start: bytes, end: bytes, peers: tuple[Peer, ...], learners: frozenset[NodeId] = frozenset()
) -> Region:
    ids = frozenset(peer.peer for peer in peers)
    return Region(region, start, end, Epoch(1, 1), peers, Config(ids - learners, learners=learners), max(ids))


def middle_of(region: Region) -> bytes:
    """A key inside."""
    return region.start + b"f"


def show(step: Step) -> str:
    match step:
        case SplitRegion():
            on = ", ".join(f"{peer.peer} on {peer.store}" for peer in step.peers)
            return f"split {step.region} at {step.at.decode()} into {step.right} ({on}): {step.why}"
        case ChangeReplicas():
            joins = f" +{step.joining.peer} on {step.joining.store}" if step.joining else ""
            leaves = f" -{step.leaving.peer} on {step.leaving.store}" if step.leaving else ""
            return f"change {step.region}{joins}{leaves}: {step.why}"
        case TransferLead():
            return f"lead {step.region} from {step.to.store}: {step.why}"
        case MergeRegions():
            return f"merge {step.right} into {step.left}: {step.why}"


@pytest.mark.parametrize("name", ["split", "repair", "balance", "grow", "unfinished"])
def test_placement_plans_as_written(name: str) -> None:
    check_conversation(GOLDEN / f"placement_{name}.txt", Table().say)


REGIONS = st.lists(
    st.tuples(st.sampled_from((1, 20, 60, 90)), st.integers(0, 4000), st.permutations(range(1, 7))),
    min_size=1,
    max_size=9,
)


def table_of(regions: list[tuple[int, int, list[int]]], zones: int, lost: int) -> Table:
    table = Table()
    for store in range(1, 7):
        table.say(f"store {store} zone=z{store % zones} used=0/10")
    for number, (size, load, stores) in enumerate(regions, 1):
        start, end = f"{number:02}", f"{number + 1:02}" if number < len(regions) else ""
        table.say(f"region {number} {start}..{end} {size}MiB {load}/s on {stores[0]}* {stores[1]} {stores[2]}")
    table.say(f"wait 700 but {lost}")
    return table


@settings(max_examples=60, deadline=None)
@given(REGIONS, st.integers(1, 6), st.integers(0, 6))
def test_placement_comes_to_rest_where_nothing_is_missing(
    regions: list[tuple[int, int, list[int]]], zones: int, lost: int
) -> None:
    table = table_of(regions, zones, lost)
    for _ in range(60):
        if table.say("plan") == "nothing":
            break
        table.say("do")
    assert table.say("plan") == "nothing"
    for seen in table.regions.values():
        stores = {peer.store for peer in seen.region.peers}
        assert len(stores) == 3
        assert lost not in stores
        assert len({table.stores[store].label("zone") for store in stores}) == min(3, table_zones(table, lost))


def table_zones(table: Table, lost: int) -> int:
    return len({seen.label("zone") for store, seen in table.stores.items() if store != lost})


@settings(max_examples=60, deadline=None)
@given(REGIONS, st.integers(1, 6), st.integers(0, 6))
def test_a_plan_is_bounded_and_takes_each_region_once(
    regions: list[tuple[int, int, list[int]]], zones: int, lost: int
) -> None:
    table = table_of(regions, zones, lost)
    made = plan(table.observed(), table.policy)
    touched = [each for step in made.steps for each in regions_of(step)]
    assert len(made.steps) <= table.policy.steps_max
    assert len(touched) == len(set(touched))
    assert made == plan(table.observed(), table.policy)


def regions_of(step: Step) -> list[RegionId]:
    return [step.left, step.right] if isinstance(step, MergeRegions) else [step.region]
