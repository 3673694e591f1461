"""Watches over one region or many: each region tells its changes and how far it has closed, and these are merged.

What a region has closed is final. So everything up to the least that all regions of a range have closed can be told in
the order of versions, and a commit over several regions is told whole. A quiet region is asked to close as soon as
another one has something to tell: a watch costs nothing where nothing happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from flaredb.core.commands import Change
from flaredb.core.feed import Interest, Page
from flaredb.core.keys import bounds, encode
from flaredb.core.region import Region
from flaredb.core.region_errors import NotLeaderError, RegionMovedError
from flaredb.shell.cluster_follow import LONELY_TICKS_MAX, Follower
from flaredb.shell.cluster_lines import Lines
from flaredb.shell.cluster_node import ClusterNode, Route
from flaredb.shell.cluster_peers import raise_astray, route_message
from flaredb.shell.cluster_router import Router
from ultracloud.api.flaredb.v1 import flaredb_pb2 as kv_pb
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, Fault, UnavailableError
from ultracloud.servicekit.streams import closing

CLOSE_PAUSE_S = 0.02
"""Between two times that a quiet region is asked to close: what commits meanwhile is closed by the next."""
AHEAD_CHANGES_MAX = 10_000
"""Changes that one region may be ahead of the others in a merge."""
RETRY_S = 0.1

_BEYOND = (NotLeaderError, UnavailableError)


@dataclass(slots=True)
class _Part:
    """One region's part of a watch.

    Attributes:
        changes: Told and not passed on, by rising version.
        closed: Up to which version it has told everything.
        fault: Why it tells nothing more.
    """

    region: Region
    closed: int
    changes: list[tuple[int, Change]] = field(default_factory=list)
    fault: Exception | None = None


class Watching:
    """Watches of this store's clients."""

    def __init__(self, node: ClusterNode, follower: Follower, router: Router, lines: Lines) -> None:
        self._node = node
        self._follower = follower
        self._router = router
        self._lines = lines

    async def pages(self, interest: Interest, position: int) -> AsyncGenerator[Page, None]:
        """Every change of a range after a version, in order, exactly once; the first page comes at once.

        Raises:
            OutOfRangeError: The changes asked for are no longer kept.
        """
        lower, upper = bounds(interest.namespace, interest.start, interest.end)
        while True:
            try:
                regions = await self._router.regions(lower, upper)
                async with closing(self._merged(regions, interest, position)) as pages:
                    async for page in pages:
                        position = page.position
                        yield page
            except RegionMovedError as moved:
                self._router.learn(moved)
            except (AbortedError, DeadlineExceededError, UnavailableError):
                # A region that could not close, or be followed, will be again.
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(0)

    def _merged(self, regions: list[Region], interest: Interest, position: int) -> AsyncGenerator[Page, None]:
        if len(regions) == 1:
            return self._follow(regions[0], interest, position)
        return self._merge(regions, interest, position)

    async def _follow(self, region: Region, interest: Interest, position: int) -> AsyncGenerator[Page, None]:
        """One region's pages, from here or from another store."""
        replica = self._node.node.replicas.get(region.region)
        route = Route(region.region, region.epoch)
        if replica is not None and replica.region == region and replica.lonely_ticks <= LONELY_TICKS_MAX:
            pages = self._follower.pages(route, interest, position)
        else:
            pages = self._follow_there(region, route, interest, position)
        async with closing(pages) as each:
            async for page in each:
                yield page

    async def _follow_there(
        self, region: Region, route: Route, interest: Interest, position: int
    ) -> AsyncGenerator[Page, None]:
        """The pages of the first store that has any."""
        request = pb.FollowRequest(
            route=route_message(route),
            namespace=interest.namespace,
            start=interest.start,
            end=interest.end,
            from_version=position,
        )
        for store in self._router.stores_of(region):
            try:
                async with closing(self._lines.client(store).follow(request)) as answers:
                    async for answer in answers:
                        if answer.HasField("astray"):
                            raise_astray(route, answer.astray)
                        request.from_version = answer.closed_version
                        changes = tuple(_change(interest.namespace, each) for each in answer.changes)
                        yield Page(changes, answer.closed_version)
            except _BEYOND:
                continue
        raise UnavailableError(f"no store of region {region.region} can be followed", reason="NO_LEADER")

    async def _merge(self, regions: list[Region], interest: Interest, position: int) -> AsyncGenerator[Page, None]:
        """Pages of several regions as if they were one."""
        news = asyncio.Event()
        parts = [_Part(region, position) for region in regions]
        told = asyncio.Event()
        running = [asyncio.create_task(self._pump(part, interest, news, told)) for part in parts]
        running.append(asyncio.create_task(self._close_quiet(parts, news, told)))
        try:
            async for page in _merge_parts(parts, position, news):
                yield page
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _pump(self, part: _Part, interest: Interest, news: asyncio.Event, told: asyncio.Event) -> None:
        """Take one region's pages, not too far ahead of what was passed on; `told` says that it has changes."""
        try:
            async with closing(self._follow(part.region, interest, part.closed)) as pages:
                async for page in pages:
                    part.changes += page.changes
                    part.closed = page.position
                    news.set()
                    if page.changes:
                        told.set()
                    await self._wait_passed_on(part)
        except Fault as fault:
            part.fault = fault
            news.set()

    async def _wait_passed_on(self, part: _Part) -> None:
        """Take nothing more of a region that is far ahead of the others."""
        while True:
            if len(part.changes) <= AHEAD_CHANGES_MAX:
                return
            await asyncio.sleep(CLOSE_PAUSE_S)

    async def _close_quiet(self, parts: list[_Part], news: asyncio.Event, told: asyncio.Event) -> None:
        """Have regions close what others wait for; sleeps while there is nothing to tell."""
        while True:
            wanted = max((part.changes[-1][0] for part in parts if part.changes), default=0)
            late = [part for part in parts if part.closed < wanted]
            if not late:
                await told.wait()
                told.clear()
                continue
            try:
                await asyncio.gather(*(self._router.execute(part.region.start, (), wanted) for part in late))
            except Fault as fault:
                late[0].fault = fault
                news.set()
                return
            await asyncio.sleep(CLOSE_PAUSE_S)


async def _merge_parts(parts: list[_Part], position: int, news: asyncio.Event) -> AsyncIterator[Page]:
    """What all parts have closed, whenever that is more than before; the first page comes at once.

    Raises:
        Fault: A part has ended.
    """
    is_due = True
    while True:
        closed = min(part.closed for part in parts)
        if closed > position or is_due:
            changes: list[tuple[int, Change]] = []
            for part in parts:
                changes += (each for each in part.changes if each[0] <= closed)
                part.changes[:] = [each for each in part.changes if each[0] > closed]
            position, is_due = closed, False
            yield Page(tuple(sorted(changes, key=lambda each: each[0])), position)
        fault = next((part.fault for part in parts if part.fault is not None), None)
        if fault is not None:
            raise fault
        await news.wait()
        news.clear()


def _change(namespace: str, told: kv_pb.Change) -> tuple[int, Change]:
    """A change that another store told."""
    value = told.value if told.HasField("value") else None
    return told.version, Change(encode(namespace, told.key), told.key, value, told.expires_at_ms)
