"""Typed clients and servers of ultracloud/quota/v1/quota.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.quota.v1.quota_pb2 import RecountRequest
from ultracloud.api.quota.v1.quota_pb2 import RecountResponse
from ultracloud.api.quota.v1.quota_pb2 import UsageRequest
from ultracloud.api.quota.v1.quota_pb2 import UsageResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

QUOTAS = ServiceDescriptor(
    name="ultracloud.quota.v1.Quotas",
    file="ultracloud/quota/v1/quota.proto",
    methods=(
        Method("Usage", "/ultracloud.quota.v1.Quotas/Usage", "usage", UsageRequest, UsageResponse, False, False),
        Method("Recount", "/ultracloud.quota.v1.Quotas/Recount", "recount", RecountRequest, RecountResponse, False, False),
    ),
)


class QuotasClient:
    """Calls ultracloud.quota.v1.Quotas."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def usage(self, request: UsageRequest, timeout_s: float | None = None) -> UsageResponse:
        """Call /ultracloud.quota.v1.Quotas/Usage."""
        return await self._channel.unary("/ultracloud.quota.v1.Quotas/Usage", request, UsageResponse, timeout_s)

    async def recount(self, request: RecountRequest, timeout_s: float | None = None) -> RecountResponse:
        """Call /ultracloud.quota.v1.Quotas/Recount."""
        return await self._channel.unary("/ultracloud.quota.v1.Quotas/Recount", request, RecountResponse, timeout_s)


class QuotasServer(Protocol):
    """Serves ultracloud.quota.v1.Quotas."""

    def usage(self, request: UsageRequest, call: Call, /) -> UsageResponse | Awaitable[UsageResponse]: ...

    def recount(self, request: RecountRequest, call: Call, /) -> RecountResponse | Awaitable[RecountResponse]: ...

