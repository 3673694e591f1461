"""flaredb as a process on PostgreSQL: crashes of either, two at once, and servers that it cannot use."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from ultracloud.api.flaredb.v1.flaredb_pb2 import GetRequest, PutRequest
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import AbortedError, DeadlineExceededError, UnavailableError
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.store import Committed, FlaredbStore
from ultracloud.servicekit.store.following import read_all
from ultracloud.testkit.postgres import PostgresServer, find_postgres, postgres
from ultracloud.testkit.processes import Process, serve, started

PASSWORD = "correct horse"
WRITERS = 8
WAIT_S = 10.0
SCHEMAS = itertools.count()


def config(folder: Path, url: str, more: str = "", schema: str | None = None) -> Path:
    path = folder / "flaredb.toml"
    name = schema or f"process_{next(SCHEMAS)}"
    text = f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n[engine]\npostgres = "{url}"\nschema = "{name}"\n{more}'
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def store_of(process: Process) -> AsyncIterator[FlaredbStore]:
    channel = connect(process.addresses[0])
    try:
        yield FlaredbStore(channel, "iam")
    finally:
        await channel.close()


def impatient(process: Process) -> tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]:
    """A read and a write that are sent again for a short time only."""

    async def ask(method: str, request: object) -> None:
        channel = connect(process.addresses[0])
        try:
            await getattr(KvClient(channel), method)(request, timeout_s=0.4)
        finally:
            await channel.close()

    read, write = GetRequest(namespace="iam", key=b"a"), PutRequest(namespace="iam", key=b"a")
    return partial(ask, "get", read), partial(ask, "put", write)


async def put(store: FlaredbStore, key: bytes) -> int:
    done = await store.txn({}, {key: b"v"})
    assert isinstance(done, Committed)
    return done.version


def refused(folder: Path, path: Path) -> str:
    """What a flaredb says that should not start."""
    command = [sys.executable, "-m", "flaredb", "serve", "--config", str(path)]
    with started(command, folder / "refused.log") as process:
        assert process.wait(15) == 1
        said = process.tail()
    assert "Traceback" not in said
    assert PASSWORD not in said
    return said


def execute(server: PostgresServer, *statements: str, database: str = "postgres") -> object:
    async def main() -> object:
        connection = await asyncpg.connect(server.url(database))
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(main())


def wait_status(process: Process, wanted: int) -> None:
    """Wait until /readyz says so."""
    ends_at = time.monotonic() + WAIT_S
    while status(process) != wanted:
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def status(process: Process) -> int:
    try:
        with urllib.request.urlopen(f"http://{process.addresses[0]}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may crash."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL found: `./dev test` unpacks Debian's, see tools/packages.debian")
    with postgres(programs) as server:
        yield server


@dataclass
class Witness:
    """What clients were told, over all lives of flaredb and of PostgreSQL.

    Attributes:
        acknowledged: Version of each pair of keys that a transaction wrote.
        news: One for each of them.
        watched: Every change, as it came.
        position: Where the watch resumes.
    """

    numbers: itertools.count[int] = field(default_factory=itertools.count)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    news: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    watched: list[tuple[int, bytes]] = field(default_factory=list)
    position: int = 1

    async def write(self, store: FlaredbStore) -> None:
        """Write pairs of keys that nobody wrote before."""
        for number in self.numbers:
            keys = b"%d/left" % number, b"%d/right" % number
            try:
                done = await store.txn(dict.fromkeys(keys, 0), dict.fromkeys(keys, b"v" * 100))
            except (AbortedError, DeadlineExceededError, UnavailableError):
                await asyncio.sleep(0.02)
            else:
                # A conflict is an answer that was lost, to a client that sent it again.
                if isinstance(done, Committed):
                    self.acknowledged |= dict.fromkeys(keys, done.version)
                    self.news.put_nowait(None)

    async def wait_acknowledged(self, count: int) -> None:
        """Wait for so many transactions more."""
        while not self.news.empty():
            self.news.get_nowait()
        async with asyncio.timeout(WAIT_S):
            for _ in range(count):
                await self.news.get()

    async def watch(self, store: FlaredbStore, until: int | None = None) -> None:
        """Watch from where it was, until a version."""
        while until is None or self.position < until:
            with contextlib.suppress(UnavailableError):
                async for changes in store.watch(b"", b"", self.position):
                    self.watched += [(change.version, change.key) for change in changes.changes]
                    self.position = changes.version
                    if until is not None and self.position >= until:
                        return
            await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def load(self, process: Process) -> AsyncIterator[None]:
        """Writers and a watcher for as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stores:
            work = [self.write(await stores.enter_async_context(store_of(process))) for _ in range(WRITERS)]
            work.append(self.watch(await stores.enter_async_context(store_of(process))))
            tasks = [asyncio.create_task(one) for one in work]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError | UnavailableError) for result in results), results

    async def check(self, process: Process) -> None:
        """Hold what the server has against what was told."""
        async with store_of(process) as store:
            loaded = await read_all(store, b"", b"")
            await self.watch(store, until=loaded.version)
        stored = {entry.key: entry.version for entry in loaded.entries}
        assert {key: stored.get(key) for key in self.acknowledged} == self.acknowledged
        # What a writer had sent when it was ended may have been committed after the keys were read.
        watched = [change for change in self.watched if change[0] <= loaded.version]
        assert [version for version, _ in watched] == sorted([*range(2, loaded.version + 1)] * 2)
        assert {key: version for version, key in watched} == stored


