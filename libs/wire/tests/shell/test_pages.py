from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from serving import Authority, serving

from ultracloud.wire import TlsFiles

GET = b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n"


async def ask(target: str, request: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What a server answers to bytes, until it closes or has been quiet."""
    host, port = target.split(":")
    named = {"ssl": context, "server_hostname": "localhost"} if context else {}
    reader, writer = await asyncio.open_connection(host, int(port), **named)
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(0.2):
            while part := await reader.read(65_536):
                answer += part
    except TimeoutError:
        pass
    writer.close()
    return answer


@pytest.mark.parametrize(("path", "status", "body"), [("/healthz", b"200", b"ok\n"), ("/readyz", b"503", b"iam\n")])
async def test_pages_are_served_on_the_grpc_port(path: str, status: bytes, body: bytes) -> None:
    async with serving() as (_server, target):
        answer = await ask(target, GET % path.encode())
    assert answer.split()[1] == status
    assert answer.endswith(body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET % b"/nothing", b"404"),
        (GET % b"/healthz?verbose", b"200"),
        (b"DELETE /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc", b"413"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000, b"431"),
    ],
)
async def test_what_is_asked_for_is_answered_or_refused(request_: bytes, status: bytes) -> None:
    async with serving() as (_server, target):
        assert (await ask(target, request_)).split()[1] == status


async def test_a_connection_is_kept_and_requests_may_be_pipelined() -> None:
    async with serving() as (_server, target):
        assert (await ask(target, (GET % b"/healthz") * 3)).count(b"200 OK") == 3


async def test_a_word_that_comes_in_pieces_is_understood() -> None:
    async with serving() as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for at in range(len(GET % b"/healthz")):
            writer.write((GET % b"/healthz")[at : at + 1])
            await asyncio.sleep(0)
        assert b"200 OK" in await reader.readline()
        writer.close()


async def test_pages_are_served_over_tls_by_alpn_and_without_it(tmp_path: Path) -> None:
    identity = Authority(tmp_path / "ca").issue("server")
    tls = TlsFiles(identity.certificate, identity.key)
    async with serving(tls=tls) as (_server, target):
        for protocols in (["http/1.1"], []):
            context = ssl.create_default_context(cafile=str(identity.ca))
            if protocols:
                context.set_alpn_protocols(protocols)
            assert b"200 OK" in await ask(target, GET % b"/healthz", context)


async def test_curl_gets_pages_over_http2() -> None:
    async with serving() as (_server, target):
        process = await asyncio.create_subprocess_exec(
            *(
                "curl",
                "-s",
                "--http2-prior-knowledge",
                "-w",
                "%{http_code} %{http_version}",
                f"http://{target}/healthz",
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 10)
    assert out == b"ok\n200 2"
