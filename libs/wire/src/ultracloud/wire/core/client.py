"""The client's side of one HTTP/2 connection: calls and bytes in, events and bytes out. No socket, no clock, no task.

Window policy as in the server: the connection's window is given back as bytes come, a stream's while whoever reads it
keeps up. A server that opens streams of its own, or answers what was not asked, ends the connection.

Source: RFC 9113; gRPC over HTTP2.
"""

from __future__ import annotations

from ultracloud.wire.core.blocks import OpenBlock, continued, fragment, opened
from ultracloud.wire.core.client_answers import message_and_trailers
from ultracloud.wire.core.client_blocks import UNKNOWN, AnswerReader, BlockWriter, Fields
from ultracloud.wire.core.client_events import CallAnswered, CallEnded, ClientEvent, Greeted, Leaving
from ultracloud.wire.core.client_sending import ClientStream, RequestSender
from ultracloud.wire.core.events import Closed, MessageArrived, StreamReady
from ultracloud.wire.core.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    PREFACE,
    STREAM_ID_MASK,
    WINDOW_BYTES_DEFAULT,
    Kind,
    Setting,
    parse_settings,
    parse_word,
    render_frame,
    render_goaway,
    render_reset,
    render_settings,
    render_window_update,
    without_padding,
)
from ultracloud.wire.core.limits import MIB, Limits
from ultracloud.wire.core.messages import PREFIX_BYTES, RefusedMessageError
from ultracloud.wire.core.status import CANCELLED, INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE
from ultracloud.wire.core.streams import MESSAGE_OVERHEAD_BYTES, Streams
from ultracloud.wire.errors import ConnectionFault, ErrorCode, StreamFault

CLIENT_LIMITS = Limits(message_bytes_max=64 * MIB, keepalive_idle_s=30.0, keepalive_timeout_s=10.0)
"""What a client of ours takes: a policy snapshot of a large cloud fits in a message; a host that vanished without a FIN
is noticed within 40 s."""
STREAMS_UNTOLD = 100
"""Calls at once before the server has said how many it takes: RFC 9113 6.5.2 advises every server to take as many."""
STREAM_ID_LAST = STREAM_ID_MASK - 1
_ALIVE_PING = b"are you?"
_PING_BYTES = 8
_GOAWAY_BYTES = 8
FAREWELL_BYTES_MAX = 200
"""What is kept of the sentence in a GOAWAY."""
_STATUS_OF_RESET = {
    ErrorCode.REFUSED_STREAM: UNAVAILABLE,
    ErrorCode.CANCEL: CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: 7,
}
"""gRPC's table of HTTP/2 error codes; all others are INTERNAL."""


