"""Consoles over WebSocket, with a client of others, before a service that stands for plasmavmc."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from fronts import TRAFFIC, Front, bearer, play, token
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ultracloud.servicekit.testing import DEVELOPER

CONSOLE = "/v1/projects/blue/vms/web:console"
RAW, JSON = "ultracloud.raw", "ultracloud.json"


def console(front: Front, path: str = CONSOLE, *protocols: str, **fields: str) -> connect:
    """A conversation that sends a token in a header field, unless a protocol carries it."""
    has_token = any(protocol.startswith("ultracloud.bearer.") for protocol in protocols)
    headers = fields if has_token else {**bearer(), **fields}
    url = f"ws://{front.gateway.address}{path}"
    return connect(url, additional_headers=headers, subprotocols=protocols or None, proxy=None, max_size=None)


async def ended(client: ClientConnection) -> tuple[int, str]:
    """How a conversation ends."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(5):
            while True:
                await client.recv()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


async def refused(front: Front, path: str = CONSOLE, *protocols: str, **fields: str) -> tuple[int, str]:
    """Status and reason of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as answer:
        async with console(front, path, *protocols, **fields):
            pass
    response = answer.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body).get("reason", "")


def test_what_is_typed_comes_back_raw(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, f"{CONSOLE}?backlog_bytes=7", RAW) as client:
            assert client.subprotocol == RAW
            assert await client.recv() == f"blue/web 7 serviceaccount:{DEVELOPER.id}".encode()
            for typed in (b"ls\r", "text is bytes too"):
                await client.send(typed)
                assert await client.recv() == (typed if isinstance(typed, bytes) else typed.encode())
            await client.send(b"exit")
            assert await ended(client) == (1000, "")

    play(tmp_path, scenario)


def test_without_a_subprotocol_messages_are_json(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front) as client:
            assert client.subprotocol is None
            await client.recv()
            await client.send('{"keys": "bHMN"}')
            assert json.loads(await client.recv()) == {"text": "bHMN"}
            await client.send('{"kes": "bHMN"}')
            assert await ended(client) == (4400, "'kes' is no field of the body")

    play(tmp_path, scenario)


def test_a_page_brings_its_token_beside_the_subprotocol(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ours = {"origin": "https://console.example.org"}
        async with console(front, CONSOLE, RAW, f"ultracloud.bearer.{token()}", **ours) as client:
            assert client.subprotocol == RAW
            assert DEVELOPER.id.encode() in await client.recv()
            assert client.response is not None
            assert token() not in str(client.response.headers)
        evil = {"origin": "https://evil.example"}
        assert await refused(front, CONSOLE, RAW, f"ultracloud.bearer.{token()}", **evil) == (403, "ORIGIN_REFUSED")

    play(tmp_path, scenario, f'{TRAFFIC}[cors]\norigins = ["https://console.example.org"]\n')


def test_a_handshake_is_refused_with_a_problem_and_nothing_is_passed_on(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        assert await refused(front, CONSOLE, authorization="") == (401, "NO_IDENTITY")
        assert await refused(front, CONSOLE, RAW, "ultracloud.bearer.x") == (401, "TOKEN_MALFORMED")
        assert await refused(front, CONSOLE, "chat") == (400, "SUBPROTOCOL_UNKNOWN")
        assert await refused(front, "/v1/projects/blue/vms:watch") == (400, "WEBSOCKET_NOT_SERVED")
        assert await refused(front, f"{CONSOLE}?backlog=1") == (400, "FIELD_UNKNOWN")
        assert front.terminal.open_count == 0

    play(tmp_path, scenario)


def test_what_the_service_refuses_is_told_in_the_close_code(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, "/v1/projects/blue/vms/none:console", RAW) as client:
            assert await ended(client) == (4404, "there is no VM 'none'")

    play(tmp_path, scenario)


def test_the_service_is_left_when_the_client_leaves(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, CONSOLE, RAW) as client:
            await client.recv()
            assert front.terminal.open_count == 1
        async with asyncio.timeout(5):
            while front.terminal.open_count:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)

    play(tmp_path, scenario)


def test_a_paste_that_is_too_large_ends_it(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, CONSOLE, RAW) as client:
            await client.recv()
            await client.send(bytes(64 * 1024 + 1))
            assert (await ended(client))[0] == 1009

    play(tmp_path, scenario)


def test_a_client_that_reads_late_gets_everything(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, CONSOLE, RAW) as client:
            await client.recv()
            await client.send(b"flood")
            await asyncio.sleep(0.2)
            async with asyncio.timeout(20):
                got = [await client.recv() for _ in range(1000)]
            assert {len(part) for part in got} == {65_536}

    play(tmp_path, scenario)


def test_consoles_count_as_open_streams(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with console(front, CONSOLE, RAW) as first:
            await first.recv()
            async with console(front, CONSOLE, RAW) as second:
                assert (await ended(second))[0] == 4429

    play(tmp_path, scenario, "[watches]\neach = 1\n")
