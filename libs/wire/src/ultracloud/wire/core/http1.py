"""HTTP/1.1 for pages and for gateways: requests with bounded bodies, keep-alive, pipelining, answers that stream.

Probes and scrapers (kubelet, Prometheus, curl) ask for pages; clients without gRPC send a body and may get a stream.
Bytes go in and requests come out, in order and whole, however the bytes were cut. After something that cannot be read
nothing more is read, so that no byte of a body is ever taken for the next request.

Source: RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from ultracloud.wire.core.http1_heads import BadRequest, HeadReader, RequestHead, parse_field, render_head

HEAD_BYTES_MAX = 16 * 1024
"""One request head; curl sends 80 bytes, a browser with cookies a few KiB."""
PIPELINE_MAX = 64
"""Requests taken from one read; a client with more waits for answers first."""
CHUNK_LINE_BYTES_MAX = 256
"""The line before a chunk: a length, and extensions that nobody sends."""
CHUNKS_BYTES_FACTOR = 16
"""Bytes of framing for each byte of body that is allowed: chunks of one byte cost six, extensions more."""
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n\0]*)?")
_BLANK = b"\r\n"
_HEAD_END = b"\r\n\r\n"
BODILESS = (204, 304)
"""No Content, and Not Modified: answers that end with their heads."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Request(NamedTuple):
    """One whole request."""

    head: RequestHead
    body: bytes


@dataclass(frozen=True, slots=True)
class ContinueWanted:
    """The client waits for `CONTINUE` before it sends the body of its next request."""


Event: TypeAlias = Request | ContinueWanted | BadRequest


class _At(Enum):
    """What comes next."""

    HEAD = auto()
    BODY = auto()
    CHUNK_LINE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILERS = auto()
    OVER = auto()


