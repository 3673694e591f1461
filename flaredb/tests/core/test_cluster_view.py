from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core.cluster_view import (
    RegionTable,
    StoreEntry,
    has_taken_over,
    highest,
    is_store_worth_telling,
    is_worth_telling,
    resolved,
    troubled,
)
from flaredb.core.placement import MIB, RegionSeen, StoreSeen
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId, first_region
from ultracloud.raft.words import Config, NodeId

KEYS = st.binary(max_size=2)


def seen(region: int, start: str, end: str, version: int = 1, leader: int = 1) -> RegionSeen:
    peer = Peer(NodeId(region), StoreId(leader))
    epoch, config = Epoch(version, 1), Config(frozenset({peer.peer}))
    made = Region(RegionId(region), start.encode(), end.encode(), epoch, (peer,), config, peer.peer)
    return RegionSeen(made, 10 * MIB, 100, StoreId(leader))


def spans(found: tuple[RegionSeen, ...]) -> str:
    return " ".join(f"{each.region.region}:{each.region.start.decode()}-{each.region.end.decode()}" for each in found)


def table(*some: RegionSeen) -> RegionTable:
    made = RegionTable()
    for each in some:
        made.put(each)
    return made


def found(made: RegionTable, key: str) -> int | None:
    here = made.find(key.encode())
    return None if here is None else here.region.region


def test_a_key_leads_to_its_region() -> None:
    made = table(seen(1, "", "m"), seen(2, "m", "p"), seen(3, "t", ""))
    assert [found(made, key) for key in ("", "lzz", "m", "oz", "p", "sz", "t", "zz")] == [1, 1, 2, 2, None, None, 3, 3]


def test_an_empty_table_leads_nowhere() -> None:
    assert RegionTable().find(b"a") is None
    assert RegionTable().overlapping(b"", b"") == ()


def test_the_half_that_is_not_cut_yet_gives_its_keys_to_the_half_that_is() -> None:
    made = table(seen(1, "a", "z"), seen(2, "m", "z", version=2))
    assert spans(made.regions) == "1:a-m 2:m-z"
    assert (found(made, "l"), found(made, "m")) == (1, 2)
    made.put(seen(1, "a", "m", version=2))
    assert spans(made.regions) == "1:a-m 2:m-z"


def test_keys_behind_a_newer_region_are_nobodys_until_somebody_says_so() -> None:
    made = table(seen(1, "a", "z"), seen(2, "m", "p", version=3))
    assert (found(made, "n"), found(made, "q")) == (2, None)


def test_a_region_that_was_merged_away_is_left_out() -> None:
    made = table(seen(1, "a", "z", version=3), seen(2, "m", "z", version=2))
    assert spans(made.regions) == "1:a-z"
    assert made.get(RegionId(2)) is not None


def test_of_two_with_the_same_first_key_the_newer_stays() -> None:
    assert spans(resolved([seen(1, "a", "m", version=2), seen(2, "a", "", version=1)])) == "1:a-m"


def test_what_changes_but_the_range_is_found_at_once() -> None:
    made = table(seen(1, "", "m"), seen(2, "m", ""))
    assert made.regions[0].leader == 1
    made.put(replace(seen(1, "", "m"), leader=StoreId(7)))
    assert (made.find(b"a"), made.regions[0].leader) == (made.regions[0], 7)


def test_a_half_that_lost_its_end_keeps_it_lost_when_its_leader_changes() -> None:
    made = table(seen(1, "a", "z"), seen(2, "m", "z", version=2))
    assert spans(made.regions) == "1:a-m 2:m-z"
    for leader in (7, 8):
        made.put(replace(seen(1, "a", "z"), leader=StoreId(leader)))
        assert (spans(made.regions), made.regions[0].leader) == ("1:a-m 2:m-z", leader)


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [("", "", "123"), ("b", "", "123"), ("m", "p", "2"), ("lz", "m\0", "12"), ("q", "r", ""), ("oz", "", "23")],
)
def test_a_range_leads_to_all_its_regions(start: str, end: str, wanted: str) -> None:
    made = table(seen(1, "", "m"), seen(2, "m", "p"), seen(3, "t", ""))
    assert [str(each.region.region) for each in made.overlapping(start.encode(), end.encode())] == list(wanted)


