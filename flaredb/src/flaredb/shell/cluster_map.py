"""What of the cluster stands in chainfire: stores with their heartbeats, regions as their leaders have them, ids.

    /ultracloud/flaredb/<cluster>/identity        which cluster it is, whatever its name
                                 /founder         which store founds it; written once
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
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from flaredb.core import cluster_json
from flaredb.core.cluster_json import MalformedEntryError
from flaredb.core.cluster_view import StoreEntry, highest
from flaredb.core.placement import RegionSeen
from flaredb.core.region import Peer, Region, RegionId, StoreId, first_region
from flaredb.errors import StoreDirectoryError
from flaredb.shell.cluster_copy import HEARD_MS_MAX, MapCopy
from flaredb.shell.cluster_reports import HEARTBEAT_S, IDENTITY, Reports
from ultracloud.base.faults import FailedPreconditionError, Fault
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

__all__ = ["HEARD_MS_MAX", "HEARTBEAT_S", "ClusterMap", "StoreEntry"]

PREFIX = "/ultracloud/flaredb"
SILENCE_S = 15.0
"""A watch that brings no heartbeat for so long, not even our own, is made anew behind a fresh reading: chainfire was
restored from a backup, and the revisions that the watch waits for are far away."""
RETRY_S = 0.5
FIRST_REGION, FIRST_PEER, FIRST_FREE_ID = RegionId(1), NodeId(2), 10
IDENTITY_BYTES = 8
SHOWN_MAX = 10
"""Regions that a sentence names."""

_log = logging.getLogger("flaredb.cluster")


class ClusterMap:
    """The map, as this process has it; see the module.

    Attributes:
        prefix: Of all keys of this cluster.
    """

    def __init__(self, coordinator: Coordinator, cluster: str, clock: Clock) -> None:
        self.prefix = f"{PREFIX}/{cluster}/".encode()
        self._coordinator = coordinator
        self._clock = clock
        self._copy = MapCopy(self.prefix, clock)
        self._reports = Reports(coordinator, self._copy, clock)
        self._identity = ""
        self._read = asyncio.Event()
        self._said = ""

    @property
    def stores(self) -> Mapping[StoreId, StoreEntry]:
        """All stores that ever were and are not forgotten; their `seen_ms` is in the time of `now_ms`."""
        return MappingProxyType(self._copy.stores)

    @property
    def regions(self) -> tuple[RegionSeen, ...]:
        """Regions by start, without overlaps: what is stored and what was learned, the newer of both."""
        return self._copy.routes.regions

    @property
    def reported(self) -> tuple[RegionSeen, ...]:
        """Regions by start as their leaders reported them, but those that a newer one overlaps."""
        return self._copy.reported

    @property
    def now_ms(self) -> int:
        """The time that silence is counted in: it goes on only while something is heard."""
        return self._copy.now_ms

    @property
    def unheard_ms(self) -> int:
        """How long nothing at all was heard."""
        return self._copy.unheard_ms

    def find(self, key: bytes) -> RegionSeen | None:
        """The region of an encoded key; None if nobody has said which."""
        return self._copy.routes.find(key)

    def overlapping(self, start: bytes, end: bytes) -> tuple[RegionSeen, ...]:
        """The regions with keys of [start, end), in order; an empty `end` is the end of the key space."""
        return self._copy.routes.overlapping(start, end)

    def learn(self, region: Region, leader: StoreId | None) -> None:
        """Route by what a store told of a region, if that is news; it is not written.

        Args:
            region: As the store has it.
            leader: Who leads it, None if the store did not say: then whoever led it is asked first.
        """
        self._copy.learn(region, leader)

    async def ready(self) -> None:
        """Wait until the map has been read once."""
        await self._read.wait()

    def expect(self, identity: str) -> None:
        """Take the map of this cluster only: `run` ends if it finds another one, and nothing of that is used."""
        self._identity = self._reports.identity = identity

    async def identify(self) -> str:
        """Which cluster this is, now and for good; the first who asks makes it one.

        Raises:
            Fault: chainfire does not answer.
        """
        key = self._copy.key(IDENTITY)
        made = self._clock.entropy(IDENTITY_BYTES).hex()
        # Done twice it reads what the first has written.
        result = await self._coordinator.perform(
            Txn()
            .when(create_revision(key).equal(0))
            .then(Put(key=key, value=cluster_json.render({"cluster": made})))
            .otherwise(Get(key=key)),
            repeatable=True,
        )
        if not result.succeeded:
            (found,) = result.results
            assert isinstance(found, Range), "a get was done"
            made = _text(found.pairs[0], "cluster")
        self.expect(made)
        return made

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
        highest_id, _ = highest(self._copy.stored.values(), ())
        return await self._take("ids/regions", count, least=max(FIRST_FREE_ID, highest_id + 1))

    async def bootstrap(self, store: StoreId) -> Region | None:
        """The first region, with one peer on this store, if this store is to found the cluster; None otherwise.

        It is so until the region is reported, so a founder that ended before it wrote its disk finds out again. Call it
        only for a store that holds nothing and has written its id to its disk.

        Raises:
            Fault: chainfire does not answer.
        """
        key, regions = self._copy.key("founder"), below(self._copy.key("regions/"), limit=1, keys_only=True)
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
                _log.info("store %d founds the cluster, and has not reported yet", first)
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
            await self._reports.report(store, led)
        except Fault as fault:
            self._say(f"the report did not reach chainfire: {fault}")

    async def set_leaving(self, store: StoreId, *, is_leaving: bool) -> None:
        """Have a store emptied, or let it stay.

        Raises:
            NotFoundError: There is no such store.
            Fault: chainfire does not answer.
        """
        self._copy.entry(store)
        key = self._copy.key(f"leaving/{store}")
        change = Put(key=key, value=cluster_json.render({"store": store})) if is_leaving else Delete(key=key)
        result = await self._coordinator.perform(Txn().then(change), repeatable=True)
        self._copy.apply(key, Pair(key, b"", 0, result.revision) if is_leaving else None, result.revision)

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
        entry = self._copy.entry(store)
        if self.now_ms - entry.seen.seen_ms < down_ms:
            raise FailedPreconditionError(
                f"store {store} was heard of lately; stop it first, and wait {down_ms // 1000} s", reason="STORE_UP"
            )
        held = sorted(each.region.region for each in self._copy.stored.values() if each.region.peer_on(store))
        if held:
            some = ", ".join(map(str, held[:SHOWN_MAX])) + (" and others" if len(held) > SHOWN_MAX else "")
            raise FailedPreconditionError(
                f"store {store} holds replicas of regions {some}; wait until they are made elsewhere",
                reason="STORE_HOLDS",
            )
        keys = [self._copy.key(f"{kind}/{store}") for kind in ("stores", "beats", "leaving")]
        result = await self._coordinator.perform(Txn().then(*(Delete(key=key) for key in keys)), repeatable=True)
        for key in keys:
            self._copy.apply(key, None, result.revision)

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
        self._check(found.get(self._copy.key(IDENTITY)))
        self._copy.replace_all(found)
        return revision

    def _check(self, pair: Pair | None) -> None:
        """Pass if the map is of the cluster that is expected, or does not say whose it is."""
        found = self._identity if pair is None else _text(pair, "cluster")
        if self._identity and found != self._identity:
            raise StoreDirectoryError(
                f"state_dir belongs to cluster {self._identity}, and chainfire has cluster {found} under this name: "
                "correct [cluster] name or peers.chainfire; if chainfire was lost, restore it"
            )

    async def _follow(self, revision: int) -> None:
        async with closing(self._coordinator.watch(self.prefix, revision)) as batches:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    batch = await anext(batches)
                if not batch:
                    # It says that the watch has begun, or how far it is, and nothing of stores.
                    continue
                self._copy.hear()
                self._said = ""
                for event in batch:
                    self._copy.apply(event.key, event.pair, event.revision)
                self._copy.settle(batch.revision)

    async def _take(self, name: str, count: int, least: int) -> int:
        """The first of `count` numbers of a counter."""
        key = self._copy.key(name)
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
        known = await self._coordinator.range(self._copy.key("stores/"))
        return highest(self._copy.stored.values(), (StoreId(int(pair.key.rpartition(b"/")[2])) for pair in known.pairs))

    def _say(self, sentence: str) -> None:
        """Log what is wrong once, until something is heard again."""
        if sentence != self._said:
            self._said = sentence
            _log.warning("%s", sentence)


def _number(pair: Pair, name: str) -> int:
    try:
        return cluster_json.parse_number(pair.value, name)
    except MalformedEntryError as error:
        raise _damaged(pair, error) from error


def _text(pair: Pair, name: str) -> str:
    try:
        return cluster_json.parse_text(pair.value, name)
    except MalformedEntryError as error:
        raise _damaged(pair, error) from error


def _damaged(pair: Pair, error: MalformedEntryError) -> FailedPreconditionError:
    return FailedPreconditionError(
        f"entry '{pair.key.decode()}' of chainfire is not what flaredb wrote: {error}", reason="MAP_DAMAGED"
    )
