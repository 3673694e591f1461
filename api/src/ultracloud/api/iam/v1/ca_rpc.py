"""Typed clients and servers of ultracloud/iam/v1/ca.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.ca_pb2 import AcknowledgeRequest
from ultracloud.api.iam.v1.ca_pb2 import AcknowledgeResponse
from ultracloud.api.iam.v1.ca_pb2 import CaStatus
from ultracloud.api.iam.v1.ca_pb2 import CaStatusRequest
from ultracloud.api.iam.v1.ca_pb2 import CreateJoinTokenRequest
from ultracloud.api.iam.v1.ca_pb2 import IssueCertificateRequest
from ultracloud.api.iam.v1.ca_pb2 import IssueCertificateResponse
from ultracloud.api.iam.v1.ca_pb2 import JoinToken
from ultracloud.api.iam.v1.ca_pb2 import JoinTokenEvent
from ultracloud.api.iam.v1.ca_pb2 import ListJoinTokensResponse
from ultracloud.api.iam.v1.ca_pb2 import RotateCaRequest
from ultracloud.api.iam.v1.ca_pb2 import Trust
from ultracloud.api.iam.v1.ca_pb2 import UpdateJoinTokenRequest
from ultracloud.api.iam.v1.ca_pb2 import WatchTrustRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

JOIN_TOKENS = ServiceDescriptor(
    name="ultracloud.iam.v1.JoinTokens",
    file="ultracloud/iam/v1/ca.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.JoinTokens/Create", "create", CreateJoinTokenRequest, JoinToken, False, False),
        Method("Get", "/ultracloud.iam.v1.JoinTokens/Get", "get", GetRequest, JoinToken, False, False),
        Method("List", "/ultracloud.iam.v1.JoinTokens/List", "list", ListRequest, ListJoinTokensResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.JoinTokens/Update", "update", UpdateJoinTokenRequest, JoinToken, False, False),
        Method("Delete", "/ultracloud.iam.v1.JoinTokens/Delete", "delete", DeleteRequest, JoinToken, False, False),
        Method("Watch", "/ultracloud.iam.v1.JoinTokens/Watch", "watch", WatchRequest, JoinTokenEvent, False, True),
    ),
)


class JoinTokensClient:
    """Calls ultracloud.iam.v1.JoinTokens."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateJoinTokenRequest, timeout_s: float | None = None) -> JoinToken:
        """Call /ultracloud.iam.v1.JoinTokens/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.JoinTokens/Create", request, JoinToken, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> JoinToken:
        """Call /ultracloud.iam.v1.JoinTokens/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.JoinTokens/Get", request, JoinToken, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListJoinTokensResponse:
        """Call /ultracloud.iam.v1.JoinTokens/List."""
        return await self._channel.unary("/ultracloud.iam.v1.JoinTokens/List", request, ListJoinTokensResponse, timeout_s)

    async def update(self, request: UpdateJoinTokenRequest, timeout_s: float | None = None) -> JoinToken:
        """Call /ultracloud.iam.v1.JoinTokens/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.JoinTokens/Update", request, JoinToken, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> JoinToken:
        """Call /ultracloud.iam.v1.JoinTokens/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.JoinTokens/Delete", request, JoinToken, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[JoinTokenEvent]:
        """Call /ultracloud.iam.v1.JoinTokens/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.JoinTokens/Watch", request, JoinTokenEvent, timeout_s)


class JoinTokensServer(Protocol):
    """Serves ultracloud.iam.v1.JoinTokens."""

    def create(self, request: CreateJoinTokenRequest, call: Call, /) -> JoinToken | Awaitable[JoinToken]: ...

    def get(self, request: GetRequest, call: Call, /) -> JoinToken | Awaitable[JoinToken]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListJoinTokensResponse | Awaitable[ListJoinTokensResponse]: ...

    def update(self, request: UpdateJoinTokenRequest, call: Call, /) -> JoinToken | Awaitable[JoinToken]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> JoinToken | Awaitable[JoinToken]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[JoinTokenEvent]: ...


CA = ServiceDescriptor(
    name="ultracloud.iam.v1.Ca",
    file="ultracloud/iam/v1/ca.proto",
    methods=(
        Method("IssueCertificate", "/ultracloud.iam.v1.Ca/IssueCertificate", "issue_certificate", IssueCertificateRequest, IssueCertificateResponse, False, False),
        Method("WatchTrust", "/ultracloud.iam.v1.Ca/WatchTrust", "watch_trust", WatchTrustRequest, Trust, False, True),
        Method("Acknowledge", "/ultracloud.iam.v1.Ca/Acknowledge", "acknowledge", AcknowledgeRequest, AcknowledgeResponse, False, False),
        Method("RotateCa", "/ultracloud.iam.v1.Ca/RotateCa", "rotate_ca", RotateCaRequest, CaStatus, False, False),
        Method("Status", "/ultracloud.iam.v1.Ca/Status", "status", CaStatusRequest, CaStatus, False, False),
    ),
)


class CaClient:
    """Calls ultracloud.iam.v1.Ca."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def issue_certificate(self, request: IssueCertificateRequest, timeout_s: float | None = None) -> IssueCertificateResponse:
        """Call /ultracloud.iam.v1.Ca/IssueCertificate."""
        return await self._channel.unary("/ultracloud.iam.v1.Ca/IssueCertificate", request, IssueCertificateResponse, timeout_s)

    def watch_trust(self, request: WatchTrustRequest, timeout_s: float | None = None) -> AsyncIterator[Trust]:
        """Call /ultracloud.iam.v1.Ca/WatchTrust; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Ca/WatchTrust", request, Trust, timeout_s)

    async def acknowledge(self, request: AcknowledgeRequest, timeout_s: float | None = None) -> AcknowledgeResponse:
        """Call /ultracloud.iam.v1.Ca/Acknowledge."""
        return await self._channel.unary("/ultracloud.iam.v1.Ca/Acknowledge", request, AcknowledgeResponse, timeout_s)

    async def rotate_ca(self, request: RotateCaRequest, timeout_s: float | None = None) -> CaStatus:
        """Call /ultracloud.iam.v1.Ca/RotateCa."""
        return await self._channel.unary("/ultracloud.iam.v1.Ca/RotateCa", request, CaStatus, timeout_s)

    async def status(self, request: CaStatusRequest, timeout_s: float | None = None) -> CaStatus:
        """Call /ultracloud.iam.v1.Ca/Status."""
        return await self._channel.unary("/ultracloud.iam.v1.Ca/Status", request, CaStatus, timeout_s)


class CaServer(Protocol):
    """Serves ultracloud.iam.v1.Ca."""

    def issue_certificate(self, request: IssueCertificateRequest, call: Call, /) -> IssueCertificateResponse | Awaitable[IssueCertificateResponse]: ...

    def watch_trust(self, request: WatchTrustRequest, call: Call, /) -> AsyncIterator[Trust]: ...

    def acknowledge(self, request: AcknowledgeRequest, call: Call, /) -> AcknowledgeResponse | Awaitable[AcknowledgeResponse]: ...

    def rotate_ca(self, request: RotateCaRequest, call: Call, /) -> CaStatus | Awaitable[CaStatus]: ...

    def status(self, request: CaStatusRequest, call: Call, /) -> CaStatus | Awaitable[CaStatus]: ...

