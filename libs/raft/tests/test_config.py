from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.raft.config import MalformedError, parse, render
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NodeId

NODES = st.integers(1, (1 << 64) - 1).map(NodeId)
CHANGES = st.lists(st.builds(NodeChange, st.sampled_from(ChangeKind), NODES), unique_by=lambda c: c.node).map(tuple)


@given(CHANGES, st.binary(max_size=40))
def test_parse_reads_what_render_wrote(changes: tuple[NodeChange, ...], context: bytes) -> None:
    assert parse(render(changes, context)) == (changes, context)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_body_or_malformed(body: bytes) -> None:
    try:
        changes, context = parse(body)
    except MalformedError:
        return
    assert render(changes, context) == body


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "0 bytes"),
        (b"\x02\x00\x00", "format 2"),
        (b"\x01\x02\x00" + bytes(9), "2 changes need 21"),
        (b"\x01\xff\xff", "65535 changes"),
        (b"\x01\x01\x00" + bytes(9), "node 0"),
        (b"\x01\x01\x00\x09\x01" + bytes(7), "kind of change 9"),
        (render((NodeChange(ChangeKind.REMOVE, NodeId(7)),))[:3].replace(b"\x01\x01", b"\x01\x02")
         + 2 * render((NodeChange(ChangeKind.REMOVE, NodeId(7)),))[3:], "twice"),
    ],
)  # fmt: skip
def test_a_malformed_body_says_why(body: bytes, says: str) -> None:
    with pytest.raises(MalformedError, match=says):
        parse(body)
