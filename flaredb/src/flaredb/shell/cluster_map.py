"""What of the cluster stands in chainfire: stores with their heartbeats, regions as their leaders have them, ids.

    /ultracloud/flaredb/<cluster>/founder         which store founds the cluster; written once
                                 /ids/stores      the next id of a store
                                 /ids/regions     the next id of a region or peer
                                 /stores/<id>     a store as it says of itself
                                 /beats/<id>      its heartbeat
                                 /leaving/<id>    it is to be emptied
                                 /regions/<id>    a region as its leader says
                                 /placement/...   the election of who decides on placement

It is a copy: the truth is in the regions, and when chainfire is away stores go on by what they know. How long a store
was silent is counted by what this map hears and not by anybody's clock: time in which nothing at all was heard does not
count, so that stores are not taken for dead because chainfire was away, or this process stood still.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from flaredb.core import cluster_json
from flaredb.core.cluster_json import MalformedEntryError
from flaredb.core.cluster_view import (
    RegionTable,
    StoreEntry,
    has_taken_over,
    highest,
    is_newer,
    is_store_worth_telling,
    is_worth_telling,
    resolved,
)
from flaredb.core.placement import RegionSeen
from flaredb.core.region import Peer, Region, RegionId, StoreId, first_region
from ultracloud.base.faults import FailedPreconditionError, Fault, NotFoundError
from ultracloud.raft.words import NodeId
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination import (
    CompactedError,
    Coordinator,
    Delete,
    Get,
    Pair,
    Put,
    Range,
    Txn,
    below,
    create_revision,
    mod_revision,
)
from ultracloud.servicekit.streams import closing

__all__ = ["HEARTBEAT_S", "ClusterMap", "StoreEntry"]

PREFIX = "/ultracloud/flaredb"
HEARTBEAT_S = 2.0
"""A tenth of what makes a store count as down: several may be late."""
HEARD_MS_MAX = 6_000
"""Silence of the whole map counts as no more than this: three heartbeats, of which at least our own is heard."""
SILENCE_S = 15.0
"""A watch that brings no heartbeat for so long, not even our own, is made anew behind a fresh reading: chainfire was
restored from a backup, and the revisions that the watch waits for are far away."""
RETRY_S = 0.5
FIRST_REGION, FIRST_PEER, FIRST_FREE_ID = RegionId(1), NodeId(2), 10
SHOWN_MAX = 10
"""Regions that a sentence names."""
CHUNK = 32
"""Regions of one transaction: three operations each at most, below etcd's limit of 128."""


