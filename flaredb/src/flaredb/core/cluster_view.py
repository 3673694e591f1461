"""The map of regions as a store knows it: the newest of each region, none over another, found by a key.

Regions report one by one, so the map holds what is of different times: the left half of a split as it was before, a
region that another one has taken over since. A split raises the version of both halves and a merge goes above both, so
of two that overlap the higher version is the later word; and a region keeps its first key for as long as it lives.

Source: "TiKV" (deep dive, "Multi-Raft"): how clients cache regions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from flaredb.core.placement import RegionSeen, StoreSeen
from flaredb.core.region import Region, RegionId, StoreId

TOLD_CHANGE = 0.1
"""Part by which a size or a load changes before it is told: what follows from it is decided by much larger steps."""
TOLD_BYTES_MIN = 1 << 20
TOLD_LOAD_MIN = 50
"""Changes below these are not told, however large a part: nothing follows from them, and idle regions are quiet."""


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A store in the map.

    Attributes:
        address: Where other stores reach it.
        reads: Of regions that others lead, what it answers itself: requests a second, where these are worth telling.
    """

    seen: StoreSeen
    address: str
    reads: Mapping[RegionId, int] = field(default_factory=dict)


def is_newer(region: Region, than: Region) -> bool:
    """Whether of the same region this is later than the other; what changes with neither is not told apart."""
    return _age(region) > _age(than)


def has_taken_over(region: Region, other: Region) -> bool:
    """Whether `other` is no more, because its first key is in `region` since: it would still have that one."""
    is_later = region.epoch.version > other.epoch.version
    return region.region != other.region and is_later and region.covers(other.start)


def is_worth_telling(new: RegionSeen, told: RegionSeen | None) -> bool:
    """Whether what a leader knows of its region differs enough from what it told."""
    if told is None or (new.region, new.leader, new.behind) != (told.region, told.leader, told.behind):
        return True
    is_middle_news = bool(new.middle) and not told.middle
    return (
        is_middle_news
        or _has_moved(new.size_bytes, told.size_bytes, TOLD_BYTES_MIN)
        or _has_moved(new.load, told.load, TOLD_LOAD_MIN)
    )


def is_store_worth_telling(new: StoreEntry, told: StoreEntry | None) -> bool:
    """Whether what a store knows of itself differs enough from what it told; whether it is leaving, others say."""
    if told is None or (new.address, new.seen.labels) != (told.address, told.seen.labels):
        return True
    if any(
        _has_moved(new.reads.get(region, 0), told.reads.get(region, 0), TOLD_LOAD_MIN)
        for region in new.reads.keys() | told.reads.keys()
    ):
        return True
    return new.seen.capacity_bytes != told.seen.capacity_bytes or _has_moved(
        new.seen.used_bytes, told.seen.used_bytes, TOLD_BYTES_MIN
    )


def resolved(seen: Iterable[RegionSeen]) -> tuple[RegionSeen, ...]:
    """Regions in the order of their keys, without overlaps: the older loses its end, or is left out.

    Args:
        seen: Of each region one. Those that stay whole are given back as they are.
    """
    kept: list[RegionSeen] = []
    for each in sorted(seen, key=lambda one: (one.region.start, _age(one.region))):
        start = each.region.start
        if kept and kept[-1].region.covers(start):
            last = kept.pop()
            if last.region.start < start and _age(last.region) < _age(each.region):
                kept.append(replace(last, region=replace(last.region, end=start)))
            elif last.region.start < start:
                kept.append(last)
                continue
        kept.append(each)
    return tuple(kept)


class RegionTable:
    """The newest of each region, found by key.

    Looking up is on the way of every request: it is one bisection. Changes of anything but ranges leave the order be.
    """

    def __init__(self) -> None:
        self._seen: dict[RegionId, RegionSeen] = {}
        self._starts: list[bytes] = []
        self._ends: list[bytes] = []
        self._regions: tuple[RegionSeen, ...] | None = ()
        self._found: list[RegionSeen] = []
        self._places: Mapping[RegionId, int] = {}
        self._is_stale = False

    @property
    def regions(self) -> tuple[RegionSeen, ...]:
        """All of them by start, without overlaps."""
        self._refresh()
        if self._regions is None:
            self._regions = tuple(self._found)
        return self._regions

    def get(self, region: RegionId) -> RegionSeen | None:
        """A region as it was put, whatever overlaps it."""
        return self._seen.get(region)

    def put(self, seen: RegionSeen) -> None:
        """This is what is known of a region from here on."""
        region = seen.region
        before = self._seen.get(region.region)
        self._seen[region.region] = seen
        self._regions = None
        place = self._places.get(region.region)
        if before is None or place is None or self._is_stale or not _is_same_range(before.region, region):
            self._is_stale = True
        elif self._found[place] is before:
            self._found[place] = seen
        else:
            # It had lost its end to another one.
            self._found[place] = replace(seen, region=replace(region, end=self._ends[place]))

    def remove(self, region: RegionId) -> None:
        """There is no such region."""
        if self._seen.pop(region, None) is not None:
            self._is_stale, self._regions = True, None

    def find(self, key: bytes) -> RegionSeen | None:
        """The region of an encoded key; None if nobody has said which."""
        if self._is_stale:
            self._refresh()
        place = bisect_right(self._starts, key) - 1
        if place < 0:
            return None
        end = self._ends[place]
        return self._found[place] if not end or key < end else None

    def overlapping(self, start: bytes, end: bytes) -> tuple[RegionSeen, ...]:
        """The regions with keys of [start, end), in order; an empty `end` is the end of the key space."""
        self._refresh()
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end) if end else len(self._starts)
        if first < last and self._ends[first] and self._ends[first] <= start:
            first += 1
        return tuple(self._found[first:last])

    def _refresh(self) -> None:
        if not self._is_stale:
            return
        self._regions = resolved(self._seen.values())
        self._found = list(self._regions)
        self._starts = [each.region.start for each in self._found]
        self._ends = [each.region.end for each in self._found]
        self._places = {each.region.region: place for place, each in enumerate(self._found)}
        self._is_stale = False


def troubled(found: Iterable[RegionSeen]) -> Iterator[str]:
    """A sentence for each part of the key space that no region is known to have.

    Args:
        found: Of `resolved`.
    """
    end: bytes | None = b""
    for each in found:
        if end is None or each.region.start != end:
            yield f"no region is known for the keys from {_show(end)} to {_show(each.region.start)}"
        end = each.region.end or None
    if end is not None:
        yield f"no region is known for the keys from {_show(end)} on"


def highest(seen: Iterable[RegionSeen], stores: Iterable[StoreId]) -> tuple[int, StoreId]:
    """The highest id of a region or peer, and of a store, that the map knows of; 0 if none."""
    held = [*seen]
    ids = (max(each.region.region, each.region.newest) for each in held)
    peers = (peer.store for each in held for peer in each.region.peers)
    return max(ids, default=0), max((*stores, *peers), default=StoreId(0))


def _age(region: Region) -> tuple[int, int, int]:
    return region.epoch.version, region.epoch.conf_version, region.region


def _is_same_range(one: Region, other: Region) -> bool:
    return (one.start, one.end, one.epoch.version) == (other.start, other.end, other.epoch.version)


def _has_moved(new: int, told: int, least: int) -> bool:
    return abs(new - told) > max(least, told * TOLD_CHANGE)


def _show(key: bytes | None) -> str:
    return repr(key)[1:] if key else "the first"
