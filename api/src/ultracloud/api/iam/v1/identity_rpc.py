"""Typed clients and servers of ultracloud/iam/v1/identity.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.identity_pb2 import AcceptInviteRequest
from ultracloud.api.iam.v1.identity_pb2 import AcceptInviteResponse
from ultracloud.api.iam.v1.identity_pb2 import BeginSecurityKeyRequest
from ultracloud.api.iam.v1.identity_pb2 import BeginSecurityKeyResponse
from ultracloud.api.iam.v1.identity_pb2 import ConfirmTotpRequest
from ultracloud.api.iam.v1.identity_pb2 import ConfirmTotpResponse
from ultracloud.api.iam.v1.identity_pb2 import CreateOidcClientRequest
from ultracloud.api.iam.v1.identity_pb2 import CreatePersonalTokenRequest
from ultracloud.api.iam.v1.identity_pb2 import CreatePersonalTokenResponse
from ultracloud.api.iam.v1.identity_pb2 import DeletePersonalTokenRequest
from ultracloud.api.iam.v1.identity_pb2 import DeletePersonalTokenResponse
from ultracloud.api.iam.v1.identity_pb2 import DescribeCredentialsRequest
from ultracloud.api.iam.v1.identity_pb2 import DescribeCredentialsResponse
from ultracloud.api.iam.v1.identity_pb2 import EnrolTotpRequest
from ultracloud.api.iam.v1.identity_pb2 import EnrolTotpResponse
from ultracloud.api.iam.v1.identity_pb2 import ExchangePersonalTokenRequest
from ultracloud.api.iam.v1.identity_pb2 import ExchangePersonalTokenResponse
from ultracloud.api.iam.v1.identity_pb2 import FinishSecurityKeyRequest
from ultracloud.api.iam.v1.identity_pb2 import FinishSecurityKeyResponse
from ultracloud.api.iam.v1.identity_pb2 import InviteRequest
from ultracloud.api.iam.v1.identity_pb2 import InviteResponse
from ultracloud.api.iam.v1.identity_pb2 import ListOidcClientsResponse
from ultracloud.api.iam.v1.identity_pb2 import ListPersonalTokensRequest
from ultracloud.api.iam.v1.identity_pb2 import ListPersonalTokensResponse
from ultracloud.api.iam.v1.identity_pb2 import ListSessionsRequest
from ultracloud.api.iam.v1.identity_pb2 import ListSessionsResponse
from ultracloud.api.iam.v1.identity_pb2 import LoginRequest
from ultracloud.api.iam.v1.identity_pb2 import LoginResponse
from ultracloud.api.iam.v1.identity_pb2 import NewSecretRequest
from ultracloud.api.iam.v1.identity_pb2 import NewSecretResponse
from ultracloud.api.iam.v1.identity_pb2 import OidcClient
from ultracloud.api.iam.v1.identity_pb2 import OidcClientEvent
from ultracloud.api.iam.v1.identity_pb2 import RefreshRequest
from ultracloud.api.iam.v1.identity_pb2 import RemoveSecurityKeyRequest
from ultracloud.api.iam.v1.identity_pb2 import RemoveSecurityKeyResponse
from ultracloud.api.iam.v1.identity_pb2 import RemoveTotpRequest
from ultracloud.api.iam.v1.identity_pb2 import RemoveTotpResponse
from ultracloud.api.iam.v1.identity_pb2 import ResetFactorsRequest
from ultracloud.api.iam.v1.identity_pb2 import ResetFactorsResponse
from ultracloud.api.iam.v1.identity_pb2 import RevokeAllSessionsRequest
from ultracloud.api.iam.v1.identity_pb2 import RevokeAllSessionsResponse
from ultracloud.api.iam.v1.identity_pb2 import RevokeSessionRequest
from ultracloud.api.iam.v1.identity_pb2 import RevokeSessionResponse
from ultracloud.api.iam.v1.identity_pb2 import SetPasswordRequest
from ultracloud.api.iam.v1.identity_pb2 import SetPasswordResponse
from ultracloud.api.iam.v1.identity_pb2 import UpdateOidcClientRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

CREDENTIALS = ServiceDescriptor(
    name="ultracloud.iam.v1.Credentials",
    file="ultracloud/iam/v1/identity.proto",
    methods=(
        Method("Invite", "/ultracloud.iam.v1.Credentials/Invite", "invite", InviteRequest, InviteResponse, False, False),
        Method("AcceptInvite", "/ultracloud.iam.v1.Credentials/AcceptInvite", "accept_invite", AcceptInviteRequest, AcceptInviteResponse, False, False),
        Method("SetPassword", "/ultracloud.iam.v1.Credentials/SetPassword", "set_password", SetPasswordRequest, SetPasswordResponse, False, False),
        Method("Describe", "/ultracloud.iam.v1.Credentials/Describe", "describe", DescribeCredentialsRequest, DescribeCredentialsResponse, False, False),
        Method("EnrolTotp", "/ultracloud.iam.v1.Credentials/EnrolTotp", "enrol_totp", EnrolTotpRequest, EnrolTotpResponse, False, False),
        Method("ConfirmTotp", "/ultracloud.iam.v1.Credentials/ConfirmTotp", "confirm_totp", ConfirmTotpRequest, ConfirmTotpResponse, False, False),
        Method("RemoveTotp", "/ultracloud.iam.v1.Credentials/RemoveTotp", "remove_totp", RemoveTotpRequest, RemoveTotpResponse, False, False),
        Method("BeginSecurityKey", "/ultracloud.iam.v1.Credentials/BeginSecurityKey", "begin_security_key", BeginSecurityKeyRequest, BeginSecurityKeyResponse, False, False),
        Method("FinishSecurityKey", "/ultracloud.iam.v1.Credentials/FinishSecurityKey", "finish_security_key", FinishSecurityKeyRequest, FinishSecurityKeyResponse, False, False),
        Method("RemoveSecurityKey", "/ultracloud.iam.v1.Credentials/RemoveSecurityKey", "remove_security_key", RemoveSecurityKeyRequest, RemoveSecurityKeyResponse, False, False),
        Method("ResetFactors", "/ultracloud.iam.v1.Credentials/ResetFactors", "reset_factors", ResetFactorsRequest, ResetFactorsResponse, False, False),
    ),
)


class CredentialsClient:
    """Calls ultracloud.iam.v1.Credentials."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def invite(self, request: InviteRequest, timeout_s: float | None = None) -> InviteResponse:
        """Call /ultracloud.iam.v1.Credentials/Invite."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/Invite", request, InviteResponse, timeout_s)

    async def accept_invite(self, request: AcceptInviteRequest, timeout_s: float | None = None) -> AcceptInviteResponse:
        """Call /ultracloud.iam.v1.Credentials/AcceptInvite."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/AcceptInvite", request, AcceptInviteResponse, timeout_s)

    async def set_password(self, request: SetPasswordRequest, timeout_s: float | None = None) -> SetPasswordResponse:
        """Call /ultracloud.iam.v1.Credentials/SetPassword."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/SetPassword", request, SetPasswordResponse, timeout_s)

    async def describe(self, request: DescribeCredentialsRequest, timeout_s: float | None = None) -> DescribeCredentialsResponse:
        """Call /ultracloud.iam.v1.Credentials/Describe."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/Describe", request, DescribeCredentialsResponse, timeout_s)

    async def enrol_totp(self, request: EnrolTotpRequest, timeout_s: float | None = None) -> EnrolTotpResponse:
        """Call /ultracloud.iam.v1.Credentials/EnrolTotp."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/EnrolTotp", request, EnrolTotpResponse, timeout_s)

    async def confirm_totp(self, request: ConfirmTotpRequest, timeout_s: float | None = None) -> ConfirmTotpResponse:
        """Call /ultracloud.iam.v1.Credentials/ConfirmTotp."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/ConfirmTotp", request, ConfirmTotpResponse, timeout_s)

    async def remove_totp(self, request: RemoveTotpRequest, timeout_s: float | None = None) -> RemoveTotpResponse:
        """Call /ultracloud.iam.v1.Credentials/RemoveTotp."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/RemoveTotp", request, RemoveTotpResponse, timeout_s)

    async def begin_security_key(self, request: BeginSecurityKeyRequest, timeout_s: float | None = None) -> BeginSecurityKeyResponse:
        """Call /ultracloud.iam.v1.Credentials/BeginSecurityKey."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/BeginSecurityKey", request, BeginSecurityKeyResponse, timeout_s)

    async def finish_security_key(self, request: FinishSecurityKeyRequest, timeout_s: float | None = None) -> FinishSecurityKeyResponse:
        """Call /ultracloud.iam.v1.Credentials/FinishSecurityKey."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/FinishSecurityKey", request, FinishSecurityKeyResponse, timeout_s)

    async def remove_security_key(self, request: RemoveSecurityKeyRequest, timeout_s: float | None = None) -> RemoveSecurityKeyResponse:
        """Call /ultracloud.iam.v1.Credentials/RemoveSecurityKey."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/RemoveSecurityKey", request, RemoveSecurityKeyResponse, timeout_s)

    async def reset_factors(self, request: ResetFactorsRequest, timeout_s: float | None = None) -> ResetFactorsResponse:
        """Call /ultracloud.iam.v1.Credentials/ResetFactors."""
        return await self._channel.unary("/ultracloud.iam.v1.Credentials/ResetFactors", request, ResetFactorsResponse, timeout_s)


