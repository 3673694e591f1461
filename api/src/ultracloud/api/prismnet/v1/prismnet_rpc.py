"""Typed clients and servers of ultracloud/prismnet/v1/prismnet.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.prismnet.v1.prismnet_pb2 import CreatePortRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import CreateSecurityGroupRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import CreateSubnetRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import CreateVpcRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import HostIntent
from ultracloud.api.prismnet.v1.prismnet_pb2 import ListPortsResponse
from ultracloud.api.prismnet.v1.prismnet_pb2 import ListSecurityGroupsResponse
from ultracloud.api.prismnet.v1.prismnet_pb2 import ListSubnetsResponse
from ultracloud.api.prismnet.v1.prismnet_pb2 import ListVpcsResponse
from ultracloud.api.prismnet.v1.prismnet_pb2 import Port
from ultracloud.api.prismnet.v1.prismnet_pb2 import PortEvent
from ultracloud.api.prismnet.v1.prismnet_pb2 import ReportHostRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import ReportHostResponse
from ultracloud.api.prismnet.v1.prismnet_pb2 import SecurityGroup
from ultracloud.api.prismnet.v1.prismnet_pb2 import SecurityGroupEvent
from ultracloud.api.prismnet.v1.prismnet_pb2 import Subnet
from ultracloud.api.prismnet.v1.prismnet_pb2 import SubnetEvent
from ultracloud.api.prismnet.v1.prismnet_pb2 import UpdatePortRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import UpdateSecurityGroupRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import UpdateSubnetRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import UpdateVpcRequest
from ultracloud.api.prismnet.v1.prismnet_pb2 import Vpc
from ultracloud.api.prismnet.v1.prismnet_pb2 import VpcEvent
from ultracloud.api.prismnet.v1.prismnet_pb2 import WatchHostRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

VPCS = ServiceDescriptor(
    name="ultracloud.prismnet.v1.Vpcs",
    file="ultracloud/prismnet/v1/prismnet.proto",
    methods=(
        Method("Create", "/ultracloud.prismnet.v1.Vpcs/Create", "create", CreateVpcRequest, Vpc, False, False),
        Method("Get", "/ultracloud.prismnet.v1.Vpcs/Get", "get", GetRequest, Vpc, False, False),
        Method("List", "/ultracloud.prismnet.v1.Vpcs/List", "list", ListRequest, ListVpcsResponse, False, False),
        Method("Update", "/ultracloud.prismnet.v1.Vpcs/Update", "update", UpdateVpcRequest, Vpc, False, False),
        Method("Delete", "/ultracloud.prismnet.v1.Vpcs/Delete", "delete", DeleteRequest, Vpc, False, False),
        Method("Watch", "/ultracloud.prismnet.v1.Vpcs/Watch", "watch", WatchRequest, VpcEvent, False, True),
    ),
)


class VpcsClient:
    """Calls ultracloud.prismnet.v1.Vpcs."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateVpcRequest, timeout_s: float | None = None) -> Vpc:
        """Call /ultracloud.prismnet.v1.Vpcs/Create."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Vpcs/Create", request, Vpc, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Vpc:
        """Call /ultracloud.prismnet.v1.Vpcs/Get."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Vpcs/Get", request, Vpc, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListVpcsResponse:
        """Call /ultracloud.prismnet.v1.Vpcs/List."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Vpcs/List", request, ListVpcsResponse, timeout_s)

    async def update(self, request: UpdateVpcRequest, timeout_s: float | None = None) -> Vpc:
        """Call /ultracloud.prismnet.v1.Vpcs/Update."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Vpcs/Update", request, Vpc, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Vpc:
        """Call /ultracloud.prismnet.v1.Vpcs/Delete."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Vpcs/Delete", request, Vpc, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[VpcEvent]:
        """Call /ultracloud.prismnet.v1.Vpcs/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.prismnet.v1.Vpcs/Watch", request, VpcEvent, timeout_s)


class VpcsServer(Protocol):
    """Serves ultracloud.prismnet.v1.Vpcs."""

    def create(self, request: CreateVpcRequest, call: Call, /) -> Vpc | Awaitable[Vpc]: ...

    def get(self, request: GetRequest, call: Call, /) -> Vpc | Awaitable[Vpc]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListVpcsResponse | Awaitable[ListVpcsResponse]: ...

    def update(self, request: UpdateVpcRequest, call: Call, /) -> Vpc | Awaitable[Vpc]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Vpc | Awaitable[Vpc]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[VpcEvent]: ...


