"""Endpoints: requests with bodies and answers that stream, over HTTP/1.1 and HTTP/2, by sockets and by curl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import pytest
from serving import PATIENCE_S, serving, until

from ultracloud.api.rpc import Call, Peer
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.base.faults import Fault, InvalidArgumentError, PermissionDeniedError
from ultracloud.wire import (
    Caller,
    HttpEndpoint,
    HttpReply,
    HttpRequest,
    HttpStream,
    InnerCalls,
    Interceptor,
    Limits,
    Server,
)
from ultracloud.wire.shell import http1
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.pages import Pages

POST = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b"


@dataclass
class Site:
    """What the endpoints of a test do and have seen."""

    cancelled: int = 0
    sent: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    calls: InnerCalls | None = None

    def endpoints(self, calls: InnerCalls) -> dict[str, HttpEndpoint]:
        self.calls = calls
        return {
            "/echo": self.echo,
            "/below/": self.echo,
            "/waits": self.waits,
            "/stream": self.stream,
            "/flood": self.flood,
            "/defect": self.defect,
            "/torn": self.torn,
        }

    async def echo(self, request: HttpRequest) -> HttpReply:
        await asyncio.sleep(0)
        told = {"path": request.path, "query": request.query, "kind": request.metadata.get("content-type", "")}
        return HttpReply(200, json.dumps(told).encode() + b"|" + request.body, fields={"x-method": request.method})

    async def waits(self, _request: HttpRequest) -> HttpReply:
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return HttpReply(200, b"waited")

    async def stream(self, request: HttpRequest) -> HttpStream:
        return HttpStream(self.parts(int(request.query or "3"), request.body))

    async def flood(self, _request: HttpRequest) -> HttpStream:
        return HttpStream(self.parts(1_000_000, bytes(65_536)))

    async def parts(self, count: int, part: bytes) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(count):
                yield part
                self.sent += 1
            if count == 0:
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def torn(self, _request: HttpRequest) -> HttpStream:
        async def parts() -> AsyncGenerator[bytes, None]:
            yield b"one"
            raise InvalidArgumentError("two is too many")

        return HttpStream(parts())

    async def defect(self, _request: HttpRequest) -> HttpReply:
        raise RuntimeError("secret")


@asynccontextmanager
async def served(**options: object) -> AsyncIterator[tuple[Site, Server, str]]:
    site = Site()
    async with serving(endpoints=site.endpoints, **options) as (server, target):  # type: ignore[arg-type]
        yield site, server, target


@asynccontextmanager
async def connected(target: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(PATIENCE_S):
        yield reader, writer
    writer.close()


async def curl(*arguments: str) -> tuple[int, bytes]:
    """Its exit code and what it printed: the body, then the status and the HTTP version."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-s", "-w", "|%{http_code} %{http_version}", "--max-time", "10", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out


@pytest.mark.parametrize(("options", "version"), [((), b"1.1"), (("--http2-prior-knowledge",), b"2")])
async def test_curl_posts_a_body_and_gets_it_back(options: tuple[str, ...], version: bytes) -> None:
    async with served() as (_site, _server, target):
        sized = await curl(*options, "-d", "hello", f"http://{target}/echo?a=b")
        big = await curl(*options, "--data-binary", "x" * 100_000, f"http://{target}/below/it")
        chunked = await curl(
            *options,
            "-H",
            "transfer-encoding: chunked",
            "-H",
            "content-type: t/x",
            "-d",
            "hello",
            f"http://{target}/echo",
        )
    assert sized == (0, form("/echo", "a=b") + b"|hello|200 " + version)
    assert big == (0, form("/below/it", "") + b"|" + b"x" * 100_000 + b"|200 " + version)
    assert chunked == (0, b'{"path": "/echo", "query": "", "kind": "t/x"}|hello|200 ' + version)


def form(path: str, query: str) -> bytes:
    return json.dumps({"path": path, "query": query, "kind": "application/x-www-form-urlencoded"}).encode()


