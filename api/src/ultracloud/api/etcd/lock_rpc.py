"""Typed clients and servers of etcd/lock.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.etcd.lock_pb2 import LockRequest
from ultracloud.api.etcd.lock_pb2 import LockResponse
from ultracloud.api.etcd.lock_pb2 import UnlockRequest
from ultracloud.api.etcd.lock_pb2 import UnlockResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

LOCK = ServiceDescriptor(
    name="v3lockpb.Lock",
    file="etcd/lock.proto",
    methods=(
        Method("Lock", "/v3lockpb.Lock/Lock", "lock", LockRequest, LockResponse, False, False),
        Method("Unlock", "/v3lockpb.Lock/Unlock", "unlock", UnlockRequest, UnlockResponse, False, False),
    ),
)


class LockClient:
    """Calls v3lockpb.Lock."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def lock(self, request: LockRequest, timeout_s: float | None = None) -> LockResponse:
        """Call /v3lockpb.Lock/Lock."""
        return await self._channel.unary("/v3lockpb.Lock/Lock", request, LockResponse, timeout_s)

    async def unlock(self, request: UnlockRequest, timeout_s: float | None = None) -> UnlockResponse:
        """Call /v3lockpb.Lock/Unlock."""
        return await self._channel.unary("/v3lockpb.Lock/Unlock", request, UnlockResponse, timeout_s)


class LockServer(Protocol):
    """Serves v3lockpb.Lock."""

    def lock(self, request: LockRequest, call: Call, /) -> LockResponse | Awaitable[LockResponse]: ...

    def unlock(self, request: UnlockRequest, call: Call, /) -> UnlockResponse | Awaitable[UnlockResponse]: ...

