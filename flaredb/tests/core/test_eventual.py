from __future__ import annotations

from random import Random

import pytest

from flaredb.core import eventual_replica
from flaredb.core.commands import Write
from flaredb.core.engine import Column
from flaredb.core.eventual_clock import SKEW_MS_MAX, HybridClock, Stamp
from flaredb.core.eventual_errors import ClockSkewError
from flaredb.core.eventual_replica import EventualReplica
from flaredb.core.keys import encode
from flaredb.core.region import StoreId
from flaredb.testing_eventual import START_MS, EventualCluster, EventualStore

HOUR_MS = 3_600_000
ONE = StoreId(1)


def test_stamps_rise_while_the_clock_stands_still_or_goes_back():
    clock = HybridClock(ONE)
    stamps = [clock.stamp(now_ms) for now_ms in (1000, 1000, 400, 1001)]
    assert stamps == sorted(set(stamps))
    assert [stamp.ms for stamp in stamps] == [1000, 1000, 1000, 1001]


def test_a_stamp_is_above_every_one_that_was_followed():
    clock = HybridClock(ONE)
    theirs = Stamp((1400 << 16) + 7, StoreId(2))
    clock.follow(theirs, 1000)
    assert clock.stamp(1000) > theirs


def test_a_clock_does_not_follow_one_that_is_too_far_ahead_not_even_step_by_step():
    clock = HybridClock(ONE)
    clock.follow(Stamp(1000 + SKEW_MS_MAX << 16, StoreId(2)), 1000)
    with pytest.raises(ClockSkewError, match="clock skew over the bound"):
        clock.follow(Stamp(1001 + SKEW_MS_MAX << 16, StoreId(2)), 1000)
    assert clock.stamp(1000).ms == 1000 + SKEW_MS_MAX


def test_a_restarted_store_gives_stamps_and_versions_above_what_it_gave():
    store = EventualStore(1)
    version = store.put(b"a", b"1", START_MS)
    before = store.replica.clock.time
    store.start(START_MS - 60_000)
    assert store.put(b"a", b"2", START_MS - 60_000) > version
    assert store.replica.clock.time > before


def test_a_write_is_answered_and_read_once_the_disk_has_it_and_not_before():
    store = EventualStore(1)
    store.put(b"a", b"old", START_MS)
    store.replica.put("dns", Write(b"a", b"new"), "t", START_MS)
    store.engine.write(store.replica.begin(START_MS))
    assert store.get(b"a", START_MS) == b"old"
    assert not store.replica.finish().answers
    store.replica.synced(store.replica.to_sync())
    assert store.get(b"a", START_MS) == b"new"
    assert len(store.replica.finish().answers) == 1


def test_nothing_is_told_to_others_before_the_disk_has_it():
    cluster = EventualCluster(2)
    cluster.run(1000)
    store = cluster[1].replica
    store.put("dns", Write(b"a", b"1"), "t", cluster.now_ms)
    cluster[1].engine.write(store.begin(cluster.now_ms))
    assert not store.take_outgoing()
    store.synced(store.to_sync())
    assert store.take_outgoing()


def test_a_write_reaches_the_others_at_once():
    cluster = EventualCluster(3)
    cluster.run(1000)
    cluster[2].put(b"a", b"1", cluster.now_ms)
    cluster.turn(cluster.stores.values())
    cluster.turn(cluster.stores.values())
    assert [store.get(b"a", cluster.now_ms) for store in cluster.stores.values()] == [b"1", b"1", b"1"]


def test_of_two_writes_that_did_not_know_of_each_other_the_later_wins_everywhere():
    cluster = EventualCluster(2)
    cluster.run(1000)
    cluster.away = {StoreId(2)}
    cluster[2].put(b"a", b"first", cluster.now_ms)
    cluster[1].put(b"a", b"second", cluster.now_ms + 1)
    cluster.away = set()
    cluster.run(3000)
    assert cluster[1].told() == cluster[2].told()
    assert cluster[2].get(b"a", cluster.now_ms) == b"second"