SUBNETS = ServiceDescriptor(
    name="ultracloud.prismnet.v1.Subnets",
    file="ultracloud/prismnet/v1/prismnet.proto",
    methods=(
        Method("Create", "/ultracloud.prismnet.v1.Subnets/Create", "create", CreateSubnetRequest, Subnet, False, False),
        Method("Get", "/ultracloud.prismnet.v1.Subnets/Get", "get", GetRequest, Subnet, False, False),
        Method("List", "/ultracloud.prismnet.v1.Subnets/List", "list", ListRequest, ListSubnetsResponse, False, False),
        Method("Update", "/ultracloud.prismnet.v1.Subnets/Update", "update", UpdateSubnetRequest, Subnet, False, False),
        Method("Delete", "/ultracloud.prismnet.v1.Subnets/Delete", "delete", DeleteRequest, Subnet, False, False),
        Method("Watch", "/ultracloud.prismnet.v1.Subnets/Watch", "watch", WatchRequest, SubnetEvent, False, True),
    ),
)


class SubnetsClient:
    """Calls ultracloud.prismnet.v1.Subnets."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateSubnetRequest, timeout_s: float | None = None) -> Subnet:
        """Call /ultracloud.prismnet.v1.Subnets/Create."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Subnets/Create", request, Subnet, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Subnet:
        """Call /ultracloud.prismnet.v1.Subnets/Get."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Subnets/Get", request, Subnet, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListSubnetsResponse:
        """Call /ultracloud.prismnet.v1.Subnets/List."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Subnets/List", request, ListSubnetsResponse, timeout_s)

    async def update(self, request: UpdateSubnetRequest, timeout_s: float | None = None) -> Subnet:
        """Call /ultracloud.prismnet.v1.Subnets/Update."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Subnets/Update", request, Subnet, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Subnet:
        """Call /ultracloud.prismnet.v1.Subnets/Delete."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Subnets/Delete", request, Subnet, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[SubnetEvent]:
        """Call /ultracloud.prismnet.v1.Subnets/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.prismnet.v1.Subnets/Watch", request, SubnetEvent, timeout_s)


class SubnetsServer(Protocol):
    """Serves ultracloud.prismnet.v1.Subnets."""

    def create(self, request: CreateSubnetRequest, call: Call, /) -> Subnet | Awaitable[Subnet]: ...

    def get(self, request: GetRequest, call: Call, /) -> Subnet | Awaitable[Subnet]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListSubnetsResponse | Awaitable[ListSubnetsResponse]: ...

    def update(self, request: UpdateSubnetRequest, call: Call, /) -> Subnet | Awaitable[Subnet]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Subnet | Awaitable[Subnet]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[SubnetEvent]: ...


SECURITY_GROUPS = ServiceDescriptor(
    name="ultracloud.prismnet.v1.SecurityGroups",
    file="ultracloud/prismnet/v1/prismnet.proto",
    methods=(
        Method("Create", "/ultracloud.prismnet.v1.SecurityGroups/Create", "create", CreateSecurityGroupRequest, SecurityGroup, False, False),
        Method("Get", "/ultracloud.prismnet.v1.SecurityGroups/Get", "get", GetRequest, SecurityGroup, False, False),
        Method("List", "/ultracloud.prismnet.v1.SecurityGroups/List", "list", ListRequest, ListSecurityGroupsResponse, False, False),
        Method("Update", "/ultracloud.prismnet.v1.SecurityGroups/Update", "update", UpdateSecurityGroupRequest, SecurityGroup, False, False),
        Method("Delete", "/ultracloud.prismnet.v1.SecurityGroups/Delete", "delete", DeleteRequest, SecurityGroup, False, False),
        Method("Watch", "/ultracloud.prismnet.v1.SecurityGroups/Watch", "watch", WatchRequest, SecurityGroupEvent, False, True),
    ),
)


class SecurityGroupsClient:
    """Calls ultracloud.prismnet.v1.SecurityGroups."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateSecurityGroupRequest, timeout_s: float | None = None) -> SecurityGroup:
        """Call /ultracloud.prismnet.v1.SecurityGroups/Create."""
        return await self._channel.unary("/ultracloud.prismnet.v1.SecurityGroups/Create", request, SecurityGroup, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> SecurityGroup:
        """Call /ultracloud.prismnet.v1.SecurityGroups/Get."""
        return await self._channel.unary("/ultracloud.prismnet.v1.SecurityGroups/Get", request, SecurityGroup, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListSecurityGroupsResponse:
        """Call /ultracloud.prismnet.v1.SecurityGroups/List."""
        return await self._channel.unary("/ultracloud.prismnet.v1.SecurityGroups/List", request, ListSecurityGroupsResponse, timeout_s)

    async def update(self, request: UpdateSecurityGroupRequest, timeout_s: float | None = None) -> SecurityGroup:
        """Call /ultracloud.prismnet.v1.SecurityGroups/Update."""
        return await self._channel.unary("/ultracloud.prismnet.v1.SecurityGroups/Update", request, SecurityGroup, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> SecurityGroup:
        """Call /ultracloud.prismnet.v1.SecurityGroups/Delete."""
        return await self._channel.unary("/ultracloud.prismnet.v1.SecurityGroups/Delete", request, SecurityGroup, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[SecurityGroupEvent]:
        """Call /ultracloud.prismnet.v1.SecurityGroups/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.prismnet.v1.SecurityGroups/Watch", request, SecurityGroupEvent, timeout_s)


class SecurityGroupsServer(Protocol):
    """Serves ultracloud.prismnet.v1.SecurityGroups."""

    def create(self, request: CreateSecurityGroupRequest, call: Call, /) -> SecurityGroup | Awaitable[SecurityGroup]: ...

    def get(self, request: GetRequest, call: Call, /) -> SecurityGroup | Awaitable[SecurityGroup]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListSecurityGroupsResponse | Awaitable[ListSecurityGroupsResponse]: ...

    def update(self, request: UpdateSecurityGroupRequest, call: Call, /) -> SecurityGroup | Awaitable[SecurityGroup]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> SecurityGroup | Awaitable[SecurityGroup]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[SecurityGroupEvent]: ...


PORTS = ServiceDescriptor(
    name="ultracloud.prismnet.v1.Ports",
    file="ultracloud/prismnet/v1/prismnet.proto",
    methods=(
        Method("Create", "/ultracloud.prismnet.v1.Ports/Create", "create", CreatePortRequest, Port, False, False),
        Method("Get", "/ultracloud.prismnet.v1.Ports/Get", "get", GetRequest, Port, False, False),
        Method("List", "/ultracloud.prismnet.v1.Ports/List", "list", ListRequest, ListPortsResponse, False, False),
        Method("Update", "/ultracloud.prismnet.v1.Ports/Update", "update", UpdatePortRequest, Port, False, False),
        Method("Delete", "/ultracloud.prismnet.v1.Ports/Delete", "delete", DeleteRequest, Port, False, False),
        Method("Watch", "/ultracloud.prismnet.v1.Ports/Watch", "watch", WatchRequest, PortEvent, False, True),
    ),
)


class PortsClient:
    """Calls ultracloud.prismnet.v1.Ports."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreatePortRequest, timeout_s: float | None = None) -> Port:
        """Call /ultracloud.prismnet.v1.Ports/Create."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Ports/Create", request, Port, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Port:
        """Call /ultracloud.prismnet.v1.Ports/Get."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Ports/Get", request, Port, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListPortsResponse:
        """Call /ultracloud.prismnet.v1.Ports/List."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Ports/List", request, ListPortsResponse, timeout_s)

    async def update(self, request: UpdatePortRequest, timeout_s: float | None = None) -> Port:
        """Call /ultracloud.prismnet.v1.Ports/Update."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Ports/Update", request, Port, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Port:
        """Call /ultracloud.prismnet.v1.Ports/Delete."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Ports/Delete", request, Port, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[PortEvent]:
        """Call /ultracloud.prismnet.v1.Ports/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.prismnet.v1.Ports/Watch", request, PortEvent, timeout_s)


class PortsServer(Protocol):
    """Serves ultracloud.prismnet.v1.Ports."""

    def create(self, request: CreatePortRequest, call: Call, /) -> Port | Awaitable[Port]: ...

    def get(self, request: GetRequest, call: Call, /) -> Port | Awaitable[Port]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListPortsResponse | Awaitable[ListPortsResponse]: ...

    def update(self, request: UpdatePortRequest, call: Call, /) -> Port | Awaitable[Port]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Port | Awaitable[Port]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[PortEvent]: ...


HOSTS = ServiceDescriptor(
    name="ultracloud.prismnet.v1.Hosts",
    file="ultracloud/prismnet/v1/prismnet.proto",
    methods=(
        Method("WatchHost", "/ultracloud.prismnet.v1.Hosts/WatchHost", "watch_host", WatchHostRequest, HostIntent, False, True),
        Method("ReportHost", "/ultracloud.prismnet.v1.Hosts/ReportHost", "report_host", ReportHostRequest, ReportHostResponse, False, False),
    ),
)


class HostsClient:
    """Calls ultracloud.prismnet.v1.Hosts."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def watch_host(self, request: WatchHostRequest, timeout_s: float | None = None) -> AsyncIterator[HostIntent]:
        """Call /ultracloud.prismnet.v1.Hosts/WatchHost; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.prismnet.v1.Hosts/WatchHost", request, HostIntent, timeout_s)

    async def report_host(self, request: ReportHostRequest, timeout_s: float | None = None) -> ReportHostResponse:
        """Call /ultracloud.prismnet.v1.Hosts/ReportHost."""
        return await self._channel.unary("/ultracloud.prismnet.v1.Hosts/ReportHost", request, ReportHostResponse, timeout_s)


class HostsServer(Protocol):
    """Serves ultracloud.prismnet.v1.Hosts."""

    def watch_host(self, request: WatchHostRequest, call: Call, /) -> AsyncIterator[HostIntent]: ...

    def report_host(self, request: ReportHostRequest, call: Call, /) -> ReportHostResponse | Awaitable[ReportHostResponse]: ...

