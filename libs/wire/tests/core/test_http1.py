from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.http1 import (
    HEAD_BYTES_MAX,
    BadRequest,
    Http1Connection,
    PageRequest,
    parse_request,
    render_response,
)

GET = b"GET /healthz?verbose=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: curl\r\n\r\n"


def test_a_get_is_read_without_its_query() -> None:
    assert Http1Connection().receive(GET) == [PageRequest("GET", "/healthz", keep_alive=True)]


@given(st.lists(st.integers(0, 3 * len(GET)), max_size=8))
def test_requests_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    stream, connection = GET * 3, Http1Connection()
    edges = [0, *sorted(cuts), len(stream)]
    made = [each for at, to in pairwise(edges) for each in connection.receive(stream[at:to])]
    assert made == [PageRequest("GET", "/healthz", keep_alive=True)] * 3


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1", True),
        (b"GET / HTTP/1.1\r\nConnection: Close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive", True),
    ],
)
def test_the_client_says_whether_it_stays(head: bytes, keep_alive: bool) -> None:  # noqa: FBT001
    assert parse_request(head) == PageRequest("GET", "/", keep_alive=keep_alive)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET /",
        b"get / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\nspace : x",
        b"GET / HTTP/1.1\r\n folded: x",
        b"GET / HTTP/1.1\r\nx: a\nb",
        b"POST / HTTP/1.1\r\ncontent-length: 5",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked",
    ],
)
def test_anything_else_is_refused(head: bytes) -> None:
    assert isinstance(parse_request(head), BadRequest)


def test_nothing_is_read_behind_a_refused_request() -> None:
    connection = Http1Connection()
    [refused] = connection.receive(b"POST / HTTP/1.1\r\ncontent-length: 60\r\n\r\n" + GET)
    assert isinstance(refused, BadRequest)
    assert connection.receive(GET) == []


def test_an_endless_head_is_refused() -> None:
    [refused] = Http1Connection().receive(b"GET / HTTP/1.1\r\nx: " + b"y" * HEAD_BYTES_MAX)
    assert isinstance(refused, BadRequest)
    assert refused.status == 431


def test_a_response_to_head_has_the_length_and_not_the_body() -> None:
    response = render_response(200, "text/plain", b"ok\n", keep_alive=True, head_only=True)
    assert b"content-length: 3\r\n" in response
    assert response.endswith(b"\r\n\r\n")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(octets: bytes) -> None:
    Http1Connection().receive(octets)