def test_a_killed_postgresql_loses_nothing_acknowledged_and_flaredb_goes_on(tmp_path: Path, own_server: PostgresServer):
    chance = random.Random(4)  # noqa: S311 - a seed makes it repeatable
    witness = Witness()

    async def body(process: Process) -> None:
        for _ in range(2):
            async with witness.load(process):
                await asyncio.sleep(chance.uniform(0.2, 0.5))
                own_server.crash()
                await asyncio.to_thread(own_server.start)
                await witness.wait_acknowledged(20)
        await witness.check(process)

    with serve("flaredb", config(tmp_path, own_server.url())) as process:
        asyncio.run(body(process))
        assert process.is_running
    assert len(witness.acknowledged) > 50


def test_a_killed_flaredb_loses_nothing_acknowledged_and_the_next_takes_over(
    tmp_path: Path, postgres_server: PostgresServer
):
    witness = Witness()
    path = config(tmp_path, postgres_server.url())

    async def live(process: Process) -> None:
        async with witness.load(process):
            await asyncio.sleep(0.4)
            process.kill()

    for _ in range(2):
        with serve("flaredb", path) as process:
            asyncio.run(live(process))
    with serve("flaredb", path) as process:
        asyncio.run(witness.check(process))
    assert len(witness.acknowledged) > 20


def test_without_postgresql_it_is_not_ready_and_says_unavailable_until_it_is_back(
    tmp_path: Path, own_server: PostgresServer
):
    async def body(process: Process) -> None:
        async with store_of(process) as store:
            version = await put(store, b"a")
            await asyncio.to_thread(own_server.stop)
            await asyncio.to_thread(wait_status, process, 503)
            for ask in impatient(process):
                with pytest.raises(UnavailableError, match="database behind flaredb"):
                    await ask()
            await asyncio.to_thread(own_server.start)
            await asyncio.to_thread(wait_status, process, 200)
            entry = await store.get(b"a")
            assert entry is not None
            assert entry.version == version
            assert await put(store, b"b") == version + 1

    with serve("flaredb", config(tmp_path, own_server.url())) as process:
        asyncio.run(body(process))


