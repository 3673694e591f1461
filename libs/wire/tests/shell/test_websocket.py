"""Conversations over WebSocket with a client of others, and by bytes where no honest client would send them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from serving import PATIENCE_S, Authority, serving, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.wire import HttpEndpoint, HttpRequest, InnerCalls, TlsFiles, WebSocket, WebSocketAnswer
from ultracloud.wire.shell import websocket

HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE_BYTES_MAX = 100_000


class Site:
    """What the endpoints of a test do and have seen."""

    def __init__(self) -> None:
        self.open_count = 0
        self.sent_count = 0
        self.held = asyncio.Event()

    def endpoints(self, _calls: InnerCalls) -> dict[str, HttpEndpoint]:
        serves = {
            "/echo": self.echo,
            "/flood": self.flood,
            "/once": self.once,
            "/fault": self.fault,
            "/held": self.hold,
        }
        return {path: self.answering(serve) for path, serve in serves.items()}

    def answering(self, serve: object) -> HttpEndpoint:
        async def counted(socket: WebSocket) -> None:
            self.open_count += 1
            try:
                await serve(socket)  # type: ignore[operator]
            finally:
                self.open_count -= 1

        async def answer(_request: HttpRequest) -> WebSocketAnswer:
            return WebSocketAnswer(counted, "chat", MESSAGE_BYTES_MAX, {"x-own": "1"})

        return answer

    async def echo(self, socket: WebSocket) -> None:
        while True:
            message = await socket.receive()
            await socket.send(message.octets, is_text=message.is_text)

    async def flood(self, socket: WebSocket) -> None:
        while True:
            await socket.send(bytes(65_536))
            self.sent_count += 1
            await asyncio.sleep(0)

    async def once(self, socket: WebSocket) -> None:
        await socket.send((await socket.receive()).octets)

    async def fault(self, _socket: WebSocket) -> None:
        raise InvalidArgumentError("this is not what is said here")

    async def hold(self, socket: WebSocket) -> None:
        await self.held.wait()
        await self.echo(socket)


@asynccontextmanager
async def talking(path: str, tls: TlsFiles | None = None, ca: Path | None = None) -> AsyncIterator[ClientConnection]:
    context = ssl.create_default_context(cafile=str(ca)) if ca else None
    site = Site()
    async with serving(endpoints=site.endpoints, tls=tls) as (_server, target):
        url = f"{'wss' if ca else 'ws'}://localhost:{target.rpartition(':')[2]}{path}"
        async with asyncio.timeout(PATIENCE_S), connect(url, ssl=context, subprotocols=["chat"], proxy=None) as made:
            yield made
        await until(lambda: not site.open_count)


async def say_and_listen(client: ClientConnection, said: bytes) -> None:
    """Until the conversation ends."""
    await client.send(said)
    while True:
        await client.recv()


async def send_until_it_waits(client: ClientConnection) -> int:
    """How many messages of 64 KiB were taken before the next one had to wait."""
    for count in range(10_000):
        try:
            await asyncio.wait_for(client.send(bytes(65_536)), 0.3)
        except TimeoutError:
            return count
    raise AssertionError("nothing ever waited")


@pytest.mark.parametrize("message", ["", "text \N{SNOWMAN}", b"", b"\x00\xff", "x" * 200, bytes(70_000)])
async def test_a_message_comes_back_as_it_was(message: str | bytes) -> None:
    async with talking("/echo") as client:
        assert client.subprotocol == "chat"
        await client.send(message)
        assert await client.recv() == message


async def test_a_conversation_goes_over_tls_and_in_fragments(tmp_path: Path) -> None:
    identity = Authority(tmp_path / "ca").issue("server")
    async with talking("/echo", TlsFiles(identity.certificate, identity.key), identity.ca) as client:
        await client.send(["one ", "and ", "two"])
        assert await client.recv() == "one and two"


async def test_pings_are_answered_between_messages() -> None:
    async with talking("/echo") as client:
        assert await (await client.ping(b"there?")) >= 0


@pytest.mark.parametrize(
    ("path", "said", "code", "reason"),
    [
        ("/once", b"x", 1000, ""),
        ("/fault", b"x", 1011, "this is not what is said here"),
        ("/echo", bytes(MESSAGE_BYTES_MAX + 1), 1009, "the message is too large; at most 100000 bytes are accepted"),
    ],
)
async def test_a_conversation_ends_with_a_code_and_a_sentence(path: str, said: bytes, code: int, reason: str) -> None:
    async with talking(path) as client:
        with pytest.raises(ConnectionClosed) as ended:
            await say_and_listen(client, said)
        assert ended.value.rcvd is not None
        assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (code, reason)


async def test_an_endpoint_ends_when_its_client_leaves() -> None:
    async with talking("/flood") as client:
        await client.recv()
        client.transport.abort()


async def test_a_client_that_does_not_read_stops_what_is_sent_to_it() -> None:
    site = Site()
    async with serving(endpoints=site.endpoints) as (_server, target):
        host, port = target.split(":")
        _reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(HANDSHAKE.replace(b"/echo", b"/flood"))
        await until(lambda: site.sent_count)
        count = -1
        while count != site.sent_count:
            count = site.sent_count
            await asyncio.sleep(0.1)
        assert count < 1000
        writer.transport.abort()
        await until(lambda: not site.open_count)


async def test_an_endpoint_that_does_not_read_stops_its_client() -> None:
    site = Site()
    async with (
        serving(endpoints=site.endpoints) as (_server, target),
        connect(f"ws://{target}/held", proxy=None, subprotocols=["chat"]) as client,
    ):
        sent_count = await send_until_it_waits(client)
        site.held.set()
        got = [await asyncio.wait_for(client.recv(), PATIENCE_S) for _ in range(sent_count)]
        assert got == [bytes(65_536)] * sent_count


async def test_a_silent_client_is_asked_whether_it_lives_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.5)
    monkeypatch.setattr(websocket, "SILENCE_S", 1.5)
    site = Site()
    async with serving(endpoints=site.endpoints) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HANDSHAKE)
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert await reader.readexactly(2) == b"\x89\x00"
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await reader.readexactly(100)
        writer.close()
        await until(lambda: not site.open_count)


async def test_a_server_that_stops_asks_its_clients_to_come_back() -> None:
    async with (
        serving(endpoints=Site().endpoints) as (server, target),
        connect(f"ws://{target}/echo", proxy=None, subprotocols=["chat"]) as client,
    ):
        await client.send("x")
        await client.recv()
        await server.drain(1.0)
        with pytest.raises(ConnectionClosed) as ended:
            await client.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1001


@pytest.mark.parametrize(
    ("change", "status"),
    [((b"version: 13", b"version: 12"), b"426"), ((b"GET", b"POST"), b"400"), ((b": Upgrade", b": close"), b"400")],
)
async def test_what_is_no_handshake_is_refused_and_the_connection_ends(
    change: tuple[bytes, bytes], status: bytes
) -> None:
    async with serving(endpoints=Site().endpoints) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HANDSHAKE.replace(*change))
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answer.split()[1] == status
        assert (b"sec-websocket-version: 13" in answer) == (status == b"426")
        writer.close()


async def test_frames_that_do_not_wait_for_the_handshake_are_refused() -> None:
    async with serving(endpoints=Site().endpoints) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HANDSHAKE + b"\x81\x80\x00\x00\x00\x00")
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answer.split()[1] == b"400"
        writer.close()


async def test_over_http2_a_conversation_is_refused() -> None:
    async with serving(endpoints=Site().endpoints) as (_server, target):
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--http2-prior-knowledge", "-w", "%{http_code}", f"http://{target}/echo"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert out.endswith(b"501")


async def test_a_client_without_an_upgrade_gets_a_status_that_says_so() -> None:
    async with serving(endpoints=Site().endpoints) as (_server, target):
        with pytest.raises(InvalidStatus):
            async with connect(f"ws://{target}/healthz", proxy=None):
                pass
