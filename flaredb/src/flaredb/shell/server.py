"""All of it together: the store on its engine, the tasks beside it, and the RPCs in front."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flaredb.config import Config
from flaredb.core.access import Access
from flaredb.errors import MIB
from flaredb.shell import disk, memory
from flaredb.shell.committer import Committer
from flaredb.shell.expirer import Expirer
from flaredb.shell.log_room import LOGS, LogRoom
from flaredb.shell.one_node import OneNode
from flaredb.shell.rocks import WAL_BYTES_MAX, RocksEngine, open_rocks
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.sweeper import Sweeper
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1.cluster_rpc import CLUSTER
from ultracloud.api.flaredb.v1.eventual_rpc import EVENTUAL
from ultracloud.api.flaredb.v1.flaredb_rpc import KV
from ultracloud.servicekit.lifecycle import Service
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import BUSY_POLL_S, Limits, service

if TYPE_CHECKING:
    from flaredb.shell.eventual_alone import EventualAlone


@dataclass(slots=True)
class Flaredb:
    """A running flaredb; `ultracloud.servicekit.lifecycle` stops it when no more calls come."""

    engine: RocksEngine
    committer: Committer
    watchers: Watchers
    committing: asyncio.Task[None]
    sweeping: asyncio.Task[None]
    expiring: asyncio.Task[None]
    making_room: asyncio.Task[None]
    eventual: EventualAlone | None

    async def stop(self) -> None:
        """Finish the writes that wait, and close the store so that the next start has no log to replay."""
        self.watchers.close()
        self.expiring.cancel()
        self.committer.close()
        await self.committing
        if self.eventual is not None:
            await self.eventual.stop()
        self.sweeping.cancel()
        self.making_room.cancel()
        await asyncio.wait({self.making_room})
        self.engine.close()


async def build(config: Config, runtime: Runtime) -> Service:
    """Open the store that the configuration names, and serve it. What only some of them need is imported for them.

    Raises:
        StartError: It cannot be opened, or an address is taken.
    """
    if config.cluster.name:
        from flaredb.shell import cluster

        return await cluster.build(config, runtime)
    if not config.engine.postgres:
        return await build_embedded(config, runtime)
    from flaredb.shell import postgres

    return await postgres.build(config, runtime)


async def build_embedded(config: Config, runtime: Runtime) -> Flaredb:
    """Open the store in the state directory and serve it.

    Raises:
        StoreDirectoryError: The state directory is in use, damaged or not writable.
        StartError: An address is taken.
    """
    rocksdb = config.rocksdb
    engine = open_rocks(config.state_dir, rocksdb.write_buffer_mib * MIB, memory.cache_bytes(rocksdb.block_cache_mib))
    store = Store(engine, config.history.bounds(), config.first_version)
    watchers = Watchers()
    committer = Committer(
        store,
        now_ms=runtime.clock.now_ms,
        free_bytes=disk.Room(config.state_dir, config.disk_reserve_mib * MIB).free_bytes,
        reserve_bytes=config.disk_reserve_mib * MIB,
        committed=watchers.tell,
    )
    committer.heard = runtime.heard
    owners = {namespace: frozenset(identities) for namespace, identities in config.namespaces.items()}
    access = Access(owners, is_open=runtime.identity is None)
    expirer = Expirer(store, committer, runtime.clock)

    def install_meters() -> None:
        from flaredb.shell import meters

        meters.install(runtime.metrics, store, engine, committer, watchers, expirer)

    runtime.metrics.later(install_meters)
    committing = runtime.tasks.create_task(committer.run(), name="commit")
    sweeping = runtime.tasks.create_task(Sweeper(store, runtime.clock).run(), name="sweep")
    runtime.log.info("opened", extra={"version": store.applied.version, "floor": store.floor})
    expiring = runtime.tasks.create_task(expirer.run(), name="expire")
    log_room = LogRoom(
        store,
        engine,
        min(rocksdb.write_buffer_mib * MIB, WAL_BYTES_MAX),
        lambda: committer.free_bytes() > committer.reserve_bytes + LOGS * WAL_BYTES_MAX,
        runtime.clock,
    )
    making_room = runtime.tasks.create_task(log_room.run(), name="make room in the log")
    kv: Any = KvService(store, committer, watchers, access, runtime.clock.now_ms)
    eventual, services = None, [service(CLUSTER, OneNode(access))]
    if config.eventual.namespaces:
        from flaredb.shell import eventual_alone

        eventual = eventual_alone.build(config, runtime, engine, kv, access)
        kv = eventual.kv
        services.append(service(EVENTUAL, eventual.copies))
    await runtime.serve([service(KV, kv), *services], limits=Limits(busy_poll_s=BUSY_POLL_S))
    return Flaredb(engine, committer, watchers, committing, sweeping, expiring, making_room, eventual)
