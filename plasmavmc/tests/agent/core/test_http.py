"""HTTP as the metadata socket speaks it, well-meant and hostile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.agent.core.http import HEAD_BYTES_MAX, BadRequest, Request, parse, render

GET = b"GET /latest HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Ultracloud-Port: port-1\r\n\r\n"


def test_request_comes_apart_into_its_parts() -> None:
    request = parse(GET + b"GET /next")
    assert request == Request(
        "GET", "/latest", {"host": "169.254.169.254", "x-ultracloud-port": "port-1"}, len(GET), closes=False
    )


@given(st.integers(0, len(GET) - 1))
def test_incomplete_request_is_waited_for(cut: int) -> None:
    assert parse(GET[:cut]) is None


@given(st.binary())
def test_any_bytes_are_a_request_a_refusal_or_incomplete(raw: bytes) -> None:
    assert isinstance(parse(raw + b"\r\n\r\n"), Request | BadRequest)


def test_second_port_header_is_refused() -> None:
    raw = b"GET / HTTP/1.1\r\nX-Ultracloud-Port: port-1\r\nx-ultracloud-port: port-2\r\n\r\n"
    assert parse(raw) == BadRequest(400, "header field x-ultracloud-port stands twice")


def test_body_is_refused() -> None:
    assert isinstance(parse(b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), BadRequest)
    assert isinstance(parse(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), BadRequest)


def test_endless_head_is_refused() -> None:
    assert isinstance(parse(b"GET / HTTP/1.1\r\nA: " + b"x" * HEAD_BYTES_MAX), BadRequest)
    many = b"".join(b"H%d: x\r\n" % number for number in range(65))
    assert isinstance(parse(b"GET / HTTP/1.1\r\n" + many + b"\r\n"), BadRequest)


def test_connection_ends_when_the_peer_says_so_or_is_old() -> None:
    closing = parse(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    old = parse(b"GET / HTTP/1.0\r\n\r\n")
    kept = parse(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert isinstance(closing, Request)
    assert isinstance(old, Request)
    assert isinstance(kept, Request)
    assert (closing.closes, old.closes, kept.closes) == (True, True, False)


def test_answer_to_head_counts_the_body_it_leaves_out() -> None:
    full = render(200, b"abc", "text/plain", closes=False)
    head = render(200, b"abc", "text/plain", closes=False, without_body=True)
    assert full == head + b"abc"
    assert b"Content-Length: 3\r\n" in head


def test_refused_method_names_those_that_are_not() -> None:
    assert b"Allow: GET, HEAD\r\n" in render(405, b"", "text/plain", closes=True)
