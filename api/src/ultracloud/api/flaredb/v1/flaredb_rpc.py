"""Typed clients and servers of ultracloud/flaredb/v1/flaredb.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.flaredb.v1.flaredb_pb2 import BatchGetRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import BatchGetResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import CompareAndSetRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import CompareAndSetResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import DeleteRangeRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import DeleteRangeResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import DeleteRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import GetRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import GetResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import IncrementRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import IncrementResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import NamespacesRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import NamespacesResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import PutRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import ScanRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import ScanResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import TxnRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import TxnResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import WatchRequest
from ultracloud.api.flaredb.v1.flaredb_pb2 import WatchResponse
from ultracloud.api.flaredb.v1.flaredb_pb2 import WriteResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

KV = ServiceDescriptor(
    name="ultracloud.flaredb.v1.Kv",
    file="ultracloud/flaredb/v1/flaredb.proto",
    methods=(
        Method("Get", "/ultracloud.flaredb.v1.Kv/Get", "get", GetRequest, GetResponse, False, False),
        Method("BatchGet", "/ultracloud.flaredb.v1.Kv/BatchGet", "batch_get", BatchGetRequest, BatchGetResponse, False, False),
        Method("Scan", "/ultracloud.flaredb.v1.Kv/Scan", "scan", ScanRequest, ScanResponse, False, False),
        Method("Put", "/ultracloud.flaredb.v1.Kv/Put", "put", PutRequest, WriteResponse, False, False),
        Method("Delete", "/ultracloud.flaredb.v1.Kv/Delete", "delete", DeleteRequest, WriteResponse, False, False),
        Method("DeleteRange", "/ultracloud.flaredb.v1.Kv/DeleteRange", "delete_range", DeleteRangeRequest, DeleteRangeResponse, False, False),
        Method("Increment", "/ultracloud.flaredb.v1.Kv/Increment", "increment", IncrementRequest, IncrementResponse, False, False),
        Method("CompareAndSet", "/ultracloud.flaredb.v1.Kv/CompareAndSet", "compare_and_set", CompareAndSetRequest, CompareAndSetResponse, False, False),
        Method("Txn", "/ultracloud.flaredb.v1.Kv/Txn", "txn", TxnRequest, TxnResponse, False, False),
        Method("Watch", "/ultracloud.flaredb.v1.Kv/Watch", "watch", WatchRequest, WatchResponse, False, True),
        Method("Namespaces", "/ultracloud.flaredb.v1.Kv/Namespaces", "namespaces", NamespacesRequest, NamespacesResponse, False, False),
    ),
)


class KvClient:
    """Calls ultracloud.flaredb.v1.Kv."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> GetResponse:
        """Call /ultracloud.flaredb.v1.Kv/Get."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Get", request, GetResponse, timeout_s)

    async def batch_get(self, request: BatchGetRequest, timeout_s: float | None = None) -> BatchGetResponse:
        """Call /ultracloud.flaredb.v1.Kv/BatchGet."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/BatchGet", request, BatchGetResponse, timeout_s)

    async def scan(self, request: ScanRequest, timeout_s: float | None = None) -> ScanResponse:
        """Call /ultracloud.flaredb.v1.Kv/Scan."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Scan", request, ScanResponse, timeout_s)

    async def put(self, request: PutRequest, timeout_s: float | None = None) -> WriteResponse:
        """Call /ultracloud.flaredb.v1.Kv/Put."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Put", request, WriteResponse, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> WriteResponse:
        """Call /ultracloud.flaredb.v1.Kv/Delete."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Delete", request, WriteResponse, timeout_s)

    async def delete_range(self, request: DeleteRangeRequest, timeout_s: float | None = None) -> DeleteRangeResponse:
        """Call /ultracloud.flaredb.v1.Kv/DeleteRange."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/DeleteRange", request, DeleteRangeResponse, timeout_s)

    async def increment(self, request: IncrementRequest, timeout_s: float | None = None) -> IncrementResponse:
        """Call /ultracloud.flaredb.v1.Kv/Increment."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Increment", request, IncrementResponse, timeout_s)

    async def compare_and_set(self, request: CompareAndSetRequest, timeout_s: float | None = None) -> CompareAndSetResponse:
        """Call /ultracloud.flaredb.v1.Kv/CompareAndSet."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/CompareAndSet", request, CompareAndSetResponse, timeout_s)

    async def txn(self, request: TxnRequest, timeout_s: float | None = None) -> TxnResponse:
        """Call /ultracloud.flaredb.v1.Kv/Txn."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Txn", request, TxnResponse, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[WatchResponse]:
        """Call /ultracloud.flaredb.v1.Kv/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.flaredb.v1.Kv/Watch", request, WatchResponse, timeout_s)

    async def namespaces(self, request: NamespacesRequest, timeout_s: float | None = None) -> NamespacesResponse:
        """Call /ultracloud.flaredb.v1.Kv/Namespaces."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Kv/Namespaces", request, NamespacesResponse, timeout_s)


class KvServer(Protocol):
    """Serves ultracloud.flaredb.v1.Kv."""

    def get(self, request: GetRequest, call: Call, /) -> GetResponse | Awaitable[GetResponse]: ...

    def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse | Awaitable[BatchGetResponse]: ...

    def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse | Awaitable[ScanResponse]: ...

    def put(self, request: PutRequest, call: Call, /) -> WriteResponse | Awaitable[WriteResponse]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> WriteResponse | Awaitable[WriteResponse]: ...

    def delete_range(self, request: DeleteRangeRequest, call: Call, /) -> DeleteRangeResponse | Awaitable[DeleteRangeResponse]: ...

    def increment(self, request: IncrementRequest, call: Call, /) -> IncrementResponse | Awaitable[IncrementResponse]: ...

    def compare_and_set(self, request: CompareAndSetRequest, call: Call, /) -> CompareAndSetResponse | Awaitable[CompareAndSetResponse]: ...

    def txn(self, request: TxnRequest, call: Call, /) -> TxnResponse | Awaitable[TxnResponse]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]: ...

    def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse | Awaitable[NamespacesResponse]: ...

