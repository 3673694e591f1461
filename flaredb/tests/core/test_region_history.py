from __future__ import annotations

from flaredb.core.commands import Txn, Write
from flaredb.core.engine import Column
from flaredb.core.keys import EncodedKey
from flaredb.core.records import START
from flaredb.core.region import Region
from flaredb.core.region_expiry import ExpiryLooker
from flaredb.core.region_history import HistoryKeeper, stored_changes, stored_commits
from flaredb.core.region_rows import checksum
from flaredb.core.retention import History
from flaredb.testing_regions import NOW_MS, ONE, STORES, Group, encoded, put

SHORT = History(age_ms=3_600_000, changes=10, bytes=1 << 30)


def keep(group: Group, keeper: HistoryKeeper, region: Region, now_ms: int = NOW_MS) -> int:
    """Do what is due at the first store until nothing is; how many entries that took."""
    node = group.nodes[STORES[0]]
    for count in range(100):
        replica = node.replica(region.region)
        due = keeper.due(group.engines[STORES[0]], replica.region, replica.applied, now_ms)
        if due is None:
            return count
        node.keep(region.region, due, f"keep {count}")
        group.run()
    raise AssertionError("it never ends")


def sums(group: Group, region: Region) -> set[int]:
    return {checksum(engine, region) for engine in group.engines.values()}


def versions(group: Group, key: str, store: int = 0) -> int:
    cursor = group.engines[STORES[store]].cursor(Column.DATA)
    cursor.seek(encoded(key))
    count = 0
    while cursor.valid() and cursor.key().startswith(encoded(key)):
        count += 1
        cursor.next()
    return count


def test_history_out_of_bounds_is_swept_on_every_replica_alike() -> None:
    group, keeper = Group(), HistoryKeeper(SHORT)
    assert keep(group, keeper, group.first) == 0
    for number in range(40):
        group.put("a", str(number))
        keep(group, keeper, group.first)
    group.tick(3)
    applied = group.nodes[STORES[0]].replica(ONE).applied
    assert applied.swept == applied.floor > 0
    assert 10 <= versions(group, "a") <= 14
    assert len(sums(group, group.first)) == 1
    assert {group.nodes[store].replica(ONE).applied.floor for store in STORES} == {applied.floor}


def test_history_that_is_too_old_goes_without_a_note_of_what_it_was() -> None:
    group = Group()
    for number in range(5):
        group.put("a", str(number))
    later_ms = NOW_MS + 2 * SHORT.age_ms
    assert keep(group, HistoryKeeper(SHORT), group.first, later_ms) == 2
    assert versions(group, "a") == versions(group, "a", 2) == 1


def test_a_floor_is_never_above_what_is_closed() -> None:
    group = Group()
    group.put("a", "1")
    keep(group, HistoryKeeper(SHORT), group.first, NOW_MS + (1 << 40))
    applied = group.nodes[STORES[0]].replica(ONE).applied
    assert applied.floor == applied.mark.version


def test_the_right_half_of_a_split_has_the_changes_of_its_keys() -> None:
    group = Group()
    for key in "abcd":
        group.put(key, key)
    right = group.split("c")
    left = group.region(ONE)
    told: list[list[EncodedKey]] = []
    for region in (left, right):
        found = stored_changes(group.engines[STORES[1]], region, 0, 1 << 62)
        told.append([key for _, keys in found for key in keys])
    assert told == [[encoded("a"), encoded("b")], [encoded("c"), encoded("d")]]
    commits = stored_commits(group.engines[STORES[1]], right, 0, 1 << 62)
    assert [commit.changes[0].value for commit in commits] == [b"c", b"d"]


def test_a_sweep_of_the_left_half_leaves_the_right_one_alone() -> None:
    group = Group()
    for key in "abab":
        group.put(key, "1")
    right = group.split("b")
    keep(group, HistoryKeeper(SHORT), group.region(ONE), NOW_MS + 2 * SHORT.age_ms)
    assert (versions(group, "a"), versions(group, "b")) == (1, 2)
    assert group.nodes[STORES[0]].replica(right.region).applied.floor == START.version


def test_who_comes_later_gets_the_floor_with_the_state() -> None:
    group = Group()
    for number in range(5):
        group.put("a", str(number))
    group.cut_off = {STORES[2]}
    keep(group, HistoryKeeper(SHORT), group.first, NOW_MS + 2 * SHORT.age_ms)
    group.nodes[STORES[0]].replica(ONE).kept_entries = group.nodes[STORES[0]].replica(ONE).compact_step = 1
    for number in range(20):
        group.put("b", str(number))
    group.cut_off = set()
    group.tick(30)
    assert group.nodes[STORES[2]].replica(ONE).applied == group.nodes[STORES[0]].replica(ONE).applied
    assert len(sums(group, group.first)) == 1


def ending(key: str, expires_at_ms: int) -> Txn:
    return Txn("ns", (), (Write(key.encode(), b"x", expires_at_ms=expires_at_ms),))


def test_a_leader_deletes_what_has_ended_and_every_store_drops_void_rows() -> None:
    group = Group()
    node, engine = group.nodes[STORES[0]], group.engines[STORES[0]]
    txns = [ending("a", NOW_MS + 5), ending("b", NOW_MS + 500), ending("c", NOW_MS + 6), put("c", "stays")]
    node.propose(ONE, group.first.epoch, txns, "puts")
    group.tick(3)
    looker = ExpiryLooker()
    ends = looker.look(engine, lambda _: (group.first, True), NOW_MS + 10)
    assert [(region, [write.key for write in txn.writes]) for region, txn in ends.due] == [(group.first, [b"a"])]
    assert [row[1][8:] for row in ends.stale] == [encoded("c")]
    assert ends.is_done
    assert ends.behind_ms == 5
    assert ExpiryLooker().look(engine, lambda _: (group.first, False), NOW_MS + 10).due == ()
    assert len(ExpiryLooker().look(engine, lambda _: None, NOW_MS + 10).stale) == 2
