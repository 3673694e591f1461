from __future__ import annotations

import pytest

from flaredb.core.commands import Outcome, Txn, Write
from flaredb.core.engine import Column
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from flaredb.core.region_codec import MalformedError
from flaredb.core.region_entry import Split
from flaredb.core.region_errors import NotLeaderError, RegionMovedError
from flaredb.core.region_node import Letter
from flaredb.core.region_rows import checksum, load, scan
from flaredb.core.region_snapshot import Assembly, Chunk, chunks
from flaredb.testing_regions import NOW_MS, ONE, STORES, Group, encoded, put
from ultracloud.base.faults import UnavailableError
from ultracloud.raft import events
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.messages import Heartbeat
from ultracloud.raft.words import NodeId


def test_a_write_is_answered_and_stands_on_every_store() -> None:
    group = Group()
    answer = group.put("a", "1")
    assert isinstance(answer, tuple)
    assert answer[0].succeeded
    group.tick(2)
    sums = {checksum(engine, group.first) for engine in group.engines.values()}
    assert len(sums) == 1
    assert sums != {0}


def test_a_write_is_not_answered_without_a_quorum() -> None:
    group = Group()
    group.cut_off = {StoreId(2), StoreId(3)}
    assert group.put("a", "1") is None


def test_a_read_waits_for_a_quorum_that_knows_its_leader() -> None:
    group = Group()
    node = group.nodes[StoreId(1)]
    node.read(ONE, group.first.epoch, "read")
    group.run()
    assert group.answers["read"] == "may read"
    group.cut_off = {StoreId(2), StoreId(3)}
    node.read(ONE, group.first.epoch, "alone")
    group.run()
    assert "alone" not in group.answers


def test_whoever_does_not_lead_says_who_does() -> None:
    group = Group()
    with pytest.raises(NotLeaderError) as refused:
        group.nodes[StoreId(2)].propose(ONE, group.first.epoch, [put("a", "1")], "token")
    assert refused.value.leader == StoreId(1)


def test_versions_are_not_below_the_leaders_time_and_rise() -> None:
    group = Group()
    first, second = group.put("a", "1"), group.put("a", "2")
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert (NOW_MS << 16) <= first[0].version < second[0].version


def test_proposals_that_come_together_share_one_entry() -> None:
    group = Group()
    node = group.nodes[StoreId(1)]
    before = node.replica(ONE).raft.last_index
    for number in range(5):
        node.propose(ONE, group.first.epoch, [put(f"k{number}", "v")], f"token {number}")
    group.run()
    assert node.replica(ONE).raft.last_index == before + 1
    assert all(isinstance(group.answers[f"token {number}"], tuple) for number in range(5))


def test_a_start_goes_on_where_the_rows_end() -> None:
    group = Group()
    group.put("a", "1")
    before = group.nodes[StoreId(1)].replica(ONE)
    again = group.node(StoreId(1)).replica(ONE)
    assert (again.applied, again.region) == (before.applied, before.region)
    assert again.raft.last_index == before.raft.last_index


def test_a_split_gives_both_halves_to_every_store_and_each_its_own_log() -> None:
    group = Group()
    group.put("a", "1")
    group.put("m", "1")
    right = group.split("m")
    group.nodes[StoreId(1)].replica(right.region).tell(events.Campaign())
    group.run()
    left = group.region(ONE)
    assert (left.end, right.start) == (encoded("m"), encoded("m"))
    assert left.epoch == right.epoch == Epoch(2, 1)
    assert isinstance(group.put("m", "2", right), tuple)
    assert isinstance(group.put("a", "2", left), tuple)
    group.tick(2)
    for region in (left, right):
        assert len({checksum(engine, region) for engine in group.engines.values()}) == 1


def test_who_comes_by_the_old_map_is_told_both_halves() -> None:
    group = Group()
    right = group.split("m")
    with pytest.raises(RegionMovedError) as moved:
        group.put("m", "1")
    assert moved.value.regions == (group.region(ONE), right)
    assert "6e73006d0001" in moved.value.public


