from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import CallArrived, CallReset, CallStarted, Closed, Event, MessageArrived, RequestEnded
from ultracloud.wire.core.frames import END_HEADERS, END_STREAM, PREFACE, Kind, parse, render_frame, render_settings
from ultracloud.wire.core.limits import Limits

LIMITS = Limits(streams_max=3, message_bytes_max=30, header_list_bytes_max=300)
FIELDS = [(":method", "POST"), (":scheme", "http"), ("content-type", "application/grpc")]
STREAMS = st.sampled_from([1, 3, 5, 7, 9])
PREFIXED = [b"", b"\0\0\0\0\0", b"\0\0\0\0\2hi", b"\0\0\0\0", b"\2hi", b"\0\0\0\0\5he", b"llo", b"\1\0\0\0\0"]


def sorted_out(events: list[Event]) -> list[Event]:
    """Events by stream, a whole call as its parts.

    A call that is reset in the bytes that began it may never be told of, and the end of a connection ends every call.
    """
    if events and isinstance(events[-1], Closed):
        return events[-1:]
    reset = {event.stream_id for event in events if isinstance(event, CallReset)}
    parts: list[Event] = []
    for event in events:
        if isinstance(event, CallArrived):
            parts += [CallStarted(event.stream_id, event.head), MessageArrived(event.stream_id, event.message)]
            parts.append(RequestEnded(event.stream_id))
        else:
            parts.append(event)
    return sorted((part for part in parts if part.stream_id not in reset), key=lambda part: part.stream_id)


def outcome(stream: bytes, cuts: list[int]) -> tuple[list[Event], Counter[tuple[int, int, int, bytes]]]:
    """What a machine makes of bytes cut at `cuts`."""
    machine, events = Connection(LIMITS, 0.0), []
    for at, to in pairwise([0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]):
        events += machine.receive(stream[at:to], 0.0)
    frames, _ = parse(machine.sender.take())
    sent = Counter((f.kind, f.flags, f.stream_id, f.payload) for f in frames if f.kind != Kind.WINDOW_UPDATE)
    return sorted_out(events), sent


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """What a client with some manners sends, and frames of one without."""
    encoder, stream = Encoder(), PREFACE + render_settings({})
    for _ in range(draw(st.integers(1, 12))):
        stream_id = draw(STREAMS)
        ends = END_STREAM if draw(st.booleans()) else 0
        match draw(st.sampled_from("hhhdddrpwx")):
            case "h":
                extra = draw(st.sampled_from([[], [("x", "y")], [("grpc-timeout", "1S")], [("x", "y" * 300)]]))
                block = encoder.encode([(":path", "/p.S/M"), *FIELDS, *extra])
                stream += render_frame(Kind.HEADERS, END_HEADERS | ends, stream_id, block)
            case "d":
                stream += render_frame(Kind.DATA, ends, stream_id, draw(st.sampled_from(PREFIXED)))
            case "r":
                stream += render_frame(Kind.RST_STREAM, 0, stream_id, b"\0\0\0\x08")
            case "p":
                stream += render_frame(Kind.PING, 0, 0, b"12345678")
            case "w":
                stream += render_frame(Kind.WINDOW_UPDATE, 0, stream_id, b"\0\0\0\1")
            case _:
                stream += render_frame(draw(st.integers(0, 12)), ends, stream_id, draw(st.binary(max_size=9)))
    return stream


@given(conversations(), st.lists(st.integers(0, 3000), max_size=12))
@settings(max_examples=300)
def test_how_the_bytes_are_cut_never_changes_the_outcome(stream: bytes, cuts: list[int]) -> None:
    assert outcome(stream, cuts) == outcome(stream, [])


@given(conversations())
@settings(max_examples=50)
def test_one_byte_at_a_time_is_the_same_too(stream: bytes) -> None:
    assert outcome(stream, list(range(len(stream)))) == outcome(stream, [])


@given(st.binary(max_size=100))
def test_no_bytes_break_the_machine(noise: bytes) -> None:
    machine = Connection(LIMITS, 0.0)
    machine.receive(PREFACE + render_settings({}) + noise, 0.0)
    machine.receive(noise, 0.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@given(conversations(), st.lists(st.integers(0, 3000), max_size=12), st.binary(max_size=60))
@settings(max_examples=20_000)
def test_many_conversations_and_noise_behind_them_break_nothing(stream: bytes, cuts: list[int], noise: bytes) -> None:
    assert outcome(stream + noise, cuts) == outcome(stream + noise, [])
