"""What a restore does to eventual namespaces: of each key the later write stays, wherever it comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core import eventual_reads
from flaredb.core.eventual_clock import SKEW_MS_MAX, Stamp
from flaredb.core.eventual_copying import Restored, told_of
from flaredb.core.eventual_errors import ClockSkewError
from flaredb.core.eventual_records import Stamped
from flaredb.core.region import StoreId
from flaredb.testing_eventual import NAMESPACE, START_MS, EventualCluster, EventualStore

KEYS = (b"a", b"b", b"c")
WRITES = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(KEYS), st.none() | st.binary(max_size=3)), max_size=12)


def dumped(store: EventualStore, now_ms: int, limit: int = 1000) -> list[Stamped]:
    page = eventual_reads.dump(store.replica.contents, NAMESPACE, b"", limit, now_ms)
    assert page.run(1000)
    return page.found


def restored(store: EventualStore, found: list[Stamped], now_ms: int) -> Restored:
    done = store.replica.restore([told_of(NAMESPACE, each) for each in found], "restore", now_ms)
    store.sync(now_ms)
    assert "restore" in [token for token, _ in store.replica.finish().answers]
    return done


@given(WRITES)
def test_a_restore_comes_to_what_the_later_of_all_writes_come_to(writes: list[tuple[int, bytes, bytes | None]]):
    origin, target, both = EventualStore(1), EventualStore(2), EventualStore(3)
    for number, (which, key, value) in enumerate(writes):
        now_ms = START_MS + 10 * number
        # A backup has no deletions; who has them deletes nothing elsewhere.
        if which or value is not None:
            (origin, target)[which].put(key, value, now_ms)
            both.put(key, value, now_ms)
    now_ms = START_MS + 1000
    restored(target, dumped(origin, now_ms), now_ms)
    assert target.values(now_ms) == both.values(now_ms)


def test_a_restore_says_what_became_of_each_key_and_run_again_changes_nothing():
    origin, target = EventualStore(1), EventualStore(2)
    for key in (b"same", b"older", b"deleted", b"new", b"older-here"):
        origin.put(key, b"backed up", START_MS + 100)
    origin.put(b"ends", b"v", START_MS, expires_at_ms=START_MS + 500)
    found = dumped(origin, START_MS + 200)
    target.put(b"older-here", b"older", START_MS)
    target.put(b"older", b"newer", START_MS + 300)
    target.put(b"deleted", None, START_MS + 300)
    restored(target, [each for each in found if each.key == b"same"], START_MS + 400)
    assert restored(target, found, START_MS + 600) == Restored(written=2, same=1, later=2, ended=1)
    before = target.replica.contents.published.version
    assert restored(target, found, START_MS + 700) == Restored(written=0, same=3, later=2, ended=1)
    assert target.replica.contents.published.version == before
    assert target.values(START_MS + 700) == {
        b"same": b"backed up",
        b"older": b"newer",
        b"new": b"backed up",
        b"older-here": b"backed up",
    }


def test_a_value_that_has_ended_takes_what_was_written_before_it_along():
    origin, target = EventualStore(1), EventualStore(2)
    origin.put(b"a", b"ends", START_MS + 100, expires_at_ms=START_MS + 500)
    target.put(b"a", b"before", START_MS)
    found = dumped(origin, START_MS + 200)
    assert restored(target, found, START_MS + 600) == Restored(ended=1)
    assert target.values(START_MS + 600) == {}


def test_other_stores_have_what_was_restored_at_once_and_write_above_it():
    origin, cluster = EventualStore(7), EventualCluster(3)
    cluster.run(1000)
    origin.put(b"a", b"restored", cluster.now_ms + 400)
    restored(cluster[2], dumped(origin, cluster.now_ms + 400), cluster.now_ms)
    cluster.run(200)
    assert [store.values(cluster.now_ms) for store in cluster.stores.values()] == [{b"a": b"restored"}] * 3
    cluster[1].put(b"a", b"later", cluster.now_ms)
    cluster.run(200)
    assert [store.values(cluster.now_ms) for store in cluster.stores.values()] == [{b"a": b"later"}] * 3


def test_nothing_of_a_batch_is_taken_that_has_a_stamp_too_far_ahead():
    store = EventualStore(1)
    stamps = [START_MS, START_MS + SKEW_MS_MAX + 1]
    found = [Stamped(b"%d" % ms, b"v", Stamp(ms << 16, StoreId(2))) for ms in stamps]
    with pytest.raises(ClockSkewError, match=f"stamped {SKEW_MS_MAX + 1} ms ahead") as refused:
        store.replica.restore([told_of(NAMESPACE, each) for each in found], "t", START_MS)
    assert "--replace" in refused.value.hint
    assert not store.replica.has_more


def test_a_page_of_a_dump_ends_at_its_limit_and_says_that_more_follow():
    store = EventualStore(1)
    for number in range(5):
        store.put(b"%d" % number, b"v", START_MS)
    store.put(b"1", None, START_MS)
    page = eventual_reads.dump(store.replica.contents, NAMESPACE, b"0\0", 3, START_MS)
    assert page.run(1000)
    assert ([each.key for each in page.found], page.more) == ([b"2", b"3", b"4"], False)
    assert len(dumped(store, START_MS, limit=2)) == 2