def test_who_led_a_region_leads_its_right_half_before_anybody_loses_patience() -> None:
    group = Group()
    right = group.split("m")
    group.tick(2)
    assert [group.nodes[store].replica(right.region).is_leader for store in STORES] == [True, False, False]
    assert isinstance(group.put("m", "1", right), tuple)


def test_what_was_routed_before_a_split_does_nothing_after_it() -> None:
    group = Group()
    node = group.nodes[StoreId(1)]
    peers = tuple(Peer(NodeId(10 * each.peer), each.store) for each in group.first.peers)
    node.propose(ONE, group.first.epoch, [put("a", "1")], "before")
    node.split(ONE, Split(group.first.epoch, encoded("m"), RegionId(2), peers), "split")
    node.propose(ONE, group.first.epoch, [put("m", "1")], "behind")
    group.run()
    assert isinstance(group.answers["split"], Region)
    for token in ("before", "behind"):
        assert isinstance(group.answers[token], RegionMovedError)


@pytest.mark.parametrize("at", ["", "nothing"])
def test_a_region_is_not_split_where_it_would_leave_nothing(at: str) -> None:
    group = Group()
    group.split("m")
    left = group.region(ONE)
    place = left.end if at else left.start
    with pytest.raises(RegionMovedError):
        group.nodes[StoreId(1)].split(ONE, Split(left.epoch, place, RegionId(9), left.peers), "token")


def test_a_replica_is_added_by_a_snapshot_and_another_one_removed_by_joint_consensus() -> None:
    group = Group(stores=(*STORES, StoreId(4)))
    group.put("a", "1")
    joining = Peer(NodeId(4), StoreId(4))
    changes = [NodeChange(ChangeKind.ADD_VOTER, NodeId(4)), NodeChange(ChangeKind.REMOVE, NodeId(3))]
    group.nodes[StoreId(1)].change(ONE, group.first.epoch, changes, [joining], "change")
    group.tick(40)
    region = group.region(ONE)
    assert region.config.voters == {1, 2, 4}
    assert region.epoch == Epoch(1, 3)
    assert group.region(ONE, StoreId(4)) == region
    assert checksum(group.engines[StoreId(4)], region) == checksum(group.engines[StoreId(1)], region) != 0


def test_ends_of_keys_go_where_the_keys_go() -> None:
    group = Group(stores=(*STORES, StoreId(4)))
    lived = Txn("ns", (), (Write(b"a", b"1", ttl_ms=5000), Write(b"b", b"1")))
    group.nodes[StoreId(1)].propose(ONE, group.first.epoch, [lived], "put")
    group.run()
    ends = list(scan(group.engines[StoreId(1)], Column.EXPIRY, b"", b""))
    joining = [NodeChange(ChangeKind.ADD_VOTER, NodeId(4)), NodeChange(ChangeKind.REMOVE, NodeId(3))]
    group.nodes[StoreId(1)].change(ONE, group.first.epoch, joining, [Peer(NodeId(4), StoreId(4))], "change")
    group.tick(40)
    assert len(ends) == 1
    assert list(scan(group.engines[StoreId(4)], Column.EXPIRY, b"", b"")) == ends
    assert not list(scan(group.engines[StoreId(3)], Column.EXPIRY, b"", b""))


def test_a_replica_that_was_removed_leaves_no_rows_and_does_not_come_back() -> None:
    group = Group()
    group.put("a", "1")
    group.nodes[StoreId(1)].change(ONE, group.first.epoch, [NodeChange(ChangeKind.REMOVE, NodeId(3))], [], "change")
    group.tick(40)
    engine = group.engines[StoreId(3)]
    assert not list(scan(engine, Column.DATA, b"", b""))
    assert load(engine) == ([], {ONE: NodeId(3)}, set())


def test_a_replica_that_missed_its_removal_is_told_and_goes() -> None:
    group = Group()
    group.cut_off = {StoreId(3)}
    group.nodes[StoreId(1)].change(ONE, group.first.epoch, [NodeChange(ChangeKind.REMOVE, NodeId(3))], [], "change")
    group.tick(5)
    group.cut_off = set()
    group.tick(70)
    assert ONE not in group.nodes[StoreId(3)].replicas


