import contextlib

import pytest
from conversation import GOLDEN
from core.peer_words import EXAMPLES, MESSAGES, WORDS, cut, parsed, rendered
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import peerraft, peerwire
from chainfire.core.peerframes import MalformedError
from chainfire.core.peerraft import EntryColumns
from chainfire.core.peerwire import (
    CALL_BODY_BYTES_MAX,
    CHUNK_BYTES_MAX,
    SENTENCE_BYTES_MAX,
    Answer,
    Call,
    Chunk,
    Refusal,
    Refused,
    SnapshotSum,
    Word,
)
from ultracloud.raft.messages import Append, Message
from ultracloud.raft.words import Entry, EntryKind, NodeId
from ultracloud.testkit import golden

A, B = NodeId(1), NodeId(2)
PLACES = st.lists(st.integers(0, 1 << 20), max_size=8)


@given(st.lists(WORDS, max_size=5), PLACES)
def test_every_word_survives_the_wire_however_it_is_cut(words: list[Word], places: list[int]) -> None:
    assert parsed(cut(rendered(words), places)) == words


@given(st.integers(0, 63), st.binary(max_size=120))
def test_a_body_of_arbitrary_bytes_is_a_word_or_refused(kind: int, body: bytes) -> None:
    with contextlib.suppress(MalformedError):
        peerwire.parse(kind, body)


@given(MESSAGES, st.data())
def test_a_message_that_was_cut_or_goes_on_is_refused(message: Message, data: st.DataObject) -> None:
    octets = rendered([message])
    kind, body = octets[0] & 63, octets[8:]
    shorter = body[: data.draw(st.integers(0, len(body) - 1))]
    for wrong in (shorter, body + b"x"):
        with pytest.raises(MalformedError):
            peerraft.parse(kind, wrong)


@given(MESSAGES, st.data())
def test_a_changed_byte_never_crashes_the_reader(message: Message, data: st.DataObject) -> None:
    octets = rendered([message])
    body = bytearray(octets[8:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedError):
        peerraft.parse(octets[0] & 63, bytes(body))


def test_followers_that_get_the_same_entries_share_their_columns() -> None:
    entries = tuple(Entry(index, 3, EntryKind.NORMAL, b"body") for index in range(6, 9))
    columns = EntryColumns()
    frames = [
        b"".join(peerraft.render(Append(to, NodeId(9), 3, prev, 3, 5, entries[prev - 5 :]), columns))
        for to, prev in ((A, 5), (B, 5), (A, 6))
    ]
    assert [len(each.entries) for each in parsed(frames) if isinstance(each, Append)] == [3, 3, 2]
    assert columns.of(entries) is columns.of(tuple(entries))


def test_a_gap_between_entries_is_never_sent() -> None:
    entries = (Entry(7, 3, EntryKind.NORMAL, b""),)
    with pytest.raises(AssertionError):
        peerraft.render(Append(A, B, 3, 5, 3, 5, entries), EntryColumns())


@pytest.mark.parametrize(
    "word",
    [
        Chunk(bytes(CHUNK_BYTES_MAX + 1)),
        Call(1, 2, 3, bytes(CALL_BODY_BYTES_MAX + 1)),
        Answer(1, bytes(CALL_BODY_BYTES_MAX + 1)),
    ],
)
def test_what_is_too_long_is_refused(word: Word) -> None:
    with pytest.raises(MalformedError):
        parsed([rendered([word])])


def test_a_sentence_is_cut_between_characters_and_made_printable() -> None:
    (refused,) = parsed([rendered([Refused(Refusal.BUSY, "a\n\x1b[31m" + "ü" * 2000)])])
    assert isinstance(refused, Refused)
    assert refused.sentence.startswith("a??[31mü")
    assert len(refused.sentence.encode()) in (SENTENCE_BYTES_MAX, SENTENCE_BYTES_MAX - 1)


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_a_snapshot_is_what_its_bytes_are_however_they_are_cut(chunks: list[bytes]) -> None:
    pieces, whole = SnapshotSum(), SnapshotSum()
    for chunk in chunks:
        pieces.add(chunk)
    whole.add(b"".join(chunks))
    assert pieces.end() == whole.end()
    assert whole.end().total_bytes == sum(map(len, chunks))


def test_the_bytes_of_every_word_stay_as_they_are() -> None:
    lines = (f"{word}\n  {rendered([word]).hex(' ', -8)}" for word in EXAMPLES)
    golden.check(GOLDEN / "peers_bytes.txt", "\n".join(lines) + "\n")
