"""Hypothesis strategies for what members say to each other, and a reader of whole streams."""

from __future__ import annotations

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


MESSAGES: st.SearchStrategy[Message] = st.one_of(
    appends(),
    st.builds(Appended, IDS, IDS, NUMBERS, NUMBERS, st.booleans(), NUMBERS, NUMBERS),
    st.builds(Heartbeat, IDS, IDS, NUMBERS, NUMBERS, NUMBERS),
    st.builds(HeartbeatReply, IDS, IDS, NUMBERS, NUMBERS),
    st.builds(VoteRequest, IDS, IDS, NUMBERS, NUMBERS, NUMBERS, *([st.booleans()] * 2), NUMBERS, NUMBERS),
    st.builds(Vote, IDS, IDS, NUMBERS, st.booleans(), st.booleans(), NUMBERS, NUMBERS),
    st.builds(Install, IDS, IDS, NUMBERS, MARKS),
    st.builds(TimeoutNow, IDS, IDS, NUMBERS),
    st.builds(Forward, IDS, IDS, NUMBERS, st.lists(BODIES, max_size=5).map(tuple)),
    st.builds(ReadRequest, IDS, IDS, NUMBERS, NUMBERS),
    st.builds(ReadReply, IDS, IDS, NUMBERS, NUMBERS, NUMBERS),
)
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
