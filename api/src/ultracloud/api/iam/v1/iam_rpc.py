"""Typed clients and servers of ultracloud/iam/v1/iam.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.iam.v1.iam_pb2 import Binding
from ultracloud.api.iam.v1.iam_pb2 import BindingEvent
from ultracloud.api.iam.v1.iam_pb2 import CreateBindingRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateEnvironmentRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateGroupRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateOrganisationRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateProjectRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateRoleRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateServiceAccountRequest
from ultracloud.api.iam.v1.iam_pb2 import CreateUserRequest
from ultracloud.api.iam.v1.iam_pb2 import Environment
from ultracloud.api.iam.v1.iam_pb2 import EnvironmentEvent
from ultracloud.api.iam.v1.iam_pb2 import ExplainRequest
from ultracloud.api.iam.v1.iam_pb2 import ExplainResponse
from ultracloud.api.iam.v1.iam_pb2 import Group
from ultracloud.api.iam.v1.iam_pb2 import GroupEvent
from ultracloud.api.iam.v1.iam_pb2 import IssueTokenRequest
from ultracloud.api.iam.v1.iam_pb2 import IssueTokenResponse
from ultracloud.api.iam.v1.iam_pb2 import IssueWorkloadTokenRequest
from ultracloud.api.iam.v1.iam_pb2 import IssueWorkloadTokenResponse
from ultracloud.api.iam.v1.iam_pb2 import ListBindingsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListEnvironmentsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListGroupsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListOrganisationsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListProjectsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListRolesResponse
from ultracloud.api.iam.v1.iam_pb2 import ListServiceAccountsResponse
from ultracloud.api.iam.v1.iam_pb2 import ListUsersResponse
from ultracloud.api.iam.v1.iam_pb2 import Organisation
from ultracloud.api.iam.v1.iam_pb2 import OrganisationEvent
from ultracloud.api.iam.v1.iam_pb2 import PolicySnapshot
from ultracloud.api.iam.v1.iam_pb2 import Project
from ultracloud.api.iam.v1.iam_pb2 import ProjectEvent
from ultracloud.api.iam.v1.iam_pb2 import Role
from ultracloud.api.iam.v1.iam_pb2 import RoleEvent
from ultracloud.api.iam.v1.iam_pb2 import ServiceAccount
from ultracloud.api.iam.v1.iam_pb2 import ServiceAccountEvent
from ultracloud.api.iam.v1.iam_pb2 import UpdateBindingRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateEnvironmentRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateGroupRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateOrganisationRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateProjectRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateRoleRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateServiceAccountRequest
from ultracloud.api.iam.v1.iam_pb2 import UpdateUserRequest
from ultracloud.api.iam.v1.iam_pb2 import User
from ultracloud.api.iam.v1.iam_pb2 import UserEvent
from ultracloud.api.iam.v1.iam_pb2 import WatchPolicyRequest
from ultracloud.api.iam.v1.iam_pb2 import WhoAmIRequest
from ultracloud.api.iam.v1.iam_pb2 import WhoAmIResponse
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

ORGANISATIONS = ServiceDescriptor(
    name="ultracloud.iam.v1.Organisations",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Organisations/Create", "create", CreateOrganisationRequest, Organisation, False, False),
        Method("Get", "/ultracloud.iam.v1.Organisations/Get", "get", GetRequest, Organisation, False, False),
        Method("List", "/ultracloud.iam.v1.Organisations/List", "list", ListRequest, ListOrganisationsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Organisations/Update", "update", UpdateOrganisationRequest, Organisation, False, False),
        Method("Delete", "/ultracloud.iam.v1.Organisations/Delete", "delete", DeleteRequest, Organisation, False, False),
        Method("Watch", "/ultracloud.iam.v1.Organisations/Watch", "watch", WatchRequest, OrganisationEvent, False, True),
    ),
)


class OrganisationsClient:
    """Calls ultracloud.iam.v1.Organisations."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateOrganisationRequest, timeout_s: float | None = None) -> Organisation:
        """Call /ultracloud.iam.v1.Organisations/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Organisations/Create", request, Organisation, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Organisation:
        """Call /ultracloud.iam.v1.Organisations/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Organisations/Get", request, Organisation, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListOrganisationsResponse:
        """Call /ultracloud.iam.v1.Organisations/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Organisations/List", request, ListOrganisationsResponse, timeout_s)

    async def update(self, request: UpdateOrganisationRequest, timeout_s: float | None = None) -> Organisation:
        """Call /ultracloud.iam.v1.Organisations/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Organisations/Update", request, Organisation, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Organisation:
        """Call /ultracloud.iam.v1.Organisations/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Organisations/Delete", request, Organisation, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[OrganisationEvent]:
        """Call /ultracloud.iam.v1.Organisations/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Organisations/Watch", request, OrganisationEvent, timeout_s)


