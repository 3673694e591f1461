"""The store on PostgreSQL beside the one in memory: whatever is done, in any order, both say the same.

What the one in memory says is held against a model in `test_model`.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flaredb.config import EngineConfig
from flaredb.core.commands import Comparison, DeleteRange, Increment, Txn, Write
from flaredb.core.feed import Interest
from flaredb.core.retention import History
from flaredb.core.visibility import Query
from flaredb.shell import postgres_view
from flaredb.shell.postgres_session import Database
from flaredb.shell.postgres_store import PostgresStore
from flaredb.shell.store import Store
from flaredb.shell.watermark import Watermark
from flaredb.testing import MemoryEngine
from ultracloud.testkit.postgres import PostgresServer

SCHEMAS = itertools.count()
HISTORY = History(age_ms=500, changes=200, bytes=100_000)
NAMESPACES = ("iam", "iam-2")
KEYS = [b"a", b"a\0", b"a\0\1", b"a\xff", b"b"]
ENDS = st.just(0), st.just(0) | st.integers(1, 2000)
WRITES = st.lists(
    st.builds(Write, st.sampled_from(KEYS), st.none() | st.binary(max_size=3))
    | st.builds(Write, st.sampled_from(KEYS), st.binary(max_size=3), *ENDS)
    | st.builds(Increment, st.sampled_from(KEYS), st.integers(-9, 9), *ENDS),
    max_size=3,
    unique_by=lambda write: write.key,
)
RANGES = st.builds(DeleteRange, st.sampled_from(KEYS), st.sampled_from([b"", *KEYS]), st.integers(1, 3), st.booleans())
COMPARISONS = st.lists(st.builds(Comparison, st.sampled_from(KEYS), st.integers(0, 30)), max_size=2)
TXNS = st.builds(
    Txn, st.sampled_from(NAMESPACES), COMPARISONS.map(tuple), WRITES.map(tuple) | RANGES.map(lambda one: (one,))
)
STEPS = st.lists(
    st.lists(TXNS, min_size=1, max_size=5) | st.integers(0, 400) | st.sampled_from(["sweep", "reopen", "forget"]),
    max_size=20,
)
Step = list[Txn] | int | str


@dataclass
class Both:
    """The two stores."""

    database: Database
    watermark: Watermark
    memory: Store
    postgres: PostgresStore
    now_ms: int = 0

    async def step(self, step: Step) -> None:
        """Do the same to both."""
        match step:
            case list():
                await self.commit(step)
            case int():
                self.now_ms += step
                raised = self.memory.raise_floor(self.now_ms)
                assert await self.postgres.raise_floor(self.now_ms) == raised
            case "sweep":
                while self.memory.sweep_slice():
                    pass
                while await self.postgres.sweep_slice():
                    pass
            case "forget":  # the newest commits, so that feeds are read from what is stored
                self.postgres._recent.start = self.postgres.applied.version
                self.postgres._recent._commits.clear()
            case _:
                await self.reopen()

    async def commit(self, txns: Sequence[Txn]) -> None:
        wanted = self.memory.stage(txns, self.now_ms)
        staged = await self.postgres.stage(txns, self.now_ms)
        assert staged.evaluation == wanted.evaluation
        self.memory.publish(wanted)
        if staged.evaluation.commits:
            await self.postgres.commit(staged)
            self.postgres.publish(staged)

    async def reopen(self) -> None:
        await self.postgres.connection.close()
        writer = await self.database.open_writer()
        self.postgres = PostgresStore(writer, self.postgres._readers, HISTORY, self.watermark)
        self.memory = Store(self.memory._engine, HISTORY)

    async def compare(self) -> None:
        """Read all there is from both."""
        memory, postgres = self.memory, self.postgres
        assert (postgres.applied, postgres.floor) == (memory.applied, memory.floor)
        for version in range(max(1, memory.floor), memory.applied.version + 1):
            for namespace in NAMESPACES:
                await self.compare_at(namespace, version)
        for namespace, position in itertools.product(NAMESPACES, range(max(1, memory.floor), memory.applied.version)):
            interest = Interest(namespace, b"a\0", b"b")
            page, wanted = await postgres.changes_after(interest, position), memory.changes_after(interest, position)
            assert page.position == wanted.position
            assert [(v, c.key, c.value, c.expires_at_ms) for v, c in page.changes] == [
                (v, c.key, c.value, c.expires_at_ms) for v, c in wanted.changes
            ]

    async def compare_at(self, namespace: str, version: int) -> None:
        memory, postgres = self.memory, self.postgres
        now_ms = self.now_ms if version == memory.applied.version else 0
        assert await postgres.batch_get(namespace, KEYS, version, now_ms) == memory.batch_get(
            namespace, KEYS, version, now_ms
        )
        assert await postgres.get(namespace, b"a", version, now_ms) == memory.get(namespace, b"a", version, now_ms)
        for reverse, limit in ((False, 2), (True, 2), (False, 10), (True, 10)):
            query = Query(namespace, b"a", b"b\0", limit, version, now_ms=now_ms, reverse=reverse, keys_only=limit == 2)
            wanted = memory.scan(query)
            assert wanted.run(1000)
            assert await postgres.scan(query) == (wanted.found, wanted.more)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_a_store_on_postgresql_is_the_one_in_memory(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, steps: Sequence[Step]
):
    monkeypatch.setattr(postgres_view, "RANGE_FETCH_KEYS", 2)

    async def main(folder: Path) -> None:
        database = Database(
            EngineConfig(postgres=postgres_server.url(), schema=f"model_{next(SCHEMAS)}", connections=1)
        )
        writer, readers = await database.open_writer(), await database.open_readers()
        with closing(Watermark(folder / "synced")) as watermark:
            store = PostgresStore(writer, readers, HISTORY, watermark)
            both = Both(database, watermark, Store(MemoryEngine(), HISTORY), store)
            try:
                for step in steps:
                    await both.step(step)
                await both.compare()
            finally:
                both.postgres.connection.terminate()
                readers.terminate()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
