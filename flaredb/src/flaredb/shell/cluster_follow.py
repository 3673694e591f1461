"""Changes of one region, as a replica here has them, and how far the region has closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from itertools import islice

from flaredb.core.commands import Change, Commit, EncodedKey
from flaredb.core.engine import Column
from flaredb.core.feed import FEED_COMMITS_MAX, Interest, Page, page_of
from flaredb.core.keys import bounds, key_of, versioned
from flaredb.core.records import parse_end, parse_value
from flaredb.core.region import Region
from flaredb.core.region_history import stored_changes
from flaredb.errors import compacted
from flaredb.shell.cluster_node import ClusterNode, Route
from flaredb.shell.cluster_reads import Reader
from ultracloud.base.faults import UnavailableError

LOOK_S = 1.0
"""How often a follower that hears nothing looks whether its replica still has a leader."""
LONELY_TICKS_MAX = 30
"""A replica without a leader for two elections may be cut off: whoever follows it goes elsewhere."""


class Follower:
    """Follows this store's replicas."""

    def __init__(self, node: ClusterNode, reader: Reader) -> None:
        self._node = node
        self._reader = reader

    async def pages(self, route: Route, interest: Interest, position: int) -> AsyncGenerator[Page, None]:
        """What a region committed of a range after a version: at once what there is, then what comes.

        A page's position is what the region has closed, as far as it was looked through.

        Raises:
            RegionMovedError: The region is not as the route has it, or not any more.
            UnavailableError: The replica here may be cut off.
            OutOfRangeError: The changes asked for are no longer kept.
        """
        is_due = True
        while True:
            replica = self._reader.replica(route)
            if replica.lonely_ticks > LONELY_TICKS_MAX:
                raise UnavailableError(f"this store hears of no leader of region {route.region}", reason="NO_LEADER")
            mark = replica.applied.mark.version
            if position < replica.applied.floor:
                raise compacted(position, replica.applied.floor)
            if position < mark:
                commits = self._commits(replica.region, interest, position, mark)
                page = page_of(islice(commits, FEED_COMMITS_MAX), interest, position)
                position = page.position
                yield page
            elif is_due:
                yield Page((), position)
            else:
                await self._node.wait_mark(route.region, max(mark, position), LOOK_S)
            is_due = False

    def _commits(self, region: Region, interest: Interest, position: int, mark: int) -> Iterator[Commit]:
        """Commits after `position`, with those of their changes that are wanted; last an empty one at the mark."""
        engine = self._node.engine
        lower, upper = bounds(interest.namespace, interest.start, interest.end)
        last = position
        for version, encoded_keys in stored_changes(engine, region, position, mark):
            wanted = [encoded for encoded in encoded_keys if lower <= encoded < upper]
            records = (
                engine.get_many(Column.DATA, [versioned(encoded, version) for encoded in wanted]) if wanted else ()
            )
            changes = (_change(interest.namespace, *each) for each in zip(wanted, records, strict=True))
            last = version
            yield Commit(version, interest.namespace, tuple(changes))
        if last < mark:
            yield Commit(mark, interest.namespace, ())


def _change(namespace: str, encoded: EncodedKey, record: bytes | None) -> Change:
    assert record is not None, encoded
    return Change(encoded, key_of(encoded, namespace), parse_value(record), parse_end(record))
