"""The metadata proxy of one VPC: knows who asks by the source address, and asks on in that port's name.

The bridge has bound each address to its port, so the address is proof. The upstream is plasmavmc's agent on this host,
on a unix socket; it is not here that anything is known about VMs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from prismnet.agent.core.http1 import (
    HEAD_BYTES_MAX,
    RefusedError,
    Request,
    parse_request,
    parse_response,
    render_refusal,
    render_request,
    render_response,
)
from prismnet.core.ids import PortId

REQUEST_S = 10.0
"""From the first byte to the last of one exchange: user-data of 32 KiB takes milliseconds."""
CONNECTIONS_PER_PORT_MAX = 8
"""Cloud-init asks one thing after another; more at once is somebody who wants all there are."""
CONNECTIONS_MAX = 256
"""Of one VPC, those included that are being refused; who floods it harms the tenant's own ports only."""
RESPONSE_BYTES_MAX = 1_048_576
"""User-data has at most 32 KiB; nothing in metadata is near a megabyte."""
CHUNK_BYTES = 65_536
LINGER_S, LINGER_BYTES = 1.0, 1_048_576
"""How long, and how much, a refused guest may go on sending before the connection is cut."""


class MetadataProxy:
    """Serves http://169.254.169.254/ to the ports of one VPC.

    Args:
        upstream: The unix socket of plasmavmc's agent.
        answered: Told the status of every answer.
    """

    def __init__(self, upstream: Path, answered: Callable[[int], None]) -> None:
        self._answered = answered
        self.ports: Mapping[IPv4Address, PortId] = {}
        self._upstream = upstream
        self._connections: Counter[PortId] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = logging.getLogger(__name__)

    async def start(self, listening: socket.socket) -> None:
        """Serve on `listening`, which is this object's from now on."""
        self._server = await asyncio.start_server(self._connected, sock=listening, limit=HEAD_BYTES_MAX)

    async def close(self) -> None:
        """Stop, and cut what is under way."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to serve a connection, in a task that `close` can end."""
        if len(self._tasks) >= CONNECTIONS_MAX:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="metadata connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request."""
        try:
            async with asyncio.timeout(REQUEST_S):
                await self._answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            self._log.debug("metadata connection: %s", error)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve, or say why not."""
        try:
            port = self._port_of(writer)
            with self._counted(port):
                request = await _read_request(reader)
                body = await reader.readexactly(request.body_bytes)
                await self._forward(request, body, port, writer)
        except RefusedError as error:
            self._answered(error.status)
            writer.write(render_refusal(error.status, error.sentence))
            await _linger(reader, writer)
        await writer.drain()

    def _port_of(self, writer: asyncio.StreamWriter) -> PortId:
        """Who asks."""
        peer = writer.get_extra_info("peername")
        port = self.ports.get(IPv4Address(peer[0])) if peer else None
        if port is None:
            raise RefusedError(404, "no port has this address")
        return port

    @contextlib.contextmanager
    def _counted(self, port: PortId) -> Iterator[None]:
        """Hold one of the port's connections."""
        if self._connections[port] >= CONNECTIONS_PER_PORT_MAX:
            raise RefusedError(429, f"over {CONNECTIONS_PER_PORT_MAX} requests at once from this port")
        self._connections[port] += 1
        try:
            yield
        finally:
            self._connections[port] -= 1
            if not self._connections[port]:
                del self._connections[port]

    async def _forward(self, request: Request, body: bytes, port: PortId, writer: asyncio.StreamWriter) -> None:
        """Ask the upstream, copy its answer."""
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream), limit=HEAD_BYTES_MAX)
        except OSError:
            raise RefusedError(502, "the metadata service of this host is not running; try again") from None
        try:
            up_writer.write(render_request(request, port) + body)
            head = await _read_head(up_reader, 502, "the metadata service broke off")
            response = parse_response(head)
            length = 0 if request.method == "HEAD" else response.body_bytes
            if length is not None and length > RESPONSE_BYTES_MAX:
                raise RefusedError(502, "the metadata service answered with more than a megabyte")
            self._answered(response.status)
            writer.write(render_response(response))
            await _copy(up_reader, writer, RESPONSE_BYTES_MAX if length is None else length)
        finally:
            up_writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    return parse_request(await _read_head(reader, 400, "the request broke off"))


async def _read_head(reader: asyncio.StreamReader, status: int, broken: str) -> bytes:
    """Everything before the first empty line."""
    try:
        return (await reader.readuntil(b"\r\n\r\n"))[:-4]
    except asyncio.IncompleteReadError:
        raise RefusedError(status, broken) from None
    except asyncio.LimitOverrunError:
        too_large = f"the head is over {HEAD_BYTES_MAX} bytes"
        raise RefusedError(431 if status == 400 else status, too_large) from None  # noqa: PLR2004 - Bad Request


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the guest read the refusal: closing while it still sends would reset the connection and lose the answer."""
    writer.write_eof()
    left_bytes = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while left_bytes > 0 and (piece := await reader.read(CHUNK_BYTES)):
                left_bytes -= len(piece)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left_bytes: int) -> None:
    """Copy up to `left_bytes`, or to the end."""
    while left_bytes:
        piece = await reader.read(min(CHUNK_BYTES, left_bytes))
        if not piece:
            return
        left_bytes -= len(piece)
        writer.write(piece)
        await writer.drain()