class CredentialsServer(Protocol):
    """Serves ultracloud.iam.v1.Credentials."""

    def invite(self, request: InviteRequest, call: Call, /) -> InviteResponse | Awaitable[InviteResponse]: ...

    def accept_invite(self, request: AcceptInviteRequest, call: Call, /) -> AcceptInviteResponse | Awaitable[AcceptInviteResponse]: ...

    def set_password(self, request: SetPasswordRequest, call: Call, /) -> SetPasswordResponse | Awaitable[SetPasswordResponse]: ...

    def describe(self, request: DescribeCredentialsRequest, call: Call, /) -> DescribeCredentialsResponse | Awaitable[DescribeCredentialsResponse]: ...

    def enrol_totp(self, request: EnrolTotpRequest, call: Call, /) -> EnrolTotpResponse | Awaitable[EnrolTotpResponse]: ...

    def confirm_totp(self, request: ConfirmTotpRequest, call: Call, /) -> ConfirmTotpResponse | Awaitable[ConfirmTotpResponse]: ...

    def remove_totp(self, request: RemoveTotpRequest, call: Call, /) -> RemoveTotpResponse | Awaitable[RemoveTotpResponse]: ...

    def begin_security_key(self, request: BeginSecurityKeyRequest, call: Call, /) -> BeginSecurityKeyResponse | Awaitable[BeginSecurityKeyResponse]: ...

    def finish_security_key(self, request: FinishSecurityKeyRequest, call: Call, /) -> FinishSecurityKeyResponse | Awaitable[FinishSecurityKeyResponse]: ...

    def remove_security_key(self, request: RemoveSecurityKeyRequest, call: Call, /) -> RemoveSecurityKeyResponse | Awaitable[RemoveSecurityKeyResponse]: ...

    def reset_factors(self, request: ResetFactorsRequest, call: Call, /) -> ResetFactorsResponse | Awaitable[ResetFactorsResponse]: ...


