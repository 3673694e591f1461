"""Rules over all inputs: writes come in any order and number of times, messages are read as they were written."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_contents import Contents
from flaredb.core.eventual_messages import (
    MESSAGES,
    Ask,
    Compare,
    Declined,
    Differ,
    Found,
    Give,
    Hello,
    Listing,
    Lists,
    Message,
    Sent,
    Skewed,
    Spread,
    Taken,
    parse_message,
    render_message,
)
from flaredb.core.eventual_records import Digest, Record, Told, digest, parse_record, record_row
from flaredb.core.eventual_replica import TOMBSTONE_MS, EventualReplica
from flaredb.core.eventual_tree import DEPTH, PAST, ROOT, Node, Span, Tree
from flaredb.core.keys import encode
from flaredb.core.region import StoreId
from flaredb.core.region_codec import MalformedError
from flaredb.testing import MemoryEngine
from flaredb.testing_eventual import START_MS

KEYS = [encode("dns", b"%d" % number) for number in range(4)]
DIGESTS = st.binary(min_size=16, max_size=16).map(Digest)
ASKS = st.builds(Ask, st.integers(0, 1 << 62), st.integers(0, 1 << 30))
STAMPS = st.builds(Stamp, st.integers(0, (1 << 63) - 1), st.integers(1, 1 << 40).map(StoreId))
TOLD = st.builds(
    Told, st.sampled_from(KEYS), STAMPS, st.none() | st.binary(max_size=40), st.integers(0, 253_402_300_799_999)
)
NODES = st.integers(0, DEPTH).flatmap(lambda level: st.builds(Node, st.just(level), st.integers(0, 16**level - 1)))
HASHES = st.lists(st.tuples(NODES, st.binary(min_size=16, max_size=16)), max_size=5).map(tuple)
SPANS = st.builds(Span, DIGESTS, DIGESTS | st.just(PAST))
LISTINGS = st.builds(
    Listing, SPANS, st.dictionaries(DIGESTS, STAMPS, max_size=4).map(lambda found: tuple(sorted(found.items())))
)
MANY_TOLD = st.lists(TOLD, max_size=4).map(tuple)
MANY = st.lists(DIGESTS, max_size=4).map(tuple)
BY_KIND: dict[type, st.SearchStrategy[Message]] = {
    Hello: st.builds(Hello),
    Skewed: st.builds(Skewed, st.integers(0, 1 << 50)),
    Spread: st.builds(Spread, MANY_TOLD),
    Compare: st.builds(Compare, ASKS, HASHES),
    Differ: st.builds(Differ, ASKS, HASHES),
    Lists: st.builds(Lists, ASKS, st.lists(LISTINGS, max_size=3).map(tuple)),
    Found: st.builds(Found, ASKS, MANY_TOLD, MANY, MANY, DIGESTS | st.just(PAST)),
    Give: st.builds(Give, ASKS, MANY_TOLD),
    Taken: st.builds(Taken, ASKS),
    Declined: st.builds(Declined, ASKS),
}


@st.composite
def histories(draw: st.DrawFn) -> list[Told]:
    """Writes of three stores, each with a stamp of its own; some values have ended since."""
    told = []
    for number in range(draw(st.integers(1, 12))):
        stamp = Stamp((START_MS << 16) + draw(st.integers(0, 3)), StoreId(number + 1))
        value = draw(st.none() | st.binary(max_size=3))
        one = Told(draw(st.sampled_from(KEYS)), stamp, value, draw(st.sampled_from((0, START_MS + 5))) if value else 0)
        told.append(one)
        if one.expires_at_ms and draw(st.booleans()):
            told.append(replace(one, value=None))
    return told


def state_after(told: list[Told], batches: Random) -> dict[bytes, Told]:
    """What a store comes to that is told one after the other, with syncs in between."""
    engine = MemoryEngine()
    replica: EventualReplica[None] = EventualReplica(StoreId(9), engine, Random(1).randrange, START_MS)  # noqa: S311
    for each in told:
        replica.take(StoreId(1), (each,))
        if batches.random() < 0.5:
            engine.write(replica.begin(START_MS))
        if batches.random() < 0.5:
            replica.synced(replica.to_sync())
    engine.write(replica.begin(START_MS))
    replica.synced(replica.to_sync())
    return {record.told.encoded: record.told for record in replica.contents.scan(b"", b"\xff")}


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_writes_come_to_the_same_in_any_order_and_told_any_number_of_times(told: list[Told], random: Random):
    shuffled = [*told, *random.choices(told, k=3)]
    random.shuffle(shuffled)
    highest = {each.encoded: each for each in sorted(told, key=lambda each: each.rank)}
    assert state_after(told, random) == state_after(shuffled, random) == highest


@given(histories(), histories(), histories())
@settings(max_examples=50, deadline=None)
def test_it_does_not_matter_who_of_three_is_merged_first(one: list[Told], two: list[Told], three: list[Told]):
    def merged(*parts: list[Told]) -> list[Told]:
        told = [each for part in parts for each in part]
        return list(state_after(told, Random(2)).values())  # noqa: S311 - a test repeats itself

    assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(st.data(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_what_is_not_on_the_disk_yet_is_seen_nowhere(data: st.DataObject, random: Random):
    """The contents against dicts: what a reader, a watcher and the tree see is as of the last publication."""
    engine = MemoryEngine()
    contents = Contents(engine, TOMBSTONE_MS, 100)
    staged: dict[bytes, Told] = {}
    begun: list[tuple[int, dict[bytes, Told]]] = []
    published: dict[bytes, Told] = {}
    for number, told in enumerate(data.draw(st.lists(TOLD, max_size=15))):
        stamped = replace(told, stamp=Stamp(number + 1, StoreId(1)))
        contents.stage(stamped.encoded, stamped)
        staged[stamped.encoded] = stamped
        if random.random() < 0.4:
            engine.write(contents.begin(number))
            begun.append((contents.to_sync(), dict(staged)))
        if begun and random.random() < 0.4:
            reached, published = begun.pop(random.randrange(len(begun)))
            contents.publish(reached)
            begun = [each for each in begun if each[0] > reached]
        assert_seen(contents, published)


def assert_seen(contents: Contents, expected: dict[bytes, Told]) -> None:
    there = {record.told.encoded: record.told for record in contents.scan(b"", b"\xff")}
    back = [record.told.encoded for record in contents.scan(b"", b"\xff", reverse=True)]
    assert there == expected
    assert back == sorted(expected, reverse=True)
    assert {each: found.told for each in KEYS if (found := contents.get(each)) is not None} == expected
    changes = list(contents.changes(100))
    assert [change.version for change in changes] == sorted(change.version for change in changes)
    assert {change.told.encoded: change.told for change in changes} == expected
    items = [(item.digest, item.encoded) for item in contents.items(ROOT.span())]
    assert items == sorted((digest(told.encoded), told.encoded) for told in expected.values())
    tree = Tree()
    for told in expected.values():
        tree.change(digest(told.encoded), None, told.stamp)
    assert contents.tree.hash(ROOT) == tree.hash(ROOT)


@given(st.one_of([BY_KIND[kind] for kind in MESSAGES]), st.integers(0, 1 << 62))
@settings(max_examples=300, deadline=None)
def test_a_message_is_read_as_it_was_written(message: Message, at_ms: int):
    assert parse_message(render_message(Sent(at_ms, message))) == Sent(at_ms, message)


@given(st.one_of([BY_KIND[kind] for kind in MESSAGES]), st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_message_is_refused_or_is_another(message: Message, data: st.DataObject):
    content = bytearray(render_message(Sent(1, message)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert isinstance(parse_message(cut), Sent)
    except MalformedError:
        return


@given(TOLD, st.integers(0, (1 << 63) - 1))
def test_a_record_is_read_as_it_was_written(told: Told, version: int):
    engine = MemoryEngine()
    contents = Contents(engine, TOMBSTONE_MS, version)
    contents.stage(told.encoded, told)
    record = contents.latest(told.encoded)
    assert record is not None
    assert parse_record(told.encoded, record_row(record)) == record


@given(NODES)
def test_the_children_of_a_node_cover_what_it_covers(node: Node):
    if node.is_leaf:
        return
    spans = [child.span() for child in node.children()]
    assert spans[0].start == node.span().start
    assert spans[-1].end == node.span().end
    assert all(one.end == other.start for one, other in itertools.pairwise(spans))


@given(st.dictionaries(DIGESTS, STAMPS, max_size=8))
def test_a_node_comes_to_what_its_children_come_to(keys: dict[Digest, Stamp]):
    tree = Tree()
    for place, stamp in keys.items():
        tree.change(place, None, stamp)
    for place in keys:
        leaf = Node(DEPTH, int.from_bytes(place[:2], "big") >> 4)
        assert leaf.span().start <= place < leaf.span().end
        inside = {each: stamp for each, stamp in keys.items() if leaf.span().start <= each < leaf.span().end}
        other = Tree()
        for each, stamp in inside.items():
            other.change(each, None, stamp)
        assert tree.hash(leaf) == other.hash(ROOT)


@pytest.mark.parametrize("content", [b"", b"\x00", b"no message"])
def test_bytes_that_are_no_message_are_refused(content: bytes):
    with pytest.raises(MalformedError):
        parse_message(content)


def test_what_is_on_disks_and_between_stores_stays_readable():
    """Bytes of today's format: stores of neighbouring versions talk to each other, and a newer one reads the disk."""
    told = Told(KEYS[0], Stamp(0x0102030405060708, StoreId(9)), b"v", 77)
    record = bytes.fromhex("010203040506070800000000000000090000000000000005000000000000004d0176")
    assert parse_record(told.encoded, record) == Record(told, 5)
    assert record_row(Record(told, 5)) == record
    assert parse_record(told.encoded, record[:32] + b"\x00") == Record(replace(told, value=None), 5)
    said = render_message(Sent(3, Taken(Ask(1, 2))))
    assert said.hex() == (
        "06000000030300000000000000000000000303000000000000000000000008060000000203000000000000000000000001"
        "03000000000000000000000002"
    )