@pytest.mark.parametrize("option", ["--http1.1", "--http1.0", "--http2-prior-knowledge"])
async def test_a_stream_is_whole_and_a_torn_one_is_known_for_it(option: str) -> None:
    async with served() as (_site, _server, target):
        assert (await curl(option, "-d", "ab", f"http://{target}/stream"))[1].startswith(b"ababab|200")
        code, out = await curl(option, f"http://{target}/torn")
    assert b"two" not in out
    # HTTP/1.0 has no way to tell.
    assert (code == 0) is (option == "--http1.0")


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_a_body_over_the_limit_is_refused(option: str) -> None:
    async with served(limits=Limits(body_bytes_max=1000)) as (_site, _server, target):
        assert b"|413 " in (await curl(option, "-d", "x" * 1001, f"http://{target}/echo"))[1]
        assert b"|200 " in (await curl(option, "-d", "x" * 1000, f"http://{target}/echo"))[1]
        assert b"|404 " in (await curl(option, "-d", "x", f"http://{target}/nowhere"))[1]
        assert b"|405 " in (await curl(option, "-d", "x", f"http://{target}/healthz"))[1]


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_a_defect_shows_an_id_and_no_more(option: str) -> None:
    async with served() as (_site, _server, target):
        _, out = await curl(option, f"http://{target}/defect")
    assert out.startswith(b"internal error ")
    assert b"|500 " in out
    assert b"secret" not in out


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with served() as (site, _server, target), connected(target) as (reader, writer):
        writer.write(
            POST % (b"/waits", 0, b"") + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + POST % (b"/echo", 1, b"z")
        )
        await asyncio.sleep(0.05)
        site.released.set()
        answers = await reader.readuntil(b"|z")
    assert answers.index(b"waited") < answers.index(b"ok\n") < answers.index(b"|z")
    assert answers.count(b"HTTP/1.1 200 OK") == 3


async def test_whoever_expects_it_is_told_to_send_the_body() -> None:
    async with served() as (_site, _server, target), connected(target) as (reader, writer):
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await reader.readuntil(b"|hi")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("path", [b"/waits", b"/stream?0"])
async def test_a_client_that_leaves_cancels_what_runs_for_it(path: bytes) -> None:
    async with served() as (site, _server, target):
        async with connected(target) as (_reader, writer):
            writer.write(POST % (path, 0, b""))
            await asyncio.sleep(0.05)
        await until(lambda: site.cancelled == 1)
        async with connected(target) as (_reader, writer):
            # What is pipelined behind it does not hide that the client has left.
            writer.write(POST % (path, 0, b"") * 2)
            await asyncio.sleep(0.05)
        await until(lambda: site.cancelled == 2)


