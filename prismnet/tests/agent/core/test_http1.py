from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismnet.agent.core.http1 import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    RefusedError,
    parse_request,
    parse_response,
    render_refusal,
    render_request,
    render_response,
)

PORT = "port-01jdh4x0k3v8p7q2m9n5r6s7t8"
SIMPLE = b"GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: */*"


def test_a_request_goes_on_in_the_ports_name_and_with_nothing_it_should_not_have() -> None:
    head = SIMPLE + b"\r\nX-Ultracloud-Port: port-somebody-else\r\nConnection: keep-alive\r\nTE: trailers"
    rendered = render_request(parse_request(head), PORT)
    assert rendered == (
        b"GET /openstack/latest/meta_data.json HTTP/1.1\r\nhost: 169.254.169.254\r\naccept: */*\r\n"
        b"x-ultracloud-port: " + PORT.encode() + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )


def test_an_old_request_without_host_gets_one() -> None:
    assert b"\r\nhost: 169.254.169.254\r\n" in render_request(parse_request(b"GET / HTTP/1.0"), PORT)


def test_a_body_is_announced_by_its_length() -> None:
    request = parse_request(b"PUT /latest/api/token HTTP/1.1\r\nContent-Length: 12")
    assert request.body_bytes == 12
    assert b"content-length: 12\r\n" in render_request(request, PORT)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET / HTTP/2.0", 400),
        (b"GET http://169.254.169.254/ HTTP/1.1", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET /a\tb HTTP/1.1", 400),
        (b"DELETE / HTTP/1.1", 405),
        (b"CONNECT /x HTTP/1.1", 405),
        (SIMPLE + b"\r\nX-Forwarded-For: 1.2.3.4", 403),
        (SIMPLE + b"\r\nforwarded: for=1.2.3.4", 403),
        (SIMPLE + b"\r\nVia: 1.1 squid", 403),
        (SIMPLE + b"\r\nTransfer-Encoding: chunked", 411),
        (SIMPLE + b"\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        (SIMPLE + b"\r\nContent-Length: -1", 400),
        (SIMPLE + b"\r\nContent-Length: 1_000", 400),
        (SIMPLE + f"\r\nContent-Length: {BODY_BYTES_MAX + 1}".encode(), 413),
        (SIMPLE + b"\r\nName : value", 400),
        (SIMPLE + b"\r\n folded", 400),
        (SIMPLE + b"\r\nno colon", 400),
        (SIMPLE + b"\r\nx: a\nevil: b", 400),
        (SIMPLE + b"\r\nx: a\rb", 400),
        (SIMPLE + b"\r\nx: \x00", 400),
        (SIMPLE + b"\r\na: b" * 65, 431),
        (SIMPLE + b"\r\na: " + b"b" * HEAD_BYTES_MAX, 431),
    ],
)
def test_what_is_malformed_or_a_trick_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_request(head)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"ICY 200 OK",
        b"HTTP/1.1 99 Low",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: x",
        b"HTTP/1.1 200 OK\r\nbad",
    ],
)
def test_a_bad_upstream_is_a_bad_gateway(head: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_response(head)
    assert refused.value.status == 502


def test_a_response_is_passed_on_and_ends_the_connection() -> None:
    response = parse_response(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: keep-alive\r\nETag: x")
    assert response.body_bytes == 3
    expected = b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\netag: x\r\nconnection: close\r\n\r\n"
    assert render_response(response) == expected


def test_a_refusal_is_a_whole_response_with_one_sentence() -> None:
    said = render_refusal(502, "the metadata service is not running")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert body == b"the metadata service is not running\n"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_codec_fall(junk: bytes) -> None:
    for parse in (parse_request, parse_response):
        for head in (junk, SIMPLE + b"\r\n" + junk, b"HTTP/1.1 200 OK\r\n" + junk):
            with contextlib.suppress(RefusedError):
                parse(head)


@given(st.binary(max_size=200))
def test_what_is_passed_on_is_exactly_one_head(junk: bytes) -> None:
    with contextlib.suppress(RefusedError):
        rendered = render_request(parse_request(SIMPLE + b"\r\nX: " + junk), PORT)
        assert rendered.count(b"\r\n\r\n") == 1
        assert rendered.count(b"x-ultracloud-port") == 1
        assert b"\n" not in rendered.replace(b"\r\n", b"")
