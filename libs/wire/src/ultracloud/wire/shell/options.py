"""What a server is made of, besides its services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from ultracloud.api.rpc import Call, Peer
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.websocket import Message

PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a server's identity is, in PEM.

    Attributes:
        certificate: The server's certificate, and intermediates behind it.
        key: Its private key.
        client_ca: Authorities that sign client certificates; None asks for none.
        require_client_cert: Refuse clients without a certificate. False still verifies one that is shown.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    require_client_cert: bool = True


class HttpRequest(NamedTuple):
    """One plain HTTP request, over HTTP/1.1 or HTTP/2. This and `HttpReply` are made so often that they are tuples.

    Attributes:
        path: Without the query, undecoded.
        query: What stands behind the question mark, undecoded.
        metadata: Header fields in lower case; repeated ones joined by commas, cookies by semicolons. The host is
            `host`, whatever the protocol.
        body: All of it.
        peer: Who asks.
    """

    method: str
    path: str
    query: str
    metadata: Mapping[str, str]
    body: bytes
    peer: Peer


class HttpReply(NamedTuple):
    """What a page answers.

    Attributes:
        fields: Header fields besides type, length and date, names in lower case.
        cookies: Values of Set-Cookie, the one field that cannot be joined by commas (RFC 9110 5.3).
    """

    status: int = 200
    body: bytes = b""
    content_type: str = PLAIN
    fields: Mapping[str, str] = MappingProxyType({})
    cookies: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer that is sent as it is made.

    Attributes:
        parts: What to send; waits at `yield` while the client does not keep up, and is closed when the client leaves.
            If it raises, the client sees its answer cut off.
    """

    parts: AsyncGenerator[bytes, None]
    status: int = 200
    content_type: str = PLAIN
    fields: Mapping[str, str] = field(default_factory=dict)


class WebSocket(Protocol):
    """What an endpoint talks to a client over."""

    async def receive(self) -> Message:
        """The next message; the endpoint is cancelled when the client has gone."""
        ...

    async def send(self, octets: bytes, *, is_text: bool = False) -> None:
        """Send a message; wait while the client does not keep up."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Say why the conversation ends, with a close code of RFC 6455; nothing is sent after that."""
        ...


@dataclass(frozen=True, slots=True)
class WebSocketAnswer:
    """An answer that is a conversation. What is no handshake of WebSocket, or comes over HTTP/2, is refused instead.

    Attributes:
        serve: Talks to the client; when it returns the conversation has ended well, and a Fault is told with 1011.
        protocol: The subprotocol that was chosen of those that the client offers; empty for none.
        message_bytes_max: Most that a message of the client may have.
        fields: Header fields of the answer, names in lower case.
    """

    serve: Callable[[WebSocket], Awaitable[None]]
    protocol: str = ""
    message_bytes_max: int = 64 * 1024
    fields: Mapping[str, str] = field(default_factory=dict)


class HttpLater(NamedTuple):
    """An answer that is made when something else is done: it costs a callback and no task.

    Attributes:
        waited: What is waited for. It is cancelled when the client leaves.
        finish: Makes the answer of `waited`, which is done; inline. A coroutine of it goes on in a task.
    """

    waited: asyncio.Future[Any]
    finish: Callable[[asyncio.Future[Any]], HttpReply | Awaitable[HttpAnswer]]


Refusal: TypeAlias = Callable[[int, str], HttpReply]
"""Of a status and a sentence, the answer to a request that no endpoint gets: too large, too slow, no HTTP."""


def plain_refusal(status: int, sentence: str) -> HttpReply:
    """The sentence as it is."""
    return HttpReply(status, f"{sentence}\n".encode())


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Settings of a server.

    Attributes:
        limits: Bounds of each connection.
        tls: Serve TLS, on all listeners; None serves clear text.
        reflection: Serve grpc.reflection.v1 and v1alpha.
        health: Serve grpc.health.v1.
        connections_max: Connections at once; more are closed as they come.
        refusal: Makes the answers to plain HTTP requests that the server itself refuses.
    """

    limits: Limits = field(default_factory=Limits)
    tls: TlsFiles | None = None
    reflection: bool = True
    health: bool = True
    connections_max: int = 10_000
    refusal: Refusal = plain_refusal


HttpRoute: TypeAlias = Callable[[], HttpReply]
"""Makes a page; answered inline, so it must not block."""

HttpAnswer: TypeAlias = HttpReply | HttpStream | WebSocketAnswer
HttpWork: TypeAlias = HttpReply | HttpLater | Awaitable[HttpAnswer]
"""An answer, or what becomes one."""
HttpEndpoint: TypeAlias = Callable[[HttpRequest], HttpWork]
"""Answers any request to its path: inline if it gives a reply, by a callback if it gives what is waited for, in a task
if it is a coroutine function."""


class Interceptor(Protocol):
    """Sees every call before its method and after its end. Both run inline and must not block.

    A class may derive from this and override one of the two.
    """

    def admit(self, call: Call, /) -> None:
        """Let a call in, or raise a Fault. May leave things in `call.context`."""

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        """Note how a call ended: its google.rpc.Code, and seconds from its first byte to its status."""


@runtime_checkable
class AroundInterceptor(Protocol):
    """Stands around every method. Costs each call a task, so `Interceptor` is the better choice where it suffices."""

    async def intercept(self, call: Call, proceed: Callable[[], Awaitable[None]], /) -> None:
        """Await `proceed()` once to run the method; what it raises ends the call, as does what this raises."""
        ...
