"""The sending half of a client's connection: requests under the server's windows.

It is the server's `Sender` with another end of a stream: a request that is all sent closes our side of the stream and
leaves it open for the answer.

Source: RFC 9113 5.1, 5.2, 8.1.
"""

from __future__ import annotations

import struct
from typing import cast

from ultracloud.wire.core.frames import END_HEADERS, END_STREAM, HEAD, Kind, render_block
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.messages import PREFIX, PREFIX_BYTES, Assembler
from ultracloud.wire.core.sending import Sender
from ultracloud.wire.core.streams import Stream, Streams

_WHOLE = struct.Struct(">HBBBIBI")
"""The header of a DATA frame that ends its stream, and the prefix of its one message."""


class ClientStream(Stream):
    """An open call.

    Attributes:
        local_closed: Our END_STREAM is sent.
        has_headers: The answer's headers have come.
        messages: What its answer is cut with.
    """

    __slots__ = ("has_headers", "local_closed", "messages")

    def __init__(self, stream_id: int, send_window: int, limits: Limits) -> None:
        super().__init__(stream_id, send_window, limits.stream_window_bytes, remote_closed=False)
        self.has_begun = True  # a request's headers go out with the call; `Sender` owes none
        self.local_closed = False
        self.has_headers = False
        self.messages = Assembler(limits.message_bytes_max)


class RequestSender(Sender):
    """What a client's connection sends."""

    __slots__ = ("calls",)

    def __init__(self, streams: Streams, limits: Limits) -> None:
        super().__init__(streams, limits)
        self.calls = cast("dict[int, ClientStream | None]", streams.open)
        """Open calls by stream id; None is one whose request went out whole, and of whose answer nothing has come."""

    def begin(self, stream_id: int, block: bytes) -> None:
        """Open a call whose messages follow."""
        self._add(stream_id)
        self.control(render_block(END_HEADERS, stream_id, block, self._frame_bytes_max))

    def begin_whole(self, stream_id: int, block: bytes, message: bytes) -> None:
        """Open a call whose request is this message and nothing more."""
        size, length = len(message) + PREFIX_BYTES, len(block)
        if (
            size <= self._initial_window
            and size <= self._window
            and size <= self._frame_bytes_max
            and length <= self._frame_bytes_max
        ):
            self.calls[stream_id] = None
            self._window -= size
            head = HEAD.pack(length >> 8, length & 0xFF, 1, END_HEADERS, stream_id)
            data = _WHOLE.pack(size >> 8, size & 0xFF, 0, END_STREAM, stream_id, 0, size - PREFIX_BYTES)
            self.control(b"".join((head, block, data, message)))
            return
        stream = self._add(stream_id)
        self.control(render_block(END_HEADERS, stream_id, block, self._frame_bytes_max))
        stream.ending = b""
        self._push(stream, PREFIX.pack(0, len(message)), message)

    def call(self, stream_id: int) -> ClientStream | None:
        """The open call of this id, made of its None if its request is sent; None if it is not open."""
        stream = self.calls.get(stream_id)
        if stream is None and stream_id in self.calls:
            stream = self._add(stream_id)
            stream.local_closed = True
        return stream

    def find(self, stream_id: int) -> Stream | None:
        """As `call`."""
        return self.call(stream_id)

    def _add(self, stream_id: int) -> ClientStream:
        """The state of a call that needs more than None."""
        stream = self.calls[stream_id] = ClientStream(stream_id, self._initial_window, self._limits)
        return stream

    def _end(self, stream: Stream, ending: bytes) -> None:
        """Close our side of a call whose request is all sent."""
        assert not ending, ending
        stream.ending = None
        call = self.calls[stream.stream_id]
        if call is not None and not call.local_closed:
            call.local_closed = True
            self.control(HEAD.pack(0, 0, Kind.DATA, END_STREAM, stream.stream_id))
