"""Eventual namespaces of a store of a cluster: in the batches and syncs of its regions, on its lines to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flaredb.config import EventualConfig
from flaredb.core.access import Access
from flaredb.core.region import StoreId
from flaredb.shell import eventual_meters
from flaredb.shell.cluster_disk import addresses_of
from flaredb.shell.cluster_lines import Lines, Start
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.cluster_node import ClusterNode
from flaredb.shell.eventual import EventualSpace, check_unused, draw_from
from flaredb.shell.eventual_copies import EventualCopies
from flaredb.shell.eventual_service import EventualKv
from ultracloud.api.flaredb.v1.eventual_rpc import EVENTUAL
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import Service, service

LOOK_S = 1.0
"""Seconds between looks at which stores there are; who is new waits so long for its first write."""
SOMEBODY = StoreId(0)
"""Stands for those who are not known yet. No store has this id; a store that took itself for alone would show that it
has nothing."""


def build(
    config: EventualConfig,
    runtime: Runtime,
    now_ms: Callable[[], int],
    node: ClusterNode,
    lines: Lines,
    regions: ClusterMap,
    start: Start,
) -> EventualSpace:
    """Have a store take part in the eventual namespaces of the configuration.

    Args:
        config: Which they are.
        runtime: Of this process.
        now_ms: Wall time.
        node: Puts their rows into its batches.
        lines: Takes what they have to say to other stores.
        regions: Says which those are.
        start: Runs a task for as long as the store runs.

    Raises:
        StoreDirectoryError: One of them has keys here that are not eventual.
    """
    check_unused(node.engine, config.namespaces)
    space = EventualSpace(
        node.store,
        node.engine,
        now_ms=now_ms,
        draw=draw_from(runtime.clock.entropy),
        tombstone_ms=config.tombstone_ms,
    )
    space.replica.set_members(addresses_of(node.engine) or (SOMEBODY,))
    space.soon = node.soon
    node.space, node.say = space, partial(_say, lines)
    eventual_meters.install(runtime.metrics, space)
    start(_follow_members(space, regions), "follow the stores")
    return space


def front(config: EventualConfig, space: EventualSpace, others: Any, access: Access) -> EventualKv:
    """All namespaces: the eventual ones from `space`, the rest from `others`."""
    return EventualKv(frozenset(config.namespaces), space, others, access)


def copies(config: EventualConfig, space: EventualSpace, access: Access) -> Service:
    """What serves backups of them."""
    return service(EVENTUAL, EventualCopies(frozenset(config.namespaces), space, access))


def _say(lines: Lines, frames: Sequence[tuple[StoreId, bytes]]) -> None:
    lines.say([(to, frame) for to, frame in frames if to != SOMEBODY])


async def _follow_members(space: EventualSpace, regions: ClusterMap) -> None:
    """Tell the replica which stores there are, once chainfire has said it."""
    await regions.ready()
    told: frozenset[StoreId] | None = None
    while True:
        stores = frozenset(regions.stores)
        # A map without this store is not whole: chainfire lost it, or has not heard of this store yet.
        if stores != told and space.replica.store in stores:
            told = stores
            space.replica.set_members(stores)
        await asyncio.sleep(LOOK_S)