class Http1Connection:
    """Makes requests of bytes.

    Args:
        body_bytes_max: Most that a body may have; 0 refuses every body.
        heads: Reads heads; shared by the connections of a server.
    """

    __slots__ = ("_at", "_body", "_body_bytes_max", "_buffer", "_framing_left", "_head", "_heads", "_missing")

    def __init__(self, body_bytes_max: int = 0, heads: HeadReader | None = None) -> None:
        self._body_bytes_max = body_bytes_max
        self._heads = heads or HeadReader()
        self._buffer = bytearray()
        self._at = _At.HEAD
        self._head: RequestHead | None = None
        self._body = bytearray()
        self._missing = 0
        """Bytes of the body, or of the chunk, that have not come."""
        self._framing_left = 0

    @property
    def is_midway(self) -> bool:
        """Whether a request has begun and not ended."""
        return self._at is not _At.OVER and (self._at is not _At.HEAD or bool(self._buffer))

    def receive(self, chunk: bytes) -> list[Event]:
        """Take bytes; give what they complete. After a bad request, or one that closes, nothing more is read."""
        if self._at is _At.HEAD and not self._buffer:
            # The short way: a read brings one whole request without a body, as most do.
            head = self._heads.known(chunk) or self._read_whole(chunk)
            if head is not None:
                self._at = _At.HEAD if head.keep_alive else _At.OVER
                return [Request(head, b"")]
        events: list[Event] = []
        if self._at is _At.OVER:
            return events
        self._buffer += chunk
        while self._step(events):
            if len(events) > PIPELINE_MAX:
                self._refuse(503, "too many requests without waiting for answers", events)
        return events

    def _read_whole(self, chunk: bytes) -> RequestHead | None:
        """The head that is all of a read, if no body follows it and nothing is wrong with it."""
        end = chunk.find(_HEAD_END, 0, HEAD_BYTES_MAX + len(_HEAD_END))
        if end < 0 or end + len(_HEAD_END) != len(chunk) or chunk.startswith(_BLANK):
            return None
        head = self._heads.read(chunk)
        return head if isinstance(head, RequestHead) and head.length == 0 else None

    def _step(self, events: list[Event]) -> bool:
        """Read the next piece of a request; whether there was enough for one."""
        match self._at:
            case _At.HEAD:
                return self._read_head(events)
            case _At.BODY | _At.CHUNK:
                return self._read_body(events)
            case _At.CHUNK_LINE:
                return self._read_chunk_line(events)
            case _At.CHUNK_END:
                return self._read_chunk_end(events)
            case _At.TRAILERS:
                return self._read_trailers(events)
            case _At.OVER:
                return False

    def _read_head(self, events: list[Event]) -> bool:
        if self._buffer.startswith(_BLANK):
            # RFC 9112 2.2: some clients end a body with a line that does not belong to it.
            del self._buffer[: len(_BLANK)]
        end = self._buffer.find(_HEAD_END, 0, HEAD_BYTES_MAX + len(_HEAD_END))
        if end < 0:
            if len(self._buffer) >= HEAD_BYTES_MAX + len(_HEAD_END):
                self._refuse(431, f"a request head over {HEAD_BYTES_MAX} bytes", events)
            return False
        head = self._heads.read(bytes(self._buffer[: end + len(_HEAD_END)]))
        del self._buffer[: end + len(_HEAD_END)]
        if isinstance(head, BadRequest):
            self._refuse(head.status, head.reason, events)
            return False
        self._begin_body(head, events)
        return True

    def _begin_body(self, head: RequestHead, events: list[Event]) -> None:
        self._head = head
        if head.length is None and self._body_bytes_max:
            self._at = _At.CHUNK_LINE
            self._framing_left = CHUNKS_BYTES_FACTOR * self._body_bytes_max
        elif head.length is None or head.length > self._body_bytes_max:
            self._refuse_body(events)
            return
        else:
            self._at = _At.BODY
            self._missing = head.length
        if head.expects_continue and head.length != 0 and not self._buffer:
            events.append(ContinueWanted())

    def _read_body(self, events: list[Event]) -> bool:
        part = self._buffer[: self._missing]
        self._body += part
        del self._buffer[: len(part)]
        self._missing -= len(part)
        if self._missing:
            return False
        if self._at is _At.BODY:
            self._finish(events)
        else:
            self._at = _At.CHUNK_END
        return True

    def _read_chunk_line(self, events: list[Event]) -> bool:
        line = self._read_line(CHUNK_LINE_BYTES_MAX, events)
        if line is None:
            return False
        matched = _CHUNK.fullmatch(line)
        if matched is None:
            self._refuse(400, "a chunk does not begin with its length", events)
            return False
        self._missing = int(matched[1], 16)
        if len(self._body) + self._missing > self._body_bytes_max:
            self._refuse_body(events)
            return False
        self._at = _At.CHUNK if self._missing else _At.TRAILERS
        if not self._missing:
            self._framing_left = HEAD_BYTES_MAX
        return True

    def _read_chunk_end(self, events: list[Event]) -> bool:
        if len(self._buffer) < len(_BLANK):
            return False
        if not self._buffer.startswith(_BLANK):
            self._refuse(400, "a chunk is longer than it says", events)
            return False
        del self._buffer[: len(_BLANK)]
        self._at = _At.CHUNK_LINE
        return True

    def _read_trailers(self, events: list[Event]) -> bool:
        """Pass trailers over: nothing that a gateway takes from fields may come behind the body."""
        line = self._read_line(HEAD_BYTES_MAX, events)
        if line is None:
            return False
        if not line:
            self._finish(events)
        elif parse_field(line) is None:
            # Whoever takes a bare LF for the end of a line finds another request in it.
            self._refuse(400, "a trailer is no header field", events)
            return False
        return True

    def _read_line(self, bytes_max: int, events: list[Event]) -> bytes | None:
        """A line of a chunked body; None if it has not come whole, or was refused."""
        end = self._buffer.find(_BLANK, 0, bytes_max + len(_BLANK))
        size = (len(self._buffer) if end < 0 else end) + len(_BLANK)
        if size > bytes_max + len(_BLANK) or size > self._framing_left:
            self._refuse(400, "a chunked body with more framing than body", events)
            return None
        if end < 0:
            return None
        self._framing_left -= size
        line = bytes(self._buffer[:end])
        del self._buffer[:size]
        return line

    def _finish(self, events: list[Event]) -> None:
        """Give the request that is whole now."""
        head = self._head
        assert head is not None
        events.append(Request(head, bytes(self._body)))
        self._head = None
        self._body.clear()
        self._at = _At.HEAD if head.keep_alive else _At.OVER
        if self._at is _At.OVER:
            self._buffer.clear()

    def _refuse_body(self, events: list[Event]) -> None:
        at_most = (
            f"at most {self._body_bytes_max} bytes are accepted" if self._body_bytes_max else "none is served here"
        )
        self._refuse(413, f"the body is too large; {at_most}", events)

    def _refuse(self, status: int, reason: str, events: list[Event]) -> None:
        """End with a bad request."""
        events.append(BadRequest(status, reason))
        self._at = _At.OVER
        self._buffer.clear()
        self._body.clear()


def render_response(
    status: int,
    fields: Mapping[str, str],
    body: bytes,
    *,
    keep_alive: bool,
    head_only: bool = False,
    cookies: Sequence[str] = (),
) -> bytes:
    """The bytes of one whole response."""
    # RFC 9110 8.6: neither of the two has a body, and a length of 0 would be said of what the other answer would have.
    framed = fields if status in BODILESS else {**fields, "content-length": str(len(body))}
    head = render_head(status, framed, keep_alive=keep_alive, cookies=cookies)
    return head if head_only or status in BODILESS else head + body


def render_chunk(part: bytes) -> bytes:
    """A part of a chunked response; an empty one would end it and may not be given."""
    assert part
    return b"%x\r\n%b\r\n" % (len(part), part)
