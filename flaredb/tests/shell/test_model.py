"""The store against a dictionary that remembers every version: whatever is done, in any order, both say the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core.commands import AnyWrite, Comparison, DeleteRange, Increment, Txn, Write
from flaredb.core.engine import Column, Engine
from flaredb.core.feed import Interest
from flaredb.core.keys import encode
from flaredb.core.octets import key_value, read_version_field, scan_end
from flaredb.core.records import number
from flaredb.core.retention import History
from flaredb.core.visibility import Found, Query
from flaredb.shell.rocks import open_rocks
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine

MIB = 1024 * 1024
HISTORY = History(age_ms=500, changes=200, bytes=100_000)
NAMESPACES = ("iam", "iam-2")
KEYS = [b"a", b"a\0", b"a\0\1", b"a\xff", b"b"]
Values = dict[tuple[str, bytes], tuple[int, bytes, int]]
Done = dict[tuple[str, bytes], tuple[bytes | None, int]]


@dataclass
class Model:
    """All states there ever were: the one at version V is `states[V - 1]`, and `changes[V - 1]` led to it."""

    states: list[Values] = field(default_factory=lambda: [{}])
    changes: list[Done] = field(default_factory=lambda: [{}])

    def apply(self, txn: Txn, now_ms: int) -> tuple[bool, int]:
        now = self.alive(now_ms)
        versions = {c.key: now.get((txn.namespace, c.key), (0, b"", 0))[0] for c in txn.comparisons}
        if any(versions[c.key] != c.expected_version for c in txn.comparisons):
            return False, len(self.states)
        wanted: Done = {}
        for write in txn.writes:
            keys = self.written(txn.namespace, write, now, now_ms)
            if keys is None:
                return False, len(self.states)
            wanted |= keys
        self.commit({key: done for key, done in wanted.items() if done[0] is not None or key in now})
        return True, len(self.states)

    def written(self, namespace: str, write: AnyWrite, now: Values, now_ms: int) -> Done | None:
        """What a write does, None if it is refused."""
        match write:
            case Write(key, value, ttl_ms, expires_at_ms):
                end = now_ms + ttl_ms if ttl_ms else expires_at_ms and max(now_ms + 1, expires_at_ms)
                return {(namespace, key): (value, end)}
            case Increment(key, delta):
                _, value, end = now.get((namespace, key), (0, b"0", 0))
                is_counter = value.removeprefix(b"-").isdigit() and str(int(value)).encode() == value
                return {(namespace, key): (b"%d" % (int(value) + delta), end)} if is_counter else None
            case DeleteRange(start, stop, keys_max, may_stop):
                keys = sorted(key for name, key in now if name == namespace and start <= key)
                found = [key for key in keys if key < stop or not stop]
                if len(found) > keys_max and not may_stop:
                    return None
                return {(namespace, key): (None, 0) for key in found[:keys_max]}
            case _:
                raise AssertionError(write)

    def commit(self, done: Done) -> None:
        if done:
            version = len(self.states) + 1
            after = {key: found for key, found in self.states[-1].items() if key not in done}
            after |= {key: (version, value, end) for key, (value, end) in done.items() if value is not None}
            self.states.append(after)
            self.changes.append(done)

    def alive(self, now_ms: int) -> Values:
        return {key: found for key, found in self.states[-1].items() if not 0 < found[2] <= now_ms}

    def expire(self, now_ms: int) -> None:
        ended = self.states[-1].keys() - self.alive(now_ms).keys()
        for namespace in NAMESPACES:
            self.commit({key: (None, 0) for key in sorted(ended) if key[0] == namespace})

    def entries(self, namespace: str, version: int, now_ms: int = 0) -> list[Found]:
        state = self.alive(now_ms) if now_ms else self.states[version - 1]
        found = sorted((key, *rest) for (name, key), rest in state.items() if name == namespace)
        return [Found(key, value, made, end) for key, made, value, end in found]


VALUES = st.none() | st.binary(max_size=3) | st.sampled_from([b"-1", b"-0", b"07"])
WRITES = st.lists(
    st.builds(Write, st.sampled_from(KEYS), VALUES)
    | st.builds(Write, st.sampled_from(KEYS), st.binary(max_size=3), st.integers(1, 500))
    | st.builds(Write, st.sampled_from(KEYS), st.binary(max_size=3), st.just(0), st.integers(1, 2000))
    | st.builds(Increment, st.sampled_from(KEYS), st.integers(-9, 9)),
    max_size=3,
    unique_by=lambda w: w.key,
)
COMPARISONS = st.lists(st.builds(Comparison, st.sampled_from(KEYS), st.integers(0, 30)), max_size=2)
RANGES = st.builds(DeleteRange, st.sampled_from(KEYS), st.sampled_from([b"", *KEYS]), st.integers(1, 3), st.booleans())
TXNS = st.builds(
    Txn, st.sampled_from(NAMESPACES), COMPARISONS.map(tuple), WRITES.map(tuple) | RANGES.map(lambda one: (one,))
)
STEPS = st.lists(
    st.lists(TXNS, min_size=1, max_size=5) | st.integers(0, 400) | st.sampled_from(["sweep", "reopen", "expire"]),
    max_size=25,
)
Step = list[Txn] | int | str


@given(STEPS)
def test_a_store_in_memory_is_its_model(steps: Sequence[Step]):
    engine = MemoryEngine()
    _run(steps, lambda: engine, lambda _: None)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_a_store_on_rocksdb_is_its_model(steps: Sequence[Step]):
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:

        def open_engine() -> Engine:
            return opened.enter_context(closing(open_rocks(Path(folder), MIB, MIB)))

        _run(steps, open_engine, lambda engine: engine.close())  # type: ignore[attr-defined]


def _run(steps: Sequence[Step], open_engine: Callable[[], Engine], close: Callable[[Engine], None]) -> None:
    engine = open_engine()
    store, model, now_ms = Store(engine, HISTORY), Model(), 0
    for step in steps:
        match step:
            case list():
                staged = store.stage(step, now_ms)
                store.sync(staged)
                store.publish(staged)
                outcomes = [(outcome.succeeded, outcome.version) for outcome in staged.evaluation.outcomes]
                assert outcomes == [model.apply(txn, now_ms) for txn in step]
            case int():
                now_ms += step
                store.raise_floor(now_ms)
            case "sweep":
                store.sweep_slice()
            case "expire":
                _expire(store, engine, now_ms)
                model.expire(now_ms)
            case _:
                close(engine)
                engine = open_engine()
                store = Store(engine, HISTORY)
        _compare(store, model, now_ms)


def _expire(store: Store, engine: Engine, now_ms: int) -> None:
    """Delete in one slice what has ended."""
    found = store.overdue(0, now_ms, 100)
    store.drop_stale(found)
    staged = store.stage(found.txns, now_ms)
    store.sync(staged)
    store.publish(staged)
    first = engine.cursor(Column.EXPIRY)
    first.seek(b"")
    assert not first.valid() or first.key() > number(now_ms + 1)


def _compare_octets(store: Store, namespace: str, key: bytes, now_ms: int) -> None:
    """What is answered in short is what `get` gives, whether it was asked for before or not."""
    if b"\x00" in key:
        return
    found = store.get(namespace, key, store.applied.version, now_ms)
    whole = (key_value(*found) if found else b"") + read_version_field(store.applied.version)
    assert store.get_octets(encode(namespace, key), key) in (None, whole)
    assert store.batch_octets(namespace.encode() + b"\x00", [key]) in (None, whole)


def _compare(store: Store, model: Model, now_ms: int) -> None:
    newest = store.read_version(0)
    assert newest == len(model.states)
    for version in range(max(1, store.floor), newest + 1):
        for namespace in NAMESPACES:
            wanted = model.entries(namespace, version)
            for reverse in (False, True):
                scan = store.scan(Query(namespace, b"", b"", 100, version, reverse=reverse))
                assert scan.run(1000)
                assert scan.found == (wanted[::-1] if reverse else wanted)
            assert store.batch_get(namespace, KEYS, version) == wanted
    for namespace in NAMESPACES:
        scan = store.scan(Query(namespace, b"", b"", 100, newest, now_ms=now_ms))
        assert scan.run(1000)
        assert (
            scan.found == model.entries(namespace, newest, now_ms) == store.batch_get(namespace, KEYS, newest, now_ms)
        )
        for key in KEYS:
            _compare_octets(store, namespace, key, now_ms)
        octet_scan = store.octet_scan(Query(namespace, b"", b"", 100, newest, now_ms=now_ms))
        assert octet_scan.run(1000)
        rows = [key_value(*found) for found in scan.found]
        assert octet_scan.octets() == b"".join(rows) + scan_end(newest, more=False)
    position = max(1, store.floor)
    page = store.changes_after(Interest("iam", b"", b""), position)
    wanted_changes = [
        (index + 1, key, value, end)
        for index in range(position, newest)
        for (namespace, key), (value, end) in sorted(model.changes[index].items())
        if namespace == "iam"
    ]
    changes = [(version, change.key, change.value, change.expires_at_ms) for version, change in page.changes]
    assert sorted(changes) == sorted(wanted_changes)
    assert page.position == newest