def test_a_second_process_on_the_same_schema_is_refused(tmp_path: Path, postgres_server: PostgresServer):
    other = tmp_path / "other"
    other.mkdir()
    with serve("flaredb", config(tmp_path, postgres_server.url(), schema="shared")) as first:
        said = refused(tmp_path, config(other, postgres_server.url(), schema="shared"))
        assert "the schema 'shared' is in use by flaredb on" in said
        assert f"process {first.pid}" in said
        assert first.is_running


def test_a_superseded_writer_commits_nothing_reads_nothing_and_ends(tmp_path: Path, postgres_server: PostgresServer):
    async def body(process: Process) -> None:
        async with store_of(process) as store:
            await put(store, b"a")
            epoch = "UPDATE head SET epoch = epoch + 1 RETURNING epoch"
            await asyncio.to_thread(
                execute, postgres_server, "SET search_path = raced", epoch, "UPDATE history SET epoch = epoch + 1"
            )
            read, write = impatient(process)
            with pytest.raises(UnavailableError, match="database behind flaredb"):
                await read()
            with pytest.raises((UnavailableError, AbortedError)):
                await write()
            assert await asyncio.to_thread(process.wait) == 1

    with serve("flaredb", config(tmp_path, postgres_server.url(), schema="raced")) as process:
        asyncio.run(body(process))
        assert "another flaredb has taken over the schema" in process.tail()
    assert execute(postgres_server, "SELECT count(*) FROM raced.data") == 1


def test_lost_acknowledged_writes_are_noticed(tmp_path: Path, postgres_server: PostgresServer):
    path = config(tmp_path, postgres_server.url(), schema="lost")

    async def body(process: Process) -> None:
        async with store_of(process) as store:
            for n in range(5):
                await put(store, b"%d" % n)

    with serve("flaredb", path) as process:
        asyncio.run(body(process))
    execute(postgres_server, "DELETE FROM lost.data WHERE version > 4", "UPDATE lost.head SET version = 4")
    assert "holds versions up to 4 and had confirmed 6: acknowledged writes are lost" in refused(tmp_path, path)


def test_a_password_comes_from_a_file_and_is_never_shown(tmp_path: Path, postgres_server: PostgresServer):
    execute(
        postgres_server,
        f"CREATE USER secretive PASSWORD '{PASSWORD}'",
        "GRANT CREATE ON DATABASE postgres TO secretive",
    )
    url = postgres_server.url(user="secretive")
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    path = config(tmp_path, url, 'password_file = "secret"\n')
    with serve("flaredb", path) as process:
        assert PASSWORD not in process.tail()
    secret.write_text(f"{PASSWORD} wrong\n")
    assert "password authentication failed" in refused(tmp_path, path)
    assert "check the user in [engine] postgres, and password_file" in refused(tmp_path, path)
    secret.unlink()
    assert "password_file" in refused(tmp_path, path)
    with serve("flaredb", config(tmp_path, url), env={"PGPASSWORD": PASSWORD}) as process:
        assert PASSWORD not in process.tail()


@pytest.mark.parametrize(
    ("prepare", "database", "says"),
    [
        ("SELECT 1", "missing", 'database "missing" does not exist; create the database'),
        (
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
            "ascii",
            "encoding is SQL_ASCII; accepted: UTF8",
        ),
        (
            "CREATE SCHEMA other; CREATE TABLE other.head (format text)",
            "postgres",
            "is of format None; this flaredb reads",
        ),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(
    tmp_path: Path, postgres_server: PostgresServer, prepare: str, database: str, says: str
):
    execute(postgres_server, *prepare.split("; "))
    assert says in refused(tmp_path, config(tmp_path, postgres_server.url(database), schema="other"))


def test_a_server_that_is_not_there_or_would_lose_writes_is_refused(tmp_path: Path, own_server: PostgresServer):
    path = config(tmp_path, own_server.url())
    own_server.stop()
    assert "check that PostgreSQL runs and that [engine] postgres leads to it" in refused(tmp_path, path)
    own_server.start(fsync="off")
    assert "fsync = off and would lose acknowledged writes" in refused(tmp_path, path)