SESSIONS = ServiceDescriptor(
    name="ultracloud.iam.v1.Sessions",
    file="ultracloud/iam/v1/identity.proto",
    methods=(
        Method("Login", "/ultracloud.iam.v1.Sessions/Login", "login", LoginRequest, LoginResponse, False, False),
        Method("Refresh", "/ultracloud.iam.v1.Sessions/Refresh", "refresh", RefreshRequest, LoginResponse, False, False),
        Method("List", "/ultracloud.iam.v1.Sessions/List", "list", ListSessionsRequest, ListSessionsResponse, False, False),
        Method("Revoke", "/ultracloud.iam.v1.Sessions/Revoke", "revoke", RevokeSessionRequest, RevokeSessionResponse, False, False),
        Method("RevokeAll", "/ultracloud.iam.v1.Sessions/RevokeAll", "revoke_all", RevokeAllSessionsRequest, RevokeAllSessionsResponse, False, False),
    ),
)


class SessionsClient:
    """Calls ultracloud.iam.v1.Sessions."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def login(self, request: LoginRequest, timeout_s: float | None = None) -> LoginResponse:
        """Call /ultracloud.iam.v1.Sessions/Login."""
        return await self._channel.unary("/ultracloud.iam.v1.Sessions/Login", request, LoginResponse, timeout_s)

    async def refresh(self, request: RefreshRequest, timeout_s: float | None = None) -> LoginResponse:
        """Call /ultracloud.iam.v1.Sessions/Refresh."""
        return await self._channel.unary("/ultracloud.iam.v1.Sessions/Refresh", request, LoginResponse, timeout_s)

    async def list(self, request: ListSessionsRequest, timeout_s: float | None = None) -> ListSessionsResponse:
        """Call /ultracloud.iam.v1.Sessions/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Sessions/List", request, ListSessionsResponse, timeout_s)

    async def revoke(self, request: RevokeSessionRequest, timeout_s: float | None = None) -> RevokeSessionResponse:
        """Call /ultracloud.iam.v1.Sessions/Revoke."""
        return await self._channel.unary("/ultracloud.iam.v1.Sessions/Revoke", request, RevokeSessionResponse, timeout_s)

    async def revoke_all(self, request: RevokeAllSessionsRequest, timeout_s: float | None = None) -> RevokeAllSessionsResponse:
        """Call /ultracloud.iam.v1.Sessions/RevokeAll."""
        return await self._channel.unary("/ultracloud.iam.v1.Sessions/RevokeAll", request, RevokeAllSessionsResponse, timeout_s)