def test_equal_times_are_decided_by_the_store():
    cluster = EventualCluster(2)
    cluster.run(1000)
    for number in (1, 2):
        cluster[number].replica.put("dns", Write(b"a", b"%d" % number), "t", cluster.now_ms + 5)
    cluster.run(3000)
    assert [store.get(b"a", cluster.now_ms) for store in cluster.stores.values()] == [b"2", b"2"]


def test_an_empty_store_gets_all_of_it():
    cluster = EventualCluster(2)
    for number in range(300):
        cluster[1].replica.put("dns", Write(b"k%d" % number, b"x" * 9000), "t", cluster.now_ms)
    cluster.run(2000)
    cluster.join(3)
    cluster.run(5000)
    assert cluster[3].told() == cluster[1].told()
    assert len(cluster[3].told()) == 300


def test_stores_that_are_equal_say_so_in_two_messages():
    cluster = EventualCluster(2)
    cluster.run(3000)
    cluster[1].put(b"a", b"1", cluster.now_ms)
    cluster.run(3000)
    cluster.messages.clear()
    cluster.run(5000)
    assert set(cluster.messages) == {"Hello", "Compare", "Differ"}


def test_a_repair_that_loses_messages_is_begun_again_and_comes_to_its_end():
    cluster = EventualCluster(2)
    cluster.run(1000)
    cluster.away = {StoreId(2)}
    for number in range(100):
        cluster[1].put(b"k%d" % number, b"1", cluster.now_ms)
    cluster.away = set()
    random = Random(1)  # noqa: S311 - a test repeats itself
    cluster.lose = lambda _: random.random() < 0.3
    cluster.run(60_000)
    assert cluster[1].told() == cluster[2].told()
    assert cluster[1].replica.figures.failed_repairs > 0


def test_a_deleted_key_is_kept_as_such_for_its_time_and_then_forgotten():
    cluster = EventualCluster(2)
    cluster.run(1000)
    cluster[1].put(b"a", b"1", cluster.now_ms)
    cluster[1].put(b"a", None, cluster.now_ms)
    cluster.run(1000)
    assert len(cluster[2].told()) == 1
    cluster.run(23 * HOUR_MS, step_ms=HOUR_MS)
    assert len(cluster[1].told()) == 1
    cluster.run(2 * HOUR_MS, step_ms=HOUR_MS)
    cluster.run(5000)
    assert cluster[1].told() == cluster[2].told() == {}
    assert {key[:1] for key in cluster[1].engine._columns[Column.EVENTUAL]} == {b"m", b"p"}


