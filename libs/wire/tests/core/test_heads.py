from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.heads import FIELD_OVERHEAD_BYTES, Head, MalformedHeadError, check_field, parse_head

GRPC = {":method": "POST", ":scheme": "http", ":path": "/p.S/M", "te": "trailers", "content-type": "application/grpc"}


def parsed(fields: list[tuple[bytes, bytes]], bytes_max: int = 1000) -> Head:
    size = sum(len(name) + len(value) + FIELD_OVERHEAD_BYTES for name, value in fields)
    return parse_head([check_field(*field) for field in fields], size, bytes_max)


def head_of(bytes_max: int = 1000, **changed: str | None) -> Head:
    fields = GRPC | {name.replace("_", "-"): value for name, value in changed.items()}
    return parsed([(k.encode(), v.encode()) for k, v in fields.items() if v is not None], bytes_max)


def test_metadata_has_all_fields_but_the_pseudo_ones() -> None:
    assert dict(head_of(x_token="abc").metadata) == {
        "te": "trailers",
        "content-type": "application/grpc",
        "x-token": "abc",
    }


def test_repeated_fields_are_joined() -> None:
    fields = [(k.encode(), v.encode()) for k, v in GRPC.items()] + [(b"x", b"1"), (b"x", b"2")]
    assert parsed(fields).metadata["x"] == "1,2"


def test_the_crumbs_of_a_cookie_make_one_cookie_field() -> None:
    crumbs = [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2; c=3")]
    assert parsed([(k.encode(), v.encode()) for k, v in GRPC.items()] + crumbs).metadata["cookie"] == "a=1; b=2; c=3"


def test_a_plain_request_has_its_host_as_over_http_1() -> None:
    fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"cloud.example:8443")]
    assert parsed(fields).metadata["host"] == "cloud.example:8443"
    assert parsed([*fields, (b"host", b"given.example")]).metadata["host"] == "given.example"
    call = [(b":authority", b"localhost"), *((k.encode(), v.encode()) for k, v in GRPC.items())]
    assert "host" not in parsed(call).metadata


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto", "application/grpc;charset=x"])
def test_these_are_grpc(content_type: str) -> None:
    assert head_of(content_type=content_type).is_servable


@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/json", "text/html", None])
def test_these_are_plain_http(content_type: str | None) -> None:
    assert not head_of(content_type=content_type).is_grpc


def test_a_get_is_plain_http_whatever_it_says() -> None:
    fields = [(k.encode(), v.encode()) for k, v in (GRPC | {":method": "GET"}).items()]
    assert not parsed(fields).is_grpc


@pytest.mark.parametrize(
    "fields",
    [
        {":path": ""},
        {":path": None},
        {":method": None},
        {":scheme": None},
        {":status": "200"},
        {"Upper": "x"},
        {"": "x"},
        {"with space": "x"},
        {"x": "line\nbreak"},
        {"x": "nul\0"},
        {":path": "/a\r\nx: y"},
        {":authority": "a\nb"},
        {":method": "PO\0ST"},
        {"te": "gzip"},
        {"connection": "close"},
        {"transfer-encoding": "chunked"},
    ],
)
def test_malformed_fields_are_refused(fields: dict[str, str | None]) -> None:
    with pytest.raises(MalformedHeadError):
        parsed([(k.encode(), v.encode()) for k, v in (GRPC | fields).items() if v is not None])


def test_a_late_or_repeated_pseudo_header_is_refused() -> None:
    fields = [(k.encode(), v.encode()) for k, v in GRPC.items()]
    for extra in ([*fields, (b":authority", b"late")], [(b":method", b"POST"), *fields]):
        with pytest.raises(MalformedHeadError):
            parsed(extra)


def test_headers_over_the_limit_make_a_refusal_that_names_both_sizes() -> None:
    refusal = head_of(bytes_max=250, x="y" * 100).refusal
    assert refusal is not None
    assert "at most 250" in refusal.message


def test_identity_encoding_is_no_compression() -> None:
    assert head_of(grpc_encoding="identity").refusal is None


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8))))
def test_no_fields_break_the_parser(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        parsed(fields)
    except MalformedHeadError:
        return
