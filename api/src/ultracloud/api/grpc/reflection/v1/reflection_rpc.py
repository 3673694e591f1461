"""Typed clients and servers of grpc/reflection/v1/reflection.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.grpc.reflection.v1.reflection_pb2 import ServerReflectionRequest
from ultracloud.api.grpc.reflection.v1.reflection_pb2 import ServerReflectionResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

SERVER_REFLECTION = ServiceDescriptor(
    name="grpc.reflection.v1.ServerReflection",
    file="grpc/reflection/v1/reflection.proto",
    methods=(
        Method("ServerReflectionInfo", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "server_reflection_info", ServerReflectionRequest, ServerReflectionResponse, True, True),
    ),
)


class ServerReflectionClient:
    """Calls grpc.reflection.v1.ServerReflection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def server_reflection_info(self, request: AsyncIterable[ServerReflectionRequest], timeout_s: float | None = None) -> AsyncIterator[ServerReflectionResponse]:
        """Call /grpc.reflection.v1.ServerReflection/ServerReflectionInfo; closing the iterator cancels it."""
        return self._channel.stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", request, ServerReflectionResponse, timeout_s)


class ServerReflectionServer(Protocol):
    """Serves grpc.reflection.v1.ServerReflection."""

    def server_reflection_info(self, requests: AsyncIterator[ServerReflectionRequest], call: Call, /) -> AsyncIterator[ServerReflectionResponse]: ...

