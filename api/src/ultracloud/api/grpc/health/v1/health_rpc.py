"""Typed clients and servers of grpc/health/v1/health.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.grpc.health.v1.health_pb2 import HealthCheckRequest
from ultracloud.api.grpc.health.v1.health_pb2 import HealthCheckResponse
from ultracloud.api.grpc.health.v1.health_pb2 import HealthListRequest
from ultracloud.api.grpc.health.v1.health_pb2 import HealthListResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

HEALTH = ServiceDescriptor(
    name="grpc.health.v1.Health",
    file="grpc/health/v1/health.proto",
    methods=(
        Method("Check", "/grpc.health.v1.Health/Check", "check", HealthCheckRequest, HealthCheckResponse, False, False),
        Method("List", "/grpc.health.v1.Health/List", "list", HealthListRequest, HealthListResponse, False, False),
        Method("Watch", "/grpc.health.v1.Health/Watch", "watch", HealthCheckRequest, HealthCheckResponse, False, True),
    ),
)


class HealthClient:
    """Calls grpc.health.v1.Health."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def check(self, request: HealthCheckRequest, timeout_s: float | None = None) -> HealthCheckResponse:
        """Call /grpc.health.v1.Health/Check."""
        return await self._channel.unary("/grpc.health.v1.Health/Check", request, HealthCheckResponse, timeout_s)

    async def list(self, request: HealthListRequest, timeout_s: float | None = None) -> HealthListResponse:
        """Call /grpc.health.v1.Health/List."""
        return await self._channel.unary("/grpc.health.v1.Health/List", request, HealthListResponse, timeout_s)

    def watch(self, request: HealthCheckRequest, timeout_s: float | None = None) -> AsyncIterator[HealthCheckResponse]:
        """Call /grpc.health.v1.Health/Watch; closing the iterator cancels it."""
        return self._channel.stream("/grpc.health.v1.Health/Watch", request, HealthCheckResponse, timeout_s)


class HealthServer(Protocol):
    """Serves grpc.health.v1.Health."""

    def check(self, request: HealthCheckRequest, call: Call, /) -> HealthCheckResponse | Awaitable[HealthCheckResponse]: ...

    def list(self, request: HealthListRequest, call: Call, /) -> HealthListResponse | Awaitable[HealthListResponse]: ...

    def watch(self, request: HealthCheckRequest, call: Call, /) -> AsyncIterator[HealthCheckResponse]: ...