class OrganisationsServer(Protocol):
    """Serves ultracloud.iam.v1.Organisations."""

    def create(self, request: CreateOrganisationRequest, call: Call, /) -> Organisation | Awaitable[Organisation]: ...

    def get(self, request: GetRequest, call: Call, /) -> Organisation | Awaitable[Organisation]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListOrganisationsResponse | Awaitable[ListOrganisationsResponse]: ...

    def update(self, request: UpdateOrganisationRequest, call: Call, /) -> Organisation | Awaitable[Organisation]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Organisation | Awaitable[Organisation]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[OrganisationEvent]: ...


PROJECTS = ServiceDescriptor(
    name="ultracloud.iam.v1.Projects",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Projects/Create", "create", CreateProjectRequest, Project, False, False),
        Method("Get", "/ultracloud.iam.v1.Projects/Get", "get", GetRequest, Project, False, False),
        Method("List", "/ultracloud.iam.v1.Projects/List", "list", ListRequest, ListProjectsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Projects/Update", "update", UpdateProjectRequest, Project, False, False),
        Method("Delete", "/ultracloud.iam.v1.Projects/Delete", "delete", DeleteRequest, Project, False, False),
        Method("Watch", "/ultracloud.iam.v1.Projects/Watch", "watch", WatchRequest, ProjectEvent, False, True),
    ),
)


class ProjectsClient:
    """Calls ultracloud.iam.v1.Projects."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateProjectRequest, timeout_s: float | None = None) -> Project:
        """Call /ultracloud.iam.v1.Projects/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Projects/Create", request, Project, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Project:
        """Call /ultracloud.iam.v1.Projects/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Projects/Get", request, Project, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListProjectsResponse:
        """Call /ultracloud.iam.v1.Projects/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Projects/List", request, ListProjectsResponse, timeout_s)

    async def update(self, request: UpdateProjectRequest, timeout_s: float | None = None) -> Project:
        """Call /ultracloud.iam.v1.Projects/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Projects/Update", request, Project, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Project:
        """Call /ultracloud.iam.v1.Projects/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Projects/Delete", request, Project, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[ProjectEvent]:
        """Call /ultracloud.iam.v1.Projects/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Projects/Watch", request, ProjectEvent, timeout_s)


class ProjectsServer(Protocol):
    """Serves ultracloud.iam.v1.Projects."""

    def create(self, request: CreateProjectRequest, call: Call, /) -> Project | Awaitable[Project]: ...

    def get(self, request: GetRequest, call: Call, /) -> Project | Awaitable[Project]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListProjectsResponse | Awaitable[ListProjectsResponse]: ...

    def update(self, request: UpdateProjectRequest, call: Call, /) -> Project | Awaitable[Project]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Project | Awaitable[Project]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[ProjectEvent]: ...


ENVIRONMENTS = ServiceDescriptor(
    name="ultracloud.iam.v1.Environments",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Environments/Create", "create", CreateEnvironmentRequest, Environment, False, False),
        Method("Get", "/ultracloud.iam.v1.Environments/Get", "get", GetRequest, Environment, False, False),
        Method("List", "/ultracloud.iam.v1.Environments/List", "list", ListRequest, ListEnvironmentsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Environments/Update", "update", UpdateEnvironmentRequest, Environment, False, False),
        Method("Delete", "/ultracloud.iam.v1.Environments/Delete", "delete", DeleteRequest, Environment, False, False),
        Method("Watch", "/ultracloud.iam.v1.Environments/Watch", "watch", WatchRequest, EnvironmentEvent, False, True),
    ),
)


class EnvironmentsClient:
    """Calls ultracloud.iam.v1.Environments."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateEnvironmentRequest, timeout_s: float | None = None) -> Environment:
        """Call /ultracloud.iam.v1.Environments/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Environments/Create", request, Environment, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Environment:
        """Call /ultracloud.iam.v1.Environments/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Environments/Get", request, Environment, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListEnvironmentsResponse:
        """Call /ultracloud.iam.v1.Environments/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Environments/List", request, ListEnvironmentsResponse, timeout_s)

    async def update(self, request: UpdateEnvironmentRequest, timeout_s: float | None = None) -> Environment:
        """Call /ultracloud.iam.v1.Environments/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Environments/Update", request, Environment, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Environment:
        """Call /ultracloud.iam.v1.Environments/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Environments/Delete", request, Environment, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[EnvironmentEvent]:
        """Call /ultracloud.iam.v1.Environments/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Environments/Watch", request, EnvironmentEvent, timeout_s)


