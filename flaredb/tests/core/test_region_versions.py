from __future__ import annotations

from flaredb.core.keys import version_of
from flaredb.core.records import Mark
from flaredb.core.region import Epoch, Peer, RegionId
from flaredb.core.region_entry import Split
from flaredb.core.region_rows import state_rows
from flaredb.core.region_state import LOGICAL_BITS
from flaredb.core.region_work import CLOCK_AHEAD_MAX_MS
from flaredb.testing_regions import NOW_MS, ONE, STORES, Group, encoded, put
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.raft.words import NodeId

NOW = NOW_MS << LOGICAL_BITS


def mark(group: Group, store: int = 0) -> Mark:
    return group.nodes[STORES[store]].replica(ONE).applied.mark


def propose(group: Group, *values: str, floor: int = 0, epoch: Epoch | None = None) -> object:
    txns = [put("a", value) for value in values]
    group.nodes[STORES[0]].propose(ONE, epoch or group.first.epoch, txns, f"{values} {floor}", floor)
    group.run()
    return group.answers[f"{values} {floor}"]


def test_versions_are_not_below_the_floor_that_a_caller_asks_for() -> None:
    group = Group()
    floor = NOW + (7 << LOGICAL_BITS)
    answer = propose(group, "1", "2", floor=floor)
    assert isinstance(answer, tuple)
    assert [outcome.version for outcome in answer] == [floor, floor + 1]
    assert mark(group).version == floor + 1


def test_a_close_raises_the_mark_on_every_replica_alike() -> None:
    group = Group()
    assert not group.nodes[STORES[0]].replica(ONE).covers_version(NOW + 5)
    assert propose(group, floor=NOW + 5) == ()
    group.tick(2)
    assert {mark(group, store) for store in range(3)} == {Mark(NOW + 5, NOW_MS, 0, 0)}
    assert all(group.nodes[store].replica(ONE).covers_version(NOW + 5) for store in STORES)


def test_what_is_committed_after_a_close_is_above_it() -> None:
    group = Group()
    propose(group, floor=NOW + 5)
    propose(group, "1")
    stored = [key for _, key, _ in state_rows(group.engines[STORES[0]], group.first) if key.startswith(encoded("a"))]
    assert [version_of(key) for key in stored] == [NOW + 6]


def test_closes_and_writes_that_wait_share_one_entry() -> None:
    group = Group()
    node, epoch = group.nodes[STORES[0]], group.first.epoch
    index = node.replica(ONE).applied.index
    for number in range(5):
        node.propose(ONE, epoch, (), f"close {number}", NOW + number)
        node.propose(ONE, epoch, [put("a", "1")], f"put {number}")
    group.run()
    assert node.replica(ONE).applied.index == index + 1
    assert all(group.answers[f"close {number}"] == () for number in range(5))


def test_a_floor_that_is_too_far_ahead_is_refused_and_nothing_is_done() -> None:
    group = Group()
    before = mark(group)
    answer = propose(group, "1", floor=NOW + (CLOCK_AHEAD_MAX_MS + 1 << LOGICAL_BITS))
    assert isinstance(answer, FailedPreconditionError)
    assert "clock" in answer.public
    assert mark(group) == before
    assert isinstance(propose(group, "1", floor=NOW + (CLOCK_AHEAD_MAX_MS << LOGICAL_BITS)), tuple)


def test_while_a_cut_is_not_written_its_halves_cover_nothing() -> None:
    group = Group((STORES[0],), (STORES[0],))
    propose(group, "1", floor=NOW + 5)
    node, epoch = group.nodes[STORES[0]], group.first.epoch
    node.split(ONE, Split(epoch, encoded("m"), RegionId(2), (Peer(NodeId(9), STORES[0]),)), "split")
    for _ in range(10):
        work = node.begin(NOW_MS)
        if RegionId(2) in node.replicas:
            break
        group.engines[STORES[0]].write(work.rows)
        node.finish()
        node.synced(node.to_sync())
    assert not any(replica.covers_version(1) for replica in node.replicas.values())
    group.engines[STORES[0]].write(work.rows)
    node.finish()
    group.run()
    assert all(replica.covers_version(NOW + 5) for replica in node.replicas.values())
