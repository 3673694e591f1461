"""The sending half of a connection: responses under the client's windows, control frames, and what is next to write.

A small whole answer takes the short way: headers, message and trailers as one string, if it fits the windows as they
stand. Everything else waits on its stream; when the connection's window opens, waiting streams take turns by frame.

Source: RFC 9113 5.2, 6.9 and 8.1.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ultracloud.wire.core.events import Event, StreamReady
from ultracloud.wire.core.frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    HEAD,
    WINDOW_BYTES_DEFAULT,
    WINDOW_BYTES_LARGEST,
    Kind,
    render_block,
    render_frame,
    render_reset,
)
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.messages import PREFIX, PREFIX_BYTES
from ultracloud.wire.core.status import OK_BLOCK, RESPONSE_BLOCK, TABLE_EMPTY, literal, status_field
from ultracloud.wire.core.streams import MESSAGE_OVERHEAD_BYTES, Stream, Streams
from ultracloud.wire.errors import ConnectionFault, ErrorCode, StreamFault

_FINAL = END_HEADERS | END_STREAM
_BEGIN = struct.Struct(f">5sI{len(RESPONSE_BLOCK)}sHBHIBI")
"""A HEADERS frame with the constant block, then the header of a DATA frame and the prefix of a message."""
_BEGIN_HEAD = render_frame(Kind.HEADERS, END_HEADERS, 0, RESPONSE_BLOCK)[:5]
_END = struct.Struct(f">5sI{len(OK_BLOCK)}s")
"""A HEADERS frame with the constant trailers of a call that went well."""
_END_HEAD = render_frame(Kind.HEADERS, _FINAL, 0, OK_BLOCK)[:5]
_FRAMING_BYTES = _BEGIN.size + _END.size
_FRAME = struct.Struct(">HBHIBI")
"""The header of a DATA frame that ends nothing, and the prefix of its one message."""


class Sender:
    """What a connection sends.

    Args:
        streams: The connection's streams; the sender drops what it finishes.
        limits: Bounds of the connection.
    """

    __slots__ = (
        "_frame_bytes_max",
        "_initial_window",
        "_limits",
        "_open",
        "_out",
        "_streams",
        "_table_told",
        "_waiting",
        "_window",
        "out_bytes",
        "progress",
    )

    def __init__(self, streams: Streams, limits: Limits) -> None:
        self._streams = streams
        self._open = streams.open
        self._limits = limits
        self._out: list[bytes | memoryview] = []
        self._window = WINDOW_BYTES_DEFAULT
        self._initial_window = WINDOW_BYTES_DEFAULT
        self._frame_bytes_max = FRAME_BYTES_DEFAULT
        self._waiting: dict[int, Stream] = {}
        self._table_told = False
        self.progress = 0
        """Answers and DATA frames sent since the machine last looked; they pay for control frames."""
        self.out_bytes = 0
        """Bytes `take` will give."""

    # What methods produce.

    def reply(self, stream_id: int, message: bytes) -> None:
        """Answer a call with its one message and status OK. A stream that is gone is no error: its client left."""
        size = len(message) + PREFIX_BYTES
        if not self._fits(stream_id, size):
            self.send(stream_id, message)
            self.finish(stream_id, OK_BLOCK)
            return
        del self._open[stream_id]
        self._window -= size
        self.progress += 1
        self.out_bytes += size + _FRAMING_BYTES
        self._out.append(
            _BEGIN.pack(
                _BEGIN_HEAD, stream_id, RESPONSE_BLOCK, size >> 8, size & 0xFF, 0, stream_id, 0, size - PREFIX_BYTES
            )
            + message
            + _END.pack(_END_HEAD, stream_id, OK_BLOCK)
        )

    def _fits(self, stream_id: int, size: int) -> bool:
        """Whether an answer of so many bytes can leave whole: in one frame, on a stream of which nothing was sent."""
        return (
            size <= self._window
            and size <= self._initial_window
            and size <= self._frame_bytes_max
            and self._table_told
            and self._open.get(stream_id, False) is None
        )

    def send(self, stream_id: int, message: bytes) -> None:
        """Send one message of a response, after the response's headers if they are still owed."""
        stream = self.find(stream_id)
        if stream is None:
            return
        size = len(message) + PREFIX_BYTES
        if (
            stream.has_begun
            and not stream.unsent_bytes
            and size <= stream.send_window
            and size <= self._window
            and size <= self._frame_bytes_max
        ):
            # The short way of a stream: one frame, and nothing before it waits.
            stream.send_window -= size
            self._window -= size
            self.progress += 1
            self.out_bytes += size + HEAD.size
            self._out.append(_FRAME.pack(size >> 8, size & 0xFF, 0, stream_id, 0, size - PREFIX_BYTES) + message)
            return
        self._begin(stream, RESPONSE_BLOCK)
        self._push(stream, PREFIX.pack(0, len(message)), message)

    def finish(self, stream_id: int, ending: bytes) -> None:
        """End a call that has begun or not: with no message before it, this is a trailers-only answer."""
        stream = self.find(stream_id)
        if stream is None or stream.ending is not None:
            return
        if not stream.has_begun:
            stream.has_begun = True
            ending = RESPONSE_BLOCK + ending
        stream.ending = ending
        self._pump(stream)

    def page(
        self, stream_id: int, status: int, fields: dict[str, str], body: bytes, cookies: Sequence[str] = ()
    ) -> None:
        """Answer a plain HTTP request.

        Raises:
            ValueError: A field cannot be sent; nothing was.
        """
        size = len(body)
        if not self._fits(stream_id, size):
            self.begin_page(stream_id, status, fields, cookies)
            self.send_page(stream_id, body, ends=True)
            return
        block = _page_block(status, fields, cookies)
        del self._open[stream_id]
        self._window -= size
        self.progress += 1
        if not size:
            self.control(render_block(_FINAL, stream_id, block, self._frame_bytes_max))
            return
        head = render_block(END_HEADERS, stream_id, block, self._frame_bytes_max)
        self.control(head + HEAD.pack(size >> 8, size & 0xFF, Kind.DATA, END_STREAM, stream_id) + body)

    def begin_page(self, stream_id: int, status: int, fields: dict[str, str], cookies: Sequence[str] = ()) -> None:
        """Send the headers of an answer to a plain HTTP request.

        Raises:
            ValueError: A field cannot be sent; nothing was.
        """
        stream = self.find(stream_id)
        if stream is not None:
            self._begin(stream, _page_block(status, fields, cookies))

    def send_page(self, stream_id: int, part: bytes, *, ends: bool = False) -> None:
        """Send a part of the answer's body, which has begun."""
        stream = self.find(stream_id)
        if stream is not None and stream.ending is None:
            stream.ending = b"" if ends else None
            self._push(stream, part)

    def is_backed_up(self, stream_id: int) -> bool:
        """Whether a method should wait for `StreamReady` before it sends more."""
        stream = self._open.get(stream_id)
        if stream is None or _weight(stream) < self._limits.stream_unsent_bytes_max:
            return False
        stream.is_backed_up = True
        return True

    # What the machine needs.

    def find(self, stream_id: int) -> Stream | None:
        """The open stream of this id, made of its None if it arrived whole; None if it is closed or idle."""
        stream = self._open.get(stream_id)
        if stream is None and stream_id in self._open:
            stream = self.open(stream_id, remote_closed=True)
        return stream

    def open(self, stream_id: int, *, remote_closed: bool) -> Stream:
        """Make the state of a stream that needs more than None."""
        stream = Stream(stream_id, self._initial_window, self._limits.stream_window_bytes, remote_closed=remote_closed)
        self._open[stream_id] = stream
        return stream

    def control(self, frame: bytes) -> None:
        """Send a frame that flow control does not concern."""
        self._out.append(frame)
        self.out_bytes += len(frame)

    def take(self) -> bytes:
        """All bytes to write now."""
        return b"".join(self.take_parts())

    def take_parts(self) -> list[bytes | memoryview]:
        """All bytes to write now, as they were made: for a transport that can write many without joining them."""
        parts, self._out = self._out, []
        self.out_bytes = 0
        return parts

    def forget(self, stream_id: int) -> None:
        """Drop a stream with all it had to send."""
        self._streams.drop(stream_id)
        self._waiting.pop(stream_id, None)

    def set_initial_window(self, size: int) -> None:
        """Apply the client's SETTINGS_INITIAL_WINDOW_SIZE to new streams, and the difference to open ones.

        Raises:
            ConnectionFault: A stream's window passes 2^31-1.
        """
        difference = size - self._initial_window
        self._initial_window = size
        for stream in self._open.values():
            if stream is not None:
                stream.send_window += difference
                if stream.send_window > WINDOW_BYTES_LARGEST:
                    raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window passes 2^31-1")

    def set_frame_bytes_max(self, size: int) -> None:
        """Apply the client's SETTINGS_MAX_FRAME_SIZE, but keep frames small enough to interleave calls."""
        self._frame_bytes_max = min(size, self._limits.frame_bytes_max)

    def widen(self, stream_id: int, increment: int) -> None:
        """Apply a WINDOW_UPDATE; for stream 0 to the connection.

        Raises:
            ConnectionFault: The increment is 0 or the connection's window passes 2^31-1.
            StreamFault: The same of a stream.
        """
        if stream_id == 0:
            self._window += increment
            if increment == 0 or self._window > WINDOW_BYTES_LARGEST:
                raise ConnectionFault(_window_error(increment), "WINDOW_UPDATE of 0 or past 2^31-1")
            return
        stream = self.find(stream_id)
        if stream is None:
            return
        stream.send_window += increment
        if increment == 0 or stream.send_window > WINDOW_BYTES_LARGEST:
            raise StreamFault(stream_id, _window_error(increment), "WINDOW_UPDATE of 0 or past 2^31-1")

    def pump(self) -> list[Event]:
        """Send what the windows let through, a frame of each waiting stream in turn; tell which methods may go on."""
        ready: list[Event] = []
        progress = True
        while progress and self._waiting and self._window > 0:
            progress = False
            for stream in list(self._waiting.values()):
                progress = self._send_frame(stream) or progress
                if stream.is_backed_up and _weight(stream) < self._limits.stream_unsent_bytes_max:
                    stream.is_backed_up = False
                    ready.append(StreamReady(stream.stream_id))
                self._settle(stream)
        return ready

    def _begin(self, stream: Stream, block: bytes) -> None:
        """Send response headers unless they are sent."""
        if not stream.has_begun:
            stream.has_begun = True
            self._headers(stream.stream_id, END_HEADERS, block)

    def _headers(self, stream_id: int, flags: int, block: bytes) -> None:
        """Send a header block; the first of a connection empties the client's table."""
        if not self._table_told:
            self._table_told = True
            block = TABLE_EMPTY + block
        self.control(render_block(flags, stream_id, block, self._frame_bytes_max))

    def _push(self, stream: Stream, *parts: bytes) -> None:
        """Queue response bytes and send what the windows let through."""
        for part in parts:
            if part:
                stream.unsent.append(part)
                stream.unsent_bytes += len(part)
                self._streams.unsent_bytes += len(part)
        self._pump(stream)

    def _pump(self, stream: Stream) -> None:
        """Send all of one stream that the windows let through."""
        while self._send_frame(stream):
            pass
        self._settle(stream)

    def _send_frame(self, stream: Stream) -> bool:
        """Send one DATA frame of a stream if there is something to send and a window for it."""
        size = min(stream.unsent_bytes, stream.send_window, self._window, self._frame_bytes_max)
        if size <= 0:
            return False
        self._out.append(HEAD.pack(size >> 8, size & 0xFF, Kind.DATA, 0, stream.stream_id))
        unsent, left = stream.unsent, size
        while left:
            part = unsent.popleft()
            if len(part) > left:
                view = memoryview(part)
                unsent.appendleft(view[left:])
                part = view[:left]
            self._out.append(part)
            left -= len(part)
        stream.unsent_bytes -= size
        stream.send_window -= size
        self._streams.unsent_bytes -= size
        self._window -= size
        self.progress += 1
        self.out_bytes += size + HEAD.size
        return True

    def _settle(self, stream: Stream) -> None:
        """Put a stream where it belongs: waiting, ended, or neither."""
        if stream.unsent_bytes:
            self._waiting[stream.stream_id] = stream
            return
        self._waiting.pop(stream.stream_id, None)
        if stream.ending is not None:
            self._end(stream, stream.ending)

    def _end(self, stream: Stream, ending: bytes) -> None:
        """End a stream whose responses are all sent."""
        self._streams.drop(stream.stream_id)
        if ending:
            self._headers(stream.stream_id, _FINAL, ending)
        else:
            self.control(HEAD.pack(0, 0, Kind.DATA, END_STREAM, stream.stream_id))
        if not stream.remote_closed:
            # RFC 9113 8.1: asks a client that is still sending to stop, without an error.
            self.control(render_reset(stream.stream_id, ErrorCode.NO_ERROR))


def _page_block(status: int, fields: dict[str, str], cookies: Sequence[str]) -> bytes:
    """The header block of an answer to a plain HTTP request.

    Raises:
        ValueError: A value has a line break or a character outside Latin-1, or a name is no ASCII.
    """
    block = status_field(status) + b"".join([literal(name, value) for name, value in fields.items()])
    if cookies:
        block += b"".join([literal("set-cookie", cookie) for cookie in cookies])
    said = "".join([*fields.values(), *cookies])
    if "\n" in said or "\r" in said:
        raise ValueError("a header field of a response has a line break")
    return block


def _weight(stream: Stream) -> int:
    """What a stream's waiting responses count for."""
    return stream.unsent_bytes + MESSAGE_OVERHEAD_BYTES * len(stream.unsent)


def _window_error(increment: int) -> ErrorCode:
    """RFC 9113 6.9 and 6.9.1 name different codes for an increment of 0 and one that overflows."""
    return ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
