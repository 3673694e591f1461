"""One HTTP/1.1 connection on a transport: pages only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from ultracloud.base.faults import Fault
from ultracloud.wire.core.http1 import BadRequest, Http1Connection, render_response
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.http2 import page
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.options import HttpRoute

IDLE_S = 75.0
"""Silence after which a kept connection is closed; scrapers come every 15 to 60 s."""


class Http1Protocol(asyncio.Protocol):
    """Answers GET and HEAD.

    Args:
        pages: Pages by path.
        members: The server's connections; this one is in it from its first byte to its end.
    """

    def __init__(self, pages: Mapping[str, HttpRoute], members: Members) -> None:
        self._pages = pages
        self._members = members
        self._connection = Http1Connection()
        self._heard_s = now_s()
        self._drains = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._members.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._heard_s = now_s()
        for request in self._connection.receive(data):
            match request:
                case BadRequest(status, reason):
                    body = f"{reason}\n".encode()
                    self._transport.write(render_response(status, "text/plain", body, keep_alive=False))
                    self._transport.close()
                case _:
                    reply = page(self._pages, request.method, request.path)
                    keep_alive = request.keep_alive and not self._drains
                    head_only = request.method == "HEAD"
                    self._transport.write(
                        render_response(
                            reply.status, reply.content_type, reply.body, keep_alive=keep_alive, head_only=head_only
                        )
                    )
                    if not keep_alive:
                        self._transport.close()
                        return

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        """Leave the server's list."""
        self._members.discard(self)

    def tick(self, at_s: float) -> None:
        """Close what has been silent for long."""
        if at_s - self._heard_s > IDLE_S:
            self._transport.abort()

    def start_drain(self) -> None:
        """Keep no connection alive from now on."""
        self._drains = True

    def finish_drain(self) -> None:
        """Pages are answered as they are asked for: nothing is open."""
        self._transport.close()

    def stop(self, _fault: Fault) -> list[asyncio.Task[Any]]:
        """Close."""
        self._transport.close()
        return []

    def abort(self) -> None:
        """Close without waiting for the client to read."""
        self._transport.abort()
