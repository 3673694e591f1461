from __future__ import annotations

import contextlib
import dataclasses
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core import commands
from flaredb.core.commands import Comparison, DeleteRange, Increment, Txn, Write
from flaredb.core.region import Epoch, Peer, RegionId, StoreId
from flaredb.core.region_codec import KINDS, MalformedError, parse, render
from flaredb.core.region_entry import Batch, Split
from ultracloud.raft.words import NodeId

SMALL = st.binary(max_size=20)
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
WRITES = st.one_of(
    st.builds(Write, SMALL, st.none() | SMALL),
    st.builds(DeleteRange, SMALL, SMALL, st.integers(0, 1000), st.booleans()),
    st.builds(Increment, SMALL, NUMBERS),
)
TXNS = st.builds(
    Txn,
    st.text(max_size=5),
    st.lists(st.builds(Comparison, SMALL, NUMBERS), max_size=3).map(tuple),
    st.lists(WRITES, max_size=3).map(tuple),
)
BATCHES = st.builds(Batch, NUMBERS, NUMBERS, st.lists(st.lists(TXNS, max_size=2).map(tuple), max_size=3).map(tuple))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | SMALL | st.text(max_size=9) | st.frozensets(NUMBERS, max_size=4) | BATCHES,
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


@settings(max_examples=60)
@given(VALUES)
def test_what_is_rendered_is_parsed(value: object) -> None:
    assert parse(render(value)) == value


@settings(max_examples=50)
@given(VALUES, st.data())
def test_a_cut_value_is_malformed(value: object, data: st.DataObject) -> None:
    whole = render(value)
    with pytest.raises(MalformedError):
        parse(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_malformed(content: bytes) -> None:
    with contextlib.suppress(MalformedError):
        parse(content)


def test_a_field_that_came_later_has_its_default() -> None:
    whole = render(DeleteRange(b"a", b"b", 3, may_stop=True))
    before_may_stop = whole[: -len(render(True))]
    before_may_stop = before_may_stop[:4] + bytes([before_may_stop[4] - 1]) + before_may_stop[5:]
    assert parse(before_may_stop) == DeleteRange(b"a", b"b", 3)
    assert render(DeleteRange(b"a", b"b", 3)) == before_may_stop


def test_everything_that_a_transaction_may_do_can_be_logged() -> None:
    assert {Txn, Comparison, *get_args(commands.AnyWrite)} <= set(KINDS.values())
    assert all(dataclasses.is_dataclass(kind) for kind in KINDS.values())


def test_a_split_is_logged_whole() -> None:
    split = Split(Epoch(3, 4), b"m", RegionId(9), (Peer(NodeId(7), StoreId(1)), Peer(NodeId(8), StoreId(2))))
    assert parse(render(split)) == split