class ClientConnection:
    """One connection from its preface to its end.

    Args:
        limits: Its bounds.
        now_s: The time now, in seconds of any clock that never goes back; the same clock as in all later calls.
    """

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._heard_s = now_s
        self._asked_alive_s: float | None = None
        self._streams = Streams()
        self.sender = RequestSender(self._streams, limits)
        """Where the shell puts requests and takes its bytes."""
        self._calls = self.sender.calls
        self._blocks = BlockWriter()
        self._answers = AnswerReader(limits)
        self._next_id = 1
        self._calls_max = STREAMS_UNTOLD
        self._rest = b""
        self._block: OpenBlock | None = None
        self._short_bytes_max = min(limits.frame_bytes_max, limits.stream_window_bytes, limits.message_bytes_max)
        self._receive_window = WINDOW_BYTES_DEFAULT
        self._uncredited = limits.connection_window_bytes - WINDOW_BYTES_DEFAULT
        self._has_settings = False
        self.is_leaving = False
        """No more calls may begin here: the server said so, or the ids are used up."""
        self.is_closed = False
        """Nothing more is read; what `sender` holds is to be written, then the transport closed."""
        self.farewell: ConnectionFault | None = None
        """What the server's GOAWAY says was wrong with us."""
        self._greet()

    @property
    def can_begin(self) -> bool:
        """Whether the server takes another call now."""
        return len(self._calls) < self._calls_max and not self.is_leaving and not self.is_closed

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return len(self._calls)

    def begin(self, fields: Fields, passing: Fields, message: bytes | None) -> int:
        """Open a call; `can_begin` must hold.

        Args:
            fields: Header fields that may come again; ``:method`` and the other pseudo-header fields first.
            passing: Header fields of this call alone.
            message: The whole request; None if messages follow through `sender`.

        Returns:
            The call's stream id.
        """
        assert self.can_begin
        stream_id = self._next_id
        self._next_id += 2
        if self._next_id > STREAM_ID_LAST:
            self.is_leaving = True
        block = self._blocks.write(fields, passing)
        if message is None:
            self.sender.begin(stream_id, block)
        else:
            self.sender.begin_whole(stream_id, block, message)
        return stream_id

    def cancel(self, stream_id: int) -> None:
        """Give a call up; nothing more is told of it."""
        if stream_id in self._calls:
            self.sender.forget(stream_id)
            self.sender.control(render_reset(stream_id, ErrorCode.CANCEL))

    def consume(self, stream_id: int, size: int) -> None:
        """Note that a message of `size` bytes has been taken; the server may send more."""
        stream = self._calls.get(stream_id)
        if stream is not None:
            stream.unread -= size + MESSAGE_OVERHEAD_BYTES
            self._credit(stream)

    def receive(self, chunk: bytes, now_s: float) -> list[ClientEvent]:
        """Take bytes from the server; give what they mean, in order, however they were cut."""
        events: list[ClientEvent] = []
        if self.is_closed:
            return events
        self._heard_s = now_s
        self._asked_alive_s = None
        try:
            self._read(self._rest + chunk if self._rest else chunk, events)
        except ConnectionFault as fault:
            self._fail(fault, events)
        else:
            self._credit_connection()
        return events

    def tick(self, now_s: float) -> list[ClientEvent]:
        """Look at the clock: a server that is silent while a call is open is asked whether it lives."""
        events: list[ClientEvent] = []
        if self.is_closed or not self._calls:
            return events
        if self._asked_alive_s is not None:
            if now_s - self._asked_alive_s > self._limits.keepalive_timeout_s:
                self._fail(ConnectionFault(ErrorCode.NO_ERROR, "the server is silent"), events)
        elif now_s - self._heard_s > self._limits.keepalive_idle_s:
            self._asked_alive_s = now_s
            self.sender.control(render_frame(Kind.PING, 0, 0, _ALIVE_PING))
        return events

    def _greet(self) -> None:
        """Send our preface."""
        limits = self._limits
        settings: dict[int, int] = {
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
            Setting.MAX_FRAME_SIZE: limits.frame_bytes_max,
            Setting.MAX_HEADER_LIST_SIZE: limits.header_list_bytes_max,
        }
        self.sender.control(PREFACE + render_settings(settings))
        self._credit_connection()

    def _read(self, buffer: bytes, events: list[ClientEvent]) -> None:
        """Take every whole frame of `buffer`; keep the rest."""
        at, size = 0, len(buffer)
        view = memoryview(buffer)
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream_id = HEAD.unpack_from(buffer, at)
            start = at + HEAD_BYTES
            at = start + (high << 8 | low)
            if at - start > self._limits.frame_bytes_max:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {at - start} bytes")
            if at > size:
                at = start - HEAD_BYTES
                break
            if kind == 1 and flags == END_HEADERS and self._block is None:
                end = self._answer_shortly(buffer, start, at, stream_id, events)
                if end:
                    at = end
                    continue
            if self._block is not None and (kind != Kind.CONTINUATION or stream_id != self._block.stream_id):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
            if kind == Kind.DATA:
                self._take_data(stream_id & STREAM_ID_MASK, view[start:at], flags, events)
            else:
                self._dispatch(kind, flags, stream_id & STREAM_ID_MASK, buffer[start:at], events)
        self._rest = buffer[at:]

    def _answer_shortly(self, buffer: bytes, start: int, at: int, stream_id: int, events: list[ClientEvent]) -> int:
        """Try the short way on a HEADERS frame: a whole answer in three frames, one behind the other.

        Returns:
            Where it ends; 0 if it is to be read in full, and nothing has been taken.
        """
        if buffer[start:at] not in self._answers.begins or self._calls.get(stream_id, False) is not None:
            return 0
        end, last = message_and_trailers(buffer, at, stream_id)
        size = end - at - HEAD_BYTES
        if (
            not last
            or size > self._short_bytes_max
            or size > self._receive_window
            or buffer[end + HEAD_BYTES : last] not in self._answers.ends
        ):
            return 0
        del self._calls[stream_id]
        self._receive_window -= size
        self._uncredited += size
        events.append(CallAnswered(stream_id, buffer[at + HEAD_BYTES + PREFIX_BYTES : end]))
        return last

    def _dispatch(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[ClientEvent]) -> None:
        """Send a frame to what knows its type; a type that no RFC has named is ignored (RFC 9113 5.5)."""
        if not self._has_settings and (kind != Kind.SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        match kind:
            case Kind.HEADERS:
                self._take_headers(stream_id, flags, payload, events)
            case Kind.CONTINUATION:
                self._continue_block(flags, payload, events)
            case Kind.RST_STREAM:
                self._take_reset(stream_id, parse_word(payload, "RST_STREAM"), events)
            case Kind.WINDOW_UPDATE:
                self._take_window_update(stream_id, parse_word(payload, "WINDOW_UPDATE") & STREAM_ID_MASK, events)
            case Kind.PUSH_PROMISE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "nobody asked for a push")
            case _:
                self._dispatch_control(kind, flags, payload, events)

    def _dispatch_control(self, kind: int, flags: int, payload: bytes, events: list[ClientEvent]) -> None:
        """Send a frame of the whole connection to what knows its type."""
        match kind:
            case Kind.SETTINGS:
                self._take_settings(flags, payload, events)
            case Kind.PING:
                if not flags & ACK and len(payload) == _PING_BYTES:
                    self.sender.control(render_frame(Kind.PING, ACK, 0, payload))
            case Kind.GOAWAY:
                self._take_goaway(payload, events)
            case _:
                pass

    def _take_data(self, stream_id: int, payload: memoryview, flags: int, events: list[ClientEvent]) -> None:
        """Take a DATA frame; one of a call that was given up only moves the connection's window."""
        size = len(payload)
        self._receive_window -= size
        self._uncredited += size
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "DATA past the connection's window")
        stream = self.sender.call(stream_id)
        if stream is None:
            self._check_opened(stream_id)
            return
        stream.receive_window -= size
        stream.uncredited += size
        if stream.receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "DATA past a stream's window")
        if not stream.has_headers:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "DATA before headers")
        try:
            messages = stream.messages.feed(without_padding(payload, flags))
        except RefusedMessageError as error:
            self._abandon(stream_id, error.refusal.status, error.refusal.message, events)
            return
        for message in messages:
            stream.unread += len(message) + MESSAGE_OVERHEAD_BYTES
            events.append(MessageArrived(stream_id, message))
        if flags & END_STREAM:
            self._end(stream, INTERNAL, "the answer ends without a status", b"", events)
        else:
            self._credit(stream)

    def _take_headers(self, stream_id: int, flags: int, payload: bytes, events: list[ClientEvent]) -> None:
        """Take a HEADERS frame."""
        if flags & END_HEADERS:
            self._take_block(stream_id, fragment(payload, flags), ends=bool(flags & END_STREAM), events=events)
        else:
            self._block = opened(stream_id, flags, payload, self._limits, self._heard_s)

    def _continue_block(self, flags: int, payload: bytes, events: list[ClientEvent]) -> None:
        """Take a CONTINUATION frame."""
        block = continued(self._block, payload, self._limits)
        if flags & END_HEADERS:
            self._block = None
            self._take_block(block.stream_id, bytes(block.octets), ends=block.ends, events=events)

    def _take_block(self, stream_id: int, block: bytes, *, ends: bool, events: list[ClientEvent]) -> None:
        """Take a whole header block: an answer's headers, or the trailers that end it, or both in one."""
        answer = self._answers.answer(block)  # also for a call that was given up: the table must take it
        stream = self.sender.call(stream_id)
        if stream is None:
            self._check_opened(stream_id)
            return
        if answer.is_interim and not ends:
            return
        if not answer.is_grpc:
            status, sentence = answer.status or UNKNOWN, answer.message or "the answer is no gRPC"
            if ends:
                self._end(stream, status, sentence, b"", events)
            else:
                self._abandon(stream_id, status, sentence, events)
        elif ends and stream.messages.unfinished_bytes:
            self._end(stream, INTERNAL, "the answer ends inside a message", b"", events)
        elif ends:
            status = INTERNAL if answer.status is None else answer.status
            self._end(stream, status, answer.message, answer.details, events)
        elif stream.has_headers:
            self._abandon(stream_id, INTERNAL, "trailers that end nothing", events)
        else:
            stream.has_headers = True

    def _take_reset(self, stream_id: int, code: int, events: list[ClientEvent]) -> None:
        """Take a RST_STREAM frame."""
        self._check_opened(stream_id)
        if stream_id not in self._calls:
            return
        self.sender.forget(stream_id)
        known = _known(code)
        status = _STATUS_OF_RESET.get(known, INTERNAL)
        was_taken = known is not ErrorCode.REFUSED_STREAM
        events.append(CallEnded(stream_id, status, f"the server reset the call: {known.name}", b"", was_taken))

    def _take_window_update(self, stream_id: int, increment: int, events: list[ClientEvent]) -> None:
        """Take a WINDOW_UPDATE frame and send what it lets through."""
        if stream_id == 0 or stream_id in self._calls:
            try:
                self.sender.widen(stream_id, increment)
            except StreamFault as fault:
                self._abandon(stream_id, INTERNAL, fault.reason, events)
            events += [one for one in self.sender.pump() if isinstance(one, StreamReady)]

    def _take_settings(self, flags: int, payload: bytes, events: list[ClientEvent]) -> None:
        """Take a SETTINGS frame, apply it, acknowledge it."""
        if flags & ACK:
            return
        if not self._has_settings:
            self._has_settings = True
            events.append(Greeted())
        window: int | None = None
        for key, value in parse_settings(payload):
            match key:
                case Setting.INITIAL_WINDOW_SIZE:
                    window = value  # the last counts, and each would go through all calls
                case Setting.MAX_FRAME_SIZE:
                    self.sender.set_frame_bytes_max(value)
                case Setting.MAX_CONCURRENT_STREAMS:
                    self._calls_max = value
                case Setting.HEADER_TABLE_SIZE:
                    self._blocks.resize(value)
                case _:
                    pass
        if window is not None:
            self.sender.set_initial_window(window)
        self.sender.control(render_frame(Kind.SETTINGS, ACK, 0))
        events += [one for one in self.sender.pump() if isinstance(one, StreamReady)]

    def _take_goaway(self, payload: bytes, events: list[ClientEvent]) -> None:
        """Take a GOAWAY frame: calls above the last stream it names were never looked at."""
        if len(payload) < _GOAWAY_BYTES:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is cut short")
        last = int.from_bytes(payload[:4], "big") & STREAM_ID_MASK
        code = _known(int.from_bytes(payload[4:_GOAWAY_BYTES], "big"))
        if code is not ErrorCode.NO_ERROR:
            said = payload[_GOAWAY_BYTES : _GOAWAY_BYTES + FAREWELL_BYTES_MAX].decode("utf-8", "replace")
            self.farewell = ConnectionFault(code, said if said.isprintable() else ascii(said))
        if not self.is_leaving:
            self.is_leaving = True
            events.append(Leaving())
        for stream_id in [one for one in self._calls if one > last]:
            self.sender.forget(stream_id)
            events.append(CallEnded(stream_id, UNAVAILABLE, "the server goes away", b"", was_taken=False))

    def _end(self, stream: ClientStream, status: int, message: str, details: bytes, events: list[ClientEvent]) -> None:
        """End a call that the server has ended."""
        self.sender.forget(stream.stream_id)
        if not stream.local_closed:
            # The server has answered without waiting for the rest of the request: spare it.
            self.sender.control(render_reset(stream.stream_id, ErrorCode.NO_ERROR))
        events.append(CallEnded(stream.stream_id, status, message, details))

    def _abandon(self, stream_id: int, status: int, message: str, events: list[ClientEvent]) -> None:
        """End a call whose answer cannot be taken."""
        self.cancel(stream_id)
        events.append(CallEnded(stream_id, status, message))

    def _check_opened(self, stream_id: int) -> None:
        """Refuse a frame on a stream that we never opened.

        Raises:
            ConnectionFault: It is such a frame.
        """
        if not 0 < stream_id < self._next_id or not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame on stream {stream_id}, which is not ours")

    def _credit(self, stream: ClientStream) -> None:
        """Give a stream window, unless whoever reads it lags behind."""
        limits = self._limits
        if stream.unread < limits.stream_unread_bytes_max and stream.uncredited >= limits.stream_window_bytes // 2:
            self.sender.control(render_window_update(stream.stream_id, stream.uncredited))
            stream.receive_window += stream.uncredited
            stream.uncredited = 0

    def _credit_connection(self) -> None:
        """Give the connection's window back once half of it is used."""
        if self._uncredited >= self._limits.connection_window_bytes // 2:
            self.sender.control(render_window_update(0, self._uncredited))
            self._receive_window += self._uncredited
            self._uncredited = 0

    def _fail(self, fault: ConnectionFault, events: list[ClientEvent]) -> None:
        """End the connection: tell the server why, and the shell that it is over."""
        self.is_closed = True
        self.sender.control(render_goaway(0, fault.code, fault.reason))
        events.append(Closed(fault.code, fault.reason))


def _known(code: int) -> ErrorCode:
    """An error code, INTERNAL_ERROR in place of one that no RFC has named (RFC 9113 7)."""
    return ErrorCode(code) if code in ErrorCode._value2member_map_ else ErrorCode.INTERNAL_ERROR
