"""The metadata socket, asked well and badly."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from simulated_host import direct_vm, nic

from plasmavmc.agent.core.desired import Intent, Variable
from plasmavmc.agent.shell import metadata_server
from plasmavmc.agent.shell.metadata_server import MetadataServer

SECRET = (Variable("PASSWORD", "", "secret-1@0"),)
VMS = (direct_vm(name="web", nics=(nic("tapa"),)), direct_vm(2, nics=(nic("tapb"),), variables=SECRET))
INTENT = Intent("node1", 1, VMS)
VALUES = {"PASSWORD": b"open sesame"}
GET = b"GET /latest/meta-data/hostname HTTP/1.1\r\nX-Ultracloud-Port: port-of-tapa\r\n\r\n"


def with_server(folder: Path, story: Callable[[Path], Awaitable[None]], intent: Intent | None = INTENT) -> None:
    async def tell() -> None:
        path = folder / "m.sock"
        server = await MetadataServer(lambda: intent, "zone", lambda _vm: VALUES).listen(path)
        async with asyncio.timeout(20), server:
            await story(path)

    asyncio.run(tell())


async def ask(path: Path, raw: bytes) -> bytes:
    """All that is answered to `raw` until the other side, or we, have no more to say."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(raw)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_requests_on_one_connection_are_answered_in_order(short_path: Path) -> None:
    async def story(path: Path) -> None:
        answer = await ask(path, GET + GET.replace(b"hostname", b"nothing") + GET)
        assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"404", b"200"]
        assert answer.endswith(b"web")

    with_server(short_path, story)


def test_request_in_pieces_is_put_together(short_path: Path) -> None:
    async def story(path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        for byte in GET:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readuntil(b"web")
        writer.close()

    with_server(short_path, story)


def test_nonsense_is_refused_and_the_connection_ends(short_path: Path) -> None:
    async def story(path: Path) -> None:
        for raw in (
            b"hello\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
            b"a" * 20_000,
        ):
            assert (await ask(path, raw)).startswith(b"HTTP/1.1 4")

    with_server(short_path, story)


def test_a_guest_reads_its_own_secrets_and_no_others(short_path: Path) -> None:
    password = GET.replace(b"latest/meta-data/hostname", b"ultracloud/variables/PASSWORD")

    async def story(path: Path) -> None:
        assert (await ask(path, password)).startswith(b"HTTP/1.1 404")
        assert (await ask(path, password.replace(b"tapa", b"tapb"))).endswith(b"\r\n\r\nopen sesame")

    with_server(short_path, story)


def test_host_without_intent_says_to_come_back(short_path: Path) -> None:
    async def story(path: Path) -> None:
        assert (await ask(path, GET)).startswith(b"HTTP/1.1 503")

    with_server(short_path, story, intent=None)


def test_socket_is_roots_and_replaces_what_a_killed_run_left(short_path: Path) -> None:
    (short_path / "m.sock").write_bytes(b"")

    async def story(path: Path) -> None:
        mode = await asyncio.to_thread(lambda: path.stat().st_mode)
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)

    with_server(short_path, story)


def test_silent_connection_is_closed(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_server, "IDLE_S", 0.05)

    async def story(path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await reader.read() == b""
        writer.close()

    with_server(short_path, story)
