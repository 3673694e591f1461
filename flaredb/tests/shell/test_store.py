from __future__ import annotations

from collections.abc import Callable

import pytest

from flaredb.core import feed
from flaredb.core.commands import Comparison, Txn, Write
from flaredb.core.engine import Column, Engine, EngineWriteError
from flaredb.core.feed import Interest
from flaredb.core.records import FORMAT_KEY
from flaredb.core.retention import History
from flaredb.core.visibility import Query
from flaredb.errors import StoreDirectoryError
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine
from ultracloud.base.faults import DataLossError, OutOfRangeError, ResourceExhaustedError

ALL = Interest("iam", b"", b"")


def put(store: Store, key: bytes, value: bytes | None, now_ms: int = 0) -> int:
    staged = store.stage([Txn("iam", (), (Write(key, value),))], now_ms)
    store.sync(staged)
    store.publish(staged)
    return staged.evaluation.outcomes[0].version


def get(store: Store, key: bytes, at_version: int = 0) -> bytes | None:
    found = store.get("iam", key, store.read_version(at_version))
    return None if found is None else found.value


def feed_of(store: Store, position: int, interest: Interest = ALL) -> list[tuple[int, bytes, bytes | None]]:
    changes = []
    while position < store.applied.version:
        page = store.changes_after(interest, position)
        assert page.position > position
        position = page.position
        changes += [(version, change.key, change.value) for version, change in page.changes]
    return changes


def sweep_all(store: Store) -> None:
    while store.sweep_slice():
        pass


def test_an_empty_store_is_at_version_1(engine: Engine, history: History):
    store = Store(engine, history)
    assert store.read_version(0) == 1
    assert get(store, b"a", 1) is None
    assert put(store, b"a", b"1") == 2


def test_what_is_staged_is_not_read_before_it_is_published(engine: Engine, history: History):
    store = Store(engine, history)
    put(store, b"a", b"1")
    staged = store.stage([Txn("iam", (), (Write(b"a", b"2"), Write(b"b", b"2")))], 0)
    assert (get(store, b"a"), get(store, b"b"), feed_of(store, 2)) == (b"1", None, [])
    store.publish(staged)
    assert (get(store, b"a"), get(store, b"b"), len(feed_of(store, 2))) == (b"2", b"2", 2)


def test_a_version_reads_the_same_for_ever(engine: Engine, history: History):
    store = Store(engine, history)
    versions = [put(store, b"a", value) for value in (b"1", b"2", None, b"3")]
    assert [get(store, b"a", version) for version in versions] == [b"1", b"2", None, b"3"]


def test_a_comparison_reads_what_is_stored(engine: Engine, history: History):
    store = Store(engine, history)
    version = put(store, b"a", b"1")
    put(store, b"gone", b"1")
    put(store, b"gone", None)
    holds = (Comparison(b"a", version), Comparison(b"gone", 0), Comparison(b"never", 0))
    assert store.stage([Txn("iam", holds, ())], 0).evaluation.outcomes[0].succeeded


def test_a_version_not_made_yet_is_refused(engine: Engine, history: History):
    store = Store(engine, history)
    for ask in (store.read_version, lambda version: store.changes_after(ALL, version)):
        with pytest.raises(OutOfRangeError, match="version 2 is newer than the newest, 1"):
            ask(2)


def test_a_store_continues_where_it_was(open_store_folder: Callable[[], Engine], history: History):
    engine = open_store_folder()
    store = Store(engine, history)
    for n in range(5):
        put(store, b"k", b"%d" % n)
    engine.close()  # type: ignore[attr-defined]
    again = Store(open_store_folder(), history)
    assert (again.applied, again.floor, again.swept) == (store.applied, store.floor, store.swept)
    assert (get(again, b"k"), get(again, b"k", 3)) == (b"4", b"1")
    assert feed_of(again, 1) == [(n + 2, b"k", b"%d" % n) for n in range(5)]
    assert put(again, b"k", b"new") == 7


def test_a_feed_reads_the_log_where_memory_forgot(engine: Engine, history: History, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "RECENT_COMMITS_MAX", 3)
    store = Store(engine, history)
    wanted = []
    for n in range(20):
        key = b"%d" % (n % 4)
        wanted.append((put(store, key, b"%d" % n), key, b"%d" % n))
        wanted.append((put(store, key, None), key, None))
    for position in range(1, 42):
        assert feed_of(store, position) == [change for change in wanted if change[0] > position]
        middle = Interest("iam", b"1", b"3")
        assert feed_of(store, position, middle) == [
            change for change in wanted if change[0] > position and change[1] in (b"1", b"2")
        ]


def test_a_look_into_the_log_is_bounded(history: History, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "RECENT_COMMITS_MAX", 1)
    monkeypatch.setattr("flaredb.shell.store.FEED_COMMITS_MAX", 5)
    store = Store(MemoryEngine(), history)
    for n in range(20):
        put(store, b"%d" % n, b"")
    page = store.changes_after(Interest("iam", b"x", b""), 1)
    assert (page.changes, page.position) == ((), 6)


