import pytest
from conversation import check_conversation
from core.link_speaker import LinkSpeaker
from core.peer_words import WORDS, cut, rendered
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.peerevents import Closed, Event, Messages
from chainfire.core.peerframes import Preface, render_preface
from chainfire.core.peerlink import Link, LocalMember, Stage, judge_hello
from chainfire.core.peerwire import Hello, Purpose, Word
from ultracloud.raft.messages import Message
from ultracloud.raft.words import NodeId

ME, OTHER = LocalMember(7, NodeId(2)), NodeId(1)


def listener() -> Link:
    return Link.listen(ME, lambda hello: judge_hello(hello, ME, frozenset()), 0.0)


def heard(link: Link, reads: list[bytes]) -> list[Event | Message]:
    """What comes of some reads, whatever messages came together."""
    events = [event for octets in reads for event in link.receive(octets, 1.0)]
    return [part for event in events for part in (event.messages if isinstance(event, Messages) else (event,))]


@pytest.mark.parametrize("name", ["greeting", "talk", "stream", "silence"])
def test_peers_hold_the_conversation(name: str) -> None:
    check_conversation(f"peers_{name}", LinkSpeaker().say)


@given(st.sampled_from(Purpose), st.lists(WORDS, max_size=4), st.lists(st.integers(0, 9999), max_size=6))
def test_whatever_is_said_comes_out_the_same_however_it_is_cut(
    purpose: Purpose, words: list[Word], places: list[int]
) -> None:
    octets = render_preface(Preface()) + rendered([Hello(7, OTHER, ME.member_id, purpose), *words])
    whole, pieces = listener(), listener()
    assert heard(whole, [octets]) == heard(pieces, cut(octets, places))
    assert whole.take_output() == pieces.take_output()


@given(st.lists(st.binary(max_size=80), max_size=4), st.booleans())
def test_arbitrary_bytes_never_crash_a_connection(reads: list[bytes], is_greeted: bool) -> None:  # noqa: FBT001 - drawn
    link = listener()
    if is_greeted:
        link.receive(render_preface(Preface()) + rendered([Hello(7, OTHER, ME.member_id, Purpose.MESSAGES)]), 1.0)
    for octets in reads:
        link.receive(octets, 1.0)
    link.take_output()
    link.tick(2.0)


def test_nothing_is_heard_or_said_after_the_end() -> None:
    link = listener()
    (closed,) = link.receive(b"GET / HTTP/1.1\r\n\r\n", 1.0)
    assert isinstance(closed, Closed)
    link.take_output()
    assert link.receive(render_preface(Preface()), 1.0) == []
    assert (link.tick(99.0), link.take_output(), link.stage) == (None, b"", Stage.CLOSED)
