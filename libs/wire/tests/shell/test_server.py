from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from h2_client import CALL, framed
from hpack import Encoder
from serving import PAGES, Authority, EchoCalls, calling, refused, serving, until

from ultracloud.api.wire.v1.echo_pb2 import EchoRequest
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.wire import Limits, Server, ServerOptions, TlsFiles, service
from ultracloud.wire.core.frames import PREFACE, Kind, parse, render_frame, render_settings
from ultracloud.wire.errors import ErrorCode
from ultracloud.wire.testing import AsyncEcho, PlainEcho

WIDE = PREFACE + render_settings({4: 2**31 - 1}) + render_frame(Kind.WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big"))
"""The first words of a client that grants every window there is."""


async def test_a_drain_under_load_loses_no_accepted_call() -> None:
    async with serving() as (server, target), calling(target, **{"grpc.enable_retries": 0}) as echo:
        calls = [echo.say(EchoRequest(payload=b"x", delay_s=0.2)) for _ in range(200)]
        await echo.say(EchoRequest())
        await server.drain(5.0)
        assert [(await call).payload for call in calls] == [b"x"] * 200


async def test_calls_made_during_a_drain_succeed_or_may_be_sent_again() -> None:
    codes: Counter[grpc.StatusCode] = Counter()

    async def caller(echo: EchoCalls) -> None:
        while codes.keys() <= {grpc.StatusCode.OK}:
            codes[await echo.say(EchoRequest(delay_s=0.001)).code()] += 1

    async with serving() as (server, target), calling(target) as echo:
        callers = [asyncio.create_task(caller(echo)) for _ in range(20)]
        await asyncio.sleep(0.2)
        await server.drain(5.0)
        await asyncio.gather(*callers)
    assert codes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


async def test_a_call_that_outlives_the_grace_is_told_to_come_again() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (server, target), calling(target, **{"grpc.enable_retries": 0}) as echo:
        calls = [echo.say(EchoRequest(delay_s=60)), echo.gather(), echo.repeat(EchoRequest(count=2, delay_s=60))]
        await calls[1].write(EchoRequest(delay_s=60))
        await asyncio.sleep(0.1)
        await server.drain(0.2)
        for call in calls:
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert implementation.cancelled == 3


async def test_after_a_drain_nobody_listens() -> None:
    async with serving() as (server, target):
        await server.drain(0.0)
        host, port = target.split(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))


async def test_an_idle_connection_does_not_hold_up_a_drain() -> None:
    async with serving() as (server, target):
        host, port = target.split(":")
        for first in (b"", b"PR", PREFACE + render_settings({}), b"GET / HTTP/1.1\r\n"):
            _reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(first)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(3.0):
            await server.drain(10.0)


async def test_a_server_listens_in_many_places(tmp_path: Path) -> None:
    async with serving() as (server, target):
        await server.listen_unix(tmp_path / "one.sock")
        host, port = await server.listen("127.0.0.1", 0)
        for where in (target, f"{host}:{port}", f"unix:{tmp_path}/one.sock"):
            async with calling(where) as echo:
                assert (await echo.say(EchoRequest(payload=b"here"))).payload == b"here"
    assert not (tmp_path / "one.sock").exists()


async def test_tls_applies_on_unix_sockets_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    identity = authority.issue("server", "spiffe://ultracloud.local/service/x")
    async with serving(tls=TlsFiles(identity.certificate, identity.key, identity.ca)) as (server, _target):
        await server.listen_unix(tmp_path / "s")
        async with identity.channel(f"unix:{tmp_path}/s") as channel:
            assert (await EchoCalls(channel).say(EchoRequest(payload=b"x"))).payload == b"x"
        async with calling(f"unix:{tmp_path}/s") as echo:
            with refused(grpc.StatusCode.UNAVAILABLE):
                await echo.say(EchoRequest(), timeout=1)


async def test_a_socket_left_by_a_killed_server_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with serving() as (server, _target):
        await server.listen_unix(path)
        other = Server([service(ECHO, PlainEcho())])
        with pytest.raises(OSError, match="another process listens"):
            await other.listen_unix(path)
        (tmp_path / "file").write_text("precious")
        with pytest.raises(OSError, match="no socket"):
            await other.listen_unix(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


async def test_a_busy_port_is_an_error_that_names_it() -> None:
    async with serving() as (_server, target):
        host, port = target.split(":")
        with pytest.raises(OSError, match=port):
            await Server([]).listen(host, int(port))


async def test_connections_over_the_limit_are_closed() -> None:
    server = Server([service(ECHO, PlainEcho())], ServerOptions(connections_max=2), (), PAGES)
    host, port = await server.listen("127.0.0.1", 0)
    kept = [await asyncio.open_connection(host, port) for _ in range(2)]
    await asyncio.sleep(0.05)
    reader, _writer = await asyncio.open_connection(host, port)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    del kept
    await server.drain(0.0)


async def test_a_flood_is_answered_with_enhance_your_calm_over_a_socket() -> None:
    async with serving(limits=Limits(pings_max=100)) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + render_settings({}) + render_frame(Kind.PING, 0, 0, b"12345678") * 200)
        frames, rest = parse(await reader.read())
        writer.close()
    assert (frames[-1].kind, rest) == (Kind.GOAWAY, b"")
    assert int.from_bytes(frames[-1].payload[4:8], "big") == ErrorCode.ENHANCE_YOUR_CALM


