"""Typed clients and servers of ultracloud/iam/v1/audit_heads.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.audit_heads_pb2 import SignHeadsRequest
from ultracloud.api.iam.v1.audit_heads_pb2 import SignHeadsResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

AUDIT_HEADS = ServiceDescriptor(
    name="ultracloud.iam.v1.AuditHeads",
    file="ultracloud/iam/v1/audit_heads.proto",
    methods=(
        Method("Sign", "/ultracloud.iam.v1.AuditHeads/Sign", "sign", SignHeadsRequest, SignHeadsResponse, False, False),
    ),
)


class AuditHeadsClient:
    """Calls ultracloud.iam.v1.AuditHeads."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def sign(self, request: SignHeadsRequest, timeout_s: float | None = None) -> SignHeadsResponse:
        """Call /ultracloud.iam.v1.AuditHeads/Sign."""
        return await self._channel.unary("/ultracloud.iam.v1.AuditHeads/Sign", request, SignHeadsResponse, timeout_s)


class AuditHeadsServer(Protocol):
    """Serves ultracloud.iam.v1.AuditHeads."""

    def sign(self, request: SignHeadsRequest, call: Call, /) -> SignHeadsResponse | Awaitable[SignHeadsResponse]: ...

