"""Typed clients and servers of ultracloud/flaredb/v1/eventual.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.flaredb.v1.eventual_pb2 import DumpRequest
from ultracloud.api.flaredb.v1.eventual_pb2 import DumpResponse
from ultracloud.api.flaredb.v1.eventual_pb2 import NamesRequest
from ultracloud.api.flaredb.v1.eventual_pb2 import NamesResponse
from ultracloud.api.flaredb.v1.eventual_pb2 import RestoreRequest
from ultracloud.api.flaredb.v1.eventual_pb2 import RestoreResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

EVENTUAL = ServiceDescriptor(
    name="ultracloud.flaredb.v1.Eventual",
    file="ultracloud/flaredb/v1/eventual.proto",
    methods=(
        Method("Names", "/ultracloud.flaredb.v1.Eventual/Names", "names", NamesRequest, NamesResponse, False, False),
        Method("Dump", "/ultracloud.flaredb.v1.Eventual/Dump", "dump", DumpRequest, DumpResponse, False, False),
        Method("Restore", "/ultracloud.flaredb.v1.Eventual/Restore", "restore", RestoreRequest, RestoreResponse, False, False),
    ),
)


class EventualClient:
    """Calls ultracloud.flaredb.v1.Eventual."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def names(self, request: NamesRequest, timeout_s: float | None = None) -> NamesResponse:
        """Call /ultracloud.flaredb.v1.Eventual/Names."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Eventual/Names", request, NamesResponse, timeout_s)

    async def dump(self, request: DumpRequest, timeout_s: float | None = None) -> DumpResponse:
        """Call /ultracloud.flaredb.v1.Eventual/Dump."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Eventual/Dump", request, DumpResponse, timeout_s)

    async def restore(self, request: RestoreRequest, timeout_s: float | None = None) -> RestoreResponse:
        """Call /ultracloud.flaredb.v1.Eventual/Restore."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Eventual/Restore", request, RestoreResponse, timeout_s)


class EventualServer(Protocol):
    """Serves ultracloud.flaredb.v1.Eventual."""

    def names(self, request: NamesRequest, call: Call, /) -> NamesResponse | Awaitable[NamesResponse]: ...

    def dump(self, request: DumpRequest, call: Call, /) -> DumpResponse | Awaitable[DumpResponse]: ...

    def restore(self, request: RestoreRequest, call: Call, /) -> RestoreResponse | Awaitable[RestoreResponse]: ...

