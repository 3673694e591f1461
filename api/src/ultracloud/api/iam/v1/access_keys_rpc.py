"""Typed clients and servers of ultracloud/iam/v1/access_keys.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.access_keys_pb2 import AccessKey
from ultracloud.api.iam.v1.access_keys_pb2 import AccessKeyChange
from ultracloud.api.iam.v1.access_keys_pb2 import AccessKeyEvent
from ultracloud.api.iam.v1.access_keys_pb2 import CreateAccessKeyRequest
from ultracloud.api.iam.v1.access_keys_pb2 import ListAccessKeysResponse
from ultracloud.api.iam.v1.access_keys_pb2 import ResolveAccessKeyRequest
from ultracloud.api.iam.v1.access_keys_pb2 import ResolvedAccessKey
from ultracloud.api.iam.v1.access_keys_pb2 import UpdateAccessKeyRequest
from ultracloud.api.iam.v1.access_keys_pb2 import WatchAccessKeyChangesRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

ACCESS_KEYS = ServiceDescriptor(
    name="ultracloud.iam.v1.AccessKeys",
    file="ultracloud/iam/v1/access_keys.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.AccessKeys/Create", "create", CreateAccessKeyRequest, AccessKey, False, False),
        Method("Get", "/ultracloud.iam.v1.AccessKeys/Get", "get", GetRequest, AccessKey, False, False),
        Method("List", "/ultracloud.iam.v1.AccessKeys/List", "list", ListRequest, ListAccessKeysResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.AccessKeys/Update", "update", UpdateAccessKeyRequest, AccessKey, False, False),
        Method("Delete", "/ultracloud.iam.v1.AccessKeys/Delete", "delete", DeleteRequest, AccessKey, False, False),
        Method("Watch", "/ultracloud.iam.v1.AccessKeys/Watch", "watch", WatchRequest, AccessKeyEvent, False, True),
        Method("Resolve", "/ultracloud.iam.v1.AccessKeys/Resolve", "resolve", ResolveAccessKeyRequest, ResolvedAccessKey, False, False),
        Method("WatchChanges", "/ultracloud.iam.v1.AccessKeys/WatchChanges", "watch_changes", WatchAccessKeyChangesRequest, AccessKeyChange, False, True),
    ),
)


class AccessKeysClient:
    """Calls ultracloud.iam.v1.AccessKeys."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateAccessKeyRequest, timeout_s: float | None = None) -> AccessKey:
        """Call /ultracloud.iam.v1.AccessKeys/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/Create", request, AccessKey, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> AccessKey:
        """Call /ultracloud.iam.v1.AccessKeys/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/Get", request, AccessKey, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListAccessKeysResponse:
        """Call /ultracloud.iam.v1.AccessKeys/List."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/List", request, ListAccessKeysResponse, timeout_s)

    async def update(self, request: UpdateAccessKeyRequest, timeout_s: float | None = None) -> AccessKey:
        """Call /ultracloud.iam.v1.AccessKeys/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/Update", request, AccessKey, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> AccessKey:
        """Call /ultracloud.iam.v1.AccessKeys/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/Delete", request, AccessKey, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[AccessKeyEvent]:
        """Call /ultracloud.iam.v1.AccessKeys/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.AccessKeys/Watch", request, AccessKeyEvent, timeout_s)

    async def resolve(self, request: ResolveAccessKeyRequest, timeout_s: float | None = None) -> ResolvedAccessKey:
        """Call /ultracloud.iam.v1.AccessKeys/Resolve."""
        return await self._channel.unary("/ultracloud.iam.v1.AccessKeys/Resolve", request, ResolvedAccessKey, timeout_s)

    def watch_changes(self, request: WatchAccessKeyChangesRequest, timeout_s: float | None = None) -> AsyncIterator[AccessKeyChange]:
        """Call /ultracloud.iam.v1.AccessKeys/WatchChanges; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.AccessKeys/WatchChanges", request, AccessKeyChange, timeout_s)


class AccessKeysServer(Protocol):
    """Serves ultracloud.iam.v1.AccessKeys."""

    def create(self, request: CreateAccessKeyRequest, call: Call, /) -> AccessKey | Awaitable[AccessKey]: ...

    def get(self, request: GetRequest, call: Call, /) -> AccessKey | Awaitable[AccessKey]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListAccessKeysResponse | Awaitable[ListAccessKeysResponse]: ...

    def update(self, request: UpdateAccessKeyRequest, call: Call, /) -> AccessKey | Awaitable[AccessKey]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> AccessKey | Awaitable[AccessKey]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[AccessKeyEvent]: ...

    def resolve(self, request: ResolveAccessKeyRequest, call: Call, /) -> ResolvedAccessKey | Awaitable[ResolvedAccessKey]: ...

    def watch_changes(self, request: WatchAccessKeyChangesRequest, call: Call, /) -> AsyncIterator[AccessKeyChange]: ...

