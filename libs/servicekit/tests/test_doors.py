"""A service with several doors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from demo_service import Echo

from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.servicekit import pki
from ultracloud.servicekit.doors import Door, doors_of
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Listen, Settings
from ultracloud.wire import TlsFiles, service

HEALTH = "/grpc.health.v1.Health/Check"
FREE = "127.0.0.1:0"


class _DoneError(Exception):
    """Ends the group of a runtime."""


@contextlib.asynccontextmanager
async def runtime_in(folder: Path) -> AsyncIterator[Runtime]:
    """A runtime, and the tasks it starts until the block ends."""
    try:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime("demo", Settings(state_dir=folder), tasks, logging.getLogger("demo"))
            yield runtime
            await runtime.drain()
            raise _DoneError  # noqa: TRY301 - a task group has no other way to end its tasks
    except* _DoneError:
        pass


async def checked(address: str, ca: bytes | None = None) -> str:
    """How a health check of an address ends."""
    credentials = grpc.ssl_channel_credentials(ca) if ca else None
    channel = grpc.aio.secure_channel(address, credentials) if credentials else grpc.aio.insecure_channel(address)
    async with channel:
        try:
            await channel.unary_unary(HEALTH)(b"", timeout=5)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return "OK"


async def page(address: str) -> bytes:
    """The first line of a page."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


def test_each_door_speaks_as_it_was_told(tmp_path: Path) -> None:
    files = pki.issue(pki.make_ca(tmp_path), pki.service_identity("demo"), tmp_path)
    tls = TlsFiles(files.certificate, files.key, None, require_client_cert=False)
    doors = [Door(FREE), Door(f"unix:{tmp_path}/socket"), Door(FREE, tls), Door(FREE, pages_only=True)]

    async def talk() -> None:
        async with runtime_in(tmp_path) as runtime:
            clear, socket, secure, pages = await runtime.serve([service(ECHO, Echo())], doors=doors)
            assert runtime.addresses == (clear, socket, secure, pages)
            assert [await checked(clear), await checked(socket)] == ["OK", "OK"]
            assert await checked(secure, files.ca.read_bytes()) == "OK"
            assert await checked(pages) == "UNIMPLEMENTED"
            assert await page(clear) == await page(pages) == b"HTTP/1.1 200 OK\r\n"

    asyncio.run(talk())


def test_clear_text_for_other_machines_is_refused_unless_a_door_says_so() -> None:
    with pytest.raises(ConfigError, match="not loopback"):
        doors_of(Listen(address="0.0.0.0:0"), None, require_client_certificate=False)


def test_a_door_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    async def serve() -> None:
        async with runtime_in(tmp_path) as runtime:
            with pytest.raises(StartError, match=r"cannot listen on 192\.0\.2\.1:1: this machine has no such address"):
                await runtime.serve([], doors=[Door("192.0.2.1:1")])

    asyncio.run(serve())
