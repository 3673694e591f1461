"""From a key to the store that answers for it, again and again until one does.

A replica here is asked first, since it knows best what its region is; then the map; then what the last one who was
asked wrongly has told. Whatever says "nothing was done" is tried again, within the caller's deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

from flaredb.core.commands import DeleteRange, Outcome, Txn
from flaredb.core.keys import bounds, encode
from flaredb.core.limits import PAGE_BYTES_MAX, Namespace
from flaredb.core.mail import render_txns
from flaredb.core.namespaces import past
from flaredb.core.placement import RegionSeen
from flaredb.core.region import Region, StoreId
from flaredb.core.region_answers import StepAnswer, parse_answer
from flaredb.core.region_codec import render
from flaredb.core.region_entry import Step
from flaredb.core.region_errors import NotLeaderError, OutcomeUnknownError, RegionMovedError
from flaredb.core.visibility import Found, Query
from flaredb.shell.cluster_lines import Lines
from flaredb.shell.cluster_node import ClusterNode, Route, Token
from flaredb.shell.cluster_peers import found_of, raise_astray, route_message
from flaredb.shell.cluster_reads import KeysRead, RangeRead, Reader
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, Fault, UnavailableError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.channels import NotSentError

PATIENCE_S = 10.0
"""How long is tried for a caller without a deadline: an election, a restart, and room for both."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.01, 0.2
"""Between attempts that found nobody; none after one that was told where to go."""
CALL_S = 8.0
"""What a store may take for one attempt: longer than it takes there to give up for want of a quorum."""

_NOTHING_DONE = frozenset(
    {"OVERLOADED", "STOPPING", "NO_QUORUM", "CHANGE_REFUSED", "STORE_UNKNOWN", "REGION_MOVED", "MERGING", "LOCKED"}
)
"""Reasons of another store's UNAVAILABLE that say so; any other may be of a connection lost half-way."""

ResultT = TypeVar("ResultT")
Here: TypeAlias = Callable[[Route], Awaitable[ResultT]]
There: TypeAlias = Callable[[StoreId, Route], Awaitable[ResultT]]


class RegionMap(Protocol):
    """What is known of regions that are elsewhere; `cluster_map.ClusterMap`."""

    def find(self, key: bytes, /) -> RegionSeen | None:
        """The region of an encoded key."""
        ...

    def overlapping(self, start: bytes, end: bytes, /) -> tuple[RegionSeen, ...]:
        """Regions that hold some of [start, end), in order."""
        ...

    def learn(self, region: Region, leader: StoreId | None, /) -> None:
        """Somebody has told of a region."""
        ...


@dataclass(slots=True)
class _Search:
    """One request's way to a store that answers.

    Attributes:
        leads: Only the region's leader can.
        tried: Stores that could not, in this round.
        leader: The store that was said to lead.
        fault: Why the last attempt failed.
    """

    leads: bool
    ends_at: float
    tried: set[StoreId] = field(default_factory=set)
    leader: StoreId | None = None
    fault: Fault | None = None
    pause_s: float = PAUSE_FIRST_S


