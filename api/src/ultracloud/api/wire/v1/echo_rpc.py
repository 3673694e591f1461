"""Typed clients and servers of ultracloud/wire/v1/echo.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.wire.v1.echo_pb2 import EchoRequest
from ultracloud.api.wire.v1.echo_pb2 import EchoResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

ECHO = ServiceDescriptor(
    name="ultracloud.wire.v1.Echo",
    file="ultracloud/wire/v1/echo.proto",
    methods=(
        Method("Say", "/ultracloud.wire.v1.Echo/Say", "say", EchoRequest, EchoResponse, False, False),
        Method("Repeat", "/ultracloud.wire.v1.Echo/Repeat", "repeat", EchoRequest, EchoResponse, False, True),
        Method("Gather", "/ultracloud.wire.v1.Echo/Gather", "gather", EchoRequest, EchoResponse, True, False),
        Method("Chat", "/ultracloud.wire.v1.Echo/Chat", "chat", EchoRequest, EchoResponse, True, True),
    ),
)


class EchoClient:
    """Calls ultracloud.wire.v1.Echo."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def say(self, request: EchoRequest, timeout_s: float | None = None) -> EchoResponse:
        """Call /ultracloud.wire.v1.Echo/Say."""
        return await self._channel.unary("/ultracloud.wire.v1.Echo/Say", request, EchoResponse, timeout_s)

    def repeat(self, request: EchoRequest, timeout_s: float | None = None) -> AsyncIterator[EchoResponse]:
        """Call /ultracloud.wire.v1.Echo/Repeat; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.wire.v1.Echo/Repeat", request, EchoResponse, timeout_s)

    def gather(self, request: AsyncIterable[EchoRequest], timeout_s: float | None = None) -> AsyncIterator[EchoResponse]:
        """Call /ultracloud.wire.v1.Echo/Gather; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.wire.v1.Echo/Gather", request, EchoResponse, timeout_s)

    def chat(self, request: AsyncIterable[EchoRequest], timeout_s: float | None = None) -> AsyncIterator[EchoResponse]:
        """Call /ultracloud.wire.v1.Echo/Chat; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.wire.v1.Echo/Chat", request, EchoResponse, timeout_s)


class EchoServer(Protocol):
    """Serves ultracloud.wire.v1.Echo."""

    def say(self, request: EchoRequest, call: Call, /) -> EchoResponse | Awaitable[EchoResponse]: ...

    def repeat(self, request: EchoRequest, call: Call, /) -> AsyncIterator[EchoResponse]: ...

    def gather(self, requests: AsyncIterator[EchoRequest], call: Call, /) -> EchoResponse | Awaitable[EchoResponse]: ...

    def chat(self, requests: AsyncIterator[EchoRequest], call: Call, /) -> AsyncIterator[EchoResponse]: ...

