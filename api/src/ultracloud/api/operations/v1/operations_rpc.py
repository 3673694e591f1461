"""Typed clients and servers of ultracloud/operations/v1/operations.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.operations.v1.operations_pb2 import CancelOperationRequest
from ultracloud.api.operations.v1.operations_pb2 import CreateOperationRequest
from ultracloud.api.operations.v1.operations_pb2 import ListOperationsResponse
from ultracloud.api.operations.v1.operations_pb2 import Operation
from ultracloud.api.operations.v1.operations_pb2 import OperationEvent
from ultracloud.api.operations.v1.operations_pb2 import UpdateOperationRequest
from ultracloud.api.operations.v1.operations_pb2 import WaitOperationRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

OPERATIONS = ServiceDescriptor(
    name="ultracloud.operations.v1.Operations",
    file="ultracloud/operations/v1/operations.proto",
    methods=(
        Method("Create", "/ultracloud.operations.v1.Operations/Create", "create", CreateOperationRequest, Operation, False, False),
        Method("Get", "/ultracloud.operations.v1.Operations/Get", "get", GetRequest, Operation, False, False),
        Method("List", "/ultracloud.operations.v1.Operations/List", "list", ListRequest, ListOperationsResponse, False, False),
        Method("Update", "/ultracloud.operations.v1.Operations/Update", "update", UpdateOperationRequest, Operation, False, False),
        Method("Delete", "/ultracloud.operations.v1.Operations/Delete", "delete", DeleteRequest, Operation, False, False),
        Method("Watch", "/ultracloud.operations.v1.Operations/Watch", "watch", WatchRequest, OperationEvent, False, True),
        Method("Wait", "/ultracloud.operations.v1.Operations/Wait", "wait", WaitOperationRequest, Operation, False, False),
        Method("Cancel", "/ultracloud.operations.v1.Operations/Cancel", "cancel", CancelOperationRequest, Operation, False, False),
    ),
)


class OperationsClient:
    """Calls ultracloud.operations.v1.Operations."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateOperationRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Create."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Create", request, Operation, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Get."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Get", request, Operation, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListOperationsResponse:
        """Call /ultracloud.operations.v1.Operations/List."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/List", request, ListOperationsResponse, timeout_s)

    async def update(self, request: UpdateOperationRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Update."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Update", request, Operation, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Delete."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Delete", request, Operation, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[OperationEvent]:
        """Call /ultracloud.operations.v1.Operations/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.operations.v1.Operations/Watch", request, OperationEvent, timeout_s)

    async def wait(self, request: WaitOperationRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Wait."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Wait", request, Operation, timeout_s)

    async def cancel(self, request: CancelOperationRequest, timeout_s: float | None = None) -> Operation:
        """Call /ultracloud.operations.v1.Operations/Cancel."""
        return await self._channel.unary("/ultracloud.operations.v1.Operations/Cancel", request, Operation, timeout_s)


class OperationsServer(Protocol):
    """Serves ultracloud.operations.v1.Operations."""

    def create(self, request: CreateOperationRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

    def get(self, request: GetRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListOperationsResponse | Awaitable[ListOperationsResponse]: ...

    def update(self, request: UpdateOperationRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[OperationEvent]: ...

    def wait(self, request: WaitOperationRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

    def cancel(self, request: CancelOperationRequest, call: Call, /) -> Operation | Awaitable[Operation]: ...

