"""A whole answer where it stands: a message in one DATA frame and trailers behind it, as most answers come.

Source: RFC 9113 4.1; gRPC over HTTP2, "Responses".
"""

from __future__ import annotations

from ultracloud.wire.core.frames import END_HEADERS, END_STREAM, HEAD, HEAD_BYTES
from ultracloud.wire.core.messages import PREFIX, PREFIX_BYTES

LAST = END_HEADERS | END_STREAM
"""Flags of trailers."""


def message_and_trailers(buffer: bytes, at: int, stream_id: int) -> tuple[int, int]:
    """Where a DATA frame that begins at `at` ends, and the trailers behind it.

    Returns:
        Zeros if they are not whole, or anything but one message and the end of their stream.
    """
    start, size = at + HEAD_BYTES, len(buffer)
    if start + PREFIX_BYTES + HEAD_BYTES > size:
        return 0, 0
    high, low, kind, flags, stream = HEAD.unpack_from(buffer, at)
    flag, length = PREFIX.unpack_from(buffer, start)
    end = start + (high << 8 | low)
    if kind or flags or flag or stream != stream_id or length != end - start - PREFIX_BYTES or end + HEAD_BYTES > size:
        return 0, 0
    high, low, kind, flags, stream = HEAD.unpack_from(buffer, end)
    last: int = end + HEAD_BYTES + (high << 8 | low)
    if kind != 1 or flags != LAST or stream != stream_id or last > size:
        return 0, 0
    return end, last