class Router:
    """Has requests answered by whoever can."""

    def __init__(self, node: ClusterNode, reader: Reader, lines: Lines, regions: RegionMap) -> None:
        self._node = node
        self._reader = reader
        self._lines = lines
        self._map = regions

    async def keys(self, namespace: Namespace, keys: Sequence[bytes], at_version: int, now_ms: int) -> KeysRead:
        """Keys of one or many regions, at one version; see `Reader.keys`."""
        if not keys:
            return KeysRead([], at_version or await self.newest([encode(namespace, b"")]))
        parts = self._sort_out(namespace, keys)
        if len(parts) == 1:
            return await self._keys(namespace, keys, at_version, now_ms)
        version = at_version or await self.newest(encode(namespace, part[0]) for part in parts)
        reads = await asyncio.gather(*(self._keys(namespace, part, version, now_ms) for part in parts))
        found = {one.key: one for read in reads for one in read.found}
        return KeysRead([found[key] for key in keys if key in found], version)

    async def range(self, query: Query) -> RangeRead:
        """A page of a range that one or many regions hold, at one version; see `Reader.range`."""
        lower, upper = bounds(query.namespace, query.start, query.end)
        version = query.at_version
        regions = await self.regions(lower, upper)
        if not version and (len(regions) > 1 or lower >= upper):
            version = await self.newest(max(region.start, lower) for region in regions)
        if lower >= upper:
            return RangeRead([], version, more=False)
        return await self._page(query, version, lower, upper)

    async def names(self, after: str, limit: int) -> tuple[list[str], int]:
        """Up to `limit` names of namespaces after one, and a version at which they are there."""
        found: list[str] = []
        version, where = 0, past(after)
        while len(found) < limit:
            (names, read_version), region = await self._names(where, found[-1] if found else after, limit - len(found))
            found += names
            version = max(version, read_version)
            if not region.end:
                break
            # A namespace that goes on in the next region is known already.
            where = max(region.end, past(found[-1])) if found else region.end
        return found, version

    async def newest(self, places: Iterable[bytes]) -> int:
        """A version with everything that was answered anywhere before now, in the regions of these encoded keys."""
        return max(await asyncio.gather(*map(self._newest, places)))

    async def execute(self, where: bytes, txns: Sequence[Txn], floor: int = 0) -> tuple[Outcome, ...]:
        """Run transactions in the region of an encoded key, to which all that they name belongs.

        Raises:
            OutcomeUnknownError: It may have happened, or not, or may still.
            RegionMovedError: It belongs to several regions now. Nothing was done, as with any other Fault.
        """
        places = [place for txn in txns for place in places_of(txn)]

        async def there(store: StoreId, route: Route) -> tuple[Outcome, ...]:
            request = pb.ExecuteRequest(route=route_message(route), txns=render_txns(txns), floor=floor)
            with told_whether_done(route):
                answer = await self._lines.client(store).execute(request, CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            outcomes = parse_answer(answer.outcomes)
            assert isinstance(outcomes, tuple), outcomes
            return outcomes

        def here(route: Route) -> Awaitable[tuple[Outcome, ...]]:
            return self._node.execute(route, txns, floor)

        outcomes, _ = await self._search(where, here, there, leads=True, places=places)
        return outcomes

    def execute_here(self, region: Region, txn: Txn, token: Token) -> bool:
        """As `execute`, of a transaction in a region that this store leads; False if it does not, or cannot.

        Args:
            region: Has all that the transaction names.
            txn: What is to be run.
            token: Called with the answer, or a Fault, from within a later turn.
        """
        if not self.leads(region):
            return False
        try:
            self._node.ask_txns(Route(region.region, region.epoch), (txn,), token)
        except Fault:
            return False
        return True

    async def step(self, region: Region, step: Step) -> StepAnswer:
        """Have a step of a transaction over several regions done, by whoever is thought to lead; sent once.

        Raises:
            OutcomeUnknownError: It may have been done, or not, or may still be.
            Fault: Nothing was done; the map has what was told of it.
        """
        route = Route(region.region, region.epoch)
        _, store = self._pick(region.start, _Search(leads=True, ends_at=0.0))
        if store is None:
            raise no_region()
        try:
            if store == self._node.store:
                return await self._node.step(route, step)
            request = pb.StepRequest(route=route_message(route), step=render(step))
            with told_whether_done(route):
                answer = await self._lines.client(store).step(request, CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            return parse_answer(answer.answer)
        except (RegionMovedError, NotLeaderError) as fault:
            self.note(region, fault, store)
            raise

    def leads(self, region: Region) -> bool:
        """Whether the replica of a region here leads it."""
        replica = self._node.node.replicas.get(region.region)
        return replica is not None and replica.is_leader

    def note(self, region: Region, fault: Fault, store: StoreId | None = None) -> None:
        """What a refused step says of the map; `store` refused it, or this one."""
        if isinstance(fault, RegionMovedError):
            self.learn(fault)
        elif isinstance(fault, NotLeaderError):
            # Where that store knows of nobody, the next attempt asks the one after it.
            self._map.learn(region, fault.leader or _after(store or self._node.store, region))

    def region(self, where: bytes) -> Region | None:
        """The region of an encoded key, as far as this store knows."""
        here, seen = self._node.node.covering(where), self._map.find(where)
        if seen is None or (here is not None and here.epoch.version >= seen.region.epoch.version):
            return here
        return seen.region

    async def regions(self, lower: bytes, upper: bytes) -> list[Region]:
        """The regions of a range, in order, without a gap and without an overlap; waits until that is known.

        Raises:
            UnavailableError: It is not, for as long as the caller may wait.
        """
        ends_at, pause_s = time.monotonic() + _patience_s(), PAUSE_FIRST_S
        while not (found := self._known(lower, upper)):
            if time.monotonic() + pause_s >= ends_at:
                raise no_region()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        return found

    def _known(self, lower: bytes, upper: bytes) -> list[Region]:
        """The regions of a range as far as this store knows; none where what it knows does not fit together."""
        region = self.region(lower)
        found: list[Region] = []
        while region is not None and (not found or region.start == found[-1].end):
            found.append(region)
            if not region.end or region.end >= upper:
                return found
            region = self.region(region.end)
        return []

    def learn(self, moved: RegionMovedError) -> None:
        """A store has told what is there in place of a region."""
        for region in moved.regions:
            self._map.learn(region, None)

    def stores_of(self, region: Region) -> list[StoreId]:
        """Other stores with a replica of a region; the one that leads, as far as that is known, first."""
        seen = self._map.find(region.start)
        stores = [peer.store for peer in region.peers if peer.store != self._node.store]
        return sorted(stores, key=lambda store: seen is None or store != seen.leader)

    def _sort_out(self, namespace: Namespace, keys: Sequence[bytes]) -> list[list[bytes]]:
        """Keys by region."""
        region = self.region(encode(namespace, keys[0]))
        if region is not None and _covers(region, namespace, keys):
            return [list(keys)]
        parts: dict[int, list[bytes]] = {}
        for key in keys:
            region = self.region(encode(namespace, key))
            parts.setdefault(0 if region is None else region.region, []).append(key)
        return list(parts.values())

    async def _keys(self, namespace: Namespace, keys: Sequence[bytes], at_version: int, now_ms: int) -> KeysRead:
        """Keys of one region, or of one that was cut: then of its parts."""

        async def there(store: StoreId, route: Route) -> KeysRead:
            request = pb.ReadKeysRequest(
                route=route_message(route), namespace=namespace, keys=keys, at_version=at_version, now_ms=now_ms
            )
            answer = await self._lines.client(store).read_keys(request, CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            return KeysRead(found_of(answer), answer.read_version)

        def here(route: Route) -> Awaitable[KeysRead]:
            return self._reader.keys(route, namespace, keys, at_version, now_ms)

        read, region = await self._search(encode(namespace, keys[0]), here, there)
        if _covers(region, namespace, keys):
            return read
        return await self.keys(namespace, keys, at_version, now_ms)

    async def _names(self, where: bytes, after: str, limit: int) -> tuple[tuple[list[str], int], Region]:
        """Names of namespaces of one region."""

        async def there(store: StoreId, route: Route) -> tuple[list[str], int]:
            request = pb.ReadNamesRequest(route=route_message(route), after=after, limit=limit)
            answer = await self._lines.client(store).read_names(request, CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            return list(answer.names), answer.read_version

        return await self._search(where, lambda route: self._reader.names(route, after, limit), there)

    async def _newest(self, where: bytes) -> int:
        """A version with everything that was answered before now in one region."""

        async def there(store: StoreId, route: Route) -> int:
            answer = await self._lines.client(store).read_keys(pb.ReadKeysRequest(route=route_message(route)), CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            return answer.read_version

        version, _ = await self._search(where, lambda route: self._reader.position(route, 0), there)
        return version

    async def _page(self, query: Query, version: int, lower: bytes, upper: bytes) -> RangeRead:
        """A page, from one region after the other."""
        found: list[Found] = []
        size_bytes = 0
        while True:
            where = max((await self.regions(lower, upper))[-1].start, lower) if query.reverse else lower
            part = replace(query, limit=query.limit - len(found), at_version=version)
            read, region = await self._range(part, where)
            if query.reverse and region.end and region.end < upper:
                continue  # it was cut meanwhile, and this is not its last part
            version = read.version
            for one in read.found:
                if size_bytes >= PAGE_BYTES_MAX:
                    return RangeRead(found, version, more=True)
                found.append(one)
                size_bytes += len(one.key) + len(one.value)
            is_last = region.start <= lower if query.reverse else not region.end or region.end >= upper
            if read.more or is_last or len(found) == query.limit:
                return RangeRead(found, version, more=read.more or not is_last)
            lower, upper = (lower, region.start) if query.reverse else (region.end, upper)

    async def _range(self, query: Query, where: bytes) -> tuple[RangeRead, Region]:
        """What one region has of a range."""

        async def there(store: StoreId, route: Route) -> RangeRead:
            request = pb.ReadRangeRequest(
                route=route_message(route),
                namespace=query.namespace,
                start=query.start,
                end=query.end,
                limit=query.limit,
                reverse=query.reverse,
                keys_only=query.keys_only,
                at_version=query.at_version,
                now_ms=query.now_ms,
            )
            answer = await self._lines.client(store).read_range(request, CALL_S)
            if answer.HasField("astray"):
                raise_astray(route, answer.astray)
            return RangeRead(found_of(answer), answer.read_version, answer.more)

        return await self._search(where, lambda route: self._reader.range(route, query), there)

    async def _search(
        self,
        where: bytes,
        here: Here[ResultT],
        there: There[ResultT],
        *,
        leads: bool = False,
        places: Sequence[bytes] = (),
    ) -> tuple[ResultT, Region]:
        """Ask stores until one answers; its answer, and the region as it was asked.

        Raises:
            RegionMovedError: Not all of `places` belong to the region of `where`.
        """
        search = _Search(leads, time.monotonic() + _patience_s())
        while True:
            region, store = self._pick(where, search)
            if region is None or store is None:
                await self._pause(search)
                continue
            if not all(map(region.covers, places)):
                raise RegionMovedError(region.region, (region,))
            route = Route(region.region, region.epoch)
            try:
                found = await (here(route) if store == self._node.store else there(store, route))
            except RegionMovedError as moved:
                self._learn(search, store, moved, region)
            except NotLeaderError as other:
                self._follow(search, store, other, region)
            except UnavailableError as fault:
                search.fault, search.leader = fault, None
                search.tried.add(store)
            else:
                return found, region

    def _pick(self, where: bytes, search: _Search) -> tuple[Region | None, StoreId | None]:
        """The region, and who of its stores is to be asked next; nobody if all were."""
        region = self.region(where)
        if region is None:
            return None, None
        replica, seen = self._node.node.replicas.get(region.region), self._map.find(where)
        known = replica.leader_store if replica is not None else None
        mapped = seen.leader if seen is not None else None
        stores = [search.leader, known, mapped, *(peer.store for peer in region.peers)]
        if replica is not None and not search.leads and replica.region == region:
            stores.insert(0, self._node.store)
        return region, next((each for each in stores if each is not None and each not in search.tried), None)

    def _learn(self, search: _Search, store: StoreId, moved: RegionMovedError, region: Region) -> None:
        """A store has told what is there instead."""
        search.fault = moved
        self.learn(moved)
        if all(each.epoch.version <= region.epoch.version for each in moved.regions):
            search.tried.add(store)

    def _follow(self, search: _Search, store: StoreId, other: NotLeaderError, region: Region) -> None:
        """A store has told who leads, or that it does not know."""
        search.fault = other
        search.leader = other.leader
        if other.leader is not None:
            search.tried.discard(other.leader)
            self._map.learn(region, other.leader)
        search.tried.add(store)

    async def _pause(self, search: _Search) -> None:
        """Nobody could help: wait a moment and ask all again, unless time is up."""
        if time.monotonic() + search.pause_s >= search.ends_at:
            raise search.fault or no_region()
        await asyncio.sleep(search.pause_s)
        search.pause_s = min(2 * search.pause_s, PAUSE_MAX_S)
        search.tried.clear()
        search.leader = None


def _covers(region: Region, namespace: Namespace, keys: Sequence[bytes]) -> bool:
    """Whether a region has all keys: it does if it has the first and the last in their order, which is that on disk."""
    return region.covers(encode(namespace, min(keys))) and region.covers(encode(namespace, max(keys)))


def _after(store: StoreId, region: Region) -> StoreId:
    """The store of a region that comes after one, in a circle."""
    stores = sorted(peer.store for peer in region.peers)
    return next((each for each in stores if each > store), stores[0])


@contextlib.contextmanager
def told_whether_done(route: Route) -> Iterator[None]:
    """Around a call that changes something: whether it has is not known where the connection is lost half-way.

    Raises:
        OutcomeUnknownError: It is not known.
        Fault: Nothing was done.
    """
    try:
        yield
    except NotSentError:
        raise
    except (AbortedError, DeadlineExceededError, UnavailableError) as fault:
        if fault.reason in _NOTHING_DONE:
            raise
        raise OutcomeUnknownError(route.region) from fault


def places_of(txn: Txn) -> Iterator[bytes]:
    """Every encoded key that a transaction names; of ranges the ends."""
    for comparison in txn.comparisons:
        yield encode(txn.namespace, comparison.key)
    for write in txn.writes:
        if isinstance(write, DeleteRange):
            # Where its first key would stand, and not the bound before that: a region may begin in between.
            first, upper = encode(txn.namespace, write.start), bounds(txn.namespace, b"", write.end)[1]
            yield first
            yield max(first, upper[:-1])
        else:
            yield encode(txn.namespace, write.key)


def _patience_s() -> float:
    """How long may be tried."""
    left_s = deadlines.time_left_s()
    return PATIENCE_S if left_s is None else left_s


def no_region() -> UnavailableError:
    """What those are told whose region nobody has told of."""
    return UnavailableError(
        "it is not known which store has this key: the region map was not read, or lags; send it again",
        reason="NO_REGION",
    )
