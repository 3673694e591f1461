"""The sending half of a client's connection: requests under the server's windows.

It is the server's `Sender` with another end of a stream: a request that is all sent closes our side of the stream and
leaves it open for the answer.

Source: RFC 9113 5.1, 5.2, 8.1.
"""

from __future__ import annotations

import struct

from ultracloud.wire.core.frames import END_HEADERS, END_STREAM, HEAD, Kind, render_frame
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
        self.calls: dict[int, ClientStream] = {}
        """Open calls by stream id."""

    def begin(self, stream_id: int, block: bytes) -> None:
        """Open a call whose messages follow."""
        self._add(stream_id)
        self.control(render_frame(Kind.HEADERS, END_HEADERS, stream_id, block))

    def begin_whole(self, stream_id: int, block: bytes, message: bytes) -> None:
        """Open a call whose request is this message and nothing more."""
        stream = self._add(stream_id)
        size = len(message) + PREFIX_BYTES
        head = render_frame(Kind.HEADERS, END_HEADERS, stream_id, block)
        if size <= stream.send_window and size <= self._window and size <= self._frame_bytes_max:
            stream.send_window -= size
            self._window -= size
            stream.local_closed = True
            data = _WHOLE.pack(size >> 8, size & 0xFF, Kind.DATA, END_STREAM, stream_id, 0, size - PREFIX_BYTES)
            self.control(head + data + message)
            return
        self.control(head)
        stream.ending = b""
        self._push(stream, PREFIX.pack(0, len(message)), message)

    def forget(self, stream_id: int) -> None:
        """Drop a call with all it had to send."""
        super().forget(stream_id)
        self.calls.pop(stream_id, None)

    def _add(self, stream_id: int) -> ClientStream:
        """The state of a new call."""
        stream = ClientStream(stream_id, self._initial_window, self._limits)
        self.calls[stream_id] = stream
        self._open[stream_id] = stream
        return stream

    def _end(self, stream: Stream, ending: bytes) -> None:
        """Close our side of a call whose request is all sent."""
        assert not ending, ending
        stream.ending = None
        call = self.calls[stream.stream_id]
        if not call.local_closed:
            call.local_closed = True
            self.control(HEAD.pack(0, 0, Kind.DATA, END_STREAM, stream.stream_id))
