"""A header block that comes in more than one frame, on whichever side: HEADERS, then CONTINUATION until one ends it.

Source: RFC 9113 6.2, 6.10; CVE-2024-27316 for why the frames behind the first are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.wire.core.frames import END_STREAM, PADDED, PRIORITISED, without_padding, without_priority
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.errors import ConnectionFault, ErrorCode


@dataclass(slots=True)
class OpenBlock:
    """A header block as far as it has come.

    Attributes:
        ends: It ends its stream.
        since_s: When it began.
        frames: CONTINUATION frames so far.
    """

    stream_id: int
    ends: bool
    octets: bytearray
    since_s: float
    frames: int = 0


def opened(stream_id: int, flags: int, payload: bytes, limits: Limits, now_s: float) -> OpenBlock:
    """Take a HEADERS frame.

    Raises:
        ConnectionFault: Its padding or its priority does not fit it, or it is too large.
    """
    block = bytearray(fragment(payload, flags))
    return _checked(OpenBlock(stream_id, bool(flags & END_STREAM), block, now_s), limits)


def continued(block: OpenBlock | None, payload: bytes, limits: Limits) -> OpenBlock:
    """Take a CONTINUATION frame; an endless row of them, or of empty ones, is a flood.

    Raises:
        ConnectionFault: Nothing is open, or the block is too large or in too many parts.
    """
    if block is None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION continues nothing")
    block.octets += payload
    block.frames += 1
    if block.frames > limits.continuations_max:
        raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
    return _checked(block, limits)


def fragment(payload: bytes, flags: int) -> bytes:
    """What a HEADERS frame has of a header block.

    Raises:
        ConnectionFault: Its padding or its priority does not fit it.
    """
    if not flags & (PADDED | PRIORITISED):
        return payload
    return without_priority(without_padding(payload, flags), flags)


def _checked(block: OpenBlock, limits: Limits) -> OpenBlock:
    if len(block.octets) > limits.header_block_bytes_max:
        raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the header block is too large")
    return block
