"""What a store says of itself and of the regions that it leads, written into the map: only what is news."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

from flaredb.core import cluster_json
from flaredb.core.cluster_view import StoreEntry, is_newer, is_store_worth_telling, is_worth_telling
from flaredb.core.placement import RegionSeen
from flaredb.shell.cluster_copy import MapCopy
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination import Coordinator, Delete, Put, Txn, create_revision, mod_revision

HEARTBEAT_S = 2.0
"""A tenth of what makes a store count as down: several may be late."""
IDENTITY = "identity"
"""The entry that says which cluster it is."""
CHUNK = 32
"""Regions of one transaction: three operations each at most, below etcd's limit of 128."""

_log = logging.getLogger("flaredb.cluster")


class Reports:
    """Those of one store.

    Attributes:
        identity: Of the cluster; empty if that is not known.
    """

    def __init__(self, coordinator: Coordinator, copy: MapCopy, clock: Clock) -> None:
        self._coordinator = coordinator
        self._copy = copy
        self._clock = clock
        self.identity = ""
        self._beat_at_ms: int | None = None
        self._has_double = False

    async def report(self, store: StoreEntry, led: Sequence[RegionSeen]) -> None:
        """Write what has changed of this store and of the regions that it leads, and that it is there.

        Raises:
            Fault: chainfire does not answer; what it did not take is news again the next time.
        """
        await self._identify()
        await self._beat(store)
        news = [each for each in led if self._is_news(each)]
        for at in range(0, len(news), CHUNK):
            await self._tell(news[at : at + CHUNK])

    async def _identify(self) -> None:
        """Say again which cluster this is, if chainfire has lost it."""
        key = self._copy.key(IDENTITY)
        if not self.identity or self._copy.revision(key) or not self._copy.is_read:
            return
        put = Put(key=key, value=cluster_json.render({"cluster": self.identity}))
        result = await self._coordinator.perform(Txn().when(create_revision(key).equal(0)).then(put), repeatable=True)
        if result.succeeded:
            self._copy.written([put], result.revision)

    async def _beat(self, store: StoreEntry) -> None:
        """Write the store's entry if that is news, and its heartbeat if that is due."""
        now_ms, number = self._clock.monotonic_ms(), store.seen.store
        puts: list[Put] = []
        self._look_for_double(store)
        if is_store_worth_telling(store, self._copy.stores.get(number)):
            puts.append(Put(key=self._copy.key(f"stores/{number}"), value=cluster_json.render_store(store)))
        if puts or self._beat_at_ms is None or now_ms - self._beat_at_ms >= HEARTBEAT_S * 1000:
            beat = cluster_json.render({"at_ms": self._clock.now_ms()})
            puts.append(Put(key=self._copy.key(f"beats/{number}"), value=beat))
        if puts:
            result = await self._coordinator.perform(Txn().then(*puts), repeatable=True)
            self._beat_at_ms = now_ms
            self._copy.written(puts, result.revision)

    def _look_for_double(self, store: StoreEntry) -> None:
        """Log if somebody else says that he is this store: a copy of its disk would vote twice."""
        known, number = self._copy.stores.get(store.seen.store), store.seen.store
        is_double = self._beat_at_ms is not None and known is not None and known.address != store.address
        if is_double and not self._has_double:
            self._has_double = True
            _log.error("another process says that it is store %d: stop the one with a copy of the disk", number)

    def _is_news(self, seen: RegionSeen) -> bool:
        told = self._copy.stored.get(seen.region.region)
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
            Put(key=self._copy.key(f"regions/{each.region.region}"), value=cluster_json.render_region(each))
            for each in news
        ]
        gone = [self._copy.key(f"regions/{region}") for region in itertools.islice(self._copy.taken_over(news), CHUNK)]
        keys = [*(put.key for put in puts), *gone]
        unchanged = (mod_revision(key).equal(self._copy.revision(key)) for key in keys)
        changes: list[Put | Delete] = [*puts, *(Delete(key=key) for key in gone)]
        result = await self._coordinator.perform(Txn().when(*unchanged).then(*changes), repeatable=True)
        if result.succeeded:
            self._copy.written(puts, result.revision)
            for key in gone:
                self._copy.apply(key, None, result.revision)
        return result.succeeded
