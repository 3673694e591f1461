"""The metadata socket, asked well and badly."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from simulated_host import direct_vm, nic

from plasmavmc.agent.core.desired import Intent, Variable, VmId
from plasmavmc.agent.shell import metadata_server
from plasmavmc.agent.shell.metadata_server import MetadataServer
from plasmavmc.agent.shell.workload_tokens import WorkloadTokens
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import PermissionDeniedError, UnavailableError
from ultracloud.servicekit.testing import SetClock

SECRET = (Variable("PASSWORD", "", "secret-1@0"),)
VMS = (direct_vm(name="web", nics=(nic("tapa"),)), direct_vm(2, nics=(nic("tapb"),), variables=SECRET))
INTENT = Intent("node1", 1, VMS)
VALUES = {"PASSWORD": b"open sesame"}
GET = b"GET /latest/meta-data/hostname HTTP/1.1\r\nX-Ultracloud-Port: port-of-tapa\r\n\r\n"


CLOCK = SetClock()


async def told(vm: VmId, audience: str, ttl_s: int) -> pb.IssueWorkloadTokenResponse:
    """The control plane: VMs run as accounts, but for the second."""
    if vm == VMS[1].id:
        raise PermissionDeniedError("vm 'two' runs as nobody")
    if audience == "away.example":
        raise UnavailableError("plasmavmc is away")
    expires_at = Timestamp(seconds=CLOCK.now_ms() // 1000 + ttl_s)
    return pb.IssueWorkloadTokenResponse(token=f"{vm} for {audience} at {CLOCK.now_ms()}", expires_at=expires_at)


def with_server(folder: Path, story: Callable[[Path], Awaitable[None]], intent: Intent | None = INTENT) -> None:
    async def tell() -> None:
        path = folder / "m.sock"
        server = await MetadataServer(lambda: intent, "zone", lambda _vm: VALUES, WorkloadTokens(told, CLOCK)).listen(
            path
        )
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
    forged = GET.replace(b"latest/meta-data/hostname", b"ultracloud/variables/PASSWORD")
    password = forged.replace(b"\r\n\r\n", b"\r\nMetadata: true\r\n\r\n")

    async def story(path: Path) -> None:
        assert (await ask(path, password)).startswith(b"HTTP/1.1 404")
        assert (await ask(path, password.replace(b"tapa", b"tapb"))).endswith(b"\r\n\r\nopen sesame")
        for path_of_it in (b"/ultracloud/variables/", b"//ultracloud//variables/", b"/ultracloud/variables?x"):
            hidden = forged.replace(b"/ultracloud/variables/", path_of_it).replace(b"tapa", b"tapb")
            assert (await ask(path, hidden)).startswith(b"HTTP/1.1 403")

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


def token_request(query: str, port: str = "port-of-tapa", fields: bytes = b"Metadata: true\r\n") -> bytes:
    return f"GET /ultracloud/token{query} HTTP/1.1\r\nX-Ultracloud-Port: {port}\r\n".encode() + fields + b"\r\n"


def test_a_guest_gets_a_token_of_its_vms_account_and_the_same_for_half_of_its_life(short_path: Path) -> None:
    async def story(path: Path) -> None:
        asked = token_request("?audience=sts.example.org&ttl_s=600")
        first = await ask(path, asked)
        assert first.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json")
        assert f"{VMS[0].id} for sts.example.org".encode() in first
        CLOCK.time_ms += 299_000
        assert await ask(path, asked) == first
        CLOCK.time_ms += 2_000
        assert await ask(path, asked) != first

    with_server(short_path, story)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (token_request("?audience=x", fields=b""), b"403"),
        (token_request(""), b"400"),
        (token_request("?audience="), b"400"),
        (token_request("?audience=x&audience=y"), b"400"),
        (token_request("?audience=x&subject=y"), b"400"),
        (token_request("?audience=x&ttl_s=-1"), b"400"),
        (token_request("?audience=x", port="port-of-tapb"), b"404"),
        (token_request("?audience=x", port="port-of-nobody"), b"404"),
        (token_request("?audience=away.example"), b"503"),
    ],
)
def test_a_guest_that_gets_no_token_is_told_why_and_nothing_of_others(
    short_path: Path, raw: bytes, status: bytes
) -> None:
    async def story(path: Path) -> None:
        answer = await ask(path, raw)
        assert answer.split(b" ")[1] == status
        assert b"two" not in answer

    with_server(short_path, story)
