from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.http1 import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    PIPELINE_MAX,
    ContinueWanted,
    Event,
    Http1Connection,
    Request,
    render_chunk,
    render_response,
)
from ultracloud.wire.core.http1_heads import (
    FIELDS_KEPT_MAX,
    HEADS_KEPT_MAX,
    BadRequest,
    HeadReader,
    RequestHead,
    parse_head,
)

GET = b"GET /healthz?verbose=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: curl\r\n\r\n"
CHUNKED = b"POST /v3 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
BODY_BYTES_MAX = 20
GOLDEN = Path(__file__).parent.parent / "golden" / "http1" / "requests.txt"


def test_the_machine_answers_as_the_golden_conversation_says() -> None:
    text = GOLDEN.read_text()
    held = hold(text)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(held)
    assert held == text


def hold(text: str) -> str:
    """The conversation with the events of now."""
    said: list[str] = []
    machine = Http1Connection(BODY_BYTES_MAX)
    for line in text.splitlines():
        if line.startswith("!"):
            continue
        said.append(line)
        if line == "> new":
            machine = Http1Connection(BODY_BYTES_MAX)
        elif line.startswith(">"):
            octets = line[2:].encode().decode("unicode_escape").encode("latin-1")
            said += [f"! {shown(event)}" for event in machine.receive(octets)]
    return "\n".join(said) + "\n"


def shown(event: Event) -> str:
    match event:
        case Request(head, body):
            stays = "stays" if head.keep_alive else "goes"
            return " ".join(each for each in (head.method, head.path, head.query, ascii(body)[1:], stays) if each)
        case ContinueWanted():
            return "continue wanted"
        case BadRequest(status, reason):
            return f"{status} {reason}"


def heads(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(each.head.method, each.head.path, each.head.query) for each in events if isinstance(each, Request)]


@given(st.lists(st.integers(0, 3 * len(GET)), max_size=8))
def test_requests_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    assert heads(fed(Http1Connection(), GET * 3, cuts)) == [("GET", "/healthz", "verbose=1")] * 3


@given(
    st.lists(st.tuples(st.binary(max_size=BODY_BYTES_MAX), st.booleans()), max_size=4),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_bodies_are_the_same_however_their_bytes_are_cut(bodies: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    stream = b"".join(posted(body, chunked=chunked) for body, chunked in bodies)
    made = fed(Http1Connection(BODY_BYTES_MAX), stream, cuts)
    assert [each.body for each in made if isinstance(each, Request)] == [body for body, _ in bodies]


def posted(body: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return b"POST /v3 HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    parts = [body[at : at + 7] for at in range(0, len(body), 7)]
    return CHUNKED + b"".join(render_chunk(part) for part in parts) + b"0\r\n\r\n"


def fed(connection: Http1Connection, stream: bytes, cuts: list[int]) -> list[Event]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [each for at, to in pairwise(edges) for each in connection.receive(stream[at:to])]


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nhost: x", True),
        (b"GET / HTTP/1.1\r\nhost: x\r\nConnection: Close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive", True),
    ],
)
def test_the_client_says_whether_it_stays(head: bytes, keep_alive: bool) -> None:  # noqa: FBT001
    parsed = parse_head(head)
    assert isinstance(parsed, RequestHead)
    assert parsed.keep_alive is keep_alive


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET /",
        b"get / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET  / HTTP/1.1",
        b"GET /\x00 HTTP/1.1\r\nhost: x",
        b"GET /\x1b[2J HTTP/1.1\r\nhost: x",
        b"GET / HTTP/1.1\r\nhost: x\r\nno colon",
        b"GET / HTTP/1.1\r\nhost: x\r\nspace : x",
        b"GET / HTTP/1.1\r\nhost: x\r\n folded: x",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: a\nb",
    ],
)
def test_anything_else_is_refused(head: bytes) -> None:
    assert isinstance(parse_head(head), BadRequest)


@pytest.mark.parametrize("framing", [b"content-length: 60", b"transfer-encoding: chunked"])
def test_where_nothing_takes_a_body_it_is_refused_and_nothing_is_read_behind_it(framing: bytes) -> None:
    connection = Http1Connection()
    [refused] = connection.receive(b"POST / HTTP/1.1\r\nhost: x\r\n" + framing + b"\r\n\r\n" + GET)
    assert isinstance(refused, BadRequest)
    assert connection.receive(GET) == []
    assert not connection.is_midway


