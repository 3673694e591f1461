"""Plain HTTP requests: which page or endpoint answers one, and how its answer gets to the client.

A page is answered on the spot; an endpoint may also run in a task, and may stream. What an endpoint raises becomes a
status here, since no gRPC method stands behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from typing import Protocol

from ultracloud.base.faults import Fault
from ultracloud.wire.shell.edge import FaultsOnly, fault_of
from ultracloud.wire.shell.options import (
    HttpAnswer,
    HttpEndpoint,
    HttpLater,
    HttpReply,
    HttpRequest,
    HttpRoute,
    HttpStream,
    HttpWork,
    Refusal,
    WebSocketAnswer,
    plain_refusal,
)


class Sink(Protocol):
    """Where the answer to one request goes."""

    def reply(self, reply: HttpReply) -> None:
        """Send the whole answer."""
        ...

    def begin(self, stream: HttpStream) -> None:
        """Send the head of an answer whose parts follow.

        Raises:
            ValueError: A header field cannot be sent; nothing was, and another answer may be.
        """
        ...

    async def send(self, part: bytes) -> None:
        """Send a part; wait while the client does not keep up."""
        ...

    def end(self) -> None:
        """All parts are sent."""
        ...

    def switch(self, answer: WebSocketAnswer) -> None:
        """Let a conversation begin, or refuse it."""
        ...

    def cut(self) -> None:
        """End so that the client sees that parts are missing."""
        ...


class Pages:
    """What a server answers to plain HTTP requests.

    Args:
        pages: By path.
        endpoints: By path; one that ends in a slash answers everything below it. They go before pages.
        refusal: Answers what none of them gets.
    """

    def __init__(
        self,
        pages: Mapping[str, HttpRoute],
        endpoints: Mapping[str, HttpEndpoint],
        refusal: Refusal = plain_refusal,
    ) -> None:
        self.refusal = refusal
        self._pages = pages
        self._endpoints = endpoints
        below = sorted((path for path in endpoints if path.endswith("/")), key=len, reverse=True)
        self._below = tuple((path, endpoints[path]) for path in below)
        self.takes_bodies = bool(endpoints)

    def answer(self, request: HttpRequest) -> HttpWork:
        """Answer a request, or begin to."""
        endpoint = self._find(request.path)
        try:
            with FaultsOnly(request.path):
                return page(self._pages, request.method, request.path) if endpoint is None else endpoint(request)
        except Fault as fault:
            return failure(fault)

    def _find(self, path: str) -> HttpEndpoint | None:
        exact = self._endpoints.get(path)
        if exact is not None or path in self._pages:
            return exact
        for beginning, endpoint in self._below:
            if path.startswith(beginning):
                return endpoint
        return None


def finish(later: HttpLater, path: str) -> HttpReply | Awaitable[HttpAnswer]:
    """Make an answer of what it waited for."""
    try:
        with FaultsOnly(path):
            return later.finish(later.waited)
    except Fault as fault:
        return failure(fault)


async def deliver(work: Awaitable[HttpAnswer], path: str, sink: Sink) -> None:
    """Send what an endpoint answers, once and while it does."""
    try:
        with FaultsOnly(path):
            answer = await work
    except Fault as fault:
        sink.reply(failure(fault))
        return
    if isinstance(answer, HttpReply):
        sink.reply(answer)
        return
    if isinstance(answer, WebSocketAnswer):
        sink.switch(answer)
        return
    try:
        with FaultsOnly(path):
            sink.begin(answer)
    except Fault as fault:
        await answer.parts.aclose()
        sink.reply(failure(fault))
        return
    try:
        with FaultsOnly(path):
            async with aclosing(answer.parts) as parts:
                async for part in parts:
                    await sink.send(part)
    except Fault:
        sink.cut()
    else:
        sink.end()


def failure(fault: Fault) -> HttpReply:
    """What a client is told of an endpoint that failed; the log has the rest."""
    return HttpReply(500, f"{fault.public}\n".encode())


def unfit(error: ValueError, path: str) -> HttpReply:
    """What a client is told in place of an answer whose header fields cannot be sent."""
    return failure(fault_of(error, path))


def page(pages: Mapping[str, HttpRoute], method: str, path: str) -> HttpReply:
    """What a plain HTTP request for a page is answered."""
    route = pages.get(path)
    if route is None:
        return HttpReply(404, b"no such page; this port serves gRPC and " + ", ".join(sorted(pages)).encode() + b"\n")
    if method not in ("GET", "HEAD"):
        return HttpReply(405, b"only GET and HEAD are served here\n", fields={"allow": "GET, HEAD"})
    return route()
