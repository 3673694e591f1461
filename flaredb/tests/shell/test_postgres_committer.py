"""What becomes of a write whose session is lost, and of who else writes the schema."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flaredb.config import EngineConfig
from flaredb.core.commands import Commit, Comparison, Outcome, Txn, Write
from flaredb.core.records import Mark
from flaredb.core.retention import History
from flaredb.shell import postgres_committer as module
from flaredb.shell import postgres_session as session
from flaredb.shell import postgres_sql as sql
from flaredb.shell.postgres_committer import ENCODED_BYTES_MAX, PostgresCommitter
from flaredb.shell.postgres_errors import DatabaseError, SupersededError
from flaredb.shell.postgres_session import Database
from flaredb.shell.postgres_store import CommitLostError, PostgresStore, Staged
from flaredb.shell.watermark import Watermark
from ultracloud.base.faults import AbortedError, InvalidArgumentError, ResourceExhaustedError, UnavailableError
from ultracloud.testkit.postgres import PostgresServer

SCHEMAS = itertools.count()


class Frail(PostgresStore):
    """Loses its session at the next commit, before it or after it, if it is told to.

    Attributes:
        loses: "before", "after", or nothing.
    """

    loses = ""

    async def commit(self, staged: Staged) -> None:
        loses, self.loses = self.loses, ""
        if loses != "before":
            await super().commit(staged)
        if loses:
            self.connection.terminate()
            raise CommitLostError(staged, "cut")


@dataclass
class Bench:
    """A committer on a store whose session can be cut, and what it told."""

    database: Database
    store: Frail
    committer: PostgresCommitter
    told: list[int] = field(default_factory=list)
    connected: list[bool] = field(default_factory=list)
    is_cut: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, key: bytes, value: bytes = b"v") -> asyncio.Future[Outcome]:
        return self.committer.submit(Txn("iam", (), (Write(key, value),)), lambda outcome: outcome)

    async def put_again(self, key: bytes) -> Outcome:
        """Put until there is a session."""
        while True:
            try:
                return await self.put(key)
            except UnavailableError:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bench_on(engine: EngineConfig, folder: Path) -> AsyncIterator[Bench]:
    database = Database(engine)
    writer, readers = await database.open_writer(), await database.open_readers()
    store = Frail(writer, readers, History(3_600_000, 100_000, 100_000_000), Watermark(folder / "synced"))
    bench: Bench

    def committed(commits: tuple[Commit, ...]) -> None:
        bench.told += [commit.version for commit in commits]

    def connected(is_connected: bool) -> None:  # noqa: FBT001 - as the committer calls it
        bench.connected.append(is_connected)
        bench.is_cut.set()

    committer = PostgresCommitter(
        store,
        now_ms=lambda: 5,
        reopen=database.open_again,
        committed=committed,
        connected=connected,
    )
    bench = Bench(database, store, committer)
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(committer.run())
            yield bench
            committer.close()
    finally:
        store.connection.terminate()
        readers.terminate()


@pytest.fixture
def engine(postgres_server: PostgresServer) -> EngineConfig:
    return EngineConfig(postgres=postgres_server.url(), schema=f"committer_{next(SCHEMAS)}", connections=2)


Body = Callable[[Bench], Awaitable[None]]


def run(engine: EngineConfig, folder: Path, body: Body) -> None:
    async def main() -> None:
        async with bench_on(engine, folder) as bench:
            await body(bench)

    asyncio.run(main())


def test_a_commit_whose_answer_was_lost_is_answered_when_the_next_session_has_found_it(
    engine: EngineConfig, tmp_path: Path
):
    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        bench.store.loses = "after"
        outcomes = await asyncio.gather(*(bench.put(b"%d" % n) for n in range(3)))
        assert [outcome.version for outcome in outcomes] == [3, 4, 5]
        assert bench.told == [2, 3, 4, 5]
        assert bench.connected == [False, True]
        assert (await bench.put_again(b"b")).version == 6

    run(engine, tmp_path, body)


def test_a_commit_that_did_not_happen_is_said_not_to_have(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        bench.store.loses = "before"
        with pytest.raises(UnavailableError, match="nothing was written"):
            await bench.put(b"a")
        assert (await bench.put_again(b"b")).version == 2
        assert await bench.store.get("iam", b"a", 2) is None
        assert bench.told == [2]

    run(engine, tmp_path, body)


def test_who_cannot_be_told_in_time_is_told_that_nobody_knows(
    engine: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "OUTCOME_WAIT_S", 0.0)

    async def body(bench: Bench) -> None:
        bench.store.loses = "after"
        with pytest.raises(AbortedError, match="may or may not have been kept"):
            await bench.put(b"a")
        assert (await bench.put_again(b"b")).version == 3
        assert bench.told == [2, 3]

    run(engine, tmp_path, body)


def test_a_session_that_ends_while_nobody_writes_is_replaced(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        reader = await bench.store._run("SELECT pg_backend_pid()")
        first = bench.store.epoch
        await bench.store.connection.close()
        assert (await bench.put_again(b"b")).version == 3
        assert bench.store.epoch == first + 1
        assert await bench.store.get("iam", b"a", 3) is not None
        assert await bench.store._run("SELECT pg_backend_pid()") != reader

    run(engine, tmp_path, body)


def test_of_two_writers_only_the_later_commits(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        # As after a cut network: the server has given up the session, whose flaredb has not noticed.
        await bench.store.connection.execute("SELECT pg_advisory_unlock_all()")
        other = await bench.database.open_writer()
        assert other.applied.version == 2
        with pytest.raises(UnavailableError):
            await bench.store.get("iam", b"a", 2)
        bench.put(b"b")
        try:
            await asyncio.Event().wait()
        finally:
            assert await other.connection.fetchval("SELECT version FROM head") == 2
            other.connection.terminate()

    with pytest.raises(ExceptionGroup) as ended:
        run(engine, tmp_path, body)
    assert ended.group_contains(SupersededError, match="another flaredb has taken over")


def test_a_session_is_replaced_once_the_old_one_has_ended_and_only_by_its_own_flaredb(
    engine: EngineConfig, tmp_path: Path
):
    async def body(bench: Bench) -> None:
        epoch = bench.store.epoch
        assert await bench.database.open_again(epoch) is None
        assert (await bench.put(b"a")).version == 2
        with pytest.raises(SupersededError):
            await bench.database.open_again(epoch - 1)

    run(engine, tmp_path, body)


def test_a_server_that_comes_back_with_less_ends_it(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        await bench.store.connection.execute("UPDATE head SET version = 1")
        await bench.store.connection.close()
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as ended:
        run(engine, tmp_path, body)
    assert ended.group_contains(
        DatabaseError, match="versions up to 1 and had confirmed 2: acknowledged writes are lost"
    )


def test_a_full_disk_refuses_writes_until_there_is_room(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        full = "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE disk_full; END $$ LANGUAGE plpgsql"
        await bench.store.connection.execute(full)
        await bench.store.connection.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON data EXECUTE FUNCTION full_disk()"
        )
        with pytest.raises(ResourceExhaustedError, match="reads continue"):
            await bench.put(b"a")
        await bench.store.connection.execute("DROP TRIGGER full_disk ON data")
        assert (await bench.put(b"a")).version == 2

    run(engine, tmp_path, body)


def test_the_longest_key_is_stored_and_a_longer_one_refused(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        longest = bytes(range(1, 256)) * 10
        longest += b"x" * (ENCODED_BYTES_MAX - len(longest) - len("iam") - 3)
        assert (await bench.put(longest)).version == 2
        with pytest.raises(InvalidArgumentError, match="accepted on PostgreSQL: up to 2600"):
            bench.put(longest + b"x")
        only = Txn("iam", (Comparison(longest + b"x", 0),), ())
        assert (await bench.committer.submit(only, lambda outcome: outcome)).succeeded

    run(engine, tmp_path, body)


@pytest.mark.parametrize(
    ("reported", "says"),
    [
        ({"version": 120_017, "version_name": "12.17"}, "PostgreSQL 12.17 is too old; accepted: 13 and newer"),
        ({"encoding": "LATIN1"}, "encoding is LATIN1; accepted: UTF8"),
        ({"fsync": "off"}, "fsync = off and would lose acknowledged writes"),
    ],
)
def test_a_server_that_promises_too_little_is_refused(
    engine: EngineConfig, monkeypatch: pytest.MonkeyPatch, reported: dict[str, Any], says: str
):
    server = {"version": 150_000, "version_name": "15", "encoding": "UTF8", "fsync": "on"} | reported
    answers = ", ".join(f"{value!r} AS {name}" for name, value in server.items())

    async def main() -> None:
        connection = await asyncpg.connect(engine.postgres)
        try:
            await Database(engine)._check_server(connection)
        finally:
            await connection.close()

    monkeypatch.setattr(sql, "DESCRIBE_SERVER", f"SELECT {answers}")
    with pytest.raises(DatabaseError, match=says):
        asyncio.run(main())


def test_sessions_wait_for_the_disk_whatever_the_server_is_set_to(engine: EngineConfig):
    async def main() -> list[str]:
        owner = await asyncpg.connect(engine.postgres)
        found = []
        try:
            for setting in ("off", "remote_apply"):
                await owner.execute(f"ALTER ROLE postgres SET synchronous_commit = {setting}")
                session = await Database(engine).connect()
                found.append(await session.fetchval("SHOW synchronous_commit"))
                await session.close()
        finally:
            await owner.execute("ALTER ROLE postgres RESET synchronous_commit")
            await owner.close()
        return found

    assert asyncio.run(main()) == ["on", "remote_apply"]


def test_statements_look_at_about_as_many_rows_as_they_need(engine: EngineConfig):
    keys = "('iam'||'\\000'||lpad((n / 2)::text, 8, '0')||'\\000\\001')::bytea"
    lower, upper = b"iam\0", b"iam\1"
    some = [b"iam\x00%08d\x00\x01" % n for n in range(1000, 1100)]
    statements: list[tuple[str, tuple[object, ...]]] = [
        (sql.READ_KEY, (some[0], 20_001)),
        (sql.READ_KEYS, (some, 20_001, 0, 1000_000)),
        (sql.READ_CHANGES, (10_000, 10_100, some[0], some[1], 1000_000)),
        (sql.READ_STANDINGS, (some,)),
        (sql.READ_STANDINGS_OF_RANGE, (lower, upper, 100)),
        (sql.READ_OVERDUE, (0, 1 << 60, 100)),
        (sql.SWEEP, (1, 0, 100)),
        *(
            (sql.scan(reverse=reverse, keys_only=False), (lower, upper, 20_001, 0, 100, 1000_000))
            for reverse in (True, False)
        ),
    ]

    async def main() -> list[int]:
        writer = await Database(engine).open_writer()
        try:
            await writer.connection.execute(
                f"INSERT INTO data SELECT {keys}, n + 2, 0, CASE WHEN n % 100 = 99 THEN n END, '\\x01aa'::bytea "  # noqa: S608
                "FROM generate_series(0, 19999) AS n"
            )
            return [await _rows_looked_at(writer.connection, *each) for each in statements]
        finally:
            await writer.connection.close()

    looked_at = asyncio.run(main())
    assert max(looked_at) < 1000, looked_at


async def _rows_looked_at(connection: Any, statement: str, arguments: tuple[object, ...]) -> int:
    prepared = await connection.prepare(statement)
    found = await prepared.explain(*arguments, analyze=True)
    plans = [entry["Plan"] for entry in (json.loads(found) if isinstance(found, str) else found)]
    looked_at = 0
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        looked_at = max(
            looked_at, int(plan["Actual Rows"] * plan["Actual Loops"]) + plan.get("Rows Removed by Filter", 0)
        )
    return looked_at


def test_history_is_swept_down_to_what_can_be_seen(engine: EngineConfig, tmp_path: Path):
    async def body(bench: Bench) -> None:
        for n in range(20):
            await bench.put(b"%d" % (n % 3), b"v")
        gone = Txn("iam", (), (Write(b"0", None),))
        await bench.committer.submit(gone, lambda outcome: outcome)
        for n in range(3):
            await bench.put(b"%d" % n, b"after")
        bench.store._marks = [Mark(22, 0, 0, 0)]
        assert await bench.store.raise_floor(now_ms=10_000_000)
        while await bench.store.sweep_slice():
            pass
        # The values of 1 and 2 that are seen at the floor, and what came after it.
        assert await bench.store.connection.fetchval("SELECT count(*) FROM data") == 2 + 3
        assert await bench.store.connection.fetchval("SELECT count(*) FROM mark WHERE version < 22") == 0

    run(engine, tmp_path, body)


def test_a_server_that_stands_still_is_left_and_found_again(
    engine: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
):
    monkeypatch.setattr(session, "STATEMENT_S", 0.5)
    monkeypatch.setattr(session, "CONNECT_S", 0.5)

    async def body(bench: Bench) -> None:
        await bench.put(b"a")
        postgres_server.pause()
        try:
            waiting = [bench.put(b"%d" % n) for n in range(3)]
            with pytest.raises(UnavailableError):
                await bench.store.get("iam", b"a", 2)
            await bench.is_cut.wait()
            with pytest.raises(UnavailableError):
                bench.put(b"late")
        finally:
            postgres_server.go_on()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert len({type(outcome) for outcome in outcomes}) == 1, outcomes
        written = 0 if isinstance(outcomes[0], UnavailableError) else 3
        assert (await bench.put_again(b"after")).version == 3 + written
        assert bench.told == list(range(2, 4 + written))

    run(engine, tmp_path, body)
