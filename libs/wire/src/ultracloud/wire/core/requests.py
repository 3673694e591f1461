"""The receiving half of a connection: requests, their messages, and the window the client gets for more.

Window policy: the connection's window is given back as bytes come, so that a method that does not read cannot stop its
neighbours; a stream's window is given back while its method has little left to read. What all streams hold together is
bounded, and the stream that passes the bound is refused.

Source: RFC 9113 5.1, 5.2, 6.1, 6.2; CVE-2023-44487 and CVE-2025-8671 for why resets are counted, whoever sends them.
"""

from __future__ import annotations

from ultracloud.wire.core.events import (
    CallArrived,
    CallRefused,
    CallReset,
    CallStarted,
    Event,
    MessageArrived,
    PageRefused,
    PageRequested,
    RequestEnded,
)
from ultracloud.wire.core.floods import Budget
from ultracloud.wire.core.frames import (
    END_STREAM,
    WINDOW_BYTES_DEFAULT,
    render_reset,
    render_window_update,
    without_padding,
)
from ultracloud.wire.core.headers import HeaderReader
from ultracloud.wire.core.heads import Head, MalformedHeadError, Refusal
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.messages import PREFIX, PREFIX_BYTES, Assembler, RefusedMessageError
from ultracloud.wire.core.sending import Sender
from ultracloud.wire.core.status import IDENTITY_ONLY, INTERNAL, RESOURCE_EXHAUSTED, trailers
from ultracloud.wire.core.streams import MESSAGE_OVERHEAD_BYTES, Body, Stream, Streams
from ultracloud.wire.errors import ConnectionFault, ErrorCode, StreamFault

CONTENT_TOO_LARGE = 413


