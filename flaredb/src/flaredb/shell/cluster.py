"""flaredb as one store of many: all of it together, and the tasks beside it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from flaredb.config import ClusterConfig, Config
from flaredb.core.access import Access
from flaredb.core.placement import MIB, Policy
from flaredb.core.region import LOGICAL_BITS, RegionId, StoreId
from flaredb.core.region_rows import founding_rows, load
from flaredb.shell import disk, memory
from flaredb.shell.cluster_aging import Aging
from flaredb.shell.cluster_clock import StoreClock
from flaredb.shell.cluster_disk import addresses_of, claim, cluster_of, store_of
from flaredb.shell.cluster_follow import Follower
from flaredb.shell.cluster_kv import ClusterKv
from flaredb.shell.cluster_lines import Lines, Start
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.cluster_merges import Merges
from flaredb.shell.cluster_meters import install_cluster, install_store
from flaredb.shell.cluster_node import ClusterNode
from flaredb.shell.cluster_peers import PeersService
from flaredb.shell.cluster_reads import Reader
from flaredb.shell.cluster_router import Router
from flaredb.shell.cluster_rpc import ClusterService
from flaredb.shell.cluster_steps import Steps
from flaredb.shell.cluster_txns import Transactions
from flaredb.shell.cluster_upkeep import Upkeep
from flaredb.shell.cluster_watch import Watching
from flaredb.shell.placer import Placer
from flaredb.shell.rocks import RocksEngine, open_rocks
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1.cluster_rpc import CLUSTER
from ultracloud.api.flaredb.v1.flaredb_rpc import KV
from ultracloud.api.flaredb.v1.peers_rpc import PEERS
from ultracloud.base.faults import Fault
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import Service, service

JOIN_RETRY_S = 0.5
"""Between attempts of a new store to get its id while chainfire is away."""
READY_LOOK_S = 0.05


@dataclass(slots=True)
class ClusterFlaredb:
    """A running store; `ultracloud.servicekit.lifecycle` stops it when no more calls come."""

    engine: RocksEngine
    node: ClusterNode
    lines: Lines
    watchers: Watchers
    working: asyncio.Task[None]
    beside: list[asyncio.Task[None]]

    async def stop(self) -> None:
        """Finish the sync under way, and close the store."""
        self.watchers.close()
        if self.node.space is not None:
            self.node.space.close()
        for task in self.beside:
            task.cancel()
        # Before others cancel them again: what a task has to end, a watch with chainfire, takes a turn or two.
        await asyncio.wait(self.beside)
        self.node.close()
        await self.working
        await self.lines.close()
        self.engine.close()


async def build(config: Config, runtime: Runtime) -> ClusterFlaredb:
    """Open this store, or make it one of the cluster, and serve.

    Raises:
        StoreDirectoryError: The state directory is in use, damaged, or holds something else.
        StartError: An address is taken.
    """
    rocksdb = config.rocksdb
    engine = open_rocks(config.state_dir, rocksdb.write_buffer_mib * MIB, memory.cache_bytes(rocksdb.block_cache_mib))
    cluster = config.cluster
    regions = ClusterMap(runtime.coordination(), cluster.name, runtime.clock)
    beside: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = runtime.tasks.create_task(work, name=name)
        beside[:] = [each for each in beside if not each.done()] + [task]
        return task

    regions.expect(cluster_of(engine))
    start(regions.run(), "follow the region map")
    store = await _join(engine, regions, runtime)
    clock = StoreClock(runtime.clock)
    node = ClusterNode(
        store,
        engine,
        now_ms=clock.now_ms,
        draw=random.SystemRandom().randrange,
        free_bytes=partial(disk.free_bytes, config.state_dir),
        reserve_bytes=config.disk_reserve_mib * MIB,
    )
    # While peers are still heard: whoever takes over asks for votes.
    runtime.before_drain(node.hand_over)
    working = runtime.tasks.create_task(node.run(), name="regions")
    lines, watchers = await _serve(config, runtime, clock, node, regions, start)
    runtime.log.info("opened as a store of a cluster", extra={"store": store, "regions": len(node.node.regions)})
    return ClusterFlaredb(engine, node, lines, watchers, working, beside)


async def _serve(
    config: Config, runtime: Runtime, clock: StoreClock, node: ClusterNode, regions: ClusterMap, start: Start
) -> tuple[Lines, Watchers]:
    """Listen, and begin everything that runs beside the store."""
    known = addresses_of(node.engine)

    def address_of(store: StoreId) -> str:
        entry = regions.stores.get(store)
        return entry.address if entry is not None else known.get(store, "")

    def leader_of(region: RegionId) -> StoreId | None:
        return next((seen.leader for seen in regions.regions if seen.region.region == region), None)

    reader = Reader(node)
    follower = Follower(node, reader)
    lines = Lines(node, runtime.identity, address_of, start)
    router = Router(node, reader, lines, regions)
    merges = Merges(node, lines, leader_of, start)
    steps = Steps(node, lines, leader_of, merges)
    watchers = Watchers()
    owners = {namespace: frozenset(identities) for namespace, identities in config.namespaces.items()}
    access = Access(owners, is_open=runtime.identity is None)
    policy = _policy(config.cluster)
    txns = Transactions(node, router, clock, start)
    kv: Any = ClusterKv(router, txns, Watching(node, follower, router, lines), watchers, access, clock)
    services: list[Service] = []
    if config.eventual.namespaces:
        from flaredb.shell import eventual_cluster

        space = eventual_cluster.build(config.eventual, runtime, clock.now_ms, node, lines, regions, start)
        kv = eventual_cluster.front(config.eventual, space, kv, access)
        services.append(eventual_cluster.copies(config.eventual, space, access))
    peers = PeersService(node, reader, follower, steps.do, clock.heard, is_open=runtime.identity is None)
    gate = runtime.readiness.gate("its regions")
    addresses = await runtime.serve(
        [service(KV, kv), service(PEERS, peers), service(CLUSTER, ClusterService(regions, access, policy)), *services]
    )
    cluster = config.cluster
    advertised = cluster.advertise or addresses[0]
    upkeep = Upkeep(node, regions, config.state_dir, cluster.labels, advertised, policy.split_bytes)
    start(txns.look_after(), "look after transactions")
    start(merges.look_after(), "look after merges")
    start(upkeep.report(), "report")
    start(upkeep.count(), "count regions")
    aging = Aging(node, config.history.bounds(), clock)
    start(aging.sweep(), "sweep history")
    start(aging.expire(), "expire keys")
    install_store(runtime.metrics, node, watchers, aging)
    placer = Placer(regions, runtime.coordination(), runtime.clock, policy, steps.carry_out, runtime.log)
    install_cluster(runtime.metrics, regions, placer, policy)
    start(placer.run(f"store {node.store}".encode()), "placement")
    start(_open_when_there(gate, node, regions), "wait for regions")
    return lines, watchers


async def _join(engine: RocksEngine, regions: ClusterMap, runtime: Runtime) -> StoreId:
    """Which store this is: what its disk says, or a new one."""
    store = store_of(engine)
    said = ""
    while store is None or not any(load(engine)):
        try:
            if store is None:
                identity = await regions.identify()
                store = await regions.register()
                claim(engine, store, identity)
                runtime.log.info("joined the cluster", extra={"store": store})
            region = await regions.bootstrap(store)
        except Fault as fault:
            if str(fault) != said:
                said = str(fault)
                runtime.log.warning("this store holds nothing yet and waits for chainfire: %s", fault)
            await runtime.clock.sleep(JOIN_RETRY_S)
            continue
        if region is not None:
            engine.write(founding_rows(region, store, runtime.clock.now_ms() << LOGICAL_BITS))
            engine.sync(0)
            runtime.log.info("founded the cluster", extra={"store": store})
        break
    return store


async def _open_when_there(gate: Gate, node: ClusterNode, regions: ClusterMap) -> None:
    """Open the gate once this store knows where any key is."""
    while True:
        if node.node.regions or regions.regions:
            gate.open()
            return
        await asyncio.sleep(READY_LOOK_S)


def _policy(cluster: ClusterConfig) -> Policy:
    """How regions are to stand."""
    return Policy(
        replicas=cluster.replicas,
        split_bytes=cluster.split_mib * MIB,
        merge_bytes=cluster.split_mib * MIB // 4,
        down_ms=min(Policy().down_ms, round(cluster.lost_minutes * 60_000)),
        dead_ms=round(cluster.lost_minutes * 60_000),
        fill_max=cluster.full_percent / 100,
        may_merge=True,
    )