async def test_a_request_behind_a_stream_ends_the_connection_with_the_stream() -> None:
    async with served() as (_site, _server, target), connected(target) as (reader, writer):
        writer.write(POST % (b"/stream?2", 2, b"hi") + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer
    assert answer.endswith(b"2\r\nhi\r\n2\r\nhi\r\n0\r\n\r\n")


async def test_a_connection_goes_on_after_a_stream_that_has_ended() -> None:
    async with served() as (_site, _server, target), connected(target) as (reader, writer):
        for _ in range(50):
            writer.write(POST % (b"/stream?1", 2, b"hi"))
            assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_a_reader_that_stalls_holds_its_stream_and_nobody_else(option: str) -> None:
    async with served() as (site, _server, target):
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "-N", option, "--limit-rate", "1k", f"http://{target}/flood"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await until(lambda: site.sent > 2)
        await asyncio.sleep(0.2)
        sent = site.sent
        assert (await curl("-d", "hello", f"http://{target}/echo"))[0] == 0
        assert site.sent - sent < 5
        assert sent < 1000
        process.kill()
        await process.wait()
        await until(lambda: site.cancelled == 1)


async def test_a_drain_lets_answers_finish_and_then_gives_up_what_is_left() -> None:
    async with served() as (site, server, target), connected(target) as (reader, writer):
        writer.write(POST % (b"/waits", 0, b""))
        await asyncio.sleep(0.05)
        draining = asyncio.ensure_future(server.drain(5.0))
        await asyncio.sleep(0.05)
        site.released.set()
        assert (await reader.read()).endswith(b"waited")
        await draining
    async with served() as (site, server, target), connected(target) as (reader, writer):
        writer.write(POST % (b"/waits", 0, b""))
        await asyncio.sleep(0.05)
        await server.drain(0.0)
        assert (await reader.read()).startswith(b"HTTP/1.1 503")
        assert site.cancelled == 1


class Wire(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False
        self.unread = 0

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data
        self.unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def test_clients_that_are_silent_slow_or_deaf_are_given_up() -> None:
    def begun(octets: bytes) -> tuple[http1.Http1Protocol, Wire]:
        wire = Wire()
        protocol = http1.Http1Protocol(http1.Pages({}, {}), Peer("test", None), http1.Members(), 10)
        protocol.connection_made(wire)
        protocol.data_received(octets)
        return protocol, wire

    now_s = http1.now_s()
    idle, wire = begun(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    idle.tick(now_s + http1.IDLE_S - 1)
    assert not wire.is_aborted
    idle.tick(now_s + http1.IDLE_S + 1)
    assert wire.is_aborted
    slow, wire = begun(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
    slow.tick(now_s + http1.REQUEST_S + 1)
    assert wire.written.startswith(b"HTTP/1.1 408 Request Timeout")
    deaf, wire = begun(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    deaf.pause_writing()
    deaf.tick(now_s + http1.STALL_S + 1)
    assert wire.is_aborted


class Seen(Interceptor):
    """Refuses whoever has no token, and notes how calls end."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, int]] = []

    def admit(self, call: Call, /) -> None:
        if "authorization" not in call.metadata:
            raise PermissionDeniedError("no token")

    def done(self, call: Call, code: int, _seconds: float, /) -> None:
        self.ended.append((call.path.rpartition("/")[2], code))


ME = Caller({"authorization": "me"}, Peer("test", None))


async def test_an_inner_call_goes_through_the_interceptors_and_ends_with_its_fault() -> None:
    seen = Seen()
    async with served(interceptors=(seen,)) as (site, _server, _target):
        calls = site.calls
        assert calls is not None
        say = "/ultracloud.wire.v1.Echo/Say"
        said = await calls.unary(say, EchoRequest(payload=b"x"), ME)
        assert EchoResponse.FromString(said).payload == b"x"
        for request, caller, code in (
            (EchoRequest(), Caller({}, ME.peer), 7),
            (EchoRequest(fail_code=9), ME, 9),
            (EchoRequest(fail_code=99), ME, 13),
            (EchoRequest(delay_s=9.0), Caller(ME.metadata, ME.peer, 0.01), 4),
        ):
            with pytest.raises(Fault) as raised:
                await calls.unary(say, request, caller)
            assert raised.value.code == code
        with pytest.raises(Fault, match="no method"):
            await calls.unary("/nowhere", EchoRequest(), ME)
    assert [code for name, code in seen.ended if name == "Say"] == [0, 7, 9, 13, 4]


async def test_an_inner_stream_takes_all_requests_and_can_be_left() -> None:
    seen = Seen()
    async with served(interceptors=(seen,)) as (site, _server, _target):
        assert site.calls is not None
        requests = [EchoRequest(payload=b"a"), EchoRequest(payload=b"b")]
        chat = [each async for each in site.calls.stream("/ultracloud.wire.v1.Echo/Chat", requests, ME)]
        assert [EchoResponse.FromString(each).payload for each in chat] == [b"a", b"b"]
        endless = site.calls.stream("/ultracloud.wire.v1.Echo/Repeat", [EchoRequest(count=10**9)], ME)
        await anext(endless)
        await endless.aclose()
    assert seen.ended == [("Chat", 0), ("Repeat", 1)]


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_each_cookie_is_a_field_of_its_own(option: str) -> None:
    cookies = ("a=b", "c=d; Expires=Wed, 21 Oct 2026 07:28:00 GMT")

    def bake(_request: HttpRequest) -> HttpReply:
        return HttpReply(200, b"", cookies=cookies)

    async with serving(endpoints=lambda _calls: {"/cookies": bake}) as (_server, target):
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "-i", option, f"http://{target}/cookies"), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert [line for line in out.decode().splitlines() if line.startswith("set-cookie: ")] == [
        f"set-cookie: {cookie}" for cookie in cookies
    ]


async def test_a_client_that_reads_slowly_has_its_whole_answer_and_one_that_stops_has_not() -> None:
    wire, pages = Wire(), Pages({"/": lambda: HttpReply(200, bytes(8 << 20))}, {})
    protocol = http1.Http1Protocol(pages, Peer("test", None), Members(), 0)
    protocol.connection_made(wire)
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    protocol.pause_writing()
    at_s = now_s()
    while wire.unread > (1 << 20):
        at_s += http1.STALL_S / 10
        wire.unread -= http1.PACE_BYTES // 8
        protocol.tick(at_s)
        assert not wire.is_aborted
    protocol.tick(at_s + http1.STALL_S * 2)
    assert wire.is_aborted


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("value", ["/a%0d%0aset-cookie: x", "\u20ac"])
@pytest.mark.parametrize("path", ["inline", "task", "stream"])
def test_an_answer_with_a_field_that_cannot_be_sent_is_a_500_and_the_connection_stays(
    protocol: str, value: str, path: str
) -> None:
    fields = {"location": unquote(value)}

    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"never"

    async def task(_request: HttpRequest) -> HttpReply:
        return HttpReply(302, b"", fields=fields)

    async def stream(_request: HttpRequest) -> HttpStream:
        return HttpStream(parts(), 302, fields=fields)

    def endpoints(_calls: InnerCalls) -> dict[str, HttpEndpoint]:
        return {"/inline": lambda _: HttpReply(302, b"", fields=fields), "/task": task, "/stream": stream}

    async def scenario() -> None:
        async with serving(endpoints=endpoints) as (_, target):
            code, told = await curl(protocol, f"http://{target}/{path}")
            assert code == 0
            assert told.startswith(b"internal error ")
            assert b"|500 " in told
            # curl 7.88 does not use a connection of HTTP/2 twice where it was not agreed on.
            if protocol == "--http1.1":
                _, told = await curl("-w", "|%{num_connects}", f"http://{target}/{path}", f"http://{target}/healthz")
                assert told.endswith(b"|1ok\n|0")

    asyncio.run(scenario())
