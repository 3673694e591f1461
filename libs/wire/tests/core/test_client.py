"""A client's machine and a server's, speaking to each other without a socket; and a client among hostile bytes."""

from __future__ import annotations

import pytest
from h2_client import Dialogue
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.client import ClientConnection
from ultracloud.wire.core.client_events import CallAnswered, CallEnded, ClientEvent, Greeted, Leaving
from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import CallArrived, CallStarted, Closed, Event, MessageArrived, RequestEnded
from ultracloud.wire.core.frames import Kind, parse, render, render_frame, render_goaway, render_settings
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.status import OK_BLOCK, RESPONSE_BLOCK, trailers
from ultracloud.wire.errors import ErrorCode

FIELDS = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
)
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "test")]
GREETING = render_settings({})


class Pair:
    """Both ends; what one sends reaches the other in chunks of `size`."""

    def __init__(self, size: int = 1 << 20, limits: Limits | None = None) -> None:
        self.size = size
        self.client = ClientConnection(Limits(), 0.0)
        self.server = Connection(limits or Limits(), 0.0)

    def settle(self) -> tuple[list[ClientEvent], list[Event]]:
        """Carry bytes until both are silent."""
        heard: list[ClientEvent] = []
        asked: list[Event] = []
        while True:
            out, back = self.client.sender.take(), self.server.sender.take()
            if not out and not back:
                return heard, asked
            for at in range(0, len(out), self.size):
                asked += self.server.receive(out[at : at + self.size], 0.0)
            for at in range(0, len(back), self.size):
                heard += in_full(self.client.receive(back[at : at + self.size], 0.0))


def in_full(events: list[ClientEvent]) -> list[ClientEvent]:
    """Events without the short form of an answer."""
    full: list[ClientEvent] = []
    for event in events:
        if isinstance(event, CallAnswered):
            full += [MessageArrived(event.stream_id, event.message), CallEnded(event.stream_id, 0, "")]
        else:
            full.append(event)
    return full


@given(st.integers(1, 64), st.binary(max_size=100), st.binary(max_size=100))
def test_a_call_is_answered_however_the_bytes_are_cut(size: int, question: bytes, answer: bytes) -> None:
    pair = Pair(size)
    for _ in range(3):
        stream_id = pair.client.begin(FIELDS, (("grpc-timeout", "1S"),), question)
        _, asked = pair.settle()
        assert [one.message for one in asked if isinstance(one, CallArrived | MessageArrived)] == [question]
        pair.server.sender.reply(stream_id, answer)
        heard, _ = pair.settle()
        assert heard == [MessageArrived(stream_id, answer), CallEnded(stream_id, 0, "")]
    assert pair.client.open_calls == 0


def test_messages_larger_than_every_window_pass_both_ways() -> None:
    pair = Pair()
    large = bytes(3 << 20)
    stream_id = pair.client.begin(FIELDS, (), large)
    _, asked = pair.settle()
    (message,) = [one.message for one in asked if isinstance(one, MessageArrived)]
    assert message == large
    assert RequestEnded(stream_id) in asked
    pair.server.sender.reply(stream_id, large)
    heard, _ = pair.settle()
    assert heard == [MessageArrived(stream_id, large), CallEnded(stream_id, 0, "")]


def test_a_stream_that_is_not_read_stops_its_server_and_no_other() -> None:
    pair = Pair()
    slow, quick = (pair.client.begin(FIELDS, (), b"") for _ in range(2))
    pair.settle()
    sent = 0
    while not pair.server.sender.is_backed_up(slow):
        pair.server.sender.send(slow, bytes(100_000))
        sent += 1
        pair.settle()
    pair.server.sender.reply(quick, b"here")
    heard, _ = pair.settle()
    assert MessageArrived(quick, b"here") in heard
    for _ in range(sent):
        pair.client.consume(slow, 100_000)
    pair.settle()
    assert not pair.server.sender.is_backed_up(slow)


def test_a_status_and_what_came_before_it_are_told() -> None:
    pair = Pair()
    stream_id = pair.client.begin(FIELDS, (), b"")
    pair.settle()
    pair.server.sender.send(stream_id, b"one")
    pair.server.sender.finish(stream_id, trailers(9, "not now", b"why"))
    heard, _ = pair.settle()
    assert heard == [MessageArrived(stream_id, b"one"), CallEnded(stream_id, 9, "not now", b"why")]


def test_calls_that_a_leaving_server_never_saw_may_be_sent_again() -> None:
    client = greeted()
    first, second = (client.begin(FIELDS, (), b"") for _ in range(2))
    events = client.receive(render_goaway(first, ErrorCode.NO_ERROR), 0.0)
    assert events == [Leaving(), CallEnded(second, 14, "the server goes away", was_taken=False)]
    assert client.open_calls == 1
    assert not client.can_begin


