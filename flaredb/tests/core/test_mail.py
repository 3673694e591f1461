"""What stores say to each other is read as it was written, and what is damaged is refused."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import Comparison, Increment, Txn, Write
from flaredb.core.mail import (
    MESSAGES,
    parse_install,
    parse_mail,
    parse_regions,
    parse_step,
    parse_txns,
    render_install,
    render_mail,
    render_regions,
    render_step,
    render_txns,
)
from flaredb.core.placement import ChangeReplicas, MergeRegions, SplitRegion, Step, TransferLead
from flaredb.core.region import Epoch, Peer, RegionId, StoreId, first_region
from flaredb.core.region_codec import MalformedError
from flaredb.core.region_node import Farewell, Inquiry, Letter
from ultracloud.raft.messages import Append, Install, Message
from ultracloud.raft.words import Config, Entry, EntryKind, NodeId, SnapshotMark

ONE, TWO = StoreId(1), StoreId(2)
REGION = first_region(RegionId(7), [Peer(NodeId(2), ONE), Peer(NodeId(3), TWO)])
NUMBERS = st.integers(0, 1 << 60)
ENTRIES = st.tuples(st.builds(Entry, NUMBERS, NUMBERS, st.sampled_from(EntryKind), st.binary(max_size=5)))
MARKS = st.builds(SnapshotMark, NUMBERS, NUMBERS, st.builds(Config, st.frozensets(NUMBERS, max_size=3)))


def messages() -> st.SearchStrategy[Message]:
    return st.one_of(st.builds(kind, **_fields(kind)) for kind in MESSAGES)


def _fields(kind: type[Message]) -> dict[str, st.SearchStrategy[object]]:
    special = {"entries": ENTRIES, "mark": MARKS, "bodies": st.tuples(st.binary(max_size=5))}
    flags = {"rejected", "is_pre", "is_transfer", "granted"}
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: special.get(name, st.booleans() if name in flags else NUMBERS) for name in names}


@given(st.lists(messages(), max_size=5))
def test_letters_are_read_as_they_were_written(sent: list[Message]) -> None:
    mail = [Letter(ONE, TWO, REGION, each) for each in sent]
    mail += [Inquiry(ONE, TWO, RegionId(7), NodeId(2)), Farewell(ONE, TWO, REGION, NodeId(9))]
    assert parse_mail(render_mail(mail), ONE, TWO) == tuple(mail)


def test_every_kind_of_message_has_its_place() -> None:
    assert set(MESSAGES) == set(Message.__args__)
    assert MESSAGES[0] is Append


@given(MARKS)
def test_the_announcement_of_a_state_too(mark: SnapshotMark) -> None:
    install = Install(NodeId(3), NodeId(2), 5, mark)
    assert parse_install(render_install(install)) == install


@pytest.mark.parametrize(
    "step",
    [
        SplitRegion(RegionId(1), Epoch(2, 3), b"k", RegionId(9), REGION.peers, "100 MiB"),
        ChangeReplicas(RegionId(1), Epoch(2, 3), Peer(NodeId(8), TWO), None, "a replica is missing"),
        TransferLead(RegionId(1), Epoch(2, 3), Peer(NodeId(8), TWO), "leads more"),
        MergeRegions(RegionId(1), Epoch(2, 3), RegionId(4), Epoch(1, 1), "small"),
    ],
)
def test_steps_of_placement_too(step: Step) -> None:
    assert parse_step(render_step(step)) == step


def test_transactions_and_regions_too() -> None:
    txns = (Txn("ns", (Comparison(b"k", 3),), (Write(b"k", b"v"), Increment(b"n", -1))),)
    assert parse_txns(render_txns(txns)) == txns
    assert parse_regions(render_regions((REGION,))) == (REGION,)


@given(st.data())
def test_what_is_damaged_is_refused_or_reads_as_something_else(data: st.DataObject) -> None:
    whole = render_mail([Letter(ONE, TWO, REGION, Append(3, 2, 5, 6, 5, 6, (Entry(7, 5, EntryKind.NORMAL, b"x"),)))])
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for content in (whole[:at], damaged):
        try:
            parse_mail(content, ONE, TWO)
        except MalformedError:
            continue