def test_history_below_the_floor_is_refused_and_swept(engine: Engine):
    store = Store(engine, History(age_ms=1000, changes=10_000, bytes=10_000))
    put(store, b"gone", b"1", now_ms=0)
    put(store, b"gone", None, now_ms=0)
    for n in range(10):
        put(store, b"a", b"%d" % n, now_ms=n * 100)
    put(store, b"a", b"last", now_ms=5000)
    assert store.raise_floor(now_ms=5500)
    floor = store.floor
    sweep_all(store)
    assert floor == store.applied.version - 1
    for ask in (store.read_version, lambda version: store.changes_after(ALL, version)):
        with pytest.raises(
            OutOfRangeError, match=f"version {floor - 1} is compacted: history is kept after version {floor}"
        ):
            ask(floor - 1)
    assert [get(store, b"a", at) for at in (floor, 0)] == [b"9", b"last"]
    assert feed_of(store, floor) == [(floor + 1, b"a", b"last")]
    assert _count(engine, Column.DATA) == 2
    assert _count(engine, Column.CHANGES) == 1


def test_a_sweep_goes_on_after_a_restart(open_store_folder: Callable[[], Engine]):
    engine = open_store_folder()
    history = History(age_ms=1000, changes=6400, bytes=10_000_000)
    store = Store(engine, history)
    for n in range(400):
        put(store, b"%03d" % (n % 150), b"%d" % n, now_ms=0)
    store.raise_floor(now_ms=5000)
    assert store.sweep_slice()
    assert 0 < store.swept < store.floor
    engine.close()  # type: ignore[attr-defined]
    engine = open_store_folder()
    again = Store(engine, history)
    assert (again.floor, again.swept) == (store.floor, store.swept)
    sweep_all(again)
    assert _count(engine, Column.DATA) == 150 + again.applied.version - again.floor
    assert not again.sweep_slice()


def test_marks_stay_few(history: History):
    engine = MemoryEngine()
    store = Store(engine, History(age_ms=1000, changes=100, bytes=10_000))
    for n in range(1000):
        put(store, b"k", b"v", now_ms=n * 10)
        store.raise_floor(now_ms=n * 10)
    sweep_all(store)
    assert _count(engine, Column.META) < 3 * 64 + 4
    again = Store(engine, history)
    assert (again.floor, again.applied) == (store.floor, store.applied)


def test_a_failed_write_changes_nothing(history: History):
    engine = MemoryEngine()
    store = Store(engine, history)
    put(store, b"a", b"1")
    engine.write_error = EngineWriteError("disk")
    with pytest.raises(EngineWriteError):
        store.stage([Txn("iam", (), (Write(b"a", b"2"),))], 0)
    assert put(store, b"a", b"3") == 3
    assert feed_of(store, 1) == [(2, b"a", b"1"), (3, b"a", b"3")]


def test_another_format_is_not_opened(engine: Engine, history: History):
    engine.write([(Column.META, FORMAT_KEY, b"flaredb 9")])
    with pytest.raises(StoreDirectoryError, match="the store is of format 'flaredb 9'; this flaredb reads 'flaredb 1'"):
        Store(engine, history)


def test_a_change_without_its_data_is_damage(engine: Engine, history: History):
    store = Store(engine, history)
    put(store, b"a", b"1")
    cursor = engine.cursor(Column.DATA)
    cursor.seek(b"")
    engine.write([(Column.DATA, cursor.key(), None)])
    again = Store(engine, history)
    with pytest.raises(DataLossError):
        again.changes_after(ALL, 1)


def test_a_batch_get_too_large_for_a_message_is_refused(engine: Engine, history: History):
    store = Store(engine, history)
    keys = [b"%d" % n for n in range(4)]
    for key in keys:
        put(store, key, b"v" * 1024 * 1024)
    assert len(store.batch_get("iam", [*keys[:2], b"none"], store.read_version(0))) == 2
    with pytest.raises(ResourceExhaustedError, match="ask for fewer keys"):
        store.batch_get("iam", keys, store.read_version(0))


def test_a_scan_reads_at_its_version(engine: Engine, history: History):
    store = Store(engine, history)
    put(store, b"a", b"1")
    at = put(store, b"b", b"2")
    scan = store.scan(Query("iam", b"", b"", 10, at))
    put(store, b"a", None)
    assert scan.run(100)
    store.check_scan(scan)
    assert [(found.key, found.version) for found in scan.found] == [(b"a", 2), (b"b", 3)]


def _count(engine: Engine, column: Column) -> int:
    cursor = engine.cursor(column)
    cursor.seek(b"")
    count = 0
    while cursor.valid():
        count += 1
        cursor.next()
    return count


def test_a_store_that_lost_acknowledged_writes_is_not_opened(history: History):
    engine = MemoryEngine()
    put(Store(engine, history), b"a", b"1")
    engine.remembered = 3
    with pytest.raises(
        StoreDirectoryError, match="holds versions up to 2 and had confirmed 3: acknowledged writes are lost"
    ):
        Store(engine, history)


def test_an_emptied_store_is_refused_again_and_again(history: History):
    engine = MemoryEngine()
    engine.remembered = 3
    for _ in range(2):
        with pytest.raises(StoreDirectoryError, match="acknowledged writes are lost"):
            Store(engine, history)
