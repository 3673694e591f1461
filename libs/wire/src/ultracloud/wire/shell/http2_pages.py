"""Plain HTTP requests of one HTTP/2 connection, each on a stream of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from ultracloud.api.rpc import Peer
from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import CallReset, Event, PageRefused, PageRequested, StreamReady
from ultracloud.wire.core.http1 import BODILESS
from ultracloud.wire.errors import ErrorCode
from ultracloud.wire.shell.clock import http_date
from ultracloud.wire.shell.edge import GIVEN_UP
from ultracloud.wire.shell.options import HttpLater, HttpReply, HttpRequest, HttpStream, HttpWork, WebSocketAnswer
from ultracloud.wire.shell.pages import Pages, deliver, finish, unfit


class Http2Pages:
    """The requests of one connection that are pages.

    Args:
        pages: What is served.
        connection: The machine.
        peer: The client.
        flush_soon: Writes what the machine has to send once this turn of the loop is over.
    """

    def __init__(self, pages: Pages, connection: Connection, peer: Peer, flush_soon: Callable[[], None]) -> None:
        self.is_paused = False
        """The transport takes no more for now."""
        self._pages = pages
        self._connection = connection
        self._peer = peer
        self._flush_soon = flush_soon
        self._running: dict[int, _Visit] = {}

    def serve(self, event: PageRequested) -> None:
        """Answer a request, or begin to."""
        head, stream_id = event.head, event.stream_id
        path, _, query = head.path.partition("?")
        answer = self._pages.answer(HttpRequest(head.method, path, query, head.metadata, event.body, self._peer))
        if isinstance(answer, HttpReply):
            self.reply(stream_id, answer, has_body=head.method != "HEAD")
            return
        visit = self._running[stream_id] = _Visit(self, self._connection, stream_id, head.method, self._flush_soon)
        visit.go(answer, path)

    def reply(self, stream_id: int, reply: HttpReply, *, has_body: bool) -> None:
        """Send a whole answer."""
        fields = {"content-type": reply.content_type, "date": http_date(), **reply.fields}
        if reply.status not in BODILESS:
            fields["content-length"] = str(len(reply.body))
        body = reply.body if has_body else b""
        try:
            self._connection.sender.page(stream_id, reply.status, fields, body, reply.cookies)
        except ValueError as error:
            self.reply(stream_id, unfit(error, f"stream {stream_id}"), has_body=has_body)
        self._flush_soon()

    def refuse(self, event: PageRefused) -> None:
        """Answer a request of which the rest is not read."""
        self.reply(event.stream_id, self._pages.refusal(event.status, event.reason), has_body=True)

    def take(self, event: Event) -> bool:
        """Take an event of a stream, if it is about a page that is being answered; whether it is."""
        match event:
            case StreamReady(stream_id) if stream_id in self._running:
                self._running[stream_id].go_on()
            case CallReset(stream_id) if stream_id in self._running:
                self._running.pop(stream_id).cancel()
            case _:
                return False
        return True

    def is_waiting(self, stream_id: int) -> bool:
        """Whether a request is still to be answered."""
        return stream_id in self._running

    def discard(self, stream_id: int) -> bool:
        """Forget a request whose work has ended; whether it was still to be answered."""
        return self._running.pop(stream_id, None) is not None

    def resume(self) -> None:
        """The transport takes more."""
        self.is_paused = False
        for visit in list(self._running.values()):
            visit.go_on()

    def stop(self) -> list[asyncio.Future[Any]]:
        """Cancel what runs, answered as far as it can be; the work that will now end."""
        visits = list(self._running.values())
        self._running.clear()
        return [work for visit in visits if (work := visit.cancel()) is not None]


class _Visit:
    """One request that is not answered inline; the `Sink` of its answer."""

    def __init__(
        self, home: Http2Pages, connection: Connection, stream_id: int, method: str, flush_soon: Callable[[], None]
    ) -> None:
        self._home = home
        self._connection = connection
        self._sender = connection.sender
        self._stream_id = stream_id
        self._has_body = method != "HEAD"
        self._flush_soon = flush_soon
        self._has_begun = False
        self._work: asyncio.Future[Any] | None = None
        self._turn: asyncio.Future[None] | None = None

    def go(self, answer: HttpWork, path: str) -> None:
        """Send an answer, or see to it that it is sent."""
        if isinstance(answer, HttpReply):
            self._home.discard(self._stream_id)
            self.reply(answer)
        elif isinstance(answer, HttpLater):
            self._work = answer.waited
            answer.waited.add_done_callback(partial(self._waited, answer, path))
        else:
            task = asyncio.get_running_loop().create_task(deliver(answer, path, self), name=path)
            task.add_done_callback(self.settle)
            self._work = task

    def _waited(self, later: HttpLater, path: str, waited: asyncio.Future[Any]) -> None:
        """Go on where an answer had to wait, unless the client has left."""
        if waited.cancelled():
            if self._home.discard(self._stream_id):
                self._give_up()
        elif self._home.is_waiting(self._stream_id):
            self.go(finish(later, path), path)

    def reply(self, reply: HttpReply) -> None:
        """Send the whole answer."""
        self._home.reply(self._stream_id, reply, has_body=self._has_body)

    def begin(self, stream: HttpStream) -> None:
        """Send the head of an answer whose parts follow."""
        fields = {"content-type": stream.content_type, "date": http_date(), **stream.fields}
        self._sender.begin_page(self._stream_id, stream.status, fields)
        self._has_begun = True
        self._flush_soon()

    async def send(self, part: bytes) -> None:
        """Send a part; wait while the client or the transport does not keep up."""
        if self._has_body:
            self._sender.send_page(self._stream_id, part)
            self._flush_soon()
        while self._home.is_paused or self._sender.is_backed_up(self._stream_id):
            self._turn = asyncio.get_running_loop().create_future()
            await self._turn

    def end(self) -> None:
        """All parts are sent."""
        self._sender.send_page(self._stream_id, b"", ends=True)
        self._flush_soon()

    def switch(self, _answer: WebSocketAnswer) -> None:
        """Refuse: a WebSocket has a connection of HTTP/1.1 to itself (RFC 8441 is not offered in our SETTINGS)."""
        self.reply(HttpReply(501, b"WebSocket is served over HTTP/1.1\n"))

    def cut(self) -> None:
        """Reset the stream."""
        self._connection.reset(self._stream_id, ErrorCode.INTERNAL_ERROR)
        self._flush_soon()

    def go_on(self) -> None:
        """Let the answer go on that waits to send."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def cancel(self) -> asyncio.Future[Any] | None:
        """Answer as far as that can be done, and stop the work."""
        self._give_up()
        if self._work is not None:
            self._work.cancel()
        return self._work

    def settle(self, task: asyncio.Task[None]) -> None:
        """Note the end of the work."""
        was_waited_for = self._home.discard(self._stream_id)
        if not task.cancelled():
            # What `deliver` does not expect is a defect of this module, and nobody else would hear of it.
            task.result()
        elif was_waited_for:
            self._give_up()

    def _give_up(self) -> None:
        """End what will not be finished; a stream that is gone takes nothing."""
        if self._has_begun:
            self.cut()
        else:
            self._has_begun = True
            self.reply(HttpReply(503, f"{GIVEN_UP}\n".encode()))
