"""The HTTP/2 frame layer: a codec between bytes and frames, and the renderers the machine writes with.

`parse` is for tests, goldens and tools; `core.connection` reads frame headers in place, because a slice and an object a
frame would cost more than the rest of a small call. Both use `HEAD`.

Source: RFC 9113 sections 4 and 6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from ultracloud.wire.errors import ConnectionFault, ErrorCode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
FRAME_BYTES_DEFAULT = 16_384
"""RFC 9113 4.2: what every peer accepts; the least SETTINGS_MAX_FRAME_SIZE may be."""
FRAME_BYTES_LARGEST = (1 << 24) - 1
WINDOW_BYTES_DEFAULT = 65_535
WINDOW_BYTES_LARGEST = (1 << 31) - 1
STREAM_ID_MASK = (1 << 31) - 1

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITISED = 0x20

OctetsT = TypeVar("OctetsT", bytes, memoryview)
HEAD = struct.Struct(">HBBBI")
"""Frame header as (length >> 8, length & 255, kind, flags, stream id): three bytes have no struct code."""
SETTING = struct.Struct(">HI")
WORD = struct.Struct(">I")


class Kind(IntEnum):
    """Frame types."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    """Parameters of SETTINGS."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `kind` may be a number no RFC has named."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def render(frame: Frame) -> bytes:
    """The bytes of one frame."""
    return render_frame(frame.kind, frame.flags, frame.stream_id, frame.payload)


def parse(buffer: bytes) -> tuple[list[Frame], bytes]:
    """All whole frames at the start of `buffer`, and the bytes that follow them."""
    frames: list[Frame] = []
    at = 0
    while len(buffer) - at >= HEAD_BYTES:
        high, low, kind, flags, stream_id = HEAD.unpack_from(buffer, at)
        end = at + HEAD_BYTES + (high << 8 | low)
        if end > len(buffer):
            break
        frames.append(Frame(kind, flags, stream_id & STREAM_ID_MASK, buffer[at + HEAD_BYTES : end]))
        at = end
    return frames, buffer[at:]


def render_frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """The bytes of a frame given by its parts; `payload` has at most FRAME_BYTES_LARGEST bytes."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def render_block(flags: int, stream_id: int, block: bytes, frame_bytes_max: int) -> bytes:
    """A header block as HEADERS, and as CONTINUATION where it is larger than a frame may be (RFC 9113 6.10).

    Args:
        flags: Of HEADERS, END_HEADERS among them.
        stream_id: Its stream.
        block: Compressed.
        frame_bytes_max: Most that one frame may carry.
    """
    if len(block) <= frame_bytes_max:
        return render_frame(Kind.HEADERS, flags, stream_id, block)
    parts = [block[at : at + frame_bytes_max] for at in range(0, len(block), frame_bytes_max)]
    frames = [render_frame(Kind.HEADERS, flags & ~END_HEADERS, stream_id, parts[0])]
    frames += [render_frame(Kind.CONTINUATION, 0, stream_id, part) for part in parts[1:-1]]
    return b"".join([*frames, render_frame(Kind.CONTINUATION, END_HEADERS, stream_id, parts[-1])])


def render_settings(settings: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    payload = b"".join(SETTING.pack(key, value) for key, value in settings.items())
    return render_frame(Kind.SETTINGS, 0, 0, payload)


def render_window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; `increment` is 1 to WINDOW_BYTES_LARGEST."""
    return HEAD.pack(0, 4, Kind.WINDOW_UPDATE, 0, stream_id) + WORD.pack(increment)


def render_reset(stream_id: int, code: ErrorCode) -> bytes:
    """A RST_STREAM frame."""
    return HEAD.pack(0, 4, Kind.RST_STREAM, 0, stream_id) + WORD.pack(code)


def render_goaway(last_stream_id: int, code: ErrorCode, reason: str = "") -> bytes:
    """A GOAWAY frame; `reason` travels as debug text."""
    return render_frame(Kind.GOAWAY, 0, 0, WORD.pack(last_stream_id) + WORD.pack(code) + reason.encode())


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """The parameters of a SETTINGS frame, in their order; unknown ones are kept.

    Raises:
        ConnectionFault: Length or a value is outside what RFC 9113 6.5 allows.
    """
    if len(payload) % SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes; expected a multiple of 6")
    settings = [(key, value) for key, value in SETTING.iter_unpack(payload)]
    for key, value in settings:
        if key == Setting.INITIAL_WINDOW_SIZE and value > WINDOW_BYTES_LARGEST:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"initial window of {value} is over 2^31-1")
        if key == Setting.MAX_FRAME_SIZE and not FRAME_BYTES_DEFAULT <= value <= FRAME_BYTES_LARGEST:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"frame size of {value} is outside 2^14 to 2^24-1")
        if key == Setting.ENABLE_PUSH and value not in (0, 1):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH of {value} is neither 0 nor 1")
    return settings


def parse_word(payload: bytes, what: str) -> int:
    """The one 32-bit word of a RST_STREAM or WINDOW_UPDATE frame.

    Raises:
        ConnectionFault: It has another length.
    """
    if len(payload) != WORD.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"{what} of {len(payload)} bytes; expected 4")
    (word,) = WORD.unpack(payload)
    return int(word)


def without_padding(payload: OctetsT, flags: int) -> OctetsT:
    """What a DATA or HEADERS frame carries besides its padding.

    Raises:
        ConnectionFault: The padding is as long as the frame or longer.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def without_priority(payload: bytes, flags: int) -> bytes:
    """A header block without the five bytes of priority in front, which RFC 9113 5.3.2 lets us ignore.

    Raises:
        ConnectionFault: The frame ends inside them.
    """
    if not flags & PRIORITISED:
        return payload
    if len(payload) < 5:  # noqa: PLR2004 - four bytes of dependency, one of weight
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS ends inside its priority")
    return payload[5:]