def test_a_store_that_was_away_for_longer_than_deletions_are_kept_brings_nothing_back():
    cluster = EventualCluster(3)
    cluster.run(1000)
    for key in (b"deleted", b"stays"):
        cluster[1].put(key, b"1", cluster.now_ms)
    cluster.run(10_000)
    cluster.away = {StoreId(3)}
    cluster[1].put(b"deleted", None, cluster.now_ms)
    cluster[3].put(b"alone", b"2", cluster.now_ms)
    cluster.run(30 * HOUR_MS, step_ms=HOUR_MS // 2)
    cluster.away = set()
    cluster.run(20_000)
    for store in cluster.stores.values():
        assert store.values(cluster.now_ms) == {b"stays": b"1", b"alone": b"2"}


def test_a_store_that_was_away_for_so_long_tells_a_new_one_nothing_before_it_has_heard_what_is_deleted():
    cluster = EventualCluster(3)
    cluster[1].put(b"deleted", b"1", cluster.now_ms)
    cluster.run(10_000)
    cluster.away = {StoreId(3)}
    cluster[1].put(b"deleted", None, cluster.now_ms)
    cluster.run(30 * HOUR_MS, step_ms=HOUR_MS // 2)
    cluster.join(4)
    cluster.run(10_000)
    cluster.away = {StoreId(1), StoreId(2)}
    cluster.run(20_000)
    assert cluster[4].values(cluster.now_ms) == {}
    cluster.away = set()
    cluster.run(20_000)
    assert all(store.values(cluster.now_ms) == {} for store in cluster.stores.values())


def test_a_write_that_is_on_its_way_to_the_disk_is_not_dropped_for_what_it_replaces():
    """Found by the simulation: the disk stood still while a store was told that what it has was deleted long ago."""
    store = EventualStore(1)
    store.put(b"a", b"old", START_MS)
    record = store.replica.contents.get(encode("dns", b"a"))
    assert record is not None
    store.replica.put("dns", Write(b"a", b"new"), "t", START_MS)
    store.replica.drop(record)
    store.sync(START_MS)
    assert store.get(b"a", START_MS) == b"new"


def test_a_store_whose_disk_stands_still_leaves_what_others_say_to_repairs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(eventual_replica, "STAGED_MAX", 10)
    cluster = EventualCluster(2)
    cluster.run(1000)
    for number in range(12):
        cluster[2].replica.put("dns", Write(b"%d" % number, b"1"), "t", cluster.now_ms)
    cluster[1].put(b"a", b"1", cluster.now_ms)
    for to, content in cluster[1].replica.take_outgoing():
        cluster.stores[to].replica.receive(StoreId(1), content, cluster.now_ms)
    cluster[2].sync(cluster.now_ms)
    assert b"a" not in cluster[2].values(cluster.now_ms)
    cluster.run(10_000)
    assert cluster[2].get(b"a", cluster.now_ms) == b"1"
    assert cluster[1].told() == cluster[2].told()


def test_a_value_ends_whose_end_came_while_the_disk_was_full():
    """Found by the simulation: what is not written yet is not found by who looks for what is due."""
    store = EventualStore(1)
    store.replica.put("dns", Write(b"a", b"1", ttl_ms=1000), "t", START_MS)
    rows = store.replica.begin(START_MS)
    store.replica.tick(START_MS + 5000)
    store.engine.write(rows)
    store.replica.synced(store.replica.to_sync())
    store.replica.tick(START_MS + 5100)
    store.sync(START_MS + 5100)
    assert [told.value for told in store.told().values()] == [None]


def test_a_value_that_comes_late_ends_too():
    """The store looks for what is due only where it has not looked before."""
    store, other = EventualStore(1), EventualStore(2)
    store.replica.set_members((StoreId(1), StoreId(2)))
    other.put(b"a", b"1", START_MS, ttl_ms=1000)
    store.put(b"a", b"0", START_MS - 10)
    store.replica.tick(START_MS + 5000)
    store.replica.take(StoreId(2), other.told().values())
    store.sync(START_MS + 5000)
    store.replica.tick(START_MS + 5100)
    store.sync(START_MS + 5100)
    assert [told.value for told in store.told().values()] == [None]


def test_a_value_ends_on_every_store_and_is_told_as_a_deletion():
    cluster = EventualCluster(2)
    cluster.run(1000)
    version = cluster[1].put(b"a", b"1", cluster.now_ms, ttl_ms=5000)
    cluster.run(4000)
    assert cluster[2].get(b"a", cluster.now_ms) == b"1"
    cluster.run(2000)
    assert [store.get(b"a", cluster.now_ms) for store in cluster.stores.values()] == [None, None]
    changes = list(cluster[1].replica.contents.changes(version))
    assert [change.told.value for change in changes] == [None]


def test_a_store_follows_its_own_changes_in_order_from_any_version_of_its_own():
    store = EventualStore(1)
    versions = [store.put(key, b"1", START_MS) for key in (b"a", b"b", b"a", b"c")]
    found = [(change.version, change.told.encoded) for change in store.replica.contents.changes(versions[0])]
    assert found == [(versions[1], b"dns\0b\0\1"), (versions[2], b"dns\0a\0\1"), (versions[3], b"dns\0c\0\1")]


def test_a_change_that_is_about_to_be_replaced_is_followed_until_its_replacement_is_on_the_disk():
    store = EventualStore(1)
    first = store.put(b"a", b"1", START_MS)
    store.replica.put("dns", Write(b"a", b"2"), "t", START_MS)
    store.engine.write(store.replica.begin(START_MS))
    assert [change.version for change in store.replica.contents.changes(first - 1)] == [first]
    store.replica.synced(store.replica.to_sync())
    assert [change.version for change in store.replica.contents.changes(first - 1)] == [first + 1]


def test_a_store_whose_clock_is_ahead_is_not_followed_and_refuses_writes_once_most_others_say_so():
    cluster = EventualCluster(3)
    cluster[3].skew_ms = 2000
    cluster[3].put(b"a", b"1", cluster.now_ms)
    cluster.run(3000)
    assert cluster[1].values(cluster.now_ms) == {}
    assert cluster[1].replica.ahead == {StoreId(3): 2000}
    with pytest.raises(ClockSkewError, match=r"this store's clock is 2000 ms ahead .* accepted: up to 500 ms"):
        cluster[3].put(b"a", b"2", cluster.now_ms)
    cluster[1].put(b"b", b"1", cluster.now_ms)


def test_what_was_written_by_a_clock_that_was_ahead_arrives_once_time_has_come_there():
    cluster = EventualCluster(2)
    cluster[2].skew_ms = 2000
    cluster[2].put(b"a", b"1", cluster.now_ms)
    cluster[2].skew_ms = 0
    cluster.run(1000)
    assert cluster[1].values(cluster.now_ms) == {}
    cluster.run(4000)
    assert cluster[1].values(cluster.now_ms) == {b"a": b"1"}


def test_a_store_that_was_forgotten_and_comes_back_after_all_brings_nothing_back():
    cluster = EventualCluster(3)
    cluster[1].put(b"deleted", b"1", cluster.now_ms)
    cluster.run(10_000)
    left = cluster.stores.pop(StoreId(3))
    cluster.tell_members()
    cluster[1].put(b"deleted", None, cluster.now_ms)
    cluster.run(30 * HOUR_MS, step_ms=HOUR_MS // 2)
    cluster.stores[StoreId(3)] = left
    cluster.tell_members()
    cluster.run(20_000)
    assert all(store.values(cluster.now_ms) == {} for store in cluster.stores.values())


def test_a_store_that_joined_has_nothing_to_show_until_it_has_its_copy():
    cluster = EventualCluster(1)
    cluster[1].put(b"a", b"1", cluster.now_ms)
    assert not cluster.join(2).replica.is_whole
    assert cluster[1].replica.is_whole
    cluster.run(3000)
    assert cluster[2].replica.is_whole
    cluster[2].start(cluster.now_ms)
    cluster.tell_members()
    assert cluster[2].replica.is_whole
    assert cluster[1].replica.is_whole


def test_stores_that_begin_together_are_whole_once_they_have_met():
    cluster = EventualCluster(3)
    cluster[1].start(cluster.now_ms)
    cluster.tell_members()
    cluster.run(5000)
    assert all(store.replica.is_whole for store in cluster.stores.values())


def test_a_store_that_left_is_told_nothing_and_heard_no_more():
    cluster = EventualCluster(3)
    cluster.run(3000)
    left = cluster.stores.pop(StoreId(3))
    cluster.tell_members()
    left.put(b"a", b"1", cluster.now_ms)
    left.replica.tick(cluster.now_ms)
    for to, content in left.replica.take_outgoing():
        cluster.stores[to].replica.receive(left.store, content, cluster.now_ms)
    cluster.run(2000)
    assert cluster[1].values(cluster.now_ms) == {}
    assert set(cluster[1].replica.contents.shared) <= {StoreId(1), StoreId(2)}


def test_what_a_store_has_is_the_same_after_a_restart():
    cluster = EventualCluster(2)
    for number in range(50):
        cluster[1].put(b"k%d" % number, b"1", cluster.now_ms)
    cluster.run(3000)
    told, tree = cluster[2].told(), cluster[2].replica.contents.tree._levels
    cluster[2].start(cluster.now_ms)
    assert isinstance(cluster[2].replica, EventualReplica)
    assert (cluster[2].told(), cluster[2].replica.contents.tree._levels) == (told, tree)
