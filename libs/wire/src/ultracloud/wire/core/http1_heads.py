"""Heads of HTTP/1.1: a request's into its parts and how its body is framed, a response's into bytes.

What could be read in two ways is refused: two lengths, a length beside a chunked body, a space before a colon. A proxy
in front of us that reads it the other way would take a part of one request for the next one.

Source: RFC 9112 sections 2 to 6; RFC 9110 10.1.1 (Expect).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_LINE = re.compile(rb"([A-Z]{1,16}) (\S{1,4096}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
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
    """Not HTTP, or more of it than we take; answer with `status` and close."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of one request.

    Attributes:
        path: Without the query, as it came.
        query: What stands behind the question mark, undecoded.
        fields: Header fields in lower case; repeated ones joined by commas.
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


def parse_head(head: bytes) -> RequestHead | BadRequest:
    """Read one request head, without the empty line behind it."""
    line, *rest = head.split(b"\r\n")
    matched = _LINE.fullmatch(line)
    fields: dict[str, str] = {}
    for field in map(_FIELD.fullmatch, rest):
        if field is None or matched is None:
            return BadRequest(400, "this is not an HTTP/1.1 request")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    if matched is None:
        return BadRequest(400, "this is not an HTTP/1.1 request")
    is_newer = matched[3] == b"1"
    length = _framing(fields, is_newer=is_newer)
    if isinstance(length, BadRequest):
        return length
    expectation = fields.get("expect", "").lower() if is_newer else ""
    if expectation not in ("", "100-continue"):
        return BadRequest(417, "the only expectation that is met here is 100-continue")
    options = {option.strip() for option in fields.get("connection", "").lower().split(",")}
    path, _, query = _ORIGIN.sub("", matched[2].decode("latin-1"), count=1).partition("?")
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
    """The head of a response, with its empty line; `fields` say how its body is framed."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if cookies:
        lines += [f"set-cookie: {cookie}" for cookie in cookies]
    lines += [f"connection: {'keep-alive' if keep_alive else 'close'}", "", ""]
    return "\r\n".join(lines).encode("latin-1")


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
