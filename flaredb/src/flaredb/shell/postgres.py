"""flaredb on PostgreSQL: all of it together, and the tasks beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from flaredb.config import Config
from flaredb.core.access import Access
from flaredb.shell.meters import install_common
from flaredb.shell.one_node import OneNode
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_errors import SPOKEN, DatabaseError
from flaredb.shell.postgres_expirer import PostgresExpirer
from flaredb.shell.postgres_rpc import PostgresKv
from flaredb.shell.postgres_session import Database
from flaredb.shell.postgres_store import PostgresStore
from flaredb.shell.sweeper import LOOK_S
from flaredb.shell.watchers import Watchers
from flaredb.shell.watermark import Watermark
from ultracloud.api.flaredb.v1.cluster_rpc import CLUSTER
from ultracloud.api.flaredb.v1.flaredb_rpc import KV
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.metrics import Metrics
from ultracloud.servicekit.metrics_text import TimesCollector
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import service

WATERMARK_NAME = "synced"
"""Stands in the state directory, as beside RocksDB; see `flaredb.shell.watermark`."""
CLOSE_S = 2.0
"""Seconds that sessions get to say goodbye."""

_log = logging.getLogger("flaredb.sweeper")


@dataclass(slots=True)
class PostgresFlaredb:
    """A running flaredb; `ultracloud.servicekit.lifecycle` stops it when no more calls come."""

    store: PostgresStore
    readers: Any
    watermark: Watermark
    committer: PostgresCommitter
    watchers: Watchers
    committing: asyncio.Task[None]
    sweeping: asyncio.Task[None]
    expiring: asyncio.Task[None]

    async def stop(self) -> None:
        """Finish the writes that wait, and give up the sessions, and with them the lock."""
        self.watchers.close()
        self.committer.close()
        self.expiring.cancel()
        await self.committing
        self.sweeping.cancel()
        with contextlib.suppress(*SPOKEN):
            await self.store.connection.close(timeout=CLOSE_S)
        self.readers.terminate()
        self.watermark.close()


async def build(config: Config, runtime: Runtime) -> PostgresFlaredb:
    """Become the writer of the schema and serve it.

    Raises:
        DatabaseError: PostgreSQL cannot be used, or another flaredb uses the schema.
        StartError: An address is taken.
    """
    database = Database(config.engine, config.first_version)
    writer = await database.open_writer()
    readers = await database.open_readers()
    watermark = _open_watermark(config)
    store = PostgresStore(writer, readers, config.history.bounds(), watermark)
    watchers = Watchers()
    gate = runtime.readiness.gate("PostgreSQL")
    gate.open()
    committer = PostgresCommitter(
        store,
        now_ms=runtime.clock.now_ms,
        reopen=database.open_again,
        committed=watchers.tell,
        connected=lambda is_connected: gate.open() if is_connected else gate.close(),
    )
    owners = {namespace: frozenset(identities) for namespace, identities in config.namespaces.items()}
    access = Access(owners, is_open=runtime.identity is None)
    expirer = PostgresExpirer(store, committer, runtime.clock)
    _install_meters(runtime.metrics, store, committer, watchers, expirer)
    committing = runtime.tasks.create_task(committer.run(), name="commit")
    sweeping = runtime.tasks.create_task(sweep_for_ever(store, committer, runtime.clock), name="sweep")
    expiring = runtime.tasks.create_task(expirer.run(), name="expire")
    runtime.log.info(
        "opened a schema of PostgreSQL",
        extra={"version": store.applied.version, "floor": store.floor, "schema": database.schema, "epoch": store.epoch},
    )
    kv = PostgresKv(store, committer, watchers, access, runtime.clock.now_ms)
    await runtime.serve([service(KV, kv), service(CLUSTER, OneNode(access))])
    return PostgresFlaredb(store, readers, watermark, committer, watchers, committing, sweeping, expiring)


async def sweep_for_ever(store: PostgresStore, committer: PostgresCommitter, clock: Clock) -> None:
    """Raise the floor when history is out of bounds, and delete what is left below."""
    while True:
        try:
            if committer.is_connected and await store.raise_floor(clock.now_ms()):
                _log.debug("history is kept after version %d", store.floor)
            while committer.is_connected and await store.sweep_slice():
                pass
        except Fault as fault:
            _log.warning("old history is not swept: %s", fault)
        await clock.sleep(LOOK_S)


def _open_watermark(config: Config) -> Watermark:
    path = config.state_dir / WATERMARK_NAME
    try:
        return Watermark(path)
    except OSError as error:
        raise DatabaseError(f"{path} cannot be written: {error.strerror}") from error


def _install_meters(
    metrics: Metrics, store: PostgresStore, committer: PostgresCommitter, watchers: Watchers, expirer: PostgresExpirer
) -> None:
    """Add this engine's gauges to the process's metrics; PostgreSQL's own are for its own exporter."""
    gauge = install_common(metrics, store, committer, watchers, expirer)
    gauge("database_connected", "Whether the writer's session stands", lambda: committer.is_connected)
    about = "What batches wait for PostgreSQL"
    metrics.registry.register(TimesCollector("flaredb_commit_seconds", about, committer.times))
