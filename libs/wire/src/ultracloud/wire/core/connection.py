"""The server's side of one HTTP/2 connection: bytes in, events and bytes out. No socket, no clock, no task.

`receive` reads every frame of its bytes in one loop. A call that fits one HEADERS and one DATA frame, whose header
block was seen before, becomes one event without any state but its id; all else goes through a method a frame type.

Source: RFC 9113; gRPC over HTTP2.
"""

from __future__ import annotations

from ultracloud.wire.core.blocks import OpenBlock, continued, opened
from ultracloud.wire.core.events import Closed, Event
from ultracloud.wire.core.floods import Budget
from ultracloud.wire.core.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    PREFACE,
    STREAM_ID_MASK,
    Kind,
    Setting,
    parse_settings,
    parse_word,
    render_frame,
    render_goaway,
    render_reset,
    render_settings,
)
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.requests import Requests
from ultracloud.wire.core.sending import Sender
from ultracloud.wire.core.streams import Streams
from ultracloud.wire.errors import ConnectionFault, ErrorCode, StreamFault

_DRAIN_PING = b"draining"
_ALIVE_PING = b"are you?"
_PING_BYTES = 8
_PRIORITY_BYTES = 5
SPLICED_BYTES_MAX = 8 * 1024
"""Bytes that are simply appended to the rest of those before them; more are worth a second look."""


