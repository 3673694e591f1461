"""WebSocket frames: what a client sends comes out as it was, however it is cut; what breaks the protocol ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.http1_heads import BadRequest
from ultracloud.wire.core.websocket import (
    REASON_BYTES_MAX,
    Close,
    CloseCode,
    Event,
    Message,
    Opcode,
    Ping,
    Pong,
    Violation,
    WebSocketReader,
    accept,
    masked,
    render_close,
    render_frame,
)

MESSAGE_BYTES_MAX = 70_000
MASK = b"\x37\xfa\x21\x3d"
HANDSHAKE = {
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def sent(opcode: Opcode, octets: bytes, *, is_final: bool = True, mask: bytes = MASK) -> bytes:
    """A frame of a client."""
    plain = render_frame(opcode, octets)
    head = plain[: len(plain) - len(octets)]
    first = head[0] if is_final else head[0] & 0x7F
    return bytes((first, head[1] | 0x80)) + head[2:] + mask + masked(octets, mask)


def received(octets: bytes, cuts: tuple[int, ...] = ()) -> list[Event]:
    reader = WebSocketReader(MESSAGE_BYTES_MAX)
    ends = [*sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    begins = [0, *ends[:-1]]
    return [event for begin, end in zip(begins, ends, strict=True) for event in reader.receive(octets[begin:end])]


texts = st.text(max_size=300).map(lambda text: Message(text.encode(), is_text=True))
binaries = st.binary(max_size=300).map(Message)
controls = st.binary(max_size=125).map(Ping) | st.just(Pong())
parts = st.lists(st.integers(1, 400), max_size=3)


@given(st.lists(st.tuples(texts | binaries, parts, st.none() | controls)), st.lists(st.integers(0), max_size=6))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    said: list[tuple[Message, list[int], Ping | Pong | None]], cuts: list[int]
) -> None:
    wire, expected = b"", list[Event]()
    for message, sizes, between in said:
        at, opcode = 0, Opcode.TEXT if message.is_text else Opcode.BINARY
        for size in sizes:
            wire += sent(opcode, message.octets[at : at + size], is_final=False)
            at, opcode = at + size, Opcode.CONTINUATION
        if between is not None:
            wire += sent(Opcode.PING, between.octets) if isinstance(between, Ping) else sent(Opcode.PONG, b"")
            expected.append(between)
        wire += sent(opcode, message.octets[at:])
        expected.append(message)
    assert received(wire, tuple(cuts)) == expected


@given(st.binary(max_size=200), st.lists(st.integers(0), max_size=4))
def test_no_bytes_break_it_and_nothing_follows_the_end(octets: bytes, cuts: list[int]) -> None:
    events = received(octets, tuple(cuts))
    assert events == received(octets)
    ends = [index for index, event in enumerate(events) if isinstance(event, (Close, Violation))]
    assert ends in ([], [len(events) - 1])


@given(st.binary(max_size=64), st.binary(min_size=4, max_size=4))
def test_a_mask_is_its_own_inverse(octets: bytes, mask: bytes) -> None:
    assert masked(masked(octets, mask), mask) == octets
    assert masked(octets, mask) == bytes(octet ^ mask[at % 4] for at, octet in enumerate(octets))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_each_form_of_a_length_is_written_and_read(size: int) -> None:
    assert received(sent(Opcode.BINARY, bytes(size))) == [Message(bytes(size))]


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (render_frame(Opcode.TEXT, b"bare"), CloseCode.PROTOCOL_ERROR),
        (b"\xc1\x80" + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x83\x80" + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x82\xfe\x00\x05" + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x82\xff" + bytes(6) + b"\xff\xff" + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x89\xfe\x00\x80" + MASK, CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.PING, b"", is_final=False), CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.CONTINUATION, b"first"), CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.TEXT, b"a", is_final=False) + sent(Opcode.TEXT, b"b"), CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.TEXT, b"\xff"), CloseCode.NOT_TEXT),
        (sent(Opcode.CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.CLOSE, b"\x03\xed"), CloseCode.PROTOCOL_ERROR),
        (sent(Opcode.CLOSE, b"\x03\xe8\xff"), CloseCode.NOT_TEXT),
        (b"\x82\xff" + b"\xff" * 8 + MASK, CloseCode.TOO_BIG),
        (
            sent(Opcode.BINARY, bytes(50_000), is_final=False) + sent(Opcode.CONTINUATION, bytes(50_000)),
            CloseCode.TOO_BIG,
        ),
    ],
)
def test_what_breaks_the_protocol_ends_the_conversation(octets: bytes, code: CloseCode) -> None:
    *_, last = received(octets + sent(Opcode.TEXT, b"behind"))
    assert isinstance(last, Violation)
    assert last.code is code


def test_a_message_that_is_too_large_is_refused_by_its_head_alone() -> None:
    [refusal] = received(b"\x82\xff" + (MESSAGE_BYTES_MAX + 1).to_bytes(8, "big"))
    assert isinstance(refusal, Violation)
    assert refusal.reason == "the message is too large; at most 70000 bytes are accepted"


def test_a_close_is_understood_and_nothing_behind_it_is_read() -> None:
    assert received(sent(Opcode.CLOSE, b"\x03\xe9bye") + sent(Opcode.TEXT, b"more")) == [Close(1001)]
    assert received(sent(Opcode.CLOSE, b"")) == [Close()]


def test_a_long_reason_is_cut_between_two_characters() -> None:
    frame = render_close(1011, "\N{SNOWMAN}" * 100)
    assert len(frame) - 4 <= REASON_BYTES_MAX
    assert frame[4:].decode() == "\N{SNOWMAN}" * 41


def test_a_handshake_is_answered_as_the_rfc_says() -> None:
    assert accept("GET", HANDSHAKE) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("method", "change", "status"),
    [
        ("GET", {"sec-websocket-version": "8"}, 426),
        ("POST", {}, 400),
        ("GET", {"sec-websocket-key": "c2hvcnQ="}, 400),
        ("GET", {"sec-websocket-key": "no base64"}, 400),
        ("GET", {"upgrade": "h2c"}, 400),
        ("GET", {"connection": "keep-alive"}, 400),
    ],
)
def test_what_is_no_handshake_is_refused(method: str, change: dict[str, str], status: int) -> None:
    refusal = accept(method, {**HANDSHAKE, **change})
    assert isinstance(refusal, BadRequest)
    assert refusal.status == status
