"""Typed clients and servers of ultracloud/iam/v1/secrets.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.secrets_pb2 import AccessSecretRequest
from ultracloud.api.iam.v1.secrets_pb2 import AccessSecretResponse
from ultracloud.api.iam.v1.secrets_pb2 import AddSecretVersionRequest
from ultracloud.api.iam.v1.secrets_pb2 import CreateSecretRequest
from ultracloud.api.iam.v1.secrets_pb2 import DestroySecretVersionRequest
from ultracloud.api.iam.v1.secrets_pb2 import ListSecretsResponse
from ultracloud.api.iam.v1.secrets_pb2 import ResolveSecretsRequest
from ultracloud.api.iam.v1.secrets_pb2 import ResolveSecretsResponse
from ultracloud.api.iam.v1.secrets_pb2 import RotateSecretKeysRequest
from ultracloud.api.iam.v1.secrets_pb2 import RotateSecretKeysResponse
from ultracloud.api.iam.v1.secrets_pb2 import Secret
from ultracloud.api.iam.v1.secrets_pb2 import SecretEvent
from ultracloud.api.iam.v1.secrets_pb2 import UpdateSecretRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

SECRETS = ServiceDescriptor(
    name="ultracloud.iam.v1.Secrets",
    file="ultracloud/iam/v1/secrets.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Secrets/Create", "create", CreateSecretRequest, Secret, False, False),
        Method("Get", "/ultracloud.iam.v1.Secrets/Get", "get", GetRequest, Secret, False, False),
        Method("List", "/ultracloud.iam.v1.Secrets/List", "list", ListRequest, ListSecretsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Secrets/Update", "update", UpdateSecretRequest, Secret, False, False),
        Method("Delete", "/ultracloud.iam.v1.Secrets/Delete", "delete", DeleteRequest, Secret, False, False),
        Method("Watch", "/ultracloud.iam.v1.Secrets/Watch", "watch", WatchRequest, SecretEvent, False, True),
        Method("AddVersion", "/ultracloud.iam.v1.Secrets/AddVersion", "add_version", AddSecretVersionRequest, Secret, False, False),
        Method("Access", "/ultracloud.iam.v1.Secrets/Access", "access", AccessSecretRequest, AccessSecretResponse, False, False),
        Method("Resolve", "/ultracloud.iam.v1.Secrets/Resolve", "resolve", ResolveSecretsRequest, ResolveSecretsResponse, False, False),
        Method("DestroyVersion", "/ultracloud.iam.v1.Secrets/DestroyVersion", "destroy_version", DestroySecretVersionRequest, Secret, False, False),
        Method("RotateKeys", "/ultracloud.iam.v1.Secrets/RotateKeys", "rotate_keys", RotateSecretKeysRequest, RotateSecretKeysResponse, False, False),
    ),
)


class SecretsClient:
    """Calls ultracloud.iam.v1.Secrets."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateSecretRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Create", request, Secret, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Get", request, Secret, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListSecretsResponse:
        """Call /ultracloud.iam.v1.Secrets/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/List", request, ListSecretsResponse, timeout_s)

    async def update(self, request: UpdateSecretRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Update", request, Secret, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Delete", request, Secret, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[SecretEvent]:
        """Call /ultracloud.iam.v1.Secrets/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Secrets/Watch", request, SecretEvent, timeout_s)

    async def add_version(self, request: AddSecretVersionRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/AddVersion."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/AddVersion", request, Secret, timeout_s)

    async def access(self, request: AccessSecretRequest, timeout_s: float | None = None) -> AccessSecretResponse:
        """Call /ultracloud.iam.v1.Secrets/Access."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Access", request, AccessSecretResponse, timeout_s)

    async def resolve(self, request: ResolveSecretsRequest, timeout_s: float | None = None) -> ResolveSecretsResponse:
        """Call /ultracloud.iam.v1.Secrets/Resolve."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/Resolve", request, ResolveSecretsResponse, timeout_s)

    async def destroy_version(self, request: DestroySecretVersionRequest, timeout_s: float | None = None) -> Secret:
        """Call /ultracloud.iam.v1.Secrets/DestroyVersion."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/DestroyVersion", request, Secret, timeout_s)

    async def rotate_keys(self, request: RotateSecretKeysRequest, timeout_s: float | None = None) -> RotateSecretKeysResponse:
        """Call /ultracloud.iam.v1.Secrets/RotateKeys."""
        return await self._channel.unary("/ultracloud.iam.v1.Secrets/RotateKeys", request, RotateSecretKeysResponse, timeout_s)


class SecretsServer(Protocol):
    """Serves ultracloud.iam.v1.Secrets."""

    def create(self, request: CreateSecretRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def get(self, request: GetRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListSecretsResponse | Awaitable[ListSecretsResponse]: ...

    def update(self, request: UpdateSecretRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[SecretEvent]: ...

    def add_version(self, request: AddSecretVersionRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def access(self, request: AccessSecretRequest, call: Call, /) -> AccessSecretResponse | Awaitable[AccessSecretResponse]: ...

    def resolve(self, request: ResolveSecretsRequest, call: Call, /) -> ResolveSecretsResponse | Awaitable[ResolveSecretsResponse]: ...

    def destroy_version(self, request: DestroySecretVersionRequest, call: Call, /) -> Secret | Awaitable[Secret]: ...

    def rotate_keys(self, request: RotateSecretKeysRequest, call: Call, /) -> RotateSecretKeysResponse | Awaitable[RotateSecretKeysResponse]: ...