class EnvironmentsServer(Protocol):
    """Serves ultracloud.iam.v1.Environments."""

    def create(self, request: CreateEnvironmentRequest, call: Call, /) -> Environment | Awaitable[Environment]: ...

    def get(self, request: GetRequest, call: Call, /) -> Environment | Awaitable[Environment]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListEnvironmentsResponse | Awaitable[ListEnvironmentsResponse]: ...

    def update(self, request: UpdateEnvironmentRequest, call: Call, /) -> Environment | Awaitable[Environment]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Environment | Awaitable[Environment]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[EnvironmentEvent]: ...


SERVICE_ACCOUNTS = ServiceDescriptor(
    name="ultracloud.iam.v1.ServiceAccounts",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.ServiceAccounts/Create", "create", CreateServiceAccountRequest, ServiceAccount, False, False),
        Method("Get", "/ultracloud.iam.v1.ServiceAccounts/Get", "get", GetRequest, ServiceAccount, False, False),
        Method("List", "/ultracloud.iam.v1.ServiceAccounts/List", "list", ListRequest, ListServiceAccountsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.ServiceAccounts/Update", "update", UpdateServiceAccountRequest, ServiceAccount, False, False),
        Method("Delete", "/ultracloud.iam.v1.ServiceAccounts/Delete", "delete", DeleteRequest, ServiceAccount, False, False),
        Method("Watch", "/ultracloud.iam.v1.ServiceAccounts/Watch", "watch", WatchRequest, ServiceAccountEvent, False, True),
    ),
)


class ServiceAccountsClient:
    """Calls ultracloud.iam.v1.ServiceAccounts."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateServiceAccountRequest, timeout_s: float | None = None) -> ServiceAccount:
        """Call /ultracloud.iam.v1.ServiceAccounts/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.ServiceAccounts/Create", request, ServiceAccount, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> ServiceAccount:
        """Call /ultracloud.iam.v1.ServiceAccounts/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.ServiceAccounts/Get", request, ServiceAccount, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListServiceAccountsResponse:
        """Call /ultracloud.iam.v1.ServiceAccounts/List."""
        return await self._channel.unary("/ultracloud.iam.v1.ServiceAccounts/List", request, ListServiceAccountsResponse, timeout_s)

    async def update(self, request: UpdateServiceAccountRequest, timeout_s: float | None = None) -> ServiceAccount:
        """Call /ultracloud.iam.v1.ServiceAccounts/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.ServiceAccounts/Update", request, ServiceAccount, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> ServiceAccount:
        """Call /ultracloud.iam.v1.ServiceAccounts/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.ServiceAccounts/Delete", request, ServiceAccount, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[ServiceAccountEvent]:
        """Call /ultracloud.iam.v1.ServiceAccounts/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.ServiceAccounts/Watch", request, ServiceAccountEvent, timeout_s)


class ServiceAccountsServer(Protocol):
    """Serves ultracloud.iam.v1.ServiceAccounts."""

    def create(self, request: CreateServiceAccountRequest, call: Call, /) -> ServiceAccount | Awaitable[ServiceAccount]: ...

    def get(self, request: GetRequest, call: Call, /) -> ServiceAccount | Awaitable[ServiceAccount]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListServiceAccountsResponse | Awaitable[ListServiceAccountsResponse]: ...

    def update(self, request: UpdateServiceAccountRequest, call: Call, /) -> ServiceAccount | Awaitable[ServiceAccount]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> ServiceAccount | Awaitable[ServiceAccount]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[ServiceAccountEvent]: ...


