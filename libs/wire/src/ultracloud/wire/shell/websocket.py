"""One WebSocket on a transport that an HTTP/1.1 connection has handed over.

What the client sends waits in a bounded inbox; when that is full, nothing more is read, and TCP tells the client. What
is sent waits while the client does not read. Both sides know that the other lives: a silent client is asked by Ping.

Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from ultracloud.base.faults import Fault
from ultracloud.wire.core.websocket import (
    Close,
    CloseCode,
    Message,
    Opcode,
    Ping,
    Pong,
    Violation,
    WebSocketReader,
    render_close,
    render_frame,
)
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.closing import shut
from ultracloud.wire.shell.edge import FaultsOnly
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.options import WebSocketAnswer

PING_S = 20.0
"""Silence after which a client is asked whether it lives: proxies cut off after 30 to 60 s."""
SILENCE_S = 60.0
"""Silence after which it is given up."""
STALL_S = 60.0
"""How long a client may leave what it was sent unread."""
CLOSE_S = 5.0
"""How long a client may take to answer our Close."""
INBOX_BYTES_MAX = 256 * 1024
"""What may wait for its endpoint; beyond it nothing is read."""
MESSAGE_COST_BYTES = 128
"""What a message takes besides its bytes: empty ones are not for free."""


class WebSocketProtocol(asyncio.Protocol):
    """Between a transport, the frames and the endpoint; also what the endpoint talks to.

    Args:
        answer: Whom the client talks to.
        path: What was asked for, for the log.
        members: The server's connections.
        is_stalled: Whether the transport takes no more at the moment it is handed over.
    """

    def __init__(self, answer: WebSocketAnswer, path: str, members: Members, *, is_stalled: bool) -> None:
        self._answer = answer
        self._path = path
        self._members = members
        self._reader = WebSocketReader(answer.message_bytes_max)
        self._inbox: deque[Message] = deque()
        self._inbox_bytes = 0
        self._arrival: asyncio.Future[None] | None = None
        self._caught_up: asyncio.Future[None] | None = None
        self._heard_s = now_s()
        self._pinged_s = self._heard_s
        self._stalled_s: float | None = self._heard_s if is_stalled else None
        self._closed_s: float | None = None
        """When we said Close."""
        self._owed_pong: bytes | None = None
        """Of several pings only the last is answered once the client reads again (RFC 6455 5.5.3)."""
        self._task: asyncio.Task[None]
        self._transport: asyncio.Transport

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the endpoint begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.resume_reading()
        self._members.add(self)
        self._task = asyncio.get_running_loop().create_task(self._live(), name=f"websocket {self._path}")

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._heard_s = now_s()
        for event in self._reader.receive(data):
            match event:
                case Message(octets) if self._closed_s is None:
                    self._inbox.append(event)
                    self._inbox_bytes += len(octets) + MESSAGE_COST_BYTES
                    _wake(self._arrival)
                case Ping(octets):
                    self._owed_pong = octets
                    self._pay_pong()
                case Violation(code, reason):
                    self.close(code, reason)
                    self._finish()
                case Close(code):
                    self._say_close(code)
                    self._finish()
                case Message() | Pong():
                    pass
        if self._inbox_bytes > INBOX_BYTES_MAX:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._stalled_s = now_s()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._stalled_s = None
        self._pay_pong()
        _wake(self._caught_up)

    def connection_lost(self, _error: Exception | None) -> None:
        """Cancel the endpoint and leave the server's list."""
        self._task.cancel()
        self._members.discard(self)

    # What the server does with each of its connections.

    def tick(self, at_s: float) -> None:
        """Ask a silent client whether it lives; give up one that does not answer, or does not read."""
        is_stalled = self._stalled_s is not None and at_s - self._stalled_s > STALL_S
        is_left = self._closed_s is not None and at_s - self._closed_s > CLOSE_S
        is_reading = self._inbox_bytes <= INBOX_BYTES_MAX
        if is_stalled or is_left or (is_reading and at_s - self._heard_s > SILENCE_S):
            self._transport.abort()
        elif self._closed_s is None and at_s - max(self._heard_s, self._pinged_s) > PING_S:
            self._pinged_s = at_s
            self._transport.write(render_frame(Opcode.PING, b""))

    def start_drain(self) -> None:
        """Nothing yet: what was typed is still to be answered."""

    def finish_drain(self) -> None:
        """A conversation has no end to wait for: ask the client to come back, to somebody else."""
        self.close(CloseCode.GOING_AWAY, "the server is stopping; connect again")
        self._task.cancel()

    def stop(self, _fault: Fault) -> list[asyncio.Future[Any]]:
        """End now."""
        self.finish_drain()
        shut(self._transport)
        return [self._task]

    def abort(self) -> None:
        """Close without waiting for the client to read."""
        self._transport.abort()

    # What the endpoint does.

    async def receive(self) -> Message:
        """The next message."""
        while not self._inbox:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        message = self._inbox.popleft()
        was_full = self._inbox_bytes > INBOX_BYTES_MAX
        self._inbox_bytes -= len(message.octets) + MESSAGE_COST_BYTES
        if was_full and self._inbox_bytes <= INBOX_BYTES_MAX and not self._transport.is_closing():
            self._heard_s = now_s()
            self._transport.resume_reading()
        return message

    async def send(self, octets: bytes, *, is_text: bool = False) -> None:
        """Send a message; wait while the client does not keep up."""
        if self._closed_s is None:
            self._transport.write(render_frame(Opcode.TEXT if is_text else Opcode.BINARY, octets))
        while self._stalled_s is not None:
            self._caught_up = asyncio.get_running_loop().create_future()
            await self._caught_up

    def close(self, code: int, reason: str = "") -> None:
        """Say why it ends; nothing is sent after that."""
        self._say_close(code, reason)

    # Its life.

    async def _live(self) -> None:
        """Let the endpoint talk, then say goodbye."""
        try:
            with FaultsOnly(self._path):
                await self._answer.serve(self)
        except Fault as fault:
            self.close(CloseCode.INTERNAL, fault.public)
        else:
            self.close(CloseCode.NORMAL)

    def _say_close(self, code: int | None, reason: str = "") -> None:
        if self._closed_s is None and not self._transport.is_closing():
            self._closed_s = now_s()
            self._transport.write(render_close(code, reason))

    def _finish(self) -> None:
        """Both sides have said Close, or the client cannot be understood: the server ends the connection (7.1.1)."""
        self._task.cancel()
        shut(self._transport)

    def _pay_pong(self) -> None:
        if self._owed_pong is not None and self._stalled_s is None and self._closed_s is None:
            self._transport.write(render_frame(Opcode.PONG, self._owed_pong))
            self._owed_pong = None


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