class Requests:
    """What a connection receives on its streams.

    Args:
        streams: The connection's streams, shared with `sender`.
        sender: Where refusals and window updates go.
        limits: Bounds of the connection.
        now_s: When the connection began.
    """

    def __init__(self, streams: Streams, sender: Sender, limits: Limits, now_s: float) -> None:
        self._streams = streams
        self._open = streams.open
        self._sender = sender
        self._limits = limits
        self._streams_max = limits.streams_max
        self._message_bytes_max = limits.message_bytes_max
        self._headers = HeaderReader(limits)
        self._cache = self._headers.cache
        self.resets = Budget("resets", limits.resets_max, limits.resets_per_second, now_s)
        self._receive_window = WINDOW_BYTES_DEFAULT
        self._uncredited = limits.connection_window_bytes - WINDOW_BYTES_DEFAULT
        self.idle = Budget("frames that move nothing", limits.idle_frames_max, limits.idle_frames_per_second, now_s)
        """Shared with the control frames. This and `resets` earn from what is answered."""
        self.last_stream_id = 0
        """Highest stream the client has opened."""
        self.fresh: dict[int, Head] = {}
        """Calls of these bytes of which only headers have come; empty between two calls of `receive`."""
        self.refuses_new = False
        """Set once the final GOAWAY is sent."""

    def begin_shortly(self, block: bytes, stream_id: int) -> bool:
        """Try the short way on a HEADERS frame that does not end its stream: a new call with a block seen before.

        Nothing but the head is kept until the next frame of the stream, or until `settle`.
        """
        head = self._cache.get(block)
        if (
            head is None
            or not head.is_servable
            or stream_id <= self.last_stream_id
            or not stream_id & 1
            or len(self._open) + len(self.fresh) >= self._streams_max
            or self.refuses_new
        ):
            return False
        self.last_stream_id = stream_id
        self.fresh[stream_id] = head
        return True

    def finish_shortly(self, buffer: bytes, start: int, end: int, stream_id: int, events: list[Event]) -> bool:
        """Try the short way on a DATA frame that ends its stream: the whole request of a fresh call in one message."""
        head = self.fresh.get(stream_id)
        size = end - start
        if head is None or not PREFIX_BYTES <= size <= self._receive_window:
            return False
        flag, length = PREFIX.unpack_from(buffer, start)
        if flag or length != size - PREFIX_BYTES or length > self._message_bytes_max:
            return False
        del self.fresh[stream_id]
        self._open[stream_id] = None
        self._receive_window -= size
        self._uncredited += size
        events.append(CallArrived(stream_id, head, buffer[start + PREFIX_BYTES : end]))
        return True

    def settle(self, stream_id: int, events: list[Event]) -> None:
        """Begin a fresh call in full: its request is more than one short message."""
        head = self.fresh.pop(stream_id, None)
        if head is not None:
            self._begin(stream_id, head, ends=False, events=events)

    def settle_all(self, events: list[Event]) -> None:
        """Begin all fresh calls: the bytes are at their end, and a method may have to speak first."""
        for stream_id in list(self.fresh):
            self.settle(stream_id, events)

    def take_block(self, stream_id: int, block: bytes, *, ends: bool, now_s: float, events: list[Event]) -> None:
        """Take a whole header block: a new request, or the trailers of one.

        Raises:
            ConnectionFault: The block cannot be decoded, the stream id is none of a client's, or a budget is spent.
            StreamFault: The request is malformed or one too many.
        """
        if stream_id in self._open:
            self._headers.skip(block)
            self._take_trailers(stream_id, ends=ends, events=events)
            return
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a client opened stream {stream_id}; expected an odd one")
        if stream_id <= self.last_stream_id:
            self._headers.skip(block)
            # RFC 9113 5.1.1 would end the connection; but a stream we ended early is forgotten here, and its client's
            # trailers may have been on their way.
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "headers on a closed stream")
        self.last_stream_id = stream_id
        if self.refuses_new or len(self._open) + len(self.fresh) >= self._streams_max:
            self._headers.skip(block)
            raise StreamFault(stream_id, ErrorCode.REFUSED_STREAM, "no room for another stream")
        try:
            head = self._headers.read(block)
        except MalformedHeadError as error:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, str(error)) from error
        if head.is_servable and not ends:
            self.fresh[stream_id] = head
        elif head.refusal is not None:
            self.idle.spend(now_s)
            self._sender.open(stream_id, remote_closed=ends)
            self.refuse(stream_id, head.refusal)
        else:
            self._begin(stream_id, head, ends=ends, events=events)

    def take_payload(self, stream_id: int, payload: memoryview, flags: int, now_s: float, events: list[Event]) -> None:
        """Take a DATA frame.

        Raises:
            ConnectionFault: The connection's window is overrun, the stream is idle or 0, or a budget is spent.
            StreamFault: The stream's window is overrun, its request has ended, or its body is not as long as it said.
        """
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "DATA past the connection's window")
        self.check_opened(stream_id, "DATA")
        self._uncredited += size
        payload = without_padding(payload, flags)
        stream = self._sender.find(stream_id)
        if stream is None or not (payload or flags & END_STREAM):
            self.idle.spend(now_s)
        if stream is None:
            return
        if stream.remote_closed:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "DATA after the end of the request")
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "DATA past the stream's window")
        stream.uncredited += size
        self._take_messages(stream, payload, events)
        if flags & END_STREAM and stream_id in self._open:
            self._end_request(stream, events)
        if stream_id in self._open:
            self._credit(stream)

    def take_reset(self, stream_id: int, code: int, now_s: float, events: list[Event]) -> None:
        """Take a RST_STREAM frame.

        Raises:
            ConnectionFault: The stream is idle or 0, or the budget of resets is spent.
        """
        self.check_opened(stream_id, "RST_STREAM")
        self.resets.spend(now_s)
        if self.fresh.pop(stream_id, None) is None and stream_id in self._open:
            self._sender.forget(stream_id)
            known = code if code in ErrorCode._value2member_map_ else ErrorCode.INTERNAL_ERROR
            events.append(CallReset(stream_id, ErrorCode(known)))

    def fail_stream(self, fault: StreamFault, now_s: float, events: list[Event]) -> None:
        """Reset a stream whose client broke a rule.

        Raises:
            ConnectionFault: The budget of resets is spent: making us reset costs a client as little as resetting.
        """
        self.resets.spend(now_s)
        self._sender.control(render_reset(fault.stream_id, fault.code))
        if fault.stream_id in self._open:
            self._sender.forget(fault.stream_id)
            events.append(CallReset(fault.stream_id, fault.code))

    def refuse(self, stream_id: int, refusal: Refusal) -> None:
        """Answer a call with a status and no message; unread parts of its request are dropped."""
        ending = trailers(refusal.status, refusal.message)
        if refusal.identity_only:
            ending = IDENTITY_ONLY + ending
        self._sender.finish(stream_id, ending)

    def consume(self, stream_id: int, size: int) -> None:
        """Note that a method has taken a message of `size` bytes, and give its stream window for more."""
        stream = self._open.get(stream_id)
        if stream is not None:
            stream.unread -= size + MESSAGE_OVERHEAD_BYTES
            self._streams.hold(stream)
            self._credit(stream)

    def check_opened(self, stream_id: int, what: str) -> None:
        """Refuse a frame on stream 0 or on one that nobody has opened.

        Raises:
            ConnectionFault: It is such a frame.
        """
        if stream_id == 0 or stream_id > self.last_stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{what} on stream {stream_id}, which is not open")

    def credit_connection(self) -> None:
        """Give the connection's window back once half of it is used."""
        if self._uncredited >= self._limits.connection_window_bytes // 2:
            self._sender.control(render_window_update(0, self._uncredited))
            self._receive_window += self._uncredited
            self._uncredited = 0

    def _begin(self, stream_id: int, head: Head, *, ends: bool, events: list[Event]) -> None:
        """Begin a request in full."""
        if ends and not head.is_grpc:
            _check_length(stream_id, head, 0)
            self._open[stream_id] = None
            events.append(PageRequested(stream_id, head))
            return
        stream = self._sender.open(stream_id, remote_closed=ends)
        if not head.is_grpc:
            if not self._limits.body_bytes_max:
                events.append(PageRequested(stream_id, head))
            else:
                stream.body = Body(head)
            return
        stream.assembler = Assembler(self._limits.message_bytes_max)
        events.append(CallStarted(stream_id, head))
        if ends:
            events.append(RequestEnded(stream_id))

    def _take_trailers(self, stream_id: int, *, ends: bool, events: list[Event]) -> None:
        """End a request by trailers; gRPC's clients send none, HTTP allows them."""
        stream = self._sender.find(stream_id)
        assert stream is not None, stream_id
        if stream.remote_closed:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "headers after the end of the request")
        if not ends:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "a second header block that ends nothing")
        self._end_request(stream, events)

    def _take_messages(self, stream: Stream, payload: memoryview, events: list[Event]) -> None:
        """Cut messages out of a stream's bytes."""
        if stream.assembler is None:
            if stream.body is not None:
                self._take_body(stream, stream.body, payload, events)
            return
        try:
            messages = stream.assembler.feed(payload)
        except RefusedMessageError as error:
            self._refuse_begun(stream, error.refusal, events)
            return
        for message in messages:
            stream.unread += len(message) + MESSAGE_OVERHEAD_BYTES
            self._sender.progress += 1
            events.append(MessageArrived(stream.stream_id, message))
        self._streams.hold(stream)
        if self._streams.held_bytes > self._limits.connection_unread_bytes_max:
            sentence = f"this connection's requests hold over {self._limits.connection_unread_bytes_max} bytes"
            self._refuse_begun(stream, Refusal(RESOURCE_EXHAUSTED, sentence), events)

    def _take_body(self, stream: Stream, body: Body, payload: memoryview, events: list[Event]) -> None:
        """Gather the body of a plain HTTP request; one that is too large is answered before its end."""
        body.octets += payload
        self._streams.hold(stream)
        if len(body.octets) <= self._limits.body_bytes_max and (
            self._streams.held_bytes <= self._limits.connection_unread_bytes_max
        ):
            return
        sentence = f"the body is too large; at most {self._limits.body_bytes_max} bytes are accepted"
        stream.body = None
        self._streams.hold(stream)
        events.append(PageRefused(stream.stream_id, CONTENT_TOO_LARGE, sentence))

    def _end_body(self, stream: Stream, body: Body, events: list[Event]) -> None:
        """Give a plain HTTP request whose body is whole.

        Raises:
            StreamFault: It is longer or shorter than the request says.
        """
        _check_length(stream.stream_id, body.head, len(body.octets))
        stream.body = None
        self._streams.hold(stream)
        events.append(PageRequested(stream.stream_id, body.head, bytes(body.octets)))

    def _end_request(self, stream: Stream, events: list[Event]) -> None:
        """Note that no more messages come."""
        stream.remote_closed = True
        if stream.body is not None:
            self._end_body(stream, stream.body, events)
        if stream.assembler is None:
            return
        if stream.assembler.unfinished_bytes:
            self._refuse_begun(stream, Refusal(INTERNAL, "the request ends inside a message"), events)
            return
        events.append(RequestEnded(stream.stream_id))

    def _refuse_begun(self, stream: Stream, refusal: Refusal, events: list[Event]) -> None:
        """Refuse a call that the shell knows of."""
        stream.assembler = None
        self._streams.hold(stream)
        self.refuse(stream.stream_id, refusal)
        events.append(CallRefused(stream.stream_id, refusal.status))

    def _credit(self, stream: Stream) -> None:
        """Give a stream window, unless its request has ended or its method lags behind."""
        if stream.remote_closed or stream.unread >= self._limits.stream_unread_bytes_max:
            return
        if stream.uncredited >= self._limits.stream_window_bytes // 2:
            self._sender.control(render_window_update(stream.stream_id, stream.uncredited))
            stream.receive_window += stream.uncredited
            stream.uncredited = 0


def _check_length(stream_id: int, head: Head, size: int) -> None:
    """Hold the length of a body against what its request says of it, as whoever it is passed on to will.

    Raises:
        StreamFault: They differ, which makes the request malformed (RFC 9113 8.1.1).
    """
    told = head.metadata.get("content-length")
    if told is not None and told != str(size):
        raise StreamFault(
            stream_id, ErrorCode.PROTOCOL_ERROR, f"a body of {size} bytes; content-length is {told[:40]!a}"
        )
