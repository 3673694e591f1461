"""Eventual namespaces of a node that is alone: all of it together, for the server to put before the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from flaredb.config import Config
from flaredb.core.access import Access
from flaredb.core.region import StoreId
from flaredb.errors import MIB
from flaredb.shell import disk, eventual_meters
from flaredb.shell.eventual import EventualSpace, check_unused, draw_from
from flaredb.shell.eventual_copies import EventualCopies
from flaredb.shell.eventual_driver import EventualDriver
from flaredb.shell.eventual_service import EventualKv
from flaredb.shell.rocks import RocksEngine
from ultracloud.api.flaredb.v1.flaredb_rpc import KvServer
from ultracloud.servicekit.runtime import Runtime

ALONE = StoreId(1)


@dataclass(slots=True)
class EventualAlone:
    """What runs.

    Attributes:
        kv: Serves all namespaces, these and the others.
        copies: Serves backups of these.
    """

    kv: EventualKv
    copies: EventualCopies
    driver: EventualDriver
    driving: asyncio.Task[None]

    async def stop(self) -> None:
        """Finish the writes that wait."""
        self.driver.close()
        await self.driving


def build(config: Config, runtime: Runtime, engine: RocksEngine, others: KvServer, access: Access) -> EventualAlone:
    """Serve the eventual namespaces of the configuration beside `others`.

    Raises:
        StoreDirectoryError: One of them has keys that are not eventual.
    """
    check_unused(engine, config.eventual.namespaces)
    space = EventualSpace(
        ALONE,
        engine,
        now_ms=runtime.clock.now_ms,
        draw=draw_from(runtime.clock.entropy),
        tombstone_ms=config.eventual.tombstone_ms,
    )
    driver = EventualDriver(
        space,
        engine,
        free_bytes=partial(disk.free_bytes, config.state_dir),
        reserve_bytes=config.disk_reserve_mib * MIB,
    )
    eventual_meters.install(runtime.metrics, space)
    names = frozenset(config.eventual.namespaces)
    kv, copies = EventualKv(names, space, others, access), EventualCopies(names, space, access)
    return EventualAlone(kv, copies, driver, runtime.tasks.create_task(driver.run(), name="eventual"))