def test_a_refused_stream_may_be_sent_again_and_a_broken_one_not() -> None:
    pair = Pair(limits=Limits(streams_max=1))
    first = pair.client.begin(FIELDS, (), b"")
    second = pair.client.begin(FIELDS, (), b"")
    heard, _ = pair.settle()
    (refused,) = [one for one in heard if isinstance(one, CallEnded)]
    assert (refused.stream_id, refused.status, refused.was_taken) == (second, 14, False)
    pair.server.reset(first, ErrorCode.INTERNAL_ERROR)
    (broken,), _ = pair.settle()
    assert isinstance(broken, CallEnded)
    assert (broken.status, broken.was_taken) == (13, True)


def test_the_servers_number_of_streams_is_kept() -> None:
    pair = Pair(limits=Limits(streams_max=2))
    pair.settle()
    assert [pair.client.begin(FIELDS, (), b"") for _ in range(2)] == [1, 3]
    assert not pair.client.can_begin
    pair.client.cancel(1)
    assert pair.client.can_begin


ANSWER = b"".join(
    [
        render_frame(Kind.HEADERS, 4, 5, RESPONSE_BLOCK),
        render_frame(Kind.DATA, 0, 5, b"\0\0\0\0\x03yes"),
        render_frame(Kind.HEADERS, 5, 5, OK_BLOCK),
    ]
)


@given(st.lists(st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(0, 255)), max_size=3), st.binary(max_size=20))
def test_an_answer_taken_the_short_way_says_what_it_says_in_full(faults: list[tuple[int, int]], more: bytes) -> None:
    sent = bytearray(ANSWER)
    for at, octet in faults:
        sent[at] = octet
    heard = []
    for size in (1, len(ANSWER) + len(more)):
        client = answered_twice()
        octets = bytes(sent) + more
        events = [client.receive(octets[at : at + size], 0.0) for at in range(0, len(octets), size)]
        heard.append(in_full([one for some in events for one in some]))
    assert heard[0] == heard[1]


def test_an_ordinary_answer_is_taken_the_short_way_once_its_blocks_are_known() -> None:
    assert answered_twice().receive(ANSWER, 0.0) == [CallAnswered(5, b"yes")]


def answered_twice() -> ClientConnection:
    """A client that has heard answers, and waits for one on stream 5."""
    client = greeted()
    for stream_id in (1, 3):
        assert client.begin(FIELDS, (), b"") == stream_id
        client.receive(render_frame(Kind.HEADERS, 4, stream_id, RESPONSE_BLOCK), 0.0)
        client.receive(render_frame(Kind.HEADERS, 5, stream_id, OK_BLOCK), 0.0)
    assert client.begin(FIELDS, (), b"") == 5
    return client