async def test_a_client_that_reads_nothing_stops_the_stream_that_feeds_it() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target), calling(target) as echo:
        stream = echo.repeat(EchoRequest(payload=b"x" * 100_000, count=100_000))
        await stream.read()
        await asyncio.sleep(0.3)
        sent = implementation.sent
        await asyncio.sleep(0.3)
        assert implementation.sent == sent
        assert sent < 300
        stream.cancel()


async def test_a_client_that_grants_all_and_reads_nothing_does_not_fill_memory() -> None:
    implementation = PlainEcho()
    async with serving(implementation) as (_server, target):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        host, port = target.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.setblocking(False)
            await flood_without_reading(client)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def call_frames(stream_id: int, request: EchoRequest, method: str = "Say") -> bytes:
    """A call as bytes, whatever was sent before it."""
    fields = [(":path", f"/{ECHO.name}/{method}"), *(field for field in CALL if field[0] != ":path")]
    block = Encoder().encode([(name, value, True) for name, value in fields])
    message = framed(request.SerializeToString())
    return render_frame(Kind.HEADERS, 4, stream_id, block) + render_frame(Kind.DATA, 1, stream_id, message)


async def test_a_stream_waits_for_a_client_that_grants_all_and_reads_nothing() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target):
        host, port = target.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.setblocking(False)
            request = EchoRequest(payload=b"x" * 60_000, count=100_000)
            await asyncio.get_running_loop().sock_sendall(client, WIDE + call_frames(1, request, "Repeat"))
            await until(lambda: implementation.sent > 20)
            await asyncio.sleep(0.5)
            assert implementation.sent < 1000


async def flood_without_reading(client: socket.socket) -> None:
    """Ask for far more than is ever read, with windows that allow all of it."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, WIDE)
    try:
        async with asyncio.timeout(1.0):
            for number in range(5000):
                call = call_frames(2 * number + 1, EchoRequest(payload=b"x" * 60_000))
                await loop.sock_sendall(client, call)
    except TimeoutError:
        return
    raise AssertionError("the server took 300 MB of requests whose answers nobody reads")


async def test_silence_ends_a_connection_and_its_calls_unless_the_client_answers_pings() -> None:
    implementation = AsyncEcho()
    limits = Limits(keepalive_idle_s=0.1, keepalive_timeout_s=0.1)
    async with serving(implementation, limits=limits) as (_server, target), calling(target) as echo:
        alive = echo.say(EchoRequest(payload=b"alive", delay_s=2.5))
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + render_settings({}) + call_frames(1, EchoRequest(delay_s=60)))
        frames, _ = parse(await reader.read())
        assert [frame.kind for frame in frames[-2:]] == [Kind.PING, Kind.GOAWAY]
        await until(lambda: implementation.cancelled == 1)
        assert (await alive).payload == b"alive"
        writer.close()


async def test_a_client_that_stops_in_its_first_word_is_closed() -> None:
    async with serving(limits=Limits(keepalive_timeout_s=0.1)) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_a_client_closed_for_cause_that_reads_nothing_is_let_go() -> None:
    async with serving(limits=Limits(pings_max=20_000)) as (server, target):
        host, port = target.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, PREFACE + render_settings({}))
            await until(lambda: len(server._members) == 1)
            with suppress(ConnectionError):
                await loop.sock_sendall(client, render_frame(Kind.PING, 0, 0, b"12345678") * 30_000)
            await until(lambda: len(server._members) == 0)


async def test_tokens_never_reach_a_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as (_server, target), calling(target) as echo:
        await echo.say(EchoRequest(), metadata=(("authorization", "bearer secret-token"),))
    assert "secret-token" not in caplog.text


def test_the_standard_event_loop_serves_too() -> None:
    async def talk() -> bytes:
        async with serving() as (_server, target), calling(target) as echo:
            return (await echo.say(EchoRequest(payload=b"x" * 100_000))).payload

    assert asyncio.run(talk()) == b"x" * 100_000


async def test_a_server_knows_what_came_and_went() -> None:
    async with serving() as (server, target), calling(target) as echo:
        await echo.say(EchoRequest(payload=bytes(10_000)))
        assert 10_000 < server.received_bytes < 12_000
        assert 10_000 < server.sent_bytes < 12_000