class SessionsServer(Protocol):
    """Serves ultracloud.iam.v1.Sessions."""

    def login(self, request: LoginRequest, call: Call, /) -> LoginResponse | Awaitable[LoginResponse]: ...

    def refresh(self, request: RefreshRequest, call: Call, /) -> LoginResponse | Awaitable[LoginResponse]: ...

    def list(self, request: ListSessionsRequest, call: Call, /) -> ListSessionsResponse | Awaitable[ListSessionsResponse]: ...

    def revoke(self, request: RevokeSessionRequest, call: Call, /) -> RevokeSessionResponse | Awaitable[RevokeSessionResponse]: ...

    def revoke_all(self, request: RevokeAllSessionsRequest, call: Call, /) -> RevokeAllSessionsResponse | Awaitable[RevokeAllSessionsResponse]: ...


PERSONAL_TOKENS = ServiceDescriptor(
    name="ultracloud.iam.v1.PersonalTokens",
    file="ultracloud/iam/v1/identity.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.PersonalTokens/Create", "create", CreatePersonalTokenRequest, CreatePersonalTokenResponse, False, False),
        Method("List", "/ultracloud.iam.v1.PersonalTokens/List", "list", ListPersonalTokensRequest, ListPersonalTokensResponse, False, False),
        Method("Delete", "/ultracloud.iam.v1.PersonalTokens/Delete", "delete", DeletePersonalTokenRequest, DeletePersonalTokenResponse, False, False),
        Method("Exchange", "/ultracloud.iam.v1.PersonalTokens/Exchange", "exchange", ExchangePersonalTokenRequest, ExchangePersonalTokenResponse, False, False),
    ),
)