def greeted() -> ClientConnection:
    client = ClientConnection(Limits(), 0.0)
    assert client.receive(GREETING, 0.0) == [Greeted()]
    client.sender.take()
    return client


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (render_frame(Kind.DATA, 0, 1, b"x"), "DATA before headers"),
        (render_frame(Kind.HEADERS, 4, 7, RESPONSE_BLOCK), "not ours"),
        (render_frame(Kind.HEADERS, 4, 2, RESPONSE_BLOCK), "not ours"),
        (render_frame(Kind.PUSH_PROMISE, 4, 1, bytes(4)), "nobody asked"),
        (render_frame(Kind.CONTINUATION, 4, 1, b""), "continues nothing"),
        (render_frame(Kind.HEADERS, 0, 1, b"") + render_frame(Kind.PING, 0, 0, bytes(8)), "interrupted"),
        (render_frame(Kind.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff\xff"), "cannot be decoded"),
        (render_frame(Kind.DATA, 0, 0, bytes(9)), "not ours"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of"),
    ],
)
def test_a_server_that_breaks_the_protocol_ends_the_connection(octets: bytes, reason: str) -> None:
    client = greeted()
    client.begin(FIELDS, (), b"")
    closed = client.receive(octets, 0.0)[-1]
    assert isinstance(closed, Closed)
    assert reason in closed.reason
    assert client.is_closed
    assert client.receive(GREETING, 0.0) == []


@pytest.mark.parametrize(
    ("octets", "status", "sentence"),
    [
        (render_frame(Kind.HEADERS, 5, 1, RESPONSE_BLOCK), 13, ""),
        (
            render_frame(Kind.HEADERS, 4, 1, RESPONSE_BLOCK) + render_frame(Kind.DATA, 1, 1, b""),
            13,
            "the answer ends without a status",
        ),
        (
            render_frame(Kind.HEADERS, 4, 1, RESPONSE_BLOCK)
            + render_frame(Kind.DATA, 0, 1, b"\x00\x00\x00\x00\x09x")
            + render_frame(Kind.HEADERS, 5, 1, OK_BLOCK),
            13,
            "the answer ends inside a message",
        ),
        (
            render_frame(Kind.HEADERS, 4, 1, RESPONSE_BLOCK) + render_frame(Kind.DATA, 0, 1, b"\x00\xff\xff\xff\xff"),
            8,
            "grpc: received message larger than max (4294967295 vs. 4194304)",
        ),
    ],
)
def test_an_answer_that_cannot_be_taken_ends_its_call_alone(octets: bytes, status: int, sentence: str) -> None:
    client = greeted()
    client.begin(FIELDS, (), b"")
    (ended,) = client.receive(octets, 0.0)
    assert ended == CallEnded(1, status, sentence)
    assert client.can_begin


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_arbitrary_bytes_end_the_connection_at_worst(chunks: list[bytes]) -> None:
    client = greeted()
    client.begin(FIELDS, (), b"")
    for chunk in chunks:
        client.receive(chunk, 0.0)


def test_a_server_that_is_silent_under_an_open_call_is_given_up() -> None:
    limits = Limits(keepalive_idle_s=30, keepalive_timeout_s=10)
    client = ClientConnection(limits, 0.0)
    client.receive(GREETING, 0.0)
    assert client.tick(100.0) == []
    client.begin(FIELDS, (), b"")
    client.sender.take()
    assert client.tick(100.0) == []
    assert client.sender.take()[3] == Kind.PING
    (closed,) = client.tick(111.0)
    assert isinstance(closed, Closed)


def test_a_header_block_larger_than_a_frame_goes_out_in_parts() -> None:
    pair = Pair(limits=Limits(header_list_bytes_max=64 * 1024, frame_bytes_max=16_384))
    pair.settle()
    large = tuple((f"x-{number}", "y" * 4000) for number in range(5))
    for message in (b"whole", None):
        stream_id = pair.client.begin((*FIELDS, *large), (), message)
        sent, _ = parse(pair.client.sender.take())
        assert [frame.kind for frame in sent][:2] == [Kind.HEADERS, Kind.CONTINUATION]
        assert max(len(frame.payload) for frame in sent) <= 16_384
        asked = pair.server.receive(b"".join(render(frame) for frame in sent), 0.0)
        (head,) = [one.head for one in asked if isinstance(one, CallArrived | CallStarted)]
        assert head.metadata["x-4"] == "y" * 4000
        pair.server.sender.finish(stream_id, OK_BLOCK)
        pair.settle()


def test_the_head_of_a_page_larger_than_a_frame_goes_out_in_parts() -> None:
    dialogue = Dialogue()
    for number, body in enumerate((b"", b"whole", b"x" * 100_000)):
        stream_id = dialogue.client.get_next_available_stream_id()
        dialogue.client.send_headers(stream_id, [*GET, (":path", f"/{number}")], end_stream=True)
        dialogue.run()
        dialogue.machine.sender.page(stream_id, 200, {f"x-{name}": "y" * 4000 for name in range(5)}, body)
        dialogue.run()
        assert dialogue.fields[stream_id]["x-4"] == "y" * 4000
        assert dialogue.body[stream_id] == body
        assert stream_id in dialogue.ended


HTML = Encoder().encode([(":status", "503"), ("content-type", "text/html")])


def test_an_answer_that_ends_and_cannot_be_taken_needs_no_reset() -> None:
    client = greeted()
    half = render_frame(Kind.DATA, 0, 3, b"\x00\x00\x00\x00\x09x")
    for stream_id, octets, status in [
        (1, render_frame(Kind.HEADERS, 5, 1, HTML), 14),
        (3, render_frame(Kind.HEADERS, 4, 3, RESPONSE_BLOCK) + half + render_frame(Kind.HEADERS, 5, 3, OK_BLOCK), 13),
        (5, render_frame(Kind.HEADERS, 5, 5, Encoder().encode([(":status", "103")])), 2),
    ]:
        assert client.begin(FIELDS, (), b"") == stream_id
        client.sender.take()
        (ended,) = client.receive(octets, 0.0)
        assert isinstance(ended, CallEnded)
        assert ended.status == status
        assert client.sender.take() == b""
    client.begin(FIELDS, (), None)
    client.sender.take()
    client.receive(render_frame(Kind.HEADERS, 5, 7, HTML), 0.0)
    (reset,), _ = parse(client.sender.take())
    assert reset.kind == Kind.RST_STREAM
