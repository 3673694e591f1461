"""Typed clients and servers of ultracloud/trail/v1/trail.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.trail.v1.trail_pb2 import AuditRequest
from ultracloud.api.trail.v1.trail_pb2 import AuditResponse
from ultracloud.api.trail.v1.trail_pb2 import EventsRequest
from ultracloud.api.trail.v1.trail_pb2 import EventsResponse
from ultracloud.api.trail.v1.trail_pb2 import ExportRequest
from ultracloud.api.trail.v1.trail_pb2 import ExportResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

TRAIL = ServiceDescriptor(
    name="ultracloud.trail.v1.Trail",
    file="ultracloud/trail/v1/trail.proto",
    methods=(
        Method("Audit", "/ultracloud.trail.v1.Trail/Audit", "audit", AuditRequest, AuditResponse, False, False),
        Method("Export", "/ultracloud.trail.v1.Trail/Export", "export", ExportRequest, ExportResponse, False, True),
        Method("Events", "/ultracloud.trail.v1.Trail/Events", "events", EventsRequest, EventsResponse, False, False),
    ),
)


class TrailClient:
    """Calls ultracloud.trail.v1.Trail."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def audit(self, request: AuditRequest, timeout_s: float | None = None) -> AuditResponse:
        """Call /ultracloud.trail.v1.Trail/Audit."""
        return await self._channel.unary("/ultracloud.trail.v1.Trail/Audit", request, AuditResponse, timeout_s)

    def export(self, request: ExportRequest, timeout_s: float | None = None) -> AsyncIterator[ExportResponse]:
        """Call /ultracloud.trail.v1.Trail/Export; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.trail.v1.Trail/Export", request, ExportResponse, timeout_s)

    async def events(self, request: EventsRequest, timeout_s: float | None = None) -> EventsResponse:
        """Call /ultracloud.trail.v1.Trail/Events."""
        return await self._channel.unary("/ultracloud.trail.v1.Trail/Events", request, EventsResponse, timeout_s)


class TrailServer(Protocol):
    """Serves ultracloud.trail.v1.Trail."""

    def audit(self, request: AuditRequest, call: Call, /) -> AuditResponse | Awaitable[AuditResponse]: ...

    def export(self, request: ExportRequest, call: Call, /) -> AsyncIterator[ExportResponse]: ...

    def events(self, request: EventsRequest, call: Call, /) -> EventsResponse | Awaitable[EventsResponse]: ...