def test_a_replica_that_restarts_after_its_removal_goes() -> None:
    group = Group()
    group.nodes[StoreId(1)].change(ONE, group.first.epoch, [NodeChange(ChangeKind.REMOVE, NodeId(3))], [], "change")
    group.tick(3)
    group.nodes[StoreId(3)] = group.node(StoreId(3))
    assert group.nodes[StoreId(3)].replica(ONE).is_removed
    group.tick(40)
    assert ONE not in group.nodes[StoreId(3)].replicas


def test_a_replica_that_was_removed_before_its_state_came_asks_and_goes() -> None:
    group = Group(stores=(*STORES, StoreId(4)))
    leader = group.nodes[StoreId(1)]
    joining = [NodeChange(ChangeKind.ADD_VOTER, NodeId(4))]
    leader.change(ONE, group.first.epoch, joining, [Peer(NodeId(4), StoreId(4))], "add")
    group.run(3)
    group.cut_off = {StoreId(4)}
    group.run()
    leader.change(ONE, group.region(ONE).epoch, [NodeChange(ChangeKind.REMOVE, NodeId(4))], [], "remove")
    group.tick(5)
    group.cut_off = set()
    group.nodes[StoreId(4)].receive(Letter(StoreId(1), StoreId(4), group.first, beat(1, 4)))
    assert not group.region(ONE, StoreId(4)).is_known
    group.run(1)
    group.nodes[StoreId(4)] = group.node(StoreId(4))
    group.tick(150)
    assert ONE not in group.nodes[StoreId(4)].replicas
    group.nodes[StoreId(4)].receive(Letter(StoreId(1), StoreId(4), group.first, beat(1, 4)))
    assert ONE not in group.nodes[StoreId(4)].replicas


def beat(sender: int, to: int) -> Heartbeat:
    return Heartbeat(NodeId(to), NodeId(sender), 1, 0)


def test_of_two_changes_planned_by_one_epoch_one_happens() -> None:
    group = Group(stores=(*STORES, StoreId(4)))
    for peer in (8, 9):
        joining = [NodeChange(ChangeKind.ADD_VOTER, NodeId(peer))]
        group.nodes[StoreId(1)].change(
            ONE, group.first.epoch, joining, [Peer(NodeId(peer), StoreId(4))], f"change {peer}"
        )
    group.run()
    assert isinstance(group.answers["change 8"], Region)
    assert isinstance(group.answers["change 9"], UnavailableError)


def test_an_id_that_a_peer_had_is_not_given_again() -> None:
    group = Group(stores=(*STORES, StoreId(4)))
    joining = [NodeChange(ChangeKind.ADD_VOTER, NodeId(3))]
    with pytest.raises(UnavailableError, match="cannot take this change"):
        group.nodes[StoreId(1)].change(ONE, group.first.epoch, joining, [Peer(NodeId(3), StoreId(4))], "change")


def test_two_replicas_never_stand_on_one_store() -> None:
    group = Group()
    joining = [NodeChange(ChangeKind.ADD_VOTER, NodeId(9))]
    with pytest.raises(UnavailableError, match="cannot take this change"):
        group.nodes[StoreId(1)].change(ONE, group.first.epoch, joining, [Peer(NodeId(9), StoreId(2))], "change")


def test_a_state_that_is_damaged_on_the_way_is_refused() -> None:
    group = Group()
    group.put("a", "1")
    replica = group.nodes[StoreId(1)].replica(ONE)
    sent = list(chunks(group.engines[StoreId(1)], replica.region, replica.applied))
    head, body = sent
    damaged = Chunk(body.number, body.is_last, body.content[:-1] + b"!", body.checksum)
    for before, wrong in (([], body), ([head], head), ([head], damaged)):
        assembly = Assembly()
        for chunk in before:
            assert assembly.add(chunk) is None
        with pytest.raises(MalformedError):
            assembly.add(wrong)


def test_outcomes_come_in_the_order_of_the_transactions() -> None:
    group = Group()
    group.nodes[StoreId(1)].propose(ONE, group.first.epoch, [put("a", "1"), put("b", "1")], "both")
    group.run()
    found = group.answers["both"]
    assert isinstance(found, tuple)
    one, other = found
    assert isinstance(one, Outcome)
    assert one.version + 1 == other.version
