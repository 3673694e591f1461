"""Reads of regions that have a replica here: at the newest, after a round of the region's leader, or at a version.

A replica whose mark has reached a version answers reads at that version alone, whoever leads. Above its mark the leader
is asked to close the version: from then on nothing at or below it will be committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flaredb.core.engine import Column
from flaredb.core.keys import bounds, encode, versioned
from flaredb.core.limits import BATCH_RESPONSE_BYTES_MAX, Namespace, check_batch_response
from flaredb.core.namespaces import past
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_locks import EVERYTHING, Sought
from flaredb.core.region_replica import RegionReplica
from flaredb.core.visibility import Found, Query, Scan, read_at
from flaredb.errors import compacted
from flaredb.shell.cluster_node import ClusterNode, Route, Token
from flaredb.shell.rpc import SCAN_SLICE_KEYS


@dataclass(frozen=True, slots=True)
class KeysRead:
    """Those keys that exist, in the order asked, and the version at which."""

    found: list[Found]
    version: int


@dataclass(frozen=True, slots=True)
class RangeRead:
    """A page of a range, the version at which, and whether more keys of this region follow."""

    found: list[Found]
    version: int
    more: bool


class Reader:
    """Reads this store's replicas."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    async def keys(
        self, route: Route, namespace: Namespace, keys: Sequence[bytes], at_version: int, now_ms: int
    ) -> KeysRead:
        """The values of keys of one region.

        Args:
            route: Of the region that all keys belong to.
            namespace: Of the keys.
            keys: Checked ones.
            at_version: 0 reads the newest.
            now_ms: What has ended by then is not seen; 0 sees all.

        Raises:
            RegionMovedError: The region is not as the route has it.
            NotLeaderError: This replica has not come to `at_version`, and does not lead.
            OutOfRangeError: `at_version` is no longer kept.
            ResourceExhaustedError: Together they do not fit a message.
        """
        encoded = tuple(encode(namespace, key) for key in keys)
        version = await self.position(route, at_version, Sought(encoded))
        engine, found, size_bytes = self._node.engine, list[Found](), 0
        cursor, place = engine.cursor(Column.DATA), versioned(b"", version)
        for key, at in zip(keys, encoded, strict=True):
            one = read_at(cursor, at, key, at + place, now_ms)
            if one is not None:
                found.append(one)
                size_bytes += len(key) + len(one.value)
                if size_bytes > BATCH_RESPONSE_BYTES_MAX:
                    check_batch_response(size_bytes)
            elif not cursor.valid():
                engine.check(cursor)
        return KeysRead(found, version)

    async def range(self, route: Route, query: Query) -> RangeRead:
        """A page of a range within one region; see `keys`."""
        low, high = bounds(query.namespace, query.start, query.end)
        version = await self.position(route, query.at_version, Sought(None, low, high))
        region = self.replica(route).region
        within = replace(query, at_version=version, within=(region.start, region.end))
        scan = Scan(self._node.engine.cursor(Column.DATA), within)
        is_done = scan.run(SCAN_SLICE_KEYS)
        while not is_done:
            await asyncio.sleep(0)
            is_done = scan.run(SCAN_SLICE_KEYS)
        if not scan.cursor.valid():
            self._node.engine.check(scan.cursor)
        return RangeRead(scan.found, version, scan.more)

    async def names(self, route: Route, after: str, limit: int) -> tuple[list[str], int]:
        """Up to `limit` names of namespaces after one that have keys in a region, and the version; see `keys`."""
        version = await self.position(route, 0)
        region = self.replica(route).region
        cursor = self._node.engine.cursor(Column.DATA)
        cursor.seek(max(past(after), region.start))
        found: list[str] = []
        while cursor.valid() and len(found) < limit and not (region.end and cursor.key() >= region.end):
            found.append(cursor.key().partition(b"\x00")[0].decode())
            cursor.seek(past(found[-1]))
        if not cursor.valid():
            self._node.engine.check(cursor)
        return found, version

    async def position(self, route: Route, at_version: int, sought: Sought = EVERYTHING) -> int:
        """The version to read at, once the rows here have everything up to it of what is sought."""
        version = at_version
        if not at_version:
            version = await self._node.read_round(route, sought)
        elif not self.replica(route).covers_version(at_version):
            await self._node.execute(route, (), at_version)
        # Between the answer and this turn the region may have been cut.
        applied = self.replica(route).applied
        if at_version and at_version < applied.floor:
            raise compacted(at_version, applied.floor)
        return max(version, applied.floor)

    def replica(self, route: Route) -> RegionReplica[Token]:
        """The replica that a route leads to.

        Raises:
            RegionMovedError: It leads astray.
        """
        replica = self._node.replica(route.region)
        region = replica.region
        if route.epoch.version != region.epoch.version:
            raise RegionMovedError(route.region, (region,) if region.is_known else ())
        return replica