def test_an_endless_head_is_refused() -> None:
    [refused] = Http1Connection().receive(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * HEAD_BYTES_MAX)
    assert isinstance(refused, BadRequest)
    assert refused.status == 431


def test_a_client_that_pipelines_without_end_is_refused() -> None:
    events = Http1Connection().receive(GET * (PIPELINE_MAX + 5))
    assert len(events) == PIPELINE_MAX + 2
    assert isinstance(events[-1], BadRequest)
    assert events[-1].status == 503


@pytest.mark.parametrize(
    "flood", [b"1;" + b"x" * (CHUNK_LINE_BYTES_MAX - 2) + b"\r\na\r\n", b"x: y\r\n"], ids=["chunks", "trailers"]
)
def test_framing_without_end_is_refused(flood: bytes) -> None:
    connection = Http1Connection(body_bytes_max=20)
    assert connection.receive(CHUNKED + (b"" if flood[0] == ord("1") else b"0\r\n")) == []
    [refused] = connection.receive(flood * 5000)
    assert isinstance(refused, BadRequest)


@pytest.mark.parametrize("trailer", [b"GET /admin HTTP/1.1", b"x: a\nb: c", b"x: a\n\nGET / HTTP/1.1", b" x: folded"])
def test_a_trailer_that_is_no_field_is_refused(trailer: bytes) -> None:
    [refused] = Http1Connection(BODY_BYTES_MAX).receive(CHUNKED + b"0\r\nx-sum: 1\r\n" + trailer + b"\r\n\r\n")
    assert isinstance(refused, BadRequest)
    assert refused.status == 400


def test_cookies_in_several_fields_make_one() -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nhost: x\r\ncookie: a=1\r\nCookie: b=2")
    assert isinstance(head, RequestHead)
    assert head.fields["cookie"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("octets", "is_midway"),
    [(b"", False), (b"G", True), (GET, False), (CHUNKED, True), (CHUNKED + b"0\r\n\r\n", False)],
)
def test_a_request_that_has_begun_is_known(octets: bytes, is_midway: bool) -> None:  # noqa: FBT001
    connection = Http1Connection(BODY_BYTES_MAX)
    connection.receive(octets)
    assert connection.is_midway is is_midway


def test_a_response_to_head_has_the_length_and_not_the_body() -> None:
    response = render_response(200, {"content-type": "text/plain"}, b"ok\n", keep_alive=True, head_only=True)
    assert b"content-length: 3\r\n" in response
    assert response.endswith(b"\r\n\r\n")


@given(
    st.binary(max_size=200), st.sampled_from([b"", CHUNKED, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"])
)
def test_no_bytes_break_the_parser(octets: bytes, before: bytes) -> None:
    Http1Connection(BODY_BYTES_MAX).receive(before + octets)


LINES = st.lists(
    st.sampled_from(
        [b"Host: x", b"host:y", b"a : b", b" folded", b"X-A: \t b \t", b"content-length: 3", b"expect: more"]
    )
    | st.binary(max_size=12),
    max_size=4,
)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_a_head_that_is_remembered_is_the_head_that_is_read(heads: list[list[bytes]]) -> None:
    reader = HeadReader()
    for lines in heads * 2:
        head = b"\r\n".join([b"GET /a?b HTTP/1.1", b"host: x", *lines])
        assert reader.read(head + b"\r\n\r\n") == parse_head(head)


def test_a_reader_remembers_no_more_than_it_may() -> None:
    reader = HeadReader()
    for number in range(max(HEADS_KEPT_MAX, FIELDS_KEPT_MAX) * 2):
        reader.read(b"GET / HTTP/1.1\r\nhost: x\r\nx-a: %d\r\n\r\n" % number)
        assert len(reader._heads) <= HEADS_KEPT_MAX
        assert len(reader._fields) <= FIELDS_KEPT_MAX
    reader.read(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: %b\r\n\r\n" % (b"a" * 5000))
    assert max(len(each) for each in reader._fields) < 100
    posted = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n"
    reader.read(posted)
    assert reader.known(posted) is None