USERS = ServiceDescriptor(
    name="ultracloud.iam.v1.Users",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Users/Create", "create", CreateUserRequest, User, False, False),
        Method("Get", "/ultracloud.iam.v1.Users/Get", "get", GetRequest, User, False, False),
        Method("List", "/ultracloud.iam.v1.Users/List", "list", ListRequest, ListUsersResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Users/Update", "update", UpdateUserRequest, User, False, False),
        Method("Delete", "/ultracloud.iam.v1.Users/Delete", "delete", DeleteRequest, User, False, False),
        Method("Watch", "/ultracloud.iam.v1.Users/Watch", "watch", WatchRequest, UserEvent, False, True),
    ),
)


class UsersClient:
    """Calls ultracloud.iam.v1.Users."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateUserRequest, timeout_s: float | None = None) -> User:
        """Call /ultracloud.iam.v1.Users/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Users/Create", request, User, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> User:
        """Call /ultracloud.iam.v1.Users/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Users/Get", request, User, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListUsersResponse:
        """Call /ultracloud.iam.v1.Users/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Users/List", request, ListUsersResponse, timeout_s)

    async def update(self, request: UpdateUserRequest, timeout_s: float | None = None) -> User:
        """Call /ultracloud.iam.v1.Users/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Users/Update", request, User, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> User:
        """Call /ultracloud.iam.v1.Users/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Users/Delete", request, User, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[UserEvent]:
        """Call /ultracloud.iam.v1.Users/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Users/Watch", request, UserEvent, timeout_s)


class UsersServer(Protocol):
    """Serves ultracloud.iam.v1.Users."""

    def create(self, request: CreateUserRequest, call: Call, /) -> User | Awaitable[User]: ...

    def get(self, request: GetRequest, call: Call, /) -> User | Awaitable[User]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListUsersResponse | Awaitable[ListUsersResponse]: ...

    def update(self, request: UpdateUserRequest, call: Call, /) -> User | Awaitable[User]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> User | Awaitable[User]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[UserEvent]: ...


GROUPS = ServiceDescriptor(
    name="ultracloud.iam.v1.Groups",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Groups/Create", "create", CreateGroupRequest, Group, False, False),
        Method("Get", "/ultracloud.iam.v1.Groups/Get", "get", GetRequest, Group, False, False),
        Method("List", "/ultracloud.iam.v1.Groups/List", "list", ListRequest, ListGroupsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Groups/Update", "update", UpdateGroupRequest, Group, False, False),
        Method("Delete", "/ultracloud.iam.v1.Groups/Delete", "delete", DeleteRequest, Group, False, False),
        Method("Watch", "/ultracloud.iam.v1.Groups/Watch", "watch", WatchRequest, GroupEvent, False, True),
    ),
)


class GroupsClient:
    """Calls ultracloud.iam.v1.Groups."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateGroupRequest, timeout_s: float | None = None) -> Group:
        """Call /ultracloud.iam.v1.Groups/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Groups/Create", request, Group, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Group:
        """Call /ultracloud.iam.v1.Groups/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Groups/Get", request, Group, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListGroupsResponse:
        """Call /ultracloud.iam.v1.Groups/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Groups/List", request, ListGroupsResponse, timeout_s)

    async def update(self, request: UpdateGroupRequest, timeout_s: float | None = None) -> Group:
        """Call /ultracloud.iam.v1.Groups/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Groups/Update", request, Group, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Group:
        """Call /ultracloud.iam.v1.Groups/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Groups/Delete", request, Group, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[GroupEvent]:
        """Call /ultracloud.iam.v1.Groups/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Groups/Watch", request, GroupEvent, timeout_s)


class GroupsServer(Protocol):
    """Serves ultracloud.iam.v1.Groups."""

    def create(self, request: CreateGroupRequest, call: Call, /) -> Group | Awaitable[Group]: ...

    def get(self, request: GetRequest, call: Call, /) -> Group | Awaitable[Group]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListGroupsResponse | Awaitable[ListGroupsResponse]: ...

    def update(self, request: UpdateGroupRequest, call: Call, /) -> Group | Awaitable[Group]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Group | Awaitable[Group]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[GroupEvent]: ...


