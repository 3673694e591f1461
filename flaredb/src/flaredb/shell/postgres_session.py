"""Sessions with PostgreSQL: the writer's, which holds the schema's lock, and a pool of readers'.

One flaredb writes a schema. Its session holds an advisory lock, which ends with the session; another flaredb waits some
seconds for it and is refused. The lock is a courtesy: what keeps two writers apart is the epoch, which taking over
raises in the row that every commit changes. So a writer that lost its session without noticing commits nothing,
whatever a pooler or another server than PostgreSQL makes of locks.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from flaredb.config import EngineConfig
from flaredb.core.records import START, Mark
from flaredb.shell import postgres_sql as sql
from flaredb.shell.postgres_errors import SPOKEN, DatabaseError, superseded

SERVER_VERSION_MIN = 130_000
"""PostgreSQL 13: what is older has had no fixes for years."""
CONNECT_S = 5.0
STATEMENT_S = 20.0
"""Seconds any statement may take: a batch takes milliseconds, so the server or the way to it is gone by then."""
LOCK_WAIT_S = 3.0
"""Seconds to wait for the lock at start: a killed flaredb's session is noticed at once, on this machine or another."""
LOCK_POLL_S = 0.2


@dataclass(slots=True)
class Writer:
    """The writer's session, and the schema as it found it.

    Attributes:
        epoch: Its own: it and nobody else commits under this number.
    """

    connection: Any
    epoch: int
    applied: Mark
    floor: int
    swept: int
    marks: list[Mark]


