"""Heads of HTTP/1.1: a request's into its parts and how its body is framed, a response's into bytes.

What could be read in two ways is refused: two lengths, a length beside a chunked body, two hosts, a space before a
colon. A proxy in front of us that reads it the other way would take a part of one request for the next one.

Source: RFC 9112 sections 2 to 6; RFC 9110 10.1.1 (Expect).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from ultracloud.wire.core.heads import joined

HEADS_KEPT_MAX, HEAD_KEPT_BYTES_MAX = 512, 4096
"""Heads that a reader remembers: those without a body, with room for a token of 1 KiB."""
FIELDS_KEPT_MAX, FIELD_KEPT_BYTES_MAX = 1024, 2048
"""Field lines that a reader remembers; what a client changes with each request (a trace) is a line by itself."""
_LINE = re.compile(rb"([A-Z]{1,16}) ([!-~\x80-\xff]{1,4096}) HTTP/1\.([01])")
_LONG_LINE = re.compile(rb"[A-Z]{1,16} [!-~\x80-\xff]{4097,} HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")
_END = b"\r\n\r\n"
_ORIGIN = re.compile(r"(?i:https?)://[^/?]*")
_LENGTH = re.compile(r"[0-9]{1,12}")
REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True, slots=True)
class BadRequest:
    """Not HTTP, or more of it than we take; answer with `status`, `reason` and header `fields`, and close."""

    status: int
    reason: str
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)


class RequestHead(NamedTuple):
    """The head of one request.

    Attributes:
        path: Without the query, as it came.
        query: What stands behind the question mark, undecoded.
        fields: Header fields in lower case; repeated ones joined.
        length: Bytes of the body; None if it is chunked.
        expects_continue: The client sends the body once it is told to.
        keep_alive: Whether the client wants to send another request.
        can_chunk: Whether the client understands a chunked answer.
    """

    method: str
    path: str
    query: str
    fields: Mapping[str, str]
    length: int | None
    expects_continue: bool
    keep_alive: bool
    can_chunk: bool


class HeadReader:
    """Reads request heads, and remembers them and their fields: a client sends the same ones again and again.

    The same bytes mean the same to whoever sends them, so one reader serves all connections of a server.
    """

    __slots__ = ("_fields", "_heads")

    def __init__(self) -> None:
        self._fields: dict[bytes, tuple[str, str]] = {}
        self._heads: dict[bytes, RequestHead] = {}

    def known(self, octets: bytes) -> RequestHead | None:
        """The head that is exactly these bytes, with its empty line, if it was read before and no body follows it."""
        return self._heads.get(octets)

    def read(self, octets: bytes) -> RequestHead | BadRequest:
        """Read one request head, with the empty line behind it."""
        known = self._heads.get(octets)
        if known is not None:
            return known
        head = parse_head(octets.removesuffix(_END), self._field)
        if isinstance(head, RequestHead) and head.length == 0 and len(octets) <= HEAD_KEPT_BYTES_MAX:
            if len(self._heads) >= HEADS_KEPT_MAX:
                self._heads.clear()
            self._heads[octets] = head
        return head

    def _field(self, line: bytes) -> tuple[str, str] | None:
        """A field line as `parse_field` has it."""
        field = self._fields.get(line)
        if field is None:
            field = parse_field(line)
            if field is not None and len(line) <= FIELD_KEPT_BYTES_MAX:
                if len(self._fields) >= FIELDS_KEPT_MAX:
                    self._fields.clear()
                self._fields[line] = field
        return field


def parse_field(line: bytes) -> tuple[str, str] | None:
    """Name, in lower case, and value of a field line; None if it is none."""
    matched = _FIELD.fullmatch(line)
    return None if matched is None else (matched[1].decode("ascii").lower(), matched[2].strip(b" \t").decode("latin-1"))


def parse_head(
    head: bytes, read_field: Callable[[bytes], tuple[str, str] | None] = parse_field
) -> RequestHead | BadRequest:
    """Read one request head, without the empty line behind it."""
    line, *rest = head.split(b"\r\n")
    matched = _LINE.fullmatch(line)
    if matched is None:
        is_long = _LONG_LINE.fullmatch(line) is not None
        return BadRequest(400, "the address is over 4096 bytes" if is_long else "this is not an HTTP/1.1 request")
    fields: dict[str, str] = {}
    for field in map(read_field, rest):
        if field is None:
            return BadRequest(400, "this is not an HTTP/1.1 request")
        name, value = field
        fields[name] = joined(name, fields[name], value) if name in fields else value
    is_newer = matched[3] == b"1"
    length = _host_breach(fields, is_newer=is_newer) or _framing(fields, is_newer=is_newer)
    if isinstance(length, BadRequest):
        return length
    expectation = fields.get("expect", "").lower() if is_newer else ""
    if expectation not in ("", "100-continue"):
        return BadRequest(417, "the only expectation that is met here is 100-continue")
    options = [option.strip() for option in fields["connection"].lower().split(",")] if "connection" in fields else []
    target = matched[2].decode("latin-1")
    path, _, query = (target if target[0] == "/" else _ORIGIN.sub("", target, count=1)).partition("?")
    return RequestHead(
        method=matched[1].decode("ascii"),
        path=path or "/",
        query=query,
        fields=MappingProxyType(fields),
        length=length,
        expects_continue=bool(expectation),
        keep_alive="close" not in options if is_newer else "keep-alive" in options,
        can_chunk=is_newer,
    )


def render_head(status: int, fields: Mapping[str, str], *, keep_alive: bool, cookies: Sequence[str] = ()) -> bytes:
    """The head of a response, with its empty line; `fields` say how its body is framed.

    Raises:
        ValueError: A value has a line break, which would be the end of its field, or a character outside Latin-1.
    """
    named = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    if cookies:
        named += "".join([f"set-cookie: {cookie}\r\n" for cookie in cookies])
    if named.count("\n") + named.count("\r") != 2 * (len(fields) + len(cookies)):
        raise ValueError("a header field of a response has a line break")
    line = f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"
    return f"{line}\r\n{named}connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n".encode("latin-1")


def _host_breach(fields: Mapping[str, str], *, is_newer: bool) -> BadRequest | None:
    """Why a request is refused for its host (RFC 9112 3.2): it is missing, or there are two."""
    if "," in fields.get("host", ""):
        return BadRequest(400, "a request names one host")
    if is_newer and "host" not in fields:
        return BadRequest(400, "a request of HTTP/1.1 names its host")
    return None


def _framing(fields: Mapping[str, str], *, is_newer: bool) -> int | BadRequest | None:
    """Bytes of the body, or None for chunks (RFC 9112 6.3)."""
    length, coding = fields.get("content-length"), fields.get("transfer-encoding")
    if coding is not None:
        if length is not None or not is_newer:
            return BadRequest(400, "a chunked body needs HTTP/1.1, and no content-length beside it")
        return None if coding.lower() == "chunked" else BadRequest(501, "the only transfer coding served is chunked")
    if length is None:
        return 0
    if _LENGTH.fullmatch(length) is None:
        return BadRequest(400, "content-length is no number, or more than one")
    return int(length)
