"""Hypothesis strategies for what members say to each other, and a reader of whole streams."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

from hypothesis import strategies as st

from chainfire.core import peerwire
from chainfire.core.peerframes import FRAME_BYTES_MAX, FrameReader
from chainfire.core.peerwire import (
    Answer,
    Call,
    Chunk,
    Failed,
    Hello,
    Ping,
    Pong,
    Purpose,
    Refusal,
    Refused,
    StreamAbort,
    StreamEnd,
    StreamTaken,
    Welcome,
    Word,
)
from ultracloud.raft.messages import (
    Append,
    Appended,
    Forward,
    Heartbeat,
    HeartbeatReply,
    Install,
    Message,
    ReadReply,
    ReadRequest,
    TimeoutNow,
    Vote,
    VoteRequest,
)
from ultracloud.raft.words import Config, Entry, EntryKind, NodeId, SnapshotMark

NUMBERS = st.integers(0, (1 << 64) - 1)
IDS = NUMBERS.map(NodeId)
BODIES = st.binary(max_size=12)
SENTENCES = st.text(max_size=30).filter(str.isprintable)
NODES = st.frozensets(IDS, max_size=4)
CONFIGS = st.builds(Config, NODES, NODES, NODES, NODES, st.booleans())
MARKS = st.builds(SnapshotMark, NUMBERS, NUMBERS, CONFIGS)


@st.composite
def appends(draw: st.DrawFn) -> Append:
    """An append whose entries follow `prev_index` without a gap, as Raft's do."""
    prev_index = draw(st.integers(0, (1 << 64) - 10))
    rest = draw(st.lists(st.tuples(NUMBERS, st.sampled_from(EntryKind), BODIES), max_size=8))
    entries = tuple(Entry(prev_index + place, *each) for place, each in enumerate(rest, 1))
    return Append(draw(IDS), draw(IDS), draw(NUMBERS), prev_index, draw(NUMBERS), draw(NUMBERS), entries)


OF_TYPE: dict[str, st.SearchStrategy[object]] = {
    "NodeId": IDS,
    "int": NUMBERS,
    "bool": st.booleans(),
    "SnapshotMark": MARKS,
    "tuple[bytes, ...]": st.lists(BODIES, max_size=5).map(tuple),
}


def any_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Messages of a kind with every field drawn, whatever fields it gets."""
    if kind is Append:
        return appends()
    return st.builds(kind, **{field.name: OF_TYPE[str(field.type)] for field in fields(kind)})


MESSAGES: st.SearchStrategy[Message] = st.one_of(*(any_of(kind) for kind in get_args(Message)))
KINDS = st.integers(0, (1 << 16) - 1)
TIMEOUTS = st.integers(0, (1 << 32) - 1)
WORDS: st.SearchStrategy[Word] = st.one_of(
    MESSAGES,
    st.builds(Hello, NUMBERS, IDS, IDS, st.sampled_from(Purpose)),
    st.builds(Welcome, NUMBERS, IDS),
    st.builds(Refused, st.sampled_from(Refusal), SENTENCES),
    st.builds(Ping, NUMBERS),
    st.builds(Pong, NUMBERS),
    st.builds(Call, NUMBERS, KINDS, TIMEOUTS, BODIES),
    st.builds(Answer, NUMBERS, BODIES),
    st.builds(Failed, NUMBERS, st.integers(1, 16), SENTENCES, SENTENCES),
    st.builds(Chunk, BODIES),
    st.builds(StreamEnd, NUMBERS, st.binary(min_size=32, max_size=32)),
    st.builds(StreamAbort, SENTENCES),
    st.just(StreamTaken()),
)

_ME, _YOU = NodeId(0xA1), NodeId(0xB2)
_ENTRIES = (
    Entry(6, 3, EntryKind.NORMAL, b"put"),
    Entry(7, 4, EntryKind.CONFIG, b"add"),
    Entry(8, 4, EntryKind.NORMAL, b""),
)
_CONFIG = Config(frozenset({_ME, _YOU}), frozenset({_ME}), frozenset({NodeId(3)}), auto_leave=True)
EXAMPLES: tuple[Word, ...] = (
    Append(_ME, _YOU, 4, 5, 3, 6, _ENTRIES),
    Appended(_ME, _YOU, 4, 5, rejected=True, hint_index=6, hint_term=7),
    Heartbeat(_ME, _YOU, 4, 5, 6),
    HeartbeatReply(_ME, _YOU, 4, 6),
    VoteRequest(_ME, _YOU, 4, 5, 6, is_pre=True, is_transfer=False, commit=7, commit_term=8),
    Vote(_ME, _YOU, 4, granted=True, is_pre=False, commit=7, commit_term=8),
    Install(_ME, _YOU, 4, SnapshotMark(9, 3, _CONFIG)),
    TimeoutNow(_ME, _YOU, 4),
    Forward(_ME, _YOU, 4, (b"put", b"")),
    ReadRequest(_ME, _YOU, 4, 5),
    ReadReply(_ME, _YOU, 4, 5, 6),
    Hello(7, _ME, _YOU, Purpose.SNAPSHOT),
    Welcome(7, _ME),
    Refused(Refusal.REMOVED, "no"),
    Ping(1),
    Pong(1),
    Call(1, 2, 3, b"who?"),
    Answer(1, b"me"),
    Failed(1, 5, "no such lease", "LEASE_GONE"),
    Chunk(b"bytes"),
    StreamEnd(5, bytes(range(32))),
    StreamAbort("full"),
    StreamTaken(),
)
"""One of each; their bytes are a golden, for a running member of the version before must understand them."""


def rendered(words: list[Word]) -> bytes:
    """The frames of words, one after another."""
    return b"".join(part for word in words for part in peerwire.render(word))


def parsed(reads: list[bytes]) -> list[Word]:
    """The words that come out of some reads."""
    reader = FrameReader()
    reader.body_bytes_max = FRAME_BYTES_MAX
    return [peerwire.parse(kind, body) for octets in reads for kind, body in reader.frames(octets)]


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    ends = sorted(place % (len(octets) + 1) for place in places)
    return [octets[start:end] for start, end in zip([0, *ends], [*ends, len(octets)], strict=True)]
