"""What a store of many does beside serving: it counts its regions, and says what it has and leads."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from flaredb.core.cluster_view import TOLD_LOAD_MIN
from flaredb.core.placement import RegionSeen, StoreSeen
from flaredb.core.region import RegionId
from flaredb.core.region_replica import RegionReplica
from flaredb.core.sizes import Size
from flaredb.shell.cluster_disk import addresses_of, remember
from flaredb.shell.cluster_map import ClusterMap, StoreEntry
from flaredb.shell.cluster_node import ClusterNode, Token

REPORT_S = 0.5
"""Between two reports: what has not changed is not written again, but for the heartbeat."""
COUNT_S, COUNT_KEYS = 0.02, 500
"""Between two slices of counting, and keys of one: some 5 % of a core while there is something to count."""
BEHIND_MAX = 1000
"""Entries after which a replica counts as behind."""
LOAD_KEPT = 0.8
"""Part of the last load that the next one keeps: a second or two of a busy moment do not split a region."""


class Upkeep:
    """Counts and reports for one store."""

    def __init__(
        self,
        node: ClusterNode,
        regions: ClusterMap,
        folder: Path,
        labels: Mapping[str, str],
        address: str,
        split_bytes: int,
    ) -> None:
        self._node = node
        self._map = regions
        self._folder = folder
        self._labels = tuple(sorted(labels.items()))
        self._address = address
        self._split_bytes = split_bytes
        self._sizes: dict[RegionId, Size] = {}
        self._loads: dict[RegionId, float] = {}
        self._known = addresses_of(node.engine)

    async def report(self) -> None:
        """Say again and again what this store has and leads, until cancelled."""
        loop = asyncio.get_running_loop()
        since = loop.time() - REPORT_S
        while True:
            # A report may have waited for chainfire: what was asked meanwhile is no burst.
            seconds, since = max(REPORT_S, loop.time() - since), loop.time()
            asked, self._node.asked = self._node.asked, Counter()
            here = [each for each in self._node.node.replicas.values() if each.region.is_known]
            rates = {replica.id: asked[replica.id] / seconds for replica in here}
            self._loads = {
                region: LOAD_KEPT * self._loads.get(region, new) + (1 - LOAD_KEPT) * new
                for region, new in rates.items()
            }
            led = [each for each in here if each.is_leader]
            reads = {each.id: self._load(each.id) for each in here if not each.is_leader}
            worth = {region: load for region, load in reads.items() if load >= TOLD_LOAD_MIN}
            await self._map.report(self._entry(worth), [self._seen(replica) for replica in led])
            self._remember()
            await asyncio.sleep(REPORT_S)

    async def count(self) -> None:
        """Count the regions that this store leads, a slice at a time, until cancelled."""
        while True:
            for region in [*self._node.node.replicas]:
                replica = self._node.node.replicas.get(region)
                if replica is not None and replica.is_leader and replica.region.is_known:
                    await self._count(replica)
            self._sizes = {region: size for region, size in self._sizes.items() if region in self._node.node.replicas}
            await asyncio.sleep(REPORT_S)

    async def _count(self, replica: RegionReplica[Token]) -> None:
        """Count one region to its end."""
        size = self._sizes.setdefault(replica.id, Size(self._split_bytes))
        while replica.is_leader and size.is_due(replica.region, replica.applied.mark.bytes):
            size.step(self._node.engine, replica.region, replica.applied.mark.bytes, COUNT_KEYS)
            await asyncio.sleep(COUNT_S)

    def _remember(self) -> None:
        """Note where other stores are, for a start without chainfire."""
        addresses = {store: entry.address for store, entry in self._map.stores.items()}
        news = {store: address for store, address in addresses.items() if self._known.get(store) != address}
        if news:
            remember(self._node.engine, news)
            self._known |= news

    def _load(self, region: RegionId) -> int:
        return round(self._loads.get(region, 0.0))

    def _entry(self, reads: Mapping[RegionId, int]) -> StoreEntry:
        usage = shutil.disk_usage(self._folder)
        seen = StoreSeen(self._node.store, usage.total, usage.total - usage.free, 0, self._labels)
        return StoreEntry(seen, self._address, reads)

    def _seen(self, replica: RegionReplica[Token]) -> RegionSeen:
        size = self._sizes.get(replica.id, Size(self._split_bytes))
        raft = replica.raft
        behind = frozenset(
            peer
            for peer, progress in raft.progress().items()
            if not progress.is_active or progress.match + BEHIND_MAX < raft.last_index
        )
        load = self._load(replica.id)
        return RegionSeen(replica.region, size.size_bytes, load, self._node.store, size.middle, behind)
