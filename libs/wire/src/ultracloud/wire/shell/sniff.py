"""The first bytes of a connection say which protocol it speaks; until then a `Sniffer` has the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ultracloud.base.faults import Fault
from ultracloud.wire.core.frames import PREFACE
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.closing import shut
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.tls import alpn_protocol

SIGN_BYTES = 4
"""``PRI `` tells HTTP/2's preface from every request of HTTP/1.1."""


class Sniffer(asyncio.Protocol):
    """Waits for enough bytes, then hands transport and bytes over.

    Args:
        speak: Makes the protocol for a transport; the flag is whether it is HTTP/2.
        patience_s: How long a client may say nothing.
        members: The server's connections.
        members_max: Most there may be.
    """

    def __init__(
        self,
        speak: Callable[[asyncio.Transport, bool], asyncio.Protocol],
        patience_s: float,
        members: Members,
        members_max: int,
    ) -> None:
        self._speak = speak
        self._patience_s = patience_s
        self._members = members
        self._members_max = members_max
        self._since_s = now_s()
        self._first = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection if there is room; ALPN may have said already what it speaks."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._members) >= self._members_max:
            self._transport.abort()
            return
        self._members.add(self)
        chosen = alpn_protocol(transport)
        if chosen is not None:
            self._hand_over(is_http2=chosen == "h2")

    def data_received(self, data: bytes) -> None:
        """Decide as soon as there are enough bytes."""
        self._first += data
        if len(self._first) >= SIGN_BYTES:
            self._hand_over(is_http2=self._first[:SIGN_BYTES] == PREFACE[:SIGN_BYTES])

    def connection_lost(self, _error: Exception | None) -> None:
        """The client left without a word."""
        self._members.discard(self)

    def tick(self, at_s: float) -> None:
        """Close a connection that says nothing."""
        if at_s - self._since_s > self._patience_s:
            self._transport.abort()

    def start_drain(self) -> None:
        """Nothing was asked, so nothing is lost."""
        shut(self._transport)

    def finish_drain(self) -> None:
        """As `start_drain`."""
        shut(self._transport)

    def stop(self, _fault: Fault) -> list[asyncio.Future[Any]]:
        """Close; no task runs."""
        shut(self._transport)
        return []

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _hand_over(self, *, is_http2: bool) -> None:
        """Let the protocol that the client speaks go on."""
        self._members.discard(self)
        protocol = self._speak(self._transport, is_http2)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._first:
            protocol.data_received(self._first)
