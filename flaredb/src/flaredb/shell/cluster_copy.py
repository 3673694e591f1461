"""The copy of the map that a process has: entries of chainfire put together, and what stores told besides."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from flaredb.core import cluster_json
from flaredb.core.cluster_json import MalformedEntryError
from flaredb.core.cluster_view import RegionTable, StoreEntry, has_taken_over, is_newer, resolved
from flaredb.core.placement import RegionSeen
from flaredb.core.region import Region, RegionId, StoreId
from ultracloud.base.faults import NotFoundError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination import Pair, Put

HEARD_MS_MAX = 6_000
"""Silence of the whole map counts as no more than this: three heartbeats, of which at least our own is heard."""

_log = logging.getLogger("flaredb.cluster")


class MapCopy:
    """What is known of the cluster whose keys begin with `prefix`.

    Attributes:
        routes: Regions by key: what is stored and what was learned, the newer of both.
        stored: Regions as their leaders reported them.
        stores: By id; their `seen_ms` is in the time of `now_ms`.
        is_read: It has been read once: a heartbeat from here on is one that was heard.
    """

    def __init__(self, prefix: bytes, clock: Clock) -> None:
        self.prefix = prefix
        self.routes = RegionTable()
        self.stored: dict[RegionId, RegionSeen] = {}
        self.stores: dict[StoreId, StoreEntry] = {}
        self.is_read = False
        self._clock = clock
        self._pairs: dict[bytes, tuple[int, bytes]] = {}
        self._gone: dict[bytes, int] = {}
        self._told: dict[StoreId, StoreEntry] = {}
        self._leaving: set[StoreId] = set()
        self._beats: dict[StoreId, int] = {}
        self._beating: set[StoreId] = set()
        self._learned: dict[RegionId, RegionSeen] = {}
        self._reported: tuple[RegionSeen, ...] | None = None
        self._by_start: list[tuple[bytes, RegionId]] | None = None
        self._heard_ms = 0
        self._heard_at_ms = clock.monotonic_ms()

    @property
    def reported(self) -> tuple[RegionSeen, ...]:
        """Regions by start as they are stored, but those that a newer one overlaps."""
        if self._reported is None:
            found = resolved(self.stored.values())
            self._reported = tuple(each for each in found if self.stored[each.region.region] is each)
        return self._reported

    @property
    def now_ms(self) -> int:
        """The time that silence is counted in: it goes on only while something is heard."""
        return self._heard_ms + min(self._clock.monotonic_ms() - self._heard_at_ms, HEARD_MS_MAX)

    @property
    def unheard_ms(self) -> int:
        """How long nothing at all was heard."""
        return self._clock.monotonic_ms() - self._heard_at_ms

    def key(self, name: str) -> bytes:
        """The key of an entry."""
        return self.prefix + name.encode()

    def revision(self, key: bytes) -> int:
        """Of an entry as it is known; 0 if it is not there."""
        return self._pairs.get(key, (0, b""))[0]

    def entry(self, store: StoreId) -> StoreEntry:
        """A store.

        Raises:
            NotFoundError: There is none.
        """
        found = self.stores.get(store)
        if found is None:
            known = ", ".join(map(str, sorted(self.stores))) or "none"
            raise NotFoundError(f"there is no store {store}; stores of this cluster: {known}", reason="NO_STORE")
        return found

    def learn(self, region: Region, leader: StoreId | None) -> None:
        """Route by what a store told of a region, if that is news; it is not written.

        Args:
            region: As the store has it.
            leader: Who leads it, None if the store did not say: then whoever led it is asked first.
        """
        known = self.routes.get(region.region)
        if not region.is_known or (known is not None and is_newer(known.region, region)):
            return
        if known is None:
            seen = RegionSeen(region, 0, 0, leader)
        else:
            seen = replace(known, region=region, leader=_among(region, leader or known.leader))
        self._learned[region.region] = seen
        self.routes.put(seen)

    def replace_all(self, found: Mapping[bytes, Pair]) -> None:
        """This is all there is, also where it is older than what was there: chainfire may be a restored one."""
        self._gone.clear()
        beats = self.key("beats/")
        # A restored chainfire may have given the same revision to something else.
        changed = [key for key, pair in found.items() if self._pairs.get(key) != (pair.mod_revision, pair.value)]
        if any(key.startswith(beats) for key in changed):
            self.hear()
        for key in [*self._pairs]:
            if key not in found:
                self._forget(key)
        for key in changed:
            self._pairs.pop(key, None)
            self.apply(key, found[key], found[key].mod_revision)
        self.is_read = True

    def hear(self) -> None:
        """Something was heard: time passes for the silence of stores."""
        self._heard_ms, self._heard_at_ms = self.now_ms, self._clock.monotonic_ms()

    def settle(self, revision: int) -> None:
        """Everything up to a revision has been told."""
        self._gone = {key: gone for key, gone in self._gone.items() if gone > revision}

    def apply(self, key: bytes, pair: Pair | None, revision: int) -> None:
        """A key has a value, or none, as of a revision; what is older than what is known changes nothing."""
        if revision <= max(self.revision(key), self._gone.get(key, 0)):
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
            _log.warning("entry is not understood: %s", error, extra={"key": key.decode(errors="replace")})

    def written(self, puts: Iterable[Put], revision: int) -> None:
        """What we wrote is known at once; the watch brings it again."""
        for put in puts:
            assert put.value is not None, "every entry has a value"
            self.apply(put.key, Pair(put.key, put.value, revision, revision), revision)

    def taken_over(self, news: Sequence[RegionSeen]) -> Iterator[RegionId]:
        """Regions that are stored and are no more, by what leaders say now."""
        told = {each.region.region for each in news}
        for each in news:
            before = self.stored.get(each.region.region)
            if before is not None and before.region.epoch.version == each.region.epoch.version:
                continue
            for region in self._beginning_in(each.region):
                if region not in told and has_taken_over(each.region, self.stored[region].region):
                    told.add(region)
                    yield region

    def _take_entry(self, kind: str, number: int, content: bytes) -> None:
        store = StoreId(number)
        match kind:
            case "regions":
                self._take_region(cluster_json.parse_region(content))
                return
            case "stores":
                self._told[store] = cluster_json.parse_store(content)
            case "beats":
                self._beats[store] = self.now_ms
                if self.is_read:
                    self._beating.add(store)
            case "leaving":
                self._leaving.add(store)
            case _:
                return
        self._refresh(store)

    def _take_region(self, seen: RegionSeen) -> None:
        region = seen.region.region
        before = self.stored.get(region)
        if before is None or before.region.start != seen.region.start:
            self._by_start = None
        self.stored[region], self._reported = seen, None
        learned = self._learned.get(region)
        if learned is not None and is_newer(learned.region, seen.region):
            self._learned[region] = replace(seen, region=learned.region, leader=learned.leader)
            self.routes.put(self._learned[region])
        else:
            self._learned.pop(region, None)
            self.routes.put(seen)

    def _forget(self, key: bytes) -> None:
        self._pairs.pop(key, None)
        kind, number = self._parts(key)
        store, region = StoreId(number), RegionId(number)
        match kind:
            case "regions":
                self.stored.pop(region, None)
                self._reported = self._by_start = None
                self._learned.pop(region, None)
                self.routes.remove(region)
                return
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
            self.stores.pop(store, None)
            return
        seen_ms = self._beats.setdefault(store, self.now_ms)
        is_leaving, is_heard = store in self._leaving, store in self._beating
        seen = replace(told.seen, seen_ms=seen_ms, is_leaving=is_leaving, is_heard=is_heard)
        self.stores[store] = replace(told, seen=seen)

    def _beginning_in(self, region: Region) -> Sequence[RegionId]:
        """Stored regions whose first keys are in a region."""
        if self._by_start is None:
            self._by_start = sorted((seen.region.start, number) for number, seen in self.stored.items())
        first = bisect_left(self._by_start, (region.start, 0))
        last = bisect_left(self._by_start, (region.end, 0)) if region.end else len(self._by_start)
        return [number for _, number in self._by_start[first:last]]

    def _parts(self, key: bytes) -> tuple[str, int]:
        """Kind and number of a key; a kind that is not known if it has none."""
        kind, _, number = key[len(self.prefix) :].partition(b"/")
        return (kind.decode(), int(number)) if number.isdigit() else ("", 0)


def _among(region: Region, leader: StoreId | None) -> StoreId | None:
    """A store, if it has a peer of a region."""
    return leader if leader is not None and region.peer_on(leader) else None
