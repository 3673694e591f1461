"""HTTP/1.1, the little of it that the metadata socket speaks: GET and HEAD without a body, one answer after another.

The peer is prismnet's proxy, which hands on what a guest wrote: everything here may be hostile.

Source: RFC 9112 sections 2 to 6; RFC 9110 section 15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

HEAD_BYTES_MAX = 16 * 1024
"""Request line and headers; cloud-init sends a few hundred bytes."""
HEADERS_MAX = 64

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `headers` in lower case, `length` its bytes, `closes` whether the connection ends after it."""

    method: str
    target: str
    headers: Mapping[str, str]
    length: int
    closes: bool


@dataclass(frozen=True, slots=True)
class BadRequest:
    """What cannot be answered; the connection ends."""

    status: int
    says: str


def parse(buffer: bytes) -> Request | BadRequest | None:
    """The first request in `buffer`; None while it is incomplete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0 or end > HEAD_BYTES_MAX:
        return BadRequest(431, f"head over {HEAD_BYTES_MAX} bytes") if len(buffer) > HEAD_BYTES_MAX else None
    lines = buffer[:end].decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):  # noqa: PLR2004 - method, target, version
        return BadRequest(400, "not an HTTP/1.1 request line")
    method, target, version = words
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        return BadRequest(400, "malformed request line")
    headers = _headers(lines[1:])
    if isinstance(headers, BadRequest):
        return headers
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return BadRequest(400, "a request here has no body")
    wanted = headers.get("connection", "").lower()
    closes = wanted == "close" or (version == "HTTP/1.0" and wanted != "keep-alive")
    return Request(method, target, headers, end + 4, closes)


def _headers(lines: list[str]) -> dict[str, str] | BadRequest:
    """The header fields; each may stand once, so that nobody can add a second `X-Ultracloud-Port`."""
    if len(lines) > HEADERS_MAX:
        return BadRequest(431, f"over {HEADERS_MAX} header fields")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            return BadRequest(400, "malformed header field")
        if name.lower() in headers:
            return BadRequest(400, f"header field {name} stands twice")
        headers[name.lower()] = value.strip(" \t")
    return headers


def render(status: int, body: bytes, content_type: str, *, closes: bool, without_body: bool = False) -> bytes:
    """An answer; `without_body` is for HEAD, whose length still counts the body."""
    allow = "Allow: GET, HEAD\r\n" if status == 405 else ""  # noqa: PLR2004 - RFC 9110 15.5.6 wants it
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{allow}"
        f"Connection: {'close' if closes else 'keep-alive'}\r\n"
        "\r\n"
    )
    return head.encode("latin-1") + (b"" if without_body else body)