class Database:
    """Where the schema is, and how to get there."""

    def __init__(self, engine: EngineConfig, first_version: int = START.version) -> None:
        """Read the password, if a file has it. A schema that is made now begins with `first_version`.

        Raises:
            DatabaseError: The file cannot be read.
        """
        self.schema = engine.schema
        self._first = replace(START, version=first_version)
        self._url = engine.postgres
        self._readers = engine.connections
        self._password = _password(engine)
        digest = hashlib.sha256(f"flaredb {engine.schema}".encode()).digest()
        self._lock = int.from_bytes(digest[:8], "big", signed=True)

    async def connect(self) -> Any:
        """A new session, set up. Raises one of SPOKEN."""
        connection = await asyncpg.connect(
            self._url,
            password=self._password,
            timeout=CONNECT_S,
            command_timeout=STATEMENT_S,
            target_session_attrs="read-write",
            server_settings={
                "application_name": f"flaredb on {socket.gethostname()}, process {os.getpid()}"[:63],
                "search_path": self.schema,
            },
        )
        try:
            await connection.fetch(sql.SET_SESSION, list(sql.SESSION_SETTINGS), list(sql.SESSION_SETTINGS.values()))
            await connection.fetch(sql.SET_DURABLE)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def open_readers(self) -> Any:
        """The pool that reads go through; it connects when a read needs it, and again by itself."""
        return await asyncpg.create_pool(
            connect=self._reader,
            min_size=0,
            max_size=self._readers,
            reset=_keep,
            max_inactive_connection_lifetime=300.0,
        )

    async def _reader(self, *_arguments: object, **_settings: object) -> Any:
        return await self.connect()

    async def open_writer(self) -> Writer:
        """Connect at start, check the server, take the lock and the epoch, make tables where there are none.

        Raises:
            DatabaseError: It cannot be done; the sentence says why and what to do.
        """
        try:
            connection = await self.connect()
            try:
                await self._check_server(connection)
                await self._wait_lock(connection)
                return await self._take_over(connection)
            except BaseException:
                connection.terminate()
                raise
        except SPOKEN as error:
            raise DatabaseError(self._sentence(error)) from error

    async def open_again(self, epoch: int) -> Writer | None:
        """Connect after the writer's session was lost; None while the old session still holds the lock.

        Raises:
            SupersededError: Another flaredb has written since.
            DatabaseError: The schema is not what it was.
        """
        connection = await self.connect()
        try:
            writer = await self._succeed(connection, epoch)
        except BaseException:
            connection.terminate()
            raise
        if writer is None:
            connection.terminate()
        return writer

    async def _succeed(self, connection: Any, epoch: int) -> Writer | None:
        """Take over from the session of `epoch`, if nobody else did; None while that one has the lock."""
        if await connection.fetchval(sql.READ_EPOCH) != epoch:
            raise superseded(epoch)
        if not await connection.fetchval(sql.TRY_LOCK, self._lock):
            return None
        writer = await self._take_over(connection)
        if writer.epoch != epoch + 1:
            raise superseded(epoch)
        return writer

    async def _check_server(self, connection: Any) -> None:
        """Pass if the server is one that our promises can stand on."""
        server = await connection.fetchrow(sql.DESCRIBE_SERVER)
        if server["version"] < SERVER_VERSION_MIN:
            raise DatabaseError(
                f"PostgreSQL {server['version_name']} is too old; accepted: {SERVER_VERSION_MIN // 10_000} and newer"
            )
        if server["encoding"] != "UTF8":
            raise DatabaseError(
                f"the database's encoding is {server['encoding']}; accepted: UTF8. Make another: "
                "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
            )
        if server["fsync"] == "off":
            raise DatabaseError("the server runs with fsync = off and would lose acknowledged writes: set it to on")

    async def _wait_lock(self, connection: Any) -> None:
        """Take the lock; whoever has it may be on its way out."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LOCK_WAIT_S
        while not await connection.fetchval(sql.TRY_LOCK, self._lock):
            if loop.time() >= ends_at:
                holder = await connection.fetchval(sql.LOCK_HOLDER, self._lock)
                raise DatabaseError(
                    f"the schema '{self.schema}' is in use by {holder or 'another flaredb'}: stop that one, or set "
                    "another [engine] schema"
                )
            await asyncio.sleep(LOCK_POLL_S)

    async def _take_over(self, connection: Any) -> Writer:
        """Raise the epoch and read the counters, all in one transaction."""
        async with connection.transaction():
            if not await connection.fetchval(sql.FIND_TABLES):
                for statement in (sql.CREATE_SCHEMA.format(schema=self.schema), *sql.CREATE_TABLES):
                    await connection.execute(statement)
                first = self._first
                await connection.execute(
                    sql.MAKE_HEAD, sql.FORMAT, first.version, first.at_ms, first.changes, first.bytes
                )
                if first != START:
                    await connection.execute(sql.MAKE_HISTORY, first.version)
            found = await connection.fetchval(sql.READ_FORMAT)
            if found != sql.FORMAT:
                raise DatabaseError(
                    f"the schema '{self.schema}' is of format {found!a}; this flaredb reads '{sql.FORMAT}' only: run "
                    "the version of flaredb that wrote it"
                )
            epoch, *counters = await connection.fetchrow(sql.TAKE_OVER)
            floor, swept = await connection.fetchrow(sql.TAKE_OVER_HISTORY, epoch)
            marks = [Mark(*row) for row in await connection.fetch(sql.READ_MARKS)]
        return Writer(connection, epoch, Mark(*counters), floor, swept, marks)

    def _sentence(self, error: BaseException) -> str:
        """What an operator is told who starts flaredb; never with the password, which no error of the server holds."""
        said = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
        match error:
            case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
                hint = "check the user in [engine] postgres, and password_file or PGPASSWORD"
            case asyncpg.InvalidCatalogNameError():
                hint = "create the database, or name another in [engine] postgres"
            case asyncpg.InsufficientPrivilegeError():
                hint = "let the user create the schema: GRANT CREATE ON DATABASE ... TO ..."
            case asyncpg.ClientConfigurationError():
                hint = "correct [engine] postgres"
            case asyncpg.TargetServerAttributeNotMatched():
                hint = "the server is a replica: name the primary, or all servers, in [engine] postgres"
            case asyncpg.TooManyConnectionsError():
                hint = "raise the server's max_connections, or lower [engine] connections"
            case _:
                hint = "check that PostgreSQL runs and that [engine] postgres leads to it"
        return f"PostgreSQL cannot be used: {said}; {hint}"


async def _keep(_connection: object) -> None:
    """Readers change nothing about their session, so there is nothing to reset when one goes back."""


def _password(engine: EngineConfig) -> str | None:
    """What `password_file` holds; None leaves it to PGPASSWORD and PGPASSFILE."""
    path = engine.password_file
    if path is None:
        return None
    try:
        return path.read_text().rstrip("\r\n")
    except OSError as error:
        raise DatabaseError(f"[engine] password_file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatabaseError(f"[engine] password_file {path} is not text") from error
