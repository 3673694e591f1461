"""A server that says what a test tells it, frame by frame, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from serving import until

from ultracloud.wire import ClientProtocol
from ultracloud.wire.core.frames import PREFACE, Frame, parse, render_frame, render_settings
from ultracloud.wire.core.status import OK_BLOCK, RESPONSE_BLOCK

FIELDS = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/t.T/Say"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
)


def answer(stream_id: int, message: bytes = b"yes") -> bytes:
    """A whole answer that went well."""
    framed = b"\0" + len(message).to_bytes(4, "big") + message
    frames = [(1, 4, RESPONSE_BLOCK), (0, 0, framed), (1, 5, OK_BLOCK)]
    return b"".join(render_frame(kind, flags, stream_id, payload) for kind, flags, payload in frames)


class HandMade:
    """The server's end of one connection."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self.writer: asyncio.StreamWriter
        self.reads = asyncio.Event()
        self.reads.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer, rest = writer, b""
        try:
            await reader.readexactly(len(PREFACE))
            while await self.reads.wait() and (part := await reader.read(65_536)):
                frames, rest = parse(rest + part)
                self.heard += frames
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def say(self, *octets: bytes) -> None:
        self.writer.write(b"".join(octets))

    def of_kind(self, kind: int) -> list[Frame]:
        return [frame for frame in self.heard if frame.kind == kind]


@asynccontextmanager
async def by_hand(settings: dict[int, int] | None = None) -> AsyncGenerator[tuple[HandMade, ClientProtocol], None]:
    """A hand-made server that has greeted a client."""
    made = HandMade()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    _, client = await asyncio.get_running_loop().create_connection(ClientProtocol, host, port)
    try:
        await until(lambda: hasattr(made, "writer"))
        made.say(render_settings(settings or {}))
        assert await client.greeted
        yield made, client
    finally:
        client.close()
        made.reads.set()
        listener.close()
        made.writer.transport.abort()
