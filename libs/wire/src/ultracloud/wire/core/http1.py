"""HTTP/1.1 for pages: GET and HEAD of small documents, with keep-alive and pipelining. No bodies in requests.

Probes and scrapers (kubelet, Prometheus, curl) speak HTTP/1.1; a request with a body has no business here and ends the
connection, so that no byte of one is ever taken for the next request.

Source: RFC 9112.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES_MAX = 16 * 1024
"""One request head; curl sends 80 bytes, a browser with cookies a few KiB."""
PIPELINE_MAX = 64
"""Requests taken from one read; a client with more waits for answers first."""
_LINE = re.compile(rb"([A-Z]{1,16}) (\S{1,4096}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request.

    Attributes:
        method: ``GET``, ``HEAD`` or what the client sent.
        path: Without the query.
        keep_alive: Whether the client wants to send another.
    """

    method: str
    path: str
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class BadRequest:
    """Not HTTP, or more of it than we take; answer with `status` and close."""

    status: int
    reason: str


class Http1Connection:
    """Makes requests of bytes."""

    __slots__ = ("_is_over", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._is_over = False

    def receive(self, chunk: bytes) -> list[PageRequest | BadRequest]:
        """Take bytes; give the requests they complete. After a bad one, or one that closes, nothing more is read."""
        requests: list[PageRequest | BadRequest] = []
        self._rest += chunk
        while not self._is_over:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if len(head) > HEAD_BYTES_MAX:
                requests.append(BadRequest(431, f"a request head over {HEAD_BYTES_MAX} bytes"))
                self._is_over = True
            elif len(requests) >= PIPELINE_MAX:
                requests.append(BadRequest(503, "too many requests without waiting for answers"))
                self._is_over = True
            elif not found:
                break
            else:
                self._rest = rest
                requests.append(request := parse_request(head))
                self._is_over = isinstance(request, BadRequest) or not request.keep_alive
        return requests


def parse_request(head: bytes) -> PageRequest | BadRequest:
    """One request head, without the empty line behind it."""
    line, *rest = head.split(b"\r\n")
    matched = _LINE.fullmatch(line)
    fields = [_FIELD.fullmatch(field) for field in rest]
    if matched is None or None in fields:
        return BadRequest(400, "this is not an HTTP/1.1 request")
    values = {field[1].lower(): field[2].lower() for field in fields if field is not None}
    if b"transfer-encoding" in values or values.get(b"content-length", b"0") != b"0":
        return BadRequest(400, "requests with a body are not served here")
    version, connection = matched[3], values.get(b"connection", b"")
    return PageRequest(
        method=matched[1].decode("ascii"),
        path=matched[2].decode("latin-1").partition("?")[0],
        keep_alive=connection != b"close" if version == b"1" else connection == b"keep-alive",
    )


def render_response(status: int, content_type: str, body: bytes, *, keep_alive: bool, head_only: bool = False) -> bytes:
    """The bytes of one response."""
    head = (
        f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}\r\n"
        f"content-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\n"
        f"connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if head_only else body)
