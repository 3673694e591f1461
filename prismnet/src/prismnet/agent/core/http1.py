"""As much of HTTP/1.1 as a metadata proxy needs: heads of requests and responses, checked, and written anew.

Nothing a guest wrote is passed on as it stands: the request line and headers are parsed, strictly, and rendered again,
so no second request can hide in the first. One request, one connection.

Source: RFC 9112; RFC 9110 5.5 for field values; request smuggling in RFC 9112 11.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES_MAX = 8_192
"""Cloud-init's heads are under 500 bytes."""
HEADERS_MAX = 64
BODY_BYTES_MAX = 65_536
"""Of a request; metadata is read, and what is written (a token's lifetime, a host key) is small."""
METHODS = frozenset({"GET", "HEAD", "PUT", "POST"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-5][0-9][0-9])(?: ([\x20-\x7e\t]*))?")
_PROXY_HEADERS = frozenset({"x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"})
"""A request that came through a proxy was made by somebody who is not the guest: a web application that was talked into
fetching a URL for its visitor. No metadata for that."""
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_RESERVED = "x-ultracloud-"
"""Headers by which the proxy speaks to its upstream: never taken from a guest."""


class RefusedError(Exception):
    """The message is refused.

    Args:
        status: What the guest is told.
        sentence: Why, for the body.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head; names of headers in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Response:
    """A response's head; `body_bytes` is None where the end of the connection ends it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body_bytes: int | None


def parse_request(head: bytes) -> Request:
    """Read a request's head, without the empty line that ends it.

    Raises:
        RefusedError: It is malformed, too large, asks for what a metadata service has not, or came through a proxy.
    """
    if len(head) > HEAD_BYTES_MAX:
        raise RefusedError(431, f"the request head is over {HEAD_BYTES_MAX} bytes")
    line, headers = _split_head(head, 400)
    parts = line.split(" ")
    if len(parts) != 3 or not _TARGET.fullmatch(parts[1]) or parts[2] not in ("HTTP/1.0", "HTTP/1.1"):  # noqa: PLR2004
        raise RefusedError(400, "the request line is not 'METHOD /path HTTP/1.1'")
    if parts[0] not in METHODS:
        raise RefusedError(405, f"only {', '.join(sorted(METHODS))} are served")
    _refuse_proxied(headers)
    if any(name == "transfer-encoding" for name, _ in headers):
        raise RefusedError(411, "send the body with Content-Length")
    body_bytes = _content_length(headers, 400) or 0
    if body_bytes > BODY_BYTES_MAX:
        raise RefusedError(413, f"the body is over {BODY_BYTES_MAX} bytes")
    return Request(parts[0], parts[1], headers, body_bytes)


def render_request(request: Request, port: str) -> bytes:
    """The request for the upstream, in the port's name."""
    kept = [(name, value) for name, value in request.headers if not _is_dropped(name)]
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in kept)]
    if not any(name == "host" for name, _ in kept):
        lines.append("host: 169.254.169.254")
    lines += [f"x-ultracloud-port: {port}", f"content-length: {request.body_bytes}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def parse_response(head: bytes) -> Response:
    """Read a response's head, without the empty line that ends it.

    Raises:
        RefusedError: It is malformed, or its body is sent in chunks, which is refused as 502.
    """
    line, headers = _split_head(head, 502)
    found = _STATUS_LINE.fullmatch(line)
    if not found:
        raise RefusedError(502, "the metadata service answered in something that is not HTTP")
    if any(name == "transfer-encoding" for name, _ in headers):
        raise RefusedError(502, "the metadata service answered in chunks")
    return Response(int(found[1]), found[2] or "", headers, _content_length(headers, 502))


def render_response(response: Response) -> bytes:
    """The head for the guest."""
    kept = [(name, value) for name, value in response.headers if name not in _HOP_BY_HOP]
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in kept)]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")


def render_refusal(status: int, sentence: str) -> bytes:
    """A whole response of the proxy's own."""
    body = f"{sentence}\n".encode()
    reason = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 502: "Bad Gateway"}.get(status, "Refused")
    headers = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))
    return render_response(Response(status, reason, headers, len(body))) + body


def _split_head(head: bytes, status: int) -> tuple[str, tuple[tuple[str, str], ...]]:
    """First line and headers."""
    first, *rest = head.decode("latin-1").split("\r\n")
    if len(rest) > HEADERS_MAX:
        raise RefusedError(431 if status < 500 else status, f"over {HEADERS_MAX} headers")  # noqa: PLR2004
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        # A space before the colon, or a line that continues the last one, is how smuggling begins (RFC 9112 5.1, 5.2).
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise RefusedError(status, "a header is malformed")
        headers.append((name.lower(), value.strip(" \t")))
    return first, tuple(headers)


def _refuse_proxied(headers: tuple[tuple[str, str], ...]) -> None:
    for name, _ in headers:
        if name in _PROXY_HEADERS:
            raise RefusedError(403, f"metadata is not served through proxies: the request has '{name}'")


def _content_length(headers: tuple[tuple[str, str], ...], status: int) -> int | None:
    """The one length; two that differ, or one that is no number, are refused."""
    lengths = {value for name, value in headers if name == "content-length"}
    if not lengths:
        return None
    text = lengths.pop()
    if lengths or not (text.isascii() and text.isdigit()) or len(text) > 12:  # noqa: PLR2004 - a terabyte has 12 digits
        raise RefusedError(status, "Content-Length is not one number")
    return int(text)


def _is_dropped(name: str) -> bool:
    return name in _HOP_BY_HOP or name.startswith(_RESERVED) or name == "content-length"