@dataclass
class Truth:
    """Regions as they are, and everything that was ever said of them."""

    regions: list[Region] = field(default_factory=lambda: [first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))])])
    said: list[Region] = field(default_factory=list)
    next_id: int = 10

    def split(self, at: bytes) -> None:
        place = next(n for n, region in enumerate(self.regions) if region.covers(at))
        peers = (Peer(NodeId(self.next_id + 1), StoreId(1)),)
        if self.regions[place].may_split(at, peers):
            self.regions[place : place + 1] = self.regions[place].split(at, RegionId(self.next_id), peers)
            self.next_id += 2

    def merge(self, at: bytes) -> None:
        place = next(n for n, region in enumerate(self.regions) if region.covers(at))
        if place + 1 < len(self.regions):
            left, right = self.regions[place : place + 2]
            epoch = Epoch(max(left.epoch.version, right.epoch.version) + 1, left.epoch.conf_version)
            self.regions[place : place + 2] = [replace(left, end=right.end, epoch=epoch)]


def truth_of(changes: list[tuple[bool, bytes]]) -> Truth:
    truth = Truth()
    truth.said += truth.regions
    for is_split, key in changes:
        (truth.split if is_split else truth.merge)(key)
        truth.said += truth.regions
    return truth


CHANGES = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=2)), max_size=12)


@settings(deadline=None)
@given(CHANGES, st.data())
def test_whatever_is_known_the_map_has_no_overlap_and_right_answers_win(
    changes: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    truth = truth_of(changes)
    known = {
        each.region: each
        for each in sorted(truth.said, key=lambda each: each.epoch.version)
        if data.draw(st.booleans())
    }
    made = table(*(RegionSeen(each, 0, 0, None) for each in known.values()))
    ends = [(each.region.start, each.region.end) for each in made.regions]
    assert all(end and end <= start for (_, end), (start, _) in pairwise(ends))
    for region in truth.regions:
        if known.get(region.region) == region:
            here = made.find(region.start)
            assert here is not None
            assert here.region == region


@settings(deadline=None)
@given(CHANGES, st.data())
def test_only_what_is_no_more_counts_as_taken_over(changes: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    truth = truth_of(changes)
    alive = {each.region for each in truth.regions}
    by, stale = data.draw(st.sampled_from(truth.said)), data.draw(st.sampled_from(truth.said))
    if has_taken_over(by, stale):
        assert stale.region not in alive


@settings(deadline=None)
@given(CHANGES)
def test_what_was_merged_away_is_taken_over_by_who_has_its_first_key(changes: list[tuple[bool, bytes]]) -> None:
    truth = truth_of(changes)
    alive = {each.region: each for each in truth.regions}
    gone = {each.region: each for each in truth.said if each.region not in alive}
    assert all(any(has_taken_over(each, old) for each in alive.values()) for old in gone.values())


def test_gaps_of_the_map_are_said() -> None:
    assert [*troubled(resolved([seen(1, "b", "m"), seen(2, "p", "q")]))] == [
        "no region is known for the keys from the first to 'b'",
        "no region is known for the keys from 'm' to 'p'",
        "no region is known for the keys from 'q' on",
    ]
    assert [*troubled(resolved([seen(1, "", "m"), seen(2, "m", "")]))] == []
    assert [*troubled(())] == ["no region is known for the keys from the first on"]


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({"size_bytes": 11 * MIB}, False),
        ({"size_bytes": 11 * MIB + 1}, True),
        ({"size_bytes": 9 * MIB - 1}, True),
        ({"load": 150}, False),
        ({"load": 151}, True),
        ({"leader": StoreId(2)}, True),
        ({"behind": frozenset({NodeId(1)})}, True),
        ({"middle": b"k"}, True),
    ],
)
def test_only_what_matters_is_told(change: dict[str, object], *, is_told: bool) -> None:
    told = seen(1, "", "")
    assert is_worth_telling(replace(told, **change), told) is is_told  # type: ignore[arg-type]
    assert not is_worth_telling(replace(told, middle=b"l"), replace(told, middle=b"k"))


def test_a_store_tells_where_it_is_and_how_full() -> None:
    entry = StoreEntry(StoreSeen(StoreId(1), 100 * MIB, 50 * MIB, 0), "a:1")
    later = replace(entry, seen=replace(entry.seen, seen_ms=9000, used_bytes=55 * MIB, is_leaving=True))
    assert not is_store_worth_telling(later, entry)
    assert is_store_worth_telling(replace(entry, address="b:1"), entry)
    assert is_store_worth_telling(replace(entry, seen=replace(entry.seen, used_bytes=56 * MIB)), entry)
    assert is_store_worth_telling(entry, None)
    busy = replace(entry, reads={RegionId(7): 400})
    assert is_store_worth_telling(busy, entry)
    assert is_store_worth_telling(entry, busy)
    assert not is_store_worth_telling(replace(entry, reads={RegionId(7): 430}), busy)


def test_ids_begin_above_all_that_the_map_knows() -> None:
    some = seen(7, "", "m", leader=3)
    later = replace(some.region, newest=NodeId(40))
    assert highest([some, replace(some, region=later)], [StoreId(2)]) == (40, 3)
    assert highest([], []) == (0, 0)
