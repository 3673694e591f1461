"""What becomes of a write whose session is lost, and of who else writes the schema."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flaredb.config import EngineConfig
from flaredb.core.commands import Commit, Comparison, Outcome, Txn, Write
from flaredb.core.retention import History
from flaredb.shell import postgres_committer as module
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
    connected: list[bool] = []
    bench: Bench

    def committed(commits: tuple[Commit, ...]) -> None:
        bench.told += [commit.version for commit in commits]

    committer = PostgresCommitter(
        store,
        now_ms=lambda: 5,
        reopen=database.open_again,
        committed=committed,
        connected=connected.append,
    )
    bench = Bench(database, store, committer, connected=connected)
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
        first = bench.store.epoch
        await bench.store.connection.close()
        assert (await bench.put_again(b"b")).version == 3
        assert bench.store.epoch == first + 1
        assert await bench.store.get("iam", b"a", 3) is not None

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
