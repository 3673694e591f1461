from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core import cluster_json, keys
from flaredb.core.cluster_json import MalformedEntryError, parse_region, parse_store, render_region, render_store
from flaredb.core.cluster_view import StoreEntry
from flaredb.core.placement import MIB, RegionSeen, StoreSeen
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from ultracloud.raft.words import Config, NodeId
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parents[1] / "golden"
STORE = StoreEntry(StoreSeen(StoreId(3), 500 << 30, 7 << 30, 0, (("host", "n3"), ("zone", "b"))), "n3.example:7002")
PEERS = tuple(Peer(NodeId(peer), StoreId(store)) for peer, store in ((12, 1), (13, 2), (40, 3)))
QUIET = RegionSeen(
    Region(
        RegionId(11),
        keys.encode("iam", b"r/User/usr-1"),
        keys.encode("prismnet", "r/Vpc/größer\x00".encode()),
        Epoch(4, 9),
        PEERS,
        Config(frozenset(peer.peer for peer in PEERS)),
        NodeId(40),
    ),
    64 * MIB,
    120,
    StoreId(2),
)
CHANGING = replace(
    QUIET,
    region=replace(
        QUIET.region,
        start=b"",
        end=b"",
        config=Config(frozenset({NodeId(12)}), frozenset({NodeId(13)}), frozenset({NodeId(40)}), frozenset(), True),
    ),
    leader=None,
    middle=b'a"b%\\',
    behind=frozenset({NodeId(40)}),
)


def test_entries_read_as_written() -> None:
    entries = {"store": render_store(STORE), "region": render_region(QUIET), "a region that changes": b""}
    entries["a region that changes"] = render_region(CHANGING)
    text = "".join(f"# {name}\n{json.dumps(json.loads(entry), indent=1)}\n" for name, entry in entries.items())
    golden.check(GOLDEN / "cluster_entries.txt", text)


def test_a_store_says_what_it_answers_for_others_and_says_nothing_of_nothing() -> None:
    busy = replace(STORE, reads={RegionId(7): 400, RegionId(11): 60})
    assert parse_store(render_store(busy)) == busy
    assert b"reads" not in render_store(STORE)
    with pytest.raises(MalformedEntryError, match="'reads' has what is no region"):
        parse_store(render_store(busy).replace(b'"11"', b'"x"'))


@pytest.mark.parametrize("seen", [QUIET, CHANGING])
def test_a_region_is_read_as_it_was_written(seen: RegionSeen) -> None:
    assert parse_region(render_region(seen)) == seen


def test_a_store_is_read_as_it_was_written() -> None:
    assert parse_store(render_store(STORE)) == STORE


@given(st.binary(), st.binary(), st.binary())
def test_any_key_is_read_as_it_was_written(start: bytes, end: bytes, middle: bytes) -> None:
    seen = replace(QUIET, region=replace(QUIET.region, start=start, end=end), middle=middle)
    assert parse_region(render_region(seen)) == seen


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(("store", "region", "epoch", "peers", "start", "end", "voters", "labels", "version")),
                inner,
            )
        ),
    )
)
def test_anything_else_is_refused_in_a_sentence(value: object) -> None:
    for parse in (parse_region, parse_store):
        with pytest.raises(MalformedEntryError):
            parse(json.dumps(value).encode())


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b"7", b'{"next": "8"}', b'{"next": true}'])
def test_a_damaged_counter_is_no_number(content: bytes) -> None:
    with pytest.raises(MalformedEntryError):
        cluster_json.parse_number(content, "next")


@pytest.mark.parametrize("field", ["region", "epoch", "peers", "newest_peer", "size_bytes"])
def test_a_region_without_a_part_of_it_is_none(field: str) -> None:
    told = json.loads(render_region(QUIET))
    told[field] = "x"
    with pytest.raises(MalformedEntryError):
        parse_region(json.dumps(told).encode())