class Connection:
    """One connection from its preface to its end.

    Args:
        limits: Its bounds.
        now_s: The time now, in seconds of any clock that never goes back; the same clock as in all later calls.
    """

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._now_s = now_s
        self._streams = Streams()
        self.sender = Sender(self._streams, limits)
        """Where methods put their responses and the shell takes its bytes."""
        self._requests = Requests(self._streams, self.sender, limits, now_s)
        self._pings = Budget("pings", limits.pings_max, limits.pings_per_second, now_s)
        self._settings = Budget("settings", limits.settings_max, limits.settings_per_second, now_s)
        self._rest = b""
        self._preface_left = PREFACE
        self._block: OpenBlock | None = None
        self._has_settings = False
        self._asked_alive_s: float | None = None
        self._began_s = now_s
        self._drain_began = False
        self.is_closed = False
        """Nothing more is read; what `sender` holds is to be written, then the transport closed."""
        self._greet()

    def receive(self, chunk: bytes, now_s: float) -> list[Event]:
        """Take bytes from the client; give what they mean, in order, however they were cut."""
        events: list[Event] = []
        if self.is_closed:
            return events
        self._now_s = now_s
        self._asked_alive_s = None
        self._pay()
        try:
            self._read_on(chunk, events)
        except ConnectionFault as fault:
            self._fail(fault, events)
        else:
            self._requests.credit_connection()
        return events

    def consume(self, stream_id: int, size: int) -> None:
        """Note that a method has taken a message of `size` bytes; the client may send more."""
        self._requests.consume(stream_id, size)

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Give a call up from our side, without an answer."""
        if stream_id in self._streams.open:
            self.sender.forget(stream_id)
            self.sender.control(render_reset(stream_id, code))

    def start_drain(self) -> None:
        """Announce the end: all streams that reach us are still served until the client has had word of it.

        The PING behind the first GOAWAY comes back when the client has read both; streams it opened before that are
        on their way already, and only then the last stream's number can be named (RFC 9113 6.8).
        """
        if self._drain_began or self.is_closed:
            return
        self._drain_began = True
        self.sender.control(render_goaway(STREAM_ID_MASK, ErrorCode.NO_ERROR, "draining"))
        self.sender.control(render_frame(Kind.PING, 0, 0, _DRAIN_PING))

    def finish_drain(self) -> None:
        """Name the last stream that is served; later ones are refused. Comes by itself when the client answers."""
        if self._drain_began and not self._requests.refuses_new and not self.is_closed:
            self._requests.refuses_new = True
            self.sender.control(render_goaway(self._requests.last_stream_id, ErrorCode.NO_ERROR, "draining"))

    def tick(self, now_s: float) -> list[Event]:
        """Look at the clock: a client that is silent is asked whether it lives, one that does not answer is closed."""
        events: list[Event] = []
        if self.is_closed:
            return events
        patience_s = self._limits.keepalive_timeout_s
        waiting = [self._began_s] if not self._has_settings else []
        waiting += [since_s for since_s in (self._asked_alive_s, self._block and self._block.since_s) if since_s]
        if waiting and now_s - min(waiting) > patience_s:
            self._fail(ConnectionFault(ErrorCode.NO_ERROR, "the client is silent"), events)
        elif self._asked_alive_s is None and now_s - self._now_s > self._limits.keepalive_idle_s:
            self._asked_alive_s = now_s
            self.sender.control(render_frame(Kind.PING, 0, 0, _ALIVE_PING))
        return events

    @property
    def has_calls(self) -> bool:
        """Whether a call is open."""
        return bool(self._streams.open)

    @property
    def is_drained(self) -> bool:
        """Whether drain is over: the client knows, and all its calls are answered."""
        return self._requests.refuses_new and not self._streams.open

    @property
    def is_clogged(self) -> bool:
        """Whether so many responses wait for window that new calls should be refused."""
        return self._streams.unsent_bytes > self._limits.connection_unsent_bytes_max

    def _greet(self) -> None:
        """Send our preface."""
        limits = self._limits
        settings: dict[int, int] = {
            Setting.MAX_CONCURRENT_STREAMS: limits.streams_max,
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
            Setting.MAX_FRAME_SIZE: limits.frame_bytes_max,
            Setting.MAX_HEADER_LIST_SIZE: limits.header_list_bytes_max,
        }
        self.sender.control(render_settings(settings))
        self._requests.credit_connection()

    def _pay(self) -> None:
        """Let what was answered since the last bytes pay for control frames."""
        sender = self.sender
        progress = sender.progress
        if progress:
            sender.progress = 0
            self._pings.earn(progress)
            self._requests.idle.earn(progress)
            self._requests.resets.earn(progress)

    def _read_on(self, chunk: bytes, events: list[Event]) -> None:
        """Read `chunk` behind what is left of the bytes before it."""
        rest = self._rest
        if len(rest) >= HEAD_BYTES and rest[3] == Kind.DATA and len(chunk) > SPLICED_BYTES_MAX:
            # The frame that is cut is put together by itself, or a large message would be copied once more as a whole.
            missing = HEAD_BYTES + int.from_bytes(rest[:3], "big") - len(rest)
            if missing <= len(chunk):
                self._read(rest + chunk[:missing], 0, events)
                self._read(chunk, missing, events)
                return
        self._read(rest + chunk if rest else chunk, 0, events)

    def _read(self, buffer: bytes, at: int, events: list[Event]) -> None:
        """Take every whole frame of `buffer` from `at` on; keep the rest."""
        if self._preface_left:
            at = self._read_preface(buffer)
        size = len(buffer)
        view = memoryview(buffer)
        frame_bytes_max, unpack = self._limits.frame_bytes_max, HEAD.unpack_from
        begin_shortly, finish_shortly = self._requests.begin_shortly, self._requests.finish_shortly
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream_id = unpack(buffer, at)
            start = at + HEAD_BYTES
            end = start + (high << 8 | low)
            if end - start > frame_bytes_max:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {end - start} bytes")
            if end > size:
                break
            if self._block is None and (
                (kind == 0 and flags == END_STREAM and finish_shortly(buffer, start, end, stream_id, events))
                or (kind == 1 and flags == END_HEADERS and begin_shortly(buffer[start:end], stream_id))
            ):
                at = end
                continue
            payload = buffer[start:end] if kind else view[start:end]
            self._take(kind, flags, stream_id & STREAM_ID_MASK, payload, events)
            at = end
        self._rest = buffer[at:]
        if self._requests.fresh:
            self._requests.settle_all(events)

    def _read_preface(self, buffer: bytes) -> int:
        """Take as much of the preface as there is; where it ends."""
        part = buffer[: len(self._preface_left)]
        if not self._preface_left.startswith(part):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this is not HTTP/2")
        self._preface_left = self._preface_left[len(part) :]
        return len(part)

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes | memoryview, events: list[Event]) -> None:
        """Take one frame; the payload of DATA is a view, any other is bytes."""
        if self._block is not None and (kind != Kind.CONTINUATION or stream_id != self._block.stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
        if not self._has_settings and (kind != Kind.SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if stream_id in self._requests.fresh and kind != Kind.RST_STREAM:
            self._requests.settle(stream_id, events)
        try:
            if isinstance(payload, memoryview):
                self._requests.take_payload(stream_id, payload, flags, self._now_s, events)
            else:
                self._dispatch(kind, flags, stream_id, payload, events)
        except StreamFault as fault:
            self._requests.fail_stream(fault, self._now_s, events)

    def _dispatch(self, kind: int, flags: int, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Send a frame to what knows its type; a type that no RFC has named is ignored (RFC 9113 5.5)."""
        match kind:
            case Kind.HEADERS:
                self._finish_block(opened(stream_id, flags, payload, self._limits, self._now_s), flags, events)
            case Kind.CONTINUATION:
                self._finish_block(continued(self._block, payload, self._limits), flags, events)
            case Kind.RST_STREAM:
                self._requests.take_reset(stream_id, parse_word(payload, "RST_STREAM"), self._now_s, events)
            case Kind.WINDOW_UPDATE:
                self._take_window_update(stream_id, payload, events)
            case Kind.SETTINGS:
                self._take_settings(stream_id, flags, payload, events)
            case Kind.PING:
                self._take_ping(stream_id, flags, payload)
            case Kind.PRIORITY:
                self._take_priority(stream_id, payload)
            case Kind.GOAWAY:
                self._take_goaway(stream_id, payload)
            case Kind.PUSH_PROMISE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client cannot push")
            case _:
                self._requests.idle.spend(self._now_s)

    def _finish_block(self, block: OpenBlock, flags: int, events: list[Event]) -> None:
        """Hand a header block on if this frame ends it; keep it otherwise."""
        if not flags & END_HEADERS:
            self._block = block
            return
        self._block = None
        if block.stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0")
        self._requests.take_block(
            block.stream_id, bytes(block.octets), ends=block.ends, now_s=self._now_s, events=events
        )

    def _take_window_update(self, stream_id: int, payload: bytes, events: list[Event]) -> None:
        """Take a WINDOW_UPDATE frame and send what it lets through."""
        increment = parse_word(payload, "WINDOW_UPDATE") & STREAM_ID_MASK
        if stream_id:
            self._requests.check_opened(stream_id, "WINDOW_UPDATE")
        self._requests.idle.spend(self._now_s)
        self.sender.widen(stream_id, increment)
        events += self.sender.pump()

    def _take_settings(self, stream_id: int, flags: int, payload: bytes, events: list[Event]) -> None:
        """Take a SETTINGS frame, apply it, acknowledge it."""
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement with settings in it")
            return
        self._has_settings = True
        self._settings.spend(self._now_s)
        # The last of a name is what counts in the end, and a frame has room for ten thousand.
        settings = dict(parse_settings(payload))
        if Setting.INITIAL_WINDOW_SIZE in settings:
            self.sender.set_initial_window(settings[Setting.INITIAL_WINDOW_SIZE])
        if Setting.MAX_FRAME_SIZE in settings:
            self.sender.set_frame_bytes_max(settings[Setting.MAX_FRAME_SIZE])
        self.sender.control(render_frame(Kind.SETTINGS, ACK, 0))
        events += self.sender.pump()

    def _take_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        """Take a PING frame: answer it, or see in it the answer to ours."""
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != _PING_BYTES:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes; expected 8")
        if not flags & ACK:
            self._pings.spend(self._now_s)
            self.sender.control(render_frame(Kind.PING, ACK, 0, payload))
        elif payload == _DRAIN_PING:
            self.finish_drain()

    def _take_priority(self, stream_id: int, payload: bytes) -> None:
        """Take a PRIORITY frame and ignore it (RFC 9113 5.3.2)."""
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        self._requests.idle.spend(self._now_s)
        if len(payload) != _PRIORITY_BYTES:
            raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes; expected 5")

    def _take_goaway(self, stream_id: int, payload: bytes) -> None:
        """Take a GOAWAY frame: the client opens no more streams, so there is nothing to do but finish its calls."""
        if stream_id or len(payload) < _PING_BYTES:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream, or cut short")
        self._requests.idle.spend(self._now_s)

    def _fail(self, fault: ConnectionFault, events: list[Event]) -> None:
        """End the connection: tell the client why, and the shell that it is over."""
        self.is_closed = True
        self.sender.control(render_goaway(self._requests.last_stream_id, fault.code, fault.reason))
        events.append(Closed(fault.code, fault.reason))