class ClusterMap:
    """The map, as this process has it; see the module.

    Attributes:
        prefix: Of all keys of this cluster.
    """

    def __init__(self, coordinator: Coordinator, cluster: str, clock: Clock) -> None:
        self.prefix = f"{PREFIX}/{cluster}/".encode()
        self._coordinator = coordinator
        self._clock = clock
        self._pairs: dict[bytes, tuple[int, bytes]] = {}
        self._gone: dict[bytes, int] = {}
        self._told: dict[StoreId, StoreEntry] = {}
        self._leaving: set[StoreId] = set()
        self._stored: dict[RegionId, RegionSeen] = {}
        self._reported: tuple[RegionSeen, ...] | None = None
        self._by_start: list[tuple[bytes, RegionId]] | None = None
        self._learned: dict[RegionId, RegionSeen] = {}
        self._routes = RegionTable()
        self._stores: dict[StoreId, StoreEntry] = {}
        self._beats: dict[StoreId, int] = {}
        self._beating: set[StoreId] = set()
        self._heard_ms = 0
        self._heard_at_ms = clock.monotonic_ms()
        self._beat_at_ms: int | None = None
        self._has_double = False
        self._read = asyncio.Event()
        self._said = ""
        self._log = logging.getLogger(__name__)

    @property
    def stores(self) -> Mapping[StoreId, StoreEntry]:
        """All stores that ever were and are not forgotten; their `seen_ms` is in the time of `now_ms`."""
        return MappingProxyType(self._stores)

    @property
    def regions(self) -> tuple[RegionSeen, ...]:
        """Regions by start, without overlaps: what is stored and what was learned, the newer of both."""
        return self._routes.regions

    @property
    def reported(self) -> tuple[RegionSeen, ...]:
        """Regions by start as their leaders reported them, but those that a newer one overlaps."""
        if self._reported is None:
            found = resolved(self._stored.values())
            self._reported = tuple(each for each in found if self._stored[each.region.region] is each)
        return self._reported

    @property
    def now_ms(self) -> int:
        """The time that silence is counted in: it goes on only while something is heard."""
        return self._heard_ms + min(self._clock.monotonic_ms() - self._heard_at_ms, HEARD_MS_MAX)

    @property
    def unheard_ms(self) -> int:
        """How long nothing at all was heard."""
        return self._clock.monotonic_ms() - self._heard_at_ms

    def find(self, key: bytes) -> RegionSeen | None:
        """The region of an encoded key; None if nobody has said which."""
        return self._routes.find(key)

    def overlapping(self, start: bytes, end: bytes) -> tuple[RegionSeen, ...]:
        """The regions with keys of [start, end), in order; an empty `end` is the end of the key space."""
        return self._routes.overlapping(start, end)

    def learn(self, region: Region, leader: StoreId | None) -> None:
        """Route by what a store told of a region, if that is news; it is not written.

        Args:
            region: As the store has it.
            leader: Who leads it, None if the store did not say: then whoever led it is asked first.
        """
        known = self._routes.get(region.region)
        if not region.is_known or (known is not None and is_newer(known.region, region)):
            return
        if known is None:
            seen = RegionSeen(region, 0, 0, leader)
        else:
            seen = replace(known, region=region, leader=_among(region, leader or known.leader))
        self._learned[region.region] = seen
        self._routes.put(seen)

    async def ready(self) -> None:
        """Wait until the map has been read once."""
        await self._read.wait()

    async def register(self) -> StoreId:
        """A new store's id, never given twice.

        Raises:
            Fault: chainfire does not answer; the id that may have been given is given to nobody.
        """
        return StoreId(await self._take("ids/stores", 1, least=1 + (await self._highest())[1]))

    async def reserve_ids(self, count: int) -> int:
        """The first of `count` ids for regions and peers, never given twice, and above all that were given before.

        Raises:
            Fault: chainfire does not answer; ids that may have been given are given to nobody.
        """
        highest_id, _ = highest(self._stored.values(), ())
        return await self._take("ids/regions", count, least=max(FIRST_FREE_ID, highest_id + 1))

    async def bootstrap(self, store: StoreId) -> Region | None:
        """The first region, with one peer on this store, if this store is to found the cluster; None otherwise.

        It is so until the region is reported, so a founder that ended before it wrote its disk finds out again. Call it
        only for a store that holds nothing and has written its id to its disk.

        Raises:
            Fault: chainfire does not answer.
        """
        key, regions = self._key("founder"), below(self._key("regions/"), limit=1, keys_only=True)
        founding = cluster_json.render({"store": store})
        # Done twice it reads what the first has written.
        result = await self._coordinator.perform(
            Txn()
            .when(create_revision(key).equal(0), create_revision(regions.key, regions.end).equal(0))
            .then(Put(key=key, value=founding))
            .otherwise(Get(key=key), regions),
            repeatable=True,
        )
        if not result.succeeded:
            founder, reported = result.results
            assert isinstance(founder, Range), "a get was done"
            assert isinstance(reported, Range), "a get was done"
            if reported.pairs:
                return None
            first = _number(founder.pairs[0], "store")
            if first != store:
                self._log.info("store %d founds the cluster, and has not reported yet", first)
                return None
        return first_region(FIRST_REGION, [Peer(FIRST_PEER, store)])

    async def report(self, store: StoreEntry, led: Sequence[RegionSeen]) -> None:
        """Heartbeat: write what has changed of this store and of the regions that it leads, and that it is there.

        What does not reach chainfire is said once in the log, and told by the next report. What is newer there stays.

        Args:
            store: This store.
            led: The regions that it leads, each with itself as the leader.
        """
        try:
            await self._beat(store)
            news = [each for each in led if self._is_news(each)]
            for at in range(0, len(news), CHUNK):
                await self._tell(news[at : at + CHUNK])
        except Fault as fault:
            self._say(f"the report did not reach chainfire: {fault}")

    async def set_leaving(self, store: StoreId, *, is_leaving: bool) -> None:
        """Have a store emptied, or let it stay.

        Raises:
            NotFoundError: There is no such store.
            Fault: chainfire does not answer.
        """
        self._entry(store)
        key = self._key(f"leaving/{store}")
        change = Put(key=key, value=cluster_json.render({"store": store})) if is_leaving else Delete(key=key)
        result = await self._coordinator.perform(Txn().then(change), repeatable=True)
        self._apply(key, Pair(key, b"", 0, result.revision) if is_leaving else None, result.revision)

    async def forget_store(self, store: StoreId, down_ms: int) -> None:
        """Strike a store off the map that is gone for good.

        Args:
            store: It.
            down_ms: It must have been silent for so long.

        Raises:
            NotFoundError: There is no such store.
            FailedPreconditionError: It is there, or a region names it.
            Fault: chainfire does not answer.
        """
        entry = self._entry(store)
        if self.now_ms - entry.seen.seen_ms < down_ms:
            raise FailedPreconditionError(
                f"store {store} was heard of lately; stop it first, and wait {down_ms // 1000} s", reason="STORE_UP"
            )
        held = sorted(each.region.region for each in self._stored.values() if each.region.peer_on(store))
        if held:
            some = ", ".join(map(str, held[:SHOWN_MAX])) + (" and others" if len(held) > SHOWN_MAX else "")
            raise FailedPreconditionError(
                f"store {store} holds replicas of regions {some}; wait until they are made elsewhere",
                reason="STORE_HOLDS",
            )
        keys = [self._key(f"{kind}/{store}") for kind in ("stores", "beats", "leaving")]
        result = await self._coordinator.perform(Txn().then(*(Delete(key=key) for key in keys)), repeatable=True)
        for key in keys:
            self._apply(key, None, result.revision)

    async def run(self) -> None:
        """Follow the map until cancelled, whatever becomes of chainfire meanwhile."""
        while True:
            try:
                revision = await self._read_all()
                self._read.set()
                await self._follow(revision + 1)
            except CompactedError:
                continue
            except TimeoutError:
                self._say("the map brought nothing for a while and is read again")
            except Fault as fault:
                self._say(f"the map cannot be followed: {fault}")
            await self._clock.sleep(RETRY_S)

    async def _read_all(self) -> int:
        """Take the map as it is; gives its revision."""
        found: dict[bytes, Pair] = {}
        revision = 0
        async with closing(self._coordinator.pages(below(self.prefix))) as pages:
            async for page in pages:
                revision = page.revision
                found |= {pair.key: pair for pair in page.pairs}
        self._gone.clear()
        beats = self._key("beats/")
        # A restored chainfire may have given the same revision to something else.
        changed = [key for key, pair in found.items() if self._pairs.get(key) != (pair.mod_revision, pair.value)]
        if any(key.startswith(beats) for key in changed):
            self._hear()
        # What it says now holds, also where that is older than what was there: chainfire may be a restored one.
        for key in [*self._pairs]:
            if key not in found:
                self._forget(key)
        for key in changed:
            self._pairs.pop(key, None)
            self._apply(key, found[key], found[key].mod_revision)
        return revision

    async def _follow(self, revision: int) -> None:
        async with closing(self._coordinator.watch(self.prefix, revision)) as batches:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    batch = await anext(batches)
                if not batch:
                    # It says that the watch has begun, or how far it is, and nothing of stores.
                    continue
                self._hear()
                self._said = ""
                for event in batch:
                    self._apply(event.key, event.pair, event.revision)
                self._gone = {key: revision for key, revision in self._gone.items() if revision > batch.revision}

    def _hear(self) -> None:
        """Time passes for the silence of stores."""
        self._heard_ms, self._heard_at_ms = self.now_ms, self._clock.monotonic_ms()

    def _apply(self, key: bytes, pair: Pair | None, revision: int) -> None:
        """A key has a value, or none, as of a revision; what is older than what is known changes nothing."""
        if revision <= max(self._revision(key), self._gone.get(key, 0)):
            return
        if pair is None:
            # The watch may still have something to tell of it, of before.
            self._gone[key] = revision
            self._forget(key)
            return
        self._pairs[key] = (revision, pair.value)
        kind, number = self._parts(key)
        try:
            self._take_entry(kind, number, pair.value)
        except MalformedEntryError as error:
            self._log.warning("entry is not understood: %s", error, extra={"key": key.decode(errors="replace")})

    def _take_entry(self, kind: str, number: int, content: bytes) -> None:
        store = StoreId(number)
        match kind:
            case "regions":
                self._take_region(cluster_json.parse_region(content))
            case "stores":
                self._told[store] = cluster_json.parse_store(content)
            case "beats":
                self._beats[store] = self.now_ms
                if self._read.is_set():
                    self._beating.add(store)
            case "leaving":
                self._leaving.add(store)
            case _:
                return
        self._refresh(store)

    def _take_region(self, seen: RegionSeen) -> None:
        region = seen.region.region
        before = self._stored.get(region)
        if before is None or before.region.start != seen.region.start:
            self._by_start = None
        self._stored[region], self._reported = seen, None
        learned = self._learned.get(region)
        if learned is not None and is_newer(learned.region, seen.region):
            self._learned[region] = replace(seen, region=learned.region, leader=learned.leader)
            self._routes.put(self._learned[region])
        else:
            self._learned.pop(region, None)
            self._routes.put(seen)

    def _forget(self, key: bytes) -> None:
        self._pairs.pop(key, None)
        kind, number = self._parts(key)
        store, region = StoreId(number), RegionId(number)
        match kind:
            case "regions":
                self._stored.pop(region, None)
                self._reported = self._by_start = None
                self._learned.pop(region, None)
                self._routes.remove(region)
            case "stores":
                self._told.pop(store, None)
            case "beats":
                self._beats.pop(store, None)
                self._beating.discard(store)
            case "leaving":
                self._leaving.discard(store)
            case _:
                return
        self._refresh(store)

    def _refresh(self, store: StoreId) -> None:
        """Put together what is known of a store."""
        told = self._told.get(store)
        if told is None:
            self._stores.pop(store, None)
            return
        seen_ms = self._beats.setdefault(store, self.now_ms)
        is_leaving, is_heard = store in self._leaving, store in self._beating
        seen = replace(told.seen, seen_ms=seen_ms, is_leaving=is_leaving, is_heard=is_heard)
        self._stores[store] = replace(told, seen=seen)

    def _entry(self, store: StoreId) -> StoreEntry:
        entry = self._stores.get(store)
        if entry is None:
            known = ", ".join(map(str, sorted(self._stores))) or "none"
            raise NotFoundError(f"there is no store {store}; stores of this cluster: {known}", reason="NO_STORE")
        return entry

    def _revision(self, key: bytes) -> int:
        return self._pairs.get(key, (0, b""))[0]

    def _parts(self, key: bytes) -> tuple[str, int]:
        """Kind and number of a key; a kind that is not known if it has none."""
        kind, _, number = key[len(self.prefix) :].partition(b"/")
        return (kind.decode(), int(number)) if number.isdigit() else ("", 0)

    def _key(self, name: str) -> bytes:
        return self.prefix + name.encode()

    async def _take(self, name: str, count: int, least: int) -> int:
        """The first of `count` numbers of a counter."""
        key = self._key(name)
        while True:
            pair = await self._coordinator.get(key)
            first = max(least, _number(pair, "next") if pair else 0)
            put = Put(key=key, value=cluster_json.render({"next": first + count}))
            txn = Txn().when(mod_revision(key).equal(pair.mod_revision if pair else 0)).then(put)
            # Done twice, the second time finds the counter changed, and other numbers are taken.
            if (await self._coordinator.perform(txn, repeatable=True)).succeeded:
                return first

    async def _highest(self) -> tuple[int, StoreId]:
        """The highest ids of the map as it stands in chainfire now, in case the counters were lost there."""
        known = await self._coordinator.range(self._key("stores/"))
        return highest(self._stored.values(), (StoreId(self._parts(pair.key)[1]) for pair in known.pairs))

    async def _beat(self, store: StoreEntry) -> None:
        """Write the store's entry if that is news, and its heartbeat if that is due."""
        now_ms, number = self._clock.monotonic_ms(), store.seen.store
        puts: list[Put] = []
        self._look_for_double(store)
        if is_store_worth_telling(store, self._stores.get(number)):
            puts.append(Put(key=self._key(f"stores/{number}"), value=cluster_json.render_store(store)))
        if puts or self._beat_at_ms is None or now_ms - self._beat_at_ms >= HEARTBEAT_S * 1000:
            beat = cluster_json.render({"at_ms": self._clock.now_ms()})
            puts.append(Put(key=self._key(f"beats/{number}"), value=beat))
        if puts:
            result = await self._coordinator.perform(Txn().then(*puts), repeatable=True)
            self._beat_at_ms = now_ms
            self._written(puts, result.revision)

    def _look_for_double(self, store: StoreEntry) -> None:
        """Log if somebody else says that he is this store: a copy of its disk would vote twice."""
        known, number = self._stores.get(store.seen.store), store.seen.store
        is_double = self._beat_at_ms is not None and known is not None and known.address != store.address
        if is_double and not self._has_double:
            self._has_double = True
            self._log.error("another process says that it is store %d: stop the one with a copy of the disk", number)

    def _is_news(self, seen: RegionSeen) -> bool:
        told = self._stored.get(seen.region.region)
        if told is not None and is_newer(told.region, seen.region):
            return False
        return is_worth_telling(seen, told)

    async def _tell(self, news: Sequence[RegionSeen]) -> None:
        """Write regions together, or one by one if somebody else has written one of them meanwhile."""
        if await self._tell_at_once(news) or len(news) == 1:
            return
        for each in news:
            await self._tell_at_once([each])

    async def _tell_at_once(self, news: Sequence[RegionSeen]) -> bool:
        """Write regions, and remove those that they took over; False, and nothing is done, if one has changed."""
        puts = [
            Put(key=self._key(f"regions/{each.region.region}"), value=cluster_json.render_region(each)) for each in news
        ]
        gone = [self._key(f"regions/{region}") for region in itertools.islice(self._taken_over(news), CHUNK)]
        keys = [*(put.key for put in puts), *gone]
        unchanged = (mod_revision(key).equal(self._revision(key)) for key in keys)
        changes: list[Put | Delete] = [*puts, *(Delete(key=key) for key in gone)]
        result = await self._coordinator.perform(Txn().when(*unchanged).then(*changes), repeatable=True)
        if result.succeeded:
            self._written(puts, result.revision)
            for key in gone:
                self._apply(key, None, result.revision)
        return result.succeeded

    def _taken_over(self, news: Sequence[RegionSeen]) -> Iterator[RegionId]:
        """Regions that are stored and are no more, by what leaders say now."""
        told = {each.region.region for each in news}
        for each in news:
            before = self._stored.get(each.region.region)
            if before is not None and before.region.epoch.version == each.region.epoch.version:
                continue
            for region in self._beginning_in(each.region):
                if region not in told and has_taken_over(each.region, self._stored[region].region):
                    told.add(region)
                    yield region

    def _beginning_in(self, region: Region) -> Sequence[RegionId]:
        """Stored regions whose first keys are in a region."""
        if self._by_start is None:
            self._by_start = sorted((seen.region.start, number) for number, seen in self._stored.items())
        first = bisect_left(self._by_start, (region.start, 0))
        last = bisect_left(self._by_start, (region.end, 0)) if region.end else len(self._by_start)
        return [number for _, number in self._by_start[first:last]]

    def _written(self, puts: Iterable[Put], revision: int) -> None:
        """What we wrote is known at once; the watch brings it again."""
        for put in puts:
            assert put.value is not None, "every entry has a value"
            self._apply(put.key, Pair(put.key, put.value, revision, revision), revision)

    def _say(self, sentence: str) -> None:
        """Log what is wrong once, until something is heard again."""
        if sentence != self._said:
            self._said = sentence
            self._log.warning("%s", sentence)


def _number(pair: Pair, name: str) -> int:
    try:
        return cluster_json.parse_number(pair.value, name)
    except MalformedEntryError as error:
        raise FailedPreconditionError(
            f"entry '{pair.key.decode()}' of chainfire is not what flaredb wrote: {error}", reason="MAP_DAMAGED"
        ) from error


def _among(region: Region, leader: StoreId | None) -> StoreId | None:
    """A store, if it has a peer of a region."""
    return leader if leader is not None and region.peer_on(leader) else None
