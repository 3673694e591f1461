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
from flaredb.core.engine import Engine
from flaredb.core.feed import Interest
from flaredb.core.retention import History
from flaredb.core.visibility import Query
from flaredb.shell.rocks import open_rocks
from flaredb.shell.store import Store
from flaredb.testing import MemoryEngine

MIB = 1024 * 1024
HISTORY = History(age_ms=500, changes=200, bytes=100_000)
NAMESPACES = ("iam", "iam-2")
KEYS = [b"a", b"a\0", b"a\0\1", b"a\xff", b"b"]
Values = dict[tuple[str, bytes], tuple[int, bytes]]


@dataclass
class Model:
    """All states there ever were: the one at version V is `states[V - 1]`, and `changes[V - 1]` led to it."""

    states: list[Values] = field(default_factory=lambda: [{}])
    changes: list[dict[tuple[str, bytes], bytes | None]] = field(default_factory=lambda: [{}])

    def apply(self, txn: Txn) -> tuple[bool, int]:
        now = self.states[-1]
        versions = {c.key: now.get((txn.namespace, c.key), (0, b""))[0] for c in txn.comparisons}
        if any(versions[c.key] != c.expected_version for c in txn.comparisons):
            return False, len(self.states)
        wanted: dict[tuple[str, bytes], bytes | None] = {}
        for write in txn.writes:
            keys = self.written(txn.namespace, write)
            if keys is None:
                return False, len(self.states)
            wanted |= keys
        done = {key: value for key, value in wanted.items() if value is not None or key in now}
        if done:
            version = len(self.states) + 1
            after = {key: found for key, found in now.items() if key not in done}
            after |= {key: (version, value) for key, value in done.items() if value is not None}
            self.states.append(after)
            self.changes.append(done)
        return True, len(self.states)

    def written(self, namespace: str, write: AnyWrite) -> dict[tuple[str, bytes], bytes | None] | None:
        """What a write does, None if it is refused."""
        if isinstance(write, Write):
            return {(namespace, write.key): write.value}
        if isinstance(write, Increment):
            value = self.states[-1].get((namespace, write.key), (0, b"0"))[1]
            is_counter = value.removeprefix(b"-").isdigit() and str(int(value)).encode() == value
            return {(namespace, write.key): b"%d" % (int(value) + write.delta)} if is_counter else None
        keys = [key for key, _, _ in self.entries(namespace, len(self.states)) if write.start <= key]
        found = [key for key in keys if key < write.end or not write.end]
        if len(found) > write.keys_max and not write.may_stop:
            return None
        return {(namespace, key): None for key in found[: write.keys_max]}

    def entries(self, namespace: str, version: int) -> list[tuple[bytes, bytes, int]]:
        state = self.states[version - 1]
        return sorted((key, value, made) for (name, key), (made, value) in state.items() if name == namespace)


VALUES = st.none() | st.binary(max_size=3) | st.sampled_from([b"-1", b"-0", b"07"])
WRITES = st.lists(
    st.builds(Write, st.sampled_from(KEYS), VALUES) | st.builds(Increment, st.sampled_from(KEYS), st.integers(-9, 9)),
    max_size=3,
    unique_by=lambda w: w.key,
)
COMPARISONS = st.lists(st.builds(Comparison, st.sampled_from(KEYS), st.integers(0, 30)), max_size=2)
RANGES = st.builds(DeleteRange, st.sampled_from(KEYS), st.sampled_from([b"", *KEYS]), st.integers(1, 3), st.booleans())
TXNS = st.builds(
    Txn, st.sampled_from(NAMESPACES), COMPARISONS.map(tuple), WRITES.map(tuple) | RANGES.map(lambda one: (one,))
)
STEPS = st.lists(
    st.lists(TXNS, min_size=1, max_size=5) | st.integers(0, 400) | st.sampled_from(["sweep", "reopen"]), max_size=25
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
                assert outcomes == [model.apply(txn) for txn in step]
            case int():
                now_ms += step
                store.raise_floor(now_ms)
            case "sweep":
                store.sweep_slice()
            case _:
                close(engine)
                engine = open_engine()
                store = Store(engine, HISTORY)
        _compare(store, model)


def _compare(store: Store, model: Model) -> None:
    newest = store.read_version(0)
    assert newest == len(model.states)
    for version in range(max(1, store.floor), newest + 1):
        for namespace in NAMESPACES:
            wanted = model.entries(namespace, version)
            for reverse in (False, True):
                scan = store.scan(Query(namespace, b"", b"", 100, version, reverse=reverse))
                assert scan.run(1000)
                entries = [(found.key, found.value, found.version) for found in scan.found]
                assert entries == (wanted[::-1] if reverse else wanted)
            got = store.batch_get(namespace, KEYS, version)
            assert [(found.key, found.value, found.version) for found in got] == wanted
    position = max(1, store.floor)
    page = store.changes_after(Interest("iam", b"", b""), position)
    wanted_changes = [
        (index + 1, key, value)
        for index in range(position, newest)
        for (namespace, key), value in sorted(model.changes[index].items())
        if namespace == "iam"
    ]
    assert sorted((version, change.key, change.value) for version, change in page.changes) == sorted(wanted_changes)
    assert page.position == newest