class PersonalTokensClient:
    """Calls ultracloud.iam.v1.PersonalTokens."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreatePersonalTokenRequest, timeout_s: float | None = None) -> CreatePersonalTokenResponse:
        """Call /ultracloud.iam.v1.PersonalTokens/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.PersonalTokens/Create", request, CreatePersonalTokenResponse, timeout_s)

    async def list(self, request: ListPersonalTokensRequest, timeout_s: float | None = None) -> ListPersonalTokensResponse:
        """Call /ultracloud.iam.v1.PersonalTokens/List."""
        return await self._channel.unary("/ultracloud.iam.v1.PersonalTokens/List", request, ListPersonalTokensResponse, timeout_s)

    async def delete(self, request: DeletePersonalTokenRequest, timeout_s: float | None = None) -> DeletePersonalTokenResponse:
        """Call /ultracloud.iam.v1.PersonalTokens/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.PersonalTokens/Delete", request, DeletePersonalTokenResponse, timeout_s)

    async def exchange(self, request: ExchangePersonalTokenRequest, timeout_s: float | None = None) -> ExchangePersonalTokenResponse:
        """Call /ultracloud.iam.v1.PersonalTokens/Exchange."""
        return await self._channel.unary("/ultracloud.iam.v1.PersonalTokens/Exchange", request, ExchangePersonalTokenResponse, timeout_s)


class PersonalTokensServer(Protocol):
    """Serves ultracloud.iam.v1.PersonalTokens."""

    def create(self, request: CreatePersonalTokenRequest, call: Call, /) -> CreatePersonalTokenResponse | Awaitable[CreatePersonalTokenResponse]: ...

    def list(self, request: ListPersonalTokensRequest, call: Call, /) -> ListPersonalTokensResponse | Awaitable[ListPersonalTokensResponse]: ...

    def delete(self, request: DeletePersonalTokenRequest, call: Call, /) -> DeletePersonalTokenResponse | Awaitable[DeletePersonalTokenResponse]: ...

    def exchange(self, request: ExchangePersonalTokenRequest, call: Call, /) -> ExchangePersonalTokenResponse | Awaitable[ExchangePersonalTokenResponse]: ...


OIDC_CLIENTS = ServiceDescriptor(
    name="ultracloud.iam.v1.OidcClients",
    file="ultracloud/iam/v1/identity.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.OidcClients/Create", "create", CreateOidcClientRequest, OidcClient, False, False),
        Method("Get", "/ultracloud.iam.v1.OidcClients/Get", "get", GetRequest, OidcClient, False, False),
        Method("List", "/ultracloud.iam.v1.OidcClients/List", "list", ListRequest, ListOidcClientsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.OidcClients/Update", "update", UpdateOidcClientRequest, OidcClient, False, False),
        Method("Delete", "/ultracloud.iam.v1.OidcClients/Delete", "delete", DeleteRequest, OidcClient, False, False),
        Method("Watch", "/ultracloud.iam.v1.OidcClients/Watch", "watch", WatchRequest, OidcClientEvent, False, True),
        Method("NewSecret", "/ultracloud.iam.v1.OidcClients/NewSecret", "new_secret", NewSecretRequest, NewSecretResponse, False, False),
    ),
)


class OidcClientsClient:
    """Calls ultracloud.iam.v1.OidcClients."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateOidcClientRequest, timeout_s: float | None = None) -> OidcClient:
        """Call /ultracloud.iam.v1.OidcClients/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/Create", request, OidcClient, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> OidcClient:
        """Call /ultracloud.iam.v1.OidcClients/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/Get", request, OidcClient, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListOidcClientsResponse:
        """Call /ultracloud.iam.v1.OidcClients/List."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/List", request, ListOidcClientsResponse, timeout_s)

    async def update(self, request: UpdateOidcClientRequest, timeout_s: float | None = None) -> OidcClient:
        """Call /ultracloud.iam.v1.OidcClients/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/Update", request, OidcClient, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> OidcClient:
        """Call /ultracloud.iam.v1.OidcClients/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/Delete", request, OidcClient, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[OidcClientEvent]:
        """Call /ultracloud.iam.v1.OidcClients/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.OidcClients/Watch", request, OidcClientEvent, timeout_s)

    async def new_secret(self, request: NewSecretRequest, timeout_s: float | None = None) -> NewSecretResponse:
        """Call /ultracloud.iam.v1.OidcClients/NewSecret."""
        return await self._channel.unary("/ultracloud.iam.v1.OidcClients/NewSecret", request, NewSecretResponse, timeout_s)


class OidcClientsServer(Protocol):
    """Serves ultracloud.iam.v1.OidcClients."""

    def create(self, request: CreateOidcClientRequest, call: Call, /) -> OidcClient | Awaitable[OidcClient]: ...

    def get(self, request: GetRequest, call: Call, /) -> OidcClient | Awaitable[OidcClient]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListOidcClientsResponse | Awaitable[ListOidcClientsResponse]: ...

    def update(self, request: UpdateOidcClientRequest, call: Call, /) -> OidcClient | Awaitable[OidcClient]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> OidcClient | Awaitable[OidcClient]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[OidcClientEvent]: ...

    def new_secret(self, request: NewSecretRequest, call: Call, /) -> NewSecretResponse | Awaitable[NewSecretResponse]: ...

