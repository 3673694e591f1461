"""Typed clients and servers of ultracloud/flaredb/v1/cluster.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.flaredb.v1.cluster_pb2 import ForgetStoreRequest
from ultracloud.api.flaredb.v1.cluster_pb2 import ForgetStoreResponse
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsRequest
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsResponse
from ultracloud.api.flaredb.v1.cluster_pb2 import SetLeavingRequest
from ultracloud.api.flaredb.v1.cluster_pb2 import SetLeavingResponse
from ultracloud.api.flaredb.v1.cluster_pb2 import StoresRequest
from ultracloud.api.flaredb.v1.cluster_pb2 import StoresResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

CLUSTER = ServiceDescriptor(
    name="ultracloud.flaredb.v1.Cluster",
    file="ultracloud/flaredb/v1/cluster.proto",
    methods=(
        Method("Regions", "/ultracloud.flaredb.v1.Cluster/Regions", "regions", RegionsRequest, RegionsResponse, False, False),
        Method("Stores", "/ultracloud.flaredb.v1.Cluster/Stores", "stores", StoresRequest, StoresResponse, False, False),
        Method("SetLeaving", "/ultracloud.flaredb.v1.Cluster/SetLeaving", "set_leaving", SetLeavingRequest, SetLeavingResponse, False, False),
        Method("ForgetStore", "/ultracloud.flaredb.v1.Cluster/ForgetStore", "forget_store", ForgetStoreRequest, ForgetStoreResponse, False, False),
    ),
)


class ClusterClient:
    """Calls ultracloud.flaredb.v1.Cluster."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def regions(self, request: RegionsRequest, timeout_s: float | None = None) -> RegionsResponse:
        """Call /ultracloud.flaredb.v1.Cluster/Regions."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Cluster/Regions", request, RegionsResponse, timeout_s)

    async def stores(self, request: StoresRequest, timeout_s: float | None = None) -> StoresResponse:
        """Call /ultracloud.flaredb.v1.Cluster/Stores."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Cluster/Stores", request, StoresResponse, timeout_s)

    async def set_leaving(self, request: SetLeavingRequest, timeout_s: float | None = None) -> SetLeavingResponse:
        """Call /ultracloud.flaredb.v1.Cluster/SetLeaving."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Cluster/SetLeaving", request, SetLeavingResponse, timeout_s)

    async def forget_store(self, request: ForgetStoreRequest, timeout_s: float | None = None) -> ForgetStoreResponse:
        """Call /ultracloud.flaredb.v1.Cluster/ForgetStore."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Cluster/ForgetStore", request, ForgetStoreResponse, timeout_s)


class ClusterServer(Protocol):
    """Serves ultracloud.flaredb.v1.Cluster."""

    def regions(self, request: RegionsRequest, call: Call, /) -> RegionsResponse | Awaitable[RegionsResponse]: ...

    def stores(self, request: StoresRequest, call: Call, /) -> StoresResponse | Awaitable[StoresResponse]: ...

    def set_leaving(self, request: SetLeavingRequest, call: Call, /) -> SetLeavingResponse | Awaitable[SetLeavingResponse]: ...

    def forget_store(self, request: ForgetStoreRequest, call: Call, /) -> ForgetStoreResponse | Awaitable[ForgetStoreResponse]: ...