ROLES = ServiceDescriptor(
    name="ultracloud.iam.v1.Roles",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Roles/Create", "create", CreateRoleRequest, Role, False, False),
        Method("Get", "/ultracloud.iam.v1.Roles/Get", "get", GetRequest, Role, False, False),
        Method("List", "/ultracloud.iam.v1.Roles/List", "list", ListRequest, ListRolesResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Roles/Update", "update", UpdateRoleRequest, Role, False, False),
        Method("Delete", "/ultracloud.iam.v1.Roles/Delete", "delete", DeleteRequest, Role, False, False),
        Method("Watch", "/ultracloud.iam.v1.Roles/Watch", "watch", WatchRequest, RoleEvent, False, True),
    ),
)


class RolesClient:
    """Calls ultracloud.iam.v1.Roles."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateRoleRequest, timeout_s: float | None = None) -> Role:
        """Call /ultracloud.iam.v1.Roles/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Roles/Create", request, Role, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Role:
        """Call /ultracloud.iam.v1.Roles/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Roles/Get", request, Role, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListRolesResponse:
        """Call /ultracloud.iam.v1.Roles/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Roles/List", request, ListRolesResponse, timeout_s)

    async def update(self, request: UpdateRoleRequest, timeout_s: float | None = None) -> Role:
        """Call /ultracloud.iam.v1.Roles/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Roles/Update", request, Role, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Role:
        """Call /ultracloud.iam.v1.Roles/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Roles/Delete", request, Role, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[RoleEvent]:
        """Call /ultracloud.iam.v1.Roles/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Roles/Watch", request, RoleEvent, timeout_s)


class RolesServer(Protocol):
    """Serves ultracloud.iam.v1.Roles."""

    def create(self, request: CreateRoleRequest, call: Call, /) -> Role | Awaitable[Role]: ...

    def get(self, request: GetRequest, call: Call, /) -> Role | Awaitable[Role]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListRolesResponse | Awaitable[ListRolesResponse]: ...

    def update(self, request: UpdateRoleRequest, call: Call, /) -> Role | Awaitable[Role]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Role | Awaitable[Role]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[RoleEvent]: ...


BINDINGS = ServiceDescriptor(
    name="ultracloud.iam.v1.Bindings",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Create", "/ultracloud.iam.v1.Bindings/Create", "create", CreateBindingRequest, Binding, False, False),
        Method("Get", "/ultracloud.iam.v1.Bindings/Get", "get", GetRequest, Binding, False, False),
        Method("List", "/ultracloud.iam.v1.Bindings/List", "list", ListRequest, ListBindingsResponse, False, False),
        Method("Update", "/ultracloud.iam.v1.Bindings/Update", "update", UpdateBindingRequest, Binding, False, False),
        Method("Delete", "/ultracloud.iam.v1.Bindings/Delete", "delete", DeleteRequest, Binding, False, False),
        Method("Watch", "/ultracloud.iam.v1.Bindings/Watch", "watch", WatchRequest, BindingEvent, False, True),
    ),
)


class BindingsClient:
    """Calls ultracloud.iam.v1.Bindings."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateBindingRequest, timeout_s: float | None = None) -> Binding:
        """Call /ultracloud.iam.v1.Bindings/Create."""
        return await self._channel.unary("/ultracloud.iam.v1.Bindings/Create", request, Binding, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Binding:
        """Call /ultracloud.iam.v1.Bindings/Get."""
        return await self._channel.unary("/ultracloud.iam.v1.Bindings/Get", request, Binding, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListBindingsResponse:
        """Call /ultracloud.iam.v1.Bindings/List."""
        return await self._channel.unary("/ultracloud.iam.v1.Bindings/List", request, ListBindingsResponse, timeout_s)

    async def update(self, request: UpdateBindingRequest, timeout_s: float | None = None) -> Binding:
        """Call /ultracloud.iam.v1.Bindings/Update."""
        return await self._channel.unary("/ultracloud.iam.v1.Bindings/Update", request, Binding, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Binding:
        """Call /ultracloud.iam.v1.Bindings/Delete."""
        return await self._channel.unary("/ultracloud.iam.v1.Bindings/Delete", request, Binding, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[BindingEvent]:
        """Call /ultracloud.iam.v1.Bindings/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Bindings/Watch", request, BindingEvent, timeout_s)


class BindingsServer(Protocol):
    """Serves ultracloud.iam.v1.Bindings."""

    def create(self, request: CreateBindingRequest, call: Call, /) -> Binding | Awaitable[Binding]: ...

    def get(self, request: GetRequest, call: Call, /) -> Binding | Awaitable[Binding]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListBindingsResponse | Awaitable[ListBindingsResponse]: ...

    def update(self, request: UpdateBindingRequest, call: Call, /) -> Binding | Awaitable[Binding]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Binding | Awaitable[Binding]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[BindingEvent]: ...


TOKENS = ServiceDescriptor(
    name="ultracloud.iam.v1.Tokens",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Issue", "/ultracloud.iam.v1.Tokens/Issue", "issue", IssueTokenRequest, IssueTokenResponse, False, False),
        Method("IssueWorkload", "/ultracloud.iam.v1.Tokens/IssueWorkload", "issue_workload", IssueWorkloadTokenRequest, IssueWorkloadTokenResponse, False, False),
        Method("WhoAmI", "/ultracloud.iam.v1.Tokens/WhoAmI", "who_am_i", WhoAmIRequest, WhoAmIResponse, False, False),
    ),
)


class TokensClient:
    """Calls ultracloud.iam.v1.Tokens."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def issue(self, request: IssueTokenRequest, timeout_s: float | None = None) -> IssueTokenResponse:
        """Call /ultracloud.iam.v1.Tokens/Issue."""
        return await self._channel.unary("/ultracloud.iam.v1.Tokens/Issue", request, IssueTokenResponse, timeout_s)

    async def issue_workload(self, request: IssueWorkloadTokenRequest, timeout_s: float | None = None) -> IssueWorkloadTokenResponse:
        """Call /ultracloud.iam.v1.Tokens/IssueWorkload."""
        return await self._channel.unary("/ultracloud.iam.v1.Tokens/IssueWorkload", request, IssueWorkloadTokenResponse, timeout_s)

    async def who_am_i(self, request: WhoAmIRequest, timeout_s: float | None = None) -> WhoAmIResponse:
        """Call /ultracloud.iam.v1.Tokens/WhoAmI."""
        return await self._channel.unary("/ultracloud.iam.v1.Tokens/WhoAmI", request, WhoAmIResponse, timeout_s)


class TokensServer(Protocol):
    """Serves ultracloud.iam.v1.Tokens."""

    def issue(self, request: IssueTokenRequest, call: Call, /) -> IssueTokenResponse | Awaitable[IssueTokenResponse]: ...

    def issue_workload(self, request: IssueWorkloadTokenRequest, call: Call, /) -> IssueWorkloadTokenResponse | Awaitable[IssueWorkloadTokenResponse]: ...

    def who_am_i(self, request: WhoAmIRequest, call: Call, /) -> WhoAmIResponse | Awaitable[WhoAmIResponse]: ...


POLICY = ServiceDescriptor(
    name="ultracloud.iam.v1.Policy",
    file="ultracloud/iam/v1/iam.proto",
    methods=(
        Method("Watch", "/ultracloud.iam.v1.Policy/Watch", "watch", WatchPolicyRequest, PolicySnapshot, False, True),
        Method("Explain", "/ultracloud.iam.v1.Policy/Explain", "explain", ExplainRequest, ExplainResponse, False, False),
    ),
)


class PolicyClient:
    """Calls ultracloud.iam.v1.Policy."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def watch(self, request: WatchPolicyRequest, timeout_s: float | None = None) -> AsyncIterator[PolicySnapshot]:
        """Call /ultracloud.iam.v1.Policy/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.iam.v1.Policy/Watch", request, PolicySnapshot, timeout_s)

    async def explain(self, request: ExplainRequest, timeout_s: float | None = None) -> ExplainResponse:
        """Call /ultracloud.iam.v1.Policy/Explain."""
        return await self._channel.unary("/ultracloud.iam.v1.Policy/Explain", request, ExplainResponse, timeout_s)


class PolicyServer(Protocol):
    """Serves ultracloud.iam.v1.Policy."""

    def watch(self, request: WatchPolicyRequest, call: Call, /) -> AsyncIterator[PolicySnapshot]: ...

    def explain(self, request: ExplainRequest, call: Call, /) -> ExplainResponse | Awaitable[ExplainResponse]: ...

