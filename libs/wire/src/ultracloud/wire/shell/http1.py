"""One HTTP/1.1 connection on a transport: requests are answered one after the other, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from ultracloud.api.rpc import Peer
from ultracloud.base.faults import Fault
from ultracloud.wire.core.http1 import (
    CONTINUE,
    LAST_CHUNK,
    PIPELINE_MAX,
    ContinueWanted,
    Event,
    Http1Connection,
    Request,
    render_chunk,
    render_response,
)
from ultracloud.wire.core.http1_heads import BadRequest, HeadReader, RequestHead, render_head
from ultracloud.wire.core.websocket import accept, render_switch
from ultracloud.wire.shell.clock import http_date, now_s
from ultracloud.wire.shell.closing import shut
from ultracloud.wire.shell.edge import GIVEN_UP
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.options import (
    HttpLater,
    HttpReply,
    HttpRequest,
    HttpStream,
    HttpWork,
    WebSocketAnswer,
)
from ultracloud.wire.shell.pages import Pages, deliver, finish, unfit
from ultracloud.wire.shell.websocket import WebSocketProtocol

IDLE_S = 75.0
"""Silence after which a kept connection is closed; scrapers come every 15 to 60 s."""
REQUEST_S = 60.0
"""How long a request may take to arrive: the largest body over a slow link; more is a client that does not mean it."""
STALL_S = 60.0
"""How long a client may leave its answer unread before it is given up."""
PACE_BYTES = 256 * 1024
"""A client that has read so much more of a large answer has STALL_S anew: it is slow, and it reads."""

LINGER_S = 1.0
"""How long a refused client has to read why, and to stop sending."""


class Http1Protocol(asyncio.Protocol):
    """Between a transport, the machine and the pages; also the `Sink` of the answer that is being sent.

    Args:
        pages: What is served.
        peer: The client.
        members: The server's connections; this one is in it from its first byte to its end.
        body_bytes_max: Most that a request's body may have.
        heads: Reads request heads; the server's.
    """

    def __init__(
        self, pages: Pages, peer: Peer, members: Members, body_bytes_max: int, heads: HeadReader | None = None
    ) -> None:
        self._pages = pages
        self._peer = peer
        self._members = members
        self._body_bytes_max = body_bytes_max
        self._connection = Http1Connection(body_bytes_max, heads)
        self._waiting: deque[Event] = deque()
        self._serving: RequestHead | None = None
        """What is being answered, but not inline."""
        self._work: asyncio.Future[Any] | None = None
        """The task that makes its answer, or what its answer waits for."""
        self._later: HttpLater | None = None
        self._is_streaming = False
        self._is_reading = True
        self._is_over = False
        """The connection closes after the answer at hand: nothing more is read."""
        self._drains = False
        self._heard_s = now_s()
        self._began_s: float | None = None
        """When the request that is arriving began."""
        self._stalled_s: float | None = None
        """When the client stopped reading, or had last read PACE_BYTES more."""
        self._unread_bytes = 0
        """What it had not read then."""
        self._caught_up: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._members.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request in its turn."""
        if self._is_over:
            return
        self._heard_s = now_s()
        events = self._connection.receive(data)
        if not self._connection.is_midway:
            self._began_s = None
        elif events or self._began_s is None:
            self._began_s = self._heard_s
        self._waiting += events
        if self._is_streaming and self._waiting:
            # A stream may never end; whoever asks behind it asks again on another connection (RFC 9112 9.6).
            self._end_after_this()
        self._advance()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._stalled_s = now_s()
        self._unread_bytes = self._transport.get_write_buffer_size()
        self._set_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._stalled_s = None
        if self._caught_up is not None and not self._caught_up.done():
            self._caught_up.set_result(None)
        self._advance()

    def connection_lost(self, _error: Exception | None) -> None:
        """Leave the server's list; what was being answered is cancelled."""
        self._is_over = True
        self._waiting.clear()
        if self._work is not None:
            self._work.cancel()
        self._members.discard(self)

    def tick(self, at_s: float) -> None:
        """Give up a client that is silent, sends too slowly, or does not read."""
        if self._stalled_s is not None:
            unread_bytes = self._transport.get_write_buffer_size()
            if unread_bytes <= self._unread_bytes - PACE_BYTES:
                self._stalled_s, self._unread_bytes = at_s, unread_bytes
            elif at_s - self._stalled_s > STALL_S:
                self._transport.abort()
        elif self._work is None and self._began_s is not None and at_s - self._began_s > REQUEST_S:
            self._refuse(BadRequest(408, f"the request did not arrive within {REQUEST_S:g} s"))
        elif self._work is None and at_s - self._heard_s > IDLE_S:
            self._transport.abort()

    def start_drain(self) -> None:
        """Keep no connection alive from now on."""
        self._drains = True

    def finish_drain(self) -> None:
        """Close, once what is being answered has its answer."""
        if self._work is None:
            shut(self._transport)
        else:
            self._end_after_this()

    def stop(self, fault: Fault) -> list[asyncio.Future[Any]]:
        """Answer with `fault` if that can be said, and close."""
        work, self._work = self._work, None
        if work is None:
            shut(self._transport)
            return []
        work.cancel()
        if not self._is_streaming:
            self._refuse(BadRequest(503, fault.public))
        shut(self._transport)
        return [work]

    def abort(self) -> None:
        """Close without waiting for the client to read."""
        self._transport.abort()

    # The sink of the answer at hand.

    def reply(self, reply: HttpReply) -> None:
        """Send a whole answer."""
        assert self._serving is not None
        self._write_reply(self._serving, reply)

    def begin(self, stream: HttpStream) -> None:
        """Send the head of an answer whose parts follow."""
        assert self._serving is not None
        fields = {"content-type": stream.content_type, "date": http_date(), **stream.fields}
        if self._serving.can_chunk:
            fields["transfer-encoding"] = "chunked"
        keep_alive = self._keeps_alive(self._serving) and self._serving.can_chunk and not self._waiting
        self._transport.write(render_head(stream.status, fields, keep_alive=keep_alive))
        self._is_streaming = True
        if not keep_alive:
            self._end_after_this()

    async def send(self, part: bytes) -> None:
        """Send a part; wait while the client does not keep up."""
        assert self._serving is not None
        if part and self._serving.method != "HEAD":
            self._transport.write(render_chunk(part) if self._serving.can_chunk else part)
        if self._stalled_s is not None:
            self._caught_up = asyncio.get_running_loop().create_future()
            await self._caught_up

    def end(self) -> None:
        """All parts are sent."""
        assert self._serving is not None
        if self._serving.can_chunk and self._serving.method != "HEAD":
            self._transport.write(LAST_CHUNK)
        # The client may answer before the task is done, and then it does not ask behind a stream any more.
        self._is_streaming = False
        if not self._keeps_alive(self._serving):
            self._close()

    def switch(self, answer: WebSocketAnswer) -> None:
        """Hand the connection over to a conversation."""
        head = self._serving
        assert head is not None
        accepted = accept(head.method, head.fields)
        if self._waiting or self._connection.is_midway:
            accepted = BadRequest(400, "something follows the handshake before it is answered")
        if isinstance(accepted, BadRequest):
            self._refuse(accepted)
            return
        chosen = {"sec-websocket-protocol": answer.protocol} if answer.protocol else {}
        self._transport.write(render_switch(accepted, {**answer.fields, **chosen}))
        talk = WebSocketProtocol(answer, head.path, self._members, is_stalled=self._stalled_s is not None)
        self._work = None
        self._is_over = True
        self._transport.set_protocol(talk)
        talk.connection_made(self._transport)
        self._members.discard(self)

    def cut(self) -> None:
        """Close without the last chunk."""
        self._close()

    # Requests in their turn.

    def _advance(self) -> None:
        """Answer what waits, until something has to be waited for."""
        while self._waiting and self._work is None and self._stalled_s is None and not self._is_over:
            match self._waiting.popleft():
                case Request(head, body):
                    self._serve(head, body)
                case ContinueWanted():
                    self._transport.write(CONTINUE)
                case BadRequest() as refusal:
                    self._refuse(refusal)
        self._set_reading()

    def _serve(self, head: RequestHead, body: bytes) -> None:
        request = HttpRequest(head.method, head.path, head.query, head.fields, body, self._peer)
        self._give(head, self._pages.answer(request))

    def _give(self, head: RequestHead, answer: HttpWork) -> None:
        """Send an answer, or see to it that it is sent."""
        if isinstance(answer, HttpReply):
            self._write_reply(head, answer)
            return
        self._serving = head
        if isinstance(answer, HttpLater):
            self._later, self._work = answer, answer.waited
            answer.waited.add_done_callback(self._waited)
        else:
            task = asyncio.get_running_loop().create_task(deliver(answer, head.path, self), name=head.path)
            task.add_done_callback(self._delivered)
            self._work = task

    def _waited(self, waited: asyncio.Future[Any]) -> None:
        """Go on where an answer had to wait."""
        later, head = self._later, self._serving
        if waited is not self._work or later is None or head is None:
            return
        self._later = self._work = None
        self._catch_up()
        if self._transport.is_closing():
            return
        if waited.cancelled():
            self._refuse(BadRequest(503, GIVEN_UP))
        else:
            self._give(head, finish(later, head.path))
        self._advance()

    def _catch_up(self) -> None:
        """Let the client's time begin now: until now it waited for us."""
        self._heard_s = now_s()
        if self._began_s is not None:
            self._began_s = self._heard_s

    def _delivered(self, task: asyncio.Task[None]) -> None:
        """Go on after an answer that took a task."""
        if task is not self._work:
            return
        was_streaming, self._is_streaming, self._work = self._is_streaming, False, None
        self._catch_up()
        if task.cancelled() and not self._transport.is_closing():
            if was_streaming:
                self._close()
            else:
                self._refuse(BadRequest(503, GIVEN_UP))
        elif not task.cancelled():
            # What `deliver` does not expect is a defect of this module, and nobody else would hear of it.
            task.result()
        self._advance()

    def _write_reply(self, head: RequestHead, reply: HttpReply) -> None:
        keep_alive = self._keeps_alive(head)
        fields = {"content-type": reply.content_type, "date": http_date(), **reply.fields}
        head_only = head.method == "HEAD"
        try:
            octets = render_response(
                reply.status, fields, reply.body, keep_alive=keep_alive, head_only=head_only, cookies=reply.cookies
            )
        except ValueError as error:
            self._write_reply(head, unfit(error, head.path))
            return
        self._transport.write(octets)
        if not keep_alive:
            self._close()

    def _refuse(self, refusal: BadRequest) -> None:
        """Answer with an error and close: the client and we no longer agree where its next request begins."""
        reply = self._pages.refusal(refusal.status, refusal.reason)
        fields = {"content-type": reply.content_type, "date": http_date(), **reply.fields, **refusal.fields}
        self._transport.write(render_response(reply.status, fields, reply.body, keep_alive=False))
        self._end_after_this()
        if self._transport.can_write_eof():
            # Closing with bytes unread would reset the connection, and a reset can overtake the answer.
            self._transport.write_eof()
            self._set_reading()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)
        else:
            shut(self._transport)

    def _keeps_alive(self, head: RequestHead) -> bool:
        return head.keep_alive and not self._drains and not self._is_over

    def _end_after_this(self) -> None:
        """Close the connection once the answer at hand is sent."""
        self._is_over = True
        self._waiting.clear()

    def _close(self) -> None:
        self._end_after_this()
        shut(self._transport)

    def _set_reading(self) -> None:
        """Read on only while there is room for what comes. What is cut off is still heard, unless it is far ahead."""
        wants = self._stalled_s is None or self._is_streaming
        if wants and self._waiting:
            bodies = sum(len(event.body) for event in self._waiting if isinstance(event, Request))
            wants = len(self._waiting) <= PIPELINE_MAX and bodies <= self._body_bytes_max
        if wants == self._is_reading or self._transport.is_closing():
            return
        self._is_reading = wants
        if wants:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
