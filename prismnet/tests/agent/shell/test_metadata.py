"""The metadata proxy end to end: guests in namespaces, a tiny upstream on a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agents import QueueOfIntents, inside, running_agent
from intents import intent, port, subnet, vpc
from workloads import Connection, visiting

from prismnet.agent.shell.metadata import CONNECTIONS_PER_PORT_MAX

pytestmark = pytest.mark.usefixtures("own_network")

NET, RIVAL = subnet(1, "10.0.1.0/24"), subnet(2, "10.0.1.0/24")
POD, NEXT, THEIRS = port(1, "10.0.1.2", NET), port(2, "10.0.1.3", NET), port(3, "10.0.1.2", RIVAL)
INTENT = intent(vpc(7, (NET,), POD, NEXT), vpc(8, (RIVAL,), THEIRS))
URL = "http://169.254.169.254/openstack/latest/meta_data.json"


class Upstream:
    """Answers every request with what it was asked, as plasmavmc's agent would with something better."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: text/plain\r\n\r\n{head}"
        self.silent = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            self.heads.append((head + body).decode())
            said = head + body
            if self.silent.is_set():
                await asyncio.Event().wait()
            writer.write(self.answer.replace(b"{length}", str(len(said)).encode()).replace(b"{head}", said))
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Upstream]:
    hosts, upstream = QueueOfIntents(), Upstream()
    server = await asyncio.start_unix_server(upstream.talk, folder / "metadata.sock")
    async with running_agent(hosts, folder):
        await hosts.apply(INTENT)
        yield upstream
    server.close()


async def fetch(namespace: str, *more: str, url: str = URL) -> str:
    return (await inside(namespace, "busybox", "wget", "-qO-", *more, url))[1]


async def raw(namespace: str, request: bytes) -> str:
    """What comes back to exactly these bytes."""
    with visiting(namespace):
        opened = socket.socket()
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, ("169.254.169.254", 80))
    reader, writer = await asyncio.open_connection(sock=opened)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer.decode()


def test_each_port_is_asked_for_in_its_own_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path):
            for one in (POD, NEXT, THEIRS):
                said = await fetch(one.id)
                assert said.startswith("GET /openstack/latest/meta_data.json HTTP/1.1\r\n")
                assert f"x-ultracloud-port: {one.id}\r\n" in said

    asyncio.run(scenario())


def test_a_guest_cannot_ask_in_another_name_or_through_a_proxy(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as upstream:
            said = await fetch(POD.id, "--header", f"X-Ultracloud-Port: {THEIRS.id}")
            assert said.count("x-ultracloud-port") == 1
            assert THEIRS.id not in said
            assert "403 Forbidden" in await fetch(POD.id, "--header", "X-Forwarded-For: 10.0.1.3")
            assert len(upstream.heads) == 1

    asyncio.run(scenario())


def test_a_body_is_passed_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path):
            said = await raw(POD.id, b"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            assert said.endswith("connection: close\r\n\r\nhello")

    asyncio.run(scenario())


def test_an_address_that_is_no_ports_is_not_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as upstream:
            # The router itself is the only one whose frames no bridge checks.
            said = await raw(INTENT.vpcs[0].id, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert "404 Not Found" in said
            assert "no port has this address" in said
            assert upstream.heads == []

    asyncio.run(scenario())


def test_without_its_upstream_the_proxy_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path):
            (tmp_path / "metadata.sock").unlink()
            said = await raw(POD.id, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert said.startswith("HTTP/1.1 502 Bad Gateway\r\n")
            assert "the metadata service of this host is not running; try again" in said

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "broke off"),
        (b"nonsense\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in chunks"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "more than a megabyte"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", "over 8192 bytes"),
    ],
)
def test_a_broken_upstream_is_a_bad_gateway(tmp_path: Path, answer: bytes, says: str) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as upstream:
            upstream.answer = answer
            said = await raw(POD.id, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert said.startswith("HTTP/1.1 502 ")
            assert says in said

    asyncio.run(scenario())


def test_a_request_that_is_too_large_or_broken_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as upstream:
            assert "431" in await raw(POD.id, b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n")
            assert "413" in await raw(POD.id, b"PUT / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n")
            assert "400" in await raw(POD.id, b"\x16\x03\x01\r\n\r\n")
            assert upstream.heads == []

    asyncio.run(scenario())


def test_one_port_holds_few_connections_and_others_are_served_meanwhile(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path):
            held = [await Connection.open(POD.id, "169.254.169.254", 80) for _ in range(CONNECTIONS_PER_PORT_MAX)]
            said = await raw(POD.id, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert said.startswith("HTTP/1.1 429 ")
            assert NEXT.id in await fetch(NEXT.id)
            for connection in held:
                connection.close()

    asyncio.run(scenario())
