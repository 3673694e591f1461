"""One HTTP/2 connection on a transport."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, cast

from ultracloud.api.rpc import Peer
from ultracloud.base.faults import Fault
from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import CallArrived, Closed, Event, PageRefused, PageRequested
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.errors import ErrorCode
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.closing import shut
from ultracloud.wire.shell.edge import Edge, Site
from ultracloud.wire.shell.http2_pages import Http2Pages
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.pages import Pages

LINGER_S = 0.5
"""How long a drained connection stays for its client to close it: closing with bytes unread would reset it, and a reset
can overtake answers."""
JOINED_BYTES_MAX = 64 * 1024
"""Bytes that are joined for one write; above, copying them costs more than handing over the parts."""
_log = logging.getLogger("ultracloud.wire")


class Http2Protocol(asyncio.Protocol):
    """Between a transport, the machine and the calls.

    Args:
        limits: Bounds of the connection.
        site: What the server's connections share.
        pages: What plain HTTP requests are answered.
        peer: The client.
        members: The server's connections; this one is in it from its first byte to its end.
    """

    def __init__(
        self,
        limits: Limits,
        site: Site,
        pages: Pages,
        peer: Peer,
        members: Members,
    ) -> None:
        self._limits = limits
        self._members = members
        self._connection = Connection(limits, now_s())
        self._sender = self._connection.sender
        self._edge = Edge(site, self._connection, peer, self._flush, self._flush_soon, self._flush_last)
        self._pages = Http2Pages(pages, self._connection, peer, self._flush_soon)
        self._backlog: deque[Event] = deque()
        self._busy_poll = members.busy_poll(limits.busy_poll_s) if limits.busy_poll_s else None
        self._flush_is_due = False
        self._lingers = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        self._transport = cast("asyncio.Transport", transport)
        self._members.add(self)
        self._transport.set_write_buffer_limits(high=self._limits.output_bytes_max)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Serve all that a read brought and write all that it made."""
        self._members.received_bytes += len(data)
        events = self._connection.receive(data, now_s())
        self._members.received_events += len(events)
        is_due = self._flush_is_due
        # What is written at the end of this needs no turn of its own.
        self._flush_is_due = True
        try:
            if self._edge.is_paused or self._backlog:
                self._backlog.extend(events)
            else:
                self._serve(events)
        finally:
            self._flush_is_due = is_due
        self._flush_last()

    def pause_writing(self) -> None:
        """The client reads slower than we write: read no more of its requests until it has caught up."""
        self._edge.is_paused = True
        self._pages.is_paused = True
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._edge.resume()
        self._pages.resume()
        backlog = list(self._backlog)
        self._backlog.clear()
        self._serve(backlog)
        self._flush()
        if not self._edge.is_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """The client sends no more; HTTP/2 has no half-closed connections."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Cancel what still runs: nobody can be answered."""
        self._connection.is_closed = True
        self._backlog.clear()
        self._edge.stop(None)
        self._pages.stop()
        self._members.discard(self)

    def tick(self, at_s: float) -> None:
        """Look at the clock."""
        self._serve(self._connection.tick(at_s))
        self._flush()

    def start_drain(self) -> None:
        """Tell the client that the end is near."""
        self._connection.start_drain()
        self._flush()

    def finish_drain(self) -> None:
        """Take no more calls, whether the client has answered or not."""
        self._connection.finish_drain()
        self._flush()

    def stop(self, fault: Fault) -> list[asyncio.Future[Any]]:
        """Answer all open calls with `fault`, then close as after a drain; give the tasks that were cancelled."""
        tasks = self._edge.stop(fault) + self._pages.stop()
        self._connection.start_drain()
        self._connection.finish_drain()
        self._flush()
        return tasks

    def abort(self) -> None:
        """Close without waiting for the client to read."""
        self._transport.abort()

    def _serve(self, events: list[Event]) -> None:
        """Serve events in order; put off what is left once the transport is full."""
        arrive = self._edge.arrive
        for index, event in enumerate(events):
            if isinstance(event, CallArrived):
                arrive(event)
            elif isinstance(event, PageRequested):
                self._pages.serve(event)
            elif isinstance(event, PageRefused):
                self._pages.refuse(event)
            elif isinstance(event, Closed):
                self._close(event)
            elif not self._pages.take(event):
                self._edge.take(event)
            if self._sender.out_bytes > self._limits.output_bytes_max:
                self._flush()
                if self._edge.is_paused:
                    self._backlog.extend(events[index + 1 :])
                    return

    def _close(self, event: Closed) -> None:
        """The machine is done with this client."""
        if event.code is not ErrorCode.NO_ERROR:
            _log.info("connection closed: %s: %s", event.code.name, event.reason)
        self._edge.stop(None)
        self._pages.stop()
        self._flush()
        shut(self._transport)
        asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def _flush_soon(self) -> None:
        """Write at the end of this turn of the loop, together with what else comes until then."""
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush_due)

    def _flush_due(self) -> None:
        """Write what was put off."""
        self._flush_is_due = False
        self._flush_last()

    def _flush_last(self) -> None:
        """Write now, and look out for the next request if all calls are answered."""
        self._flush()
        if self._busy_poll is not None and not self._edge.has_calls:
            self._busy_poll.kick()

    def _flush(self) -> None:
        """Write now."""
        size = self._sender.out_bytes
        if size:
            parts = self._sender.take_parts()
            self._members.sent_bytes += size
            if self._transport.is_closing():
                return
            if size < JOINED_BYTES_MAX:
                self._transport.write(b"".join(parts))
            else:
                self._transport.writelines(parts)
        if self._connection.is_drained and not self._lingers:
            self._lingers = True
            asyncio.get_running_loop().call_later(LINGER_S, shut, self._transport)
