"""Typed clients and servers of ultracloud/plasmavmc/v1/plasmavmc.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleInput
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleOutput
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import CreateFlavourRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import CreateHostRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import CreateImageRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import CreateVmRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import Flavour
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import FlavourEvent
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import Host
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import HostEvent
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import HostIntent
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import Image
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ImageEvent
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import IssueWorkloadTokenRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import IssueWorkloadTokenResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ListFlavoursResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ListHostsResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ListImagesResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ListVmsResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import PowerRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ReportHostRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ReportHostResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ResolveVmSecretsRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ResolveVmSecretsResponse
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import UpdateFlavourRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import UpdateHostRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import UpdateImageRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import UpdateVmRequest
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import Vm
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import VmEvent
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import WatchHostRequest
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

IMAGES = ServiceDescriptor(
    name="ultracloud.plasmavmc.v1.Images",
    file="ultracloud/plasmavmc/v1/plasmavmc.proto",
    methods=(
        Method("Create", "/ultracloud.plasmavmc.v1.Images/Create", "create", CreateImageRequest, Image, False, False),
        Method("Get", "/ultracloud.plasmavmc.v1.Images/Get", "get", GetRequest, Image, False, False),
        Method("List", "/ultracloud.plasmavmc.v1.Images/List", "list", ListRequest, ListImagesResponse, False, False),
        Method("Update", "/ultracloud.plasmavmc.v1.Images/Update", "update", UpdateImageRequest, Image, False, False),
        Method("Delete", "/ultracloud.plasmavmc.v1.Images/Delete", "delete", DeleteRequest, Image, False, False),
        Method("Watch", "/ultracloud.plasmavmc.v1.Images/Watch", "watch", WatchRequest, ImageEvent, False, True),
    ),
)


class ImagesClient:
    """Calls ultracloud.plasmavmc.v1.Images."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateImageRequest, timeout_s: float | None = None) -> Image:
        """Call /ultracloud.plasmavmc.v1.Images/Create."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Images/Create", request, Image, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Image:
        """Call /ultracloud.plasmavmc.v1.Images/Get."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Images/Get", request, Image, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListImagesResponse:
        """Call /ultracloud.plasmavmc.v1.Images/List."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Images/List", request, ListImagesResponse, timeout_s)

    async def update(self, request: UpdateImageRequest, timeout_s: float | None = None) -> Image:
        """Call /ultracloud.plasmavmc.v1.Images/Update."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Images/Update", request, Image, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Image:
        """Call /ultracloud.plasmavmc.v1.Images/Delete."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Images/Delete", request, Image, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[ImageEvent]:
        """Call /ultracloud.plasmavmc.v1.Images/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Images/Watch", request, ImageEvent, timeout_s)


class ImagesServer(Protocol):
    """Serves ultracloud.plasmavmc.v1.Images."""

    def create(self, request: CreateImageRequest, call: Call, /) -> Image | Awaitable[Image]: ...

    def get(self, request: GetRequest, call: Call, /) -> Image | Awaitable[Image]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListImagesResponse | Awaitable[ListImagesResponse]: ...

    def update(self, request: UpdateImageRequest, call: Call, /) -> Image | Awaitable[Image]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Image | Awaitable[Image]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[ImageEvent]: ...


FLAVOURS = ServiceDescriptor(
    name="ultracloud.plasmavmc.v1.Flavours",
    file="ultracloud/plasmavmc/v1/plasmavmc.proto",
    methods=(
        Method("Create", "/ultracloud.plasmavmc.v1.Flavours/Create", "create", CreateFlavourRequest, Flavour, False, False),
        Method("Get", "/ultracloud.plasmavmc.v1.Flavours/Get", "get", GetRequest, Flavour, False, False),
        Method("List", "/ultracloud.plasmavmc.v1.Flavours/List", "list", ListRequest, ListFlavoursResponse, False, False),
        Method("Update", "/ultracloud.plasmavmc.v1.Flavours/Update", "update", UpdateFlavourRequest, Flavour, False, False),
        Method("Delete", "/ultracloud.plasmavmc.v1.Flavours/Delete", "delete", DeleteRequest, Flavour, False, False),
        Method("Watch", "/ultracloud.plasmavmc.v1.Flavours/Watch", "watch", WatchRequest, FlavourEvent, False, True),
    ),
)


class FlavoursClient:
    """Calls ultracloud.plasmavmc.v1.Flavours."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateFlavourRequest, timeout_s: float | None = None) -> Flavour:
        """Call /ultracloud.plasmavmc.v1.Flavours/Create."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Flavours/Create", request, Flavour, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Flavour:
        """Call /ultracloud.plasmavmc.v1.Flavours/Get."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Flavours/Get", request, Flavour, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListFlavoursResponse:
        """Call /ultracloud.plasmavmc.v1.Flavours/List."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Flavours/List", request, ListFlavoursResponse, timeout_s)

    async def update(self, request: UpdateFlavourRequest, timeout_s: float | None = None) -> Flavour:
        """Call /ultracloud.plasmavmc.v1.Flavours/Update."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Flavours/Update", request, Flavour, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Flavour:
        """Call /ultracloud.plasmavmc.v1.Flavours/Delete."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Flavours/Delete", request, Flavour, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[FlavourEvent]:
        """Call /ultracloud.plasmavmc.v1.Flavours/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Flavours/Watch", request, FlavourEvent, timeout_s)


class FlavoursServer(Protocol):
    """Serves ultracloud.plasmavmc.v1.Flavours."""

    def create(self, request: CreateFlavourRequest, call: Call, /) -> Flavour | Awaitable[Flavour]: ...

    def get(self, request: GetRequest, call: Call, /) -> Flavour | Awaitable[Flavour]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListFlavoursResponse | Awaitable[ListFlavoursResponse]: ...

    def update(self, request: UpdateFlavourRequest, call: Call, /) -> Flavour | Awaitable[Flavour]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Flavour | Awaitable[Flavour]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[FlavourEvent]: ...


VMS = ServiceDescriptor(
    name="ultracloud.plasmavmc.v1.Vms",
    file="ultracloud/plasmavmc/v1/plasmavmc.proto",
    methods=(
        Method("Create", "/ultracloud.plasmavmc.v1.Vms/Create", "create", CreateVmRequest, Vm, False, False),
        Method("Get", "/ultracloud.plasmavmc.v1.Vms/Get", "get", GetRequest, Vm, False, False),
        Method("List", "/ultracloud.plasmavmc.v1.Vms/List", "list", ListRequest, ListVmsResponse, False, False),
        Method("Update", "/ultracloud.plasmavmc.v1.Vms/Update", "update", UpdateVmRequest, Vm, False, False),
        Method("Delete", "/ultracloud.plasmavmc.v1.Vms/Delete", "delete", DeleteRequest, Vm, False, False),
        Method("Watch", "/ultracloud.plasmavmc.v1.Vms/Watch", "watch", WatchRequest, VmEvent, False, True),
        Method("Start", "/ultracloud.plasmavmc.v1.Vms/Start", "start", PowerRequest, Vm, False, False),
        Method("Stop", "/ultracloud.plasmavmc.v1.Vms/Stop", "stop", PowerRequest, Vm, False, False),
        Method("Reboot", "/ultracloud.plasmavmc.v1.Vms/Reboot", "reboot", PowerRequest, Vm, False, False),
        Method("Console", "/ultracloud.plasmavmc.v1.Vms/Console", "console", ConsoleInput, ConsoleOutput, True, True),
    ),
)


class VmsClient:
    """Calls ultracloud.plasmavmc.v1.Vms."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateVmRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Create."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Create", request, Vm, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Get."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Get", request, Vm, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListVmsResponse:
        """Call /ultracloud.plasmavmc.v1.Vms/List."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/List", request, ListVmsResponse, timeout_s)

    async def update(self, request: UpdateVmRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Update."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Update", request, Vm, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Delete."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Delete", request, Vm, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[VmEvent]:
        """Call /ultracloud.plasmavmc.v1.Vms/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Vms/Watch", request, VmEvent, timeout_s)

    async def start(self, request: PowerRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Start."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Start", request, Vm, timeout_s)

    async def stop(self, request: PowerRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Stop."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Stop", request, Vm, timeout_s)

    async def reboot(self, request: PowerRequest, timeout_s: float | None = None) -> Vm:
        """Call /ultracloud.plasmavmc.v1.Vms/Reboot."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Vms/Reboot", request, Vm, timeout_s)

    def console(self, request: AsyncIterable[ConsoleInput], timeout_s: float | None = None) -> AsyncIterator[ConsoleOutput]:
        """Call /ultracloud.plasmavmc.v1.Vms/Console; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Vms/Console", request, ConsoleOutput, timeout_s)


class VmsServer(Protocol):
    """Serves ultracloud.plasmavmc.v1.Vms."""

    def create(self, request: CreateVmRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def get(self, request: GetRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListVmsResponse | Awaitable[ListVmsResponse]: ...

    def update(self, request: UpdateVmRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[VmEvent]: ...

    def start(self, request: PowerRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def stop(self, request: PowerRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def reboot(self, request: PowerRequest, call: Call, /) -> Vm | Awaitable[Vm]: ...

    def console(self, requests: AsyncIterator[ConsoleInput], call: Call, /) -> AsyncIterator[ConsoleOutput]: ...


HOSTS = ServiceDescriptor(
    name="ultracloud.plasmavmc.v1.Hosts",
    file="ultracloud/plasmavmc/v1/plasmavmc.proto",
    methods=(
        Method("Create", "/ultracloud.plasmavmc.v1.Hosts/Create", "create", CreateHostRequest, Host, False, False),
        Method("Get", "/ultracloud.plasmavmc.v1.Hosts/Get", "get", GetRequest, Host, False, False),
        Method("List", "/ultracloud.plasmavmc.v1.Hosts/List", "list", ListRequest, ListHostsResponse, False, False),
        Method("Update", "/ultracloud.plasmavmc.v1.Hosts/Update", "update", UpdateHostRequest, Host, False, False),
        Method("Delete", "/ultracloud.plasmavmc.v1.Hosts/Delete", "delete", DeleteRequest, Host, False, False),
        Method("Watch", "/ultracloud.plasmavmc.v1.Hosts/Watch", "watch", WatchRequest, HostEvent, False, True),
        Method("WatchHost", "/ultracloud.plasmavmc.v1.Hosts/WatchHost", "watch_host", WatchHostRequest, HostIntent, False, True),
        Method("ReportHost", "/ultracloud.plasmavmc.v1.Hosts/ReportHost", "report_host", ReportHostRequest, ReportHostResponse, False, False),
        Method("ResolveSecrets", "/ultracloud.plasmavmc.v1.Hosts/ResolveSecrets", "resolve_secrets", ResolveVmSecretsRequest, ResolveVmSecretsResponse, False, False),
        Method("IssueWorkload", "/ultracloud.plasmavmc.v1.Hosts/IssueWorkload", "issue_workload", IssueWorkloadTokenRequest, IssueWorkloadTokenResponse, False, False),
    ),
)


class HostsClient:
    """Calls ultracloud.plasmavmc.v1.Hosts."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(self, request: CreateHostRequest, timeout_s: float | None = None) -> Host:
        """Call /ultracloud.plasmavmc.v1.Hosts/Create."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/Create", request, Host, timeout_s)

    async def get(self, request: GetRequest, timeout_s: float | None = None) -> Host:
        """Call /ultracloud.plasmavmc.v1.Hosts/Get."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/Get", request, Host, timeout_s)

    async def list(self, request: ListRequest, timeout_s: float | None = None) -> ListHostsResponse:
        """Call /ultracloud.plasmavmc.v1.Hosts/List."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/List", request, ListHostsResponse, timeout_s)

    async def update(self, request: UpdateHostRequest, timeout_s: float | None = None) -> Host:
        """Call /ultracloud.plasmavmc.v1.Hosts/Update."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/Update", request, Host, timeout_s)

    async def delete(self, request: DeleteRequest, timeout_s: float | None = None) -> Host:
        """Call /ultracloud.plasmavmc.v1.Hosts/Delete."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/Delete", request, Host, timeout_s)

    def watch(self, request: WatchRequest, timeout_s: float | None = None) -> AsyncIterator[HostEvent]:
        """Call /ultracloud.plasmavmc.v1.Hosts/Watch; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Hosts/Watch", request, HostEvent, timeout_s)

    def watch_host(self, request: WatchHostRequest, timeout_s: float | None = None) -> AsyncIterator[HostIntent]:
        """Call /ultracloud.plasmavmc.v1.Hosts/WatchHost; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.Hosts/WatchHost", request, HostIntent, timeout_s)

    async def report_host(self, request: ReportHostRequest, timeout_s: float | None = None) -> ReportHostResponse:
        """Call /ultracloud.plasmavmc.v1.Hosts/ReportHost."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/ReportHost", request, ReportHostResponse, timeout_s)

    async def resolve_secrets(self, request: ResolveVmSecretsRequest, timeout_s: float | None = None) -> ResolveVmSecretsResponse:
        """Call /ultracloud.plasmavmc.v1.Hosts/ResolveSecrets."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/ResolveSecrets", request, ResolveVmSecretsResponse, timeout_s)

    async def issue_workload(self, request: IssueWorkloadTokenRequest, timeout_s: float | None = None) -> IssueWorkloadTokenResponse:
        """Call /ultracloud.plasmavmc.v1.Hosts/IssueWorkload."""
        return await self._channel.unary("/ultracloud.plasmavmc.v1.Hosts/IssueWorkload", request, IssueWorkloadTokenResponse, timeout_s)


class HostsServer(Protocol):
    """Serves ultracloud.plasmavmc.v1.Hosts."""

    def create(self, request: CreateHostRequest, call: Call, /) -> Host | Awaitable[Host]: ...

    def get(self, request: GetRequest, call: Call, /) -> Host | Awaitable[Host]: ...

    def list(self, request: ListRequest, call: Call, /) -> ListHostsResponse | Awaitable[ListHostsResponse]: ...

    def update(self, request: UpdateHostRequest, call: Call, /) -> Host | Awaitable[Host]: ...

    def delete(self, request: DeleteRequest, call: Call, /) -> Host | Awaitable[Host]: ...

    def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[HostEvent]: ...

    def watch_host(self, request: WatchHostRequest, call: Call, /) -> AsyncIterator[HostIntent]: ...

    def report_host(self, request: ReportHostRequest, call: Call, /) -> ReportHostResponse | Awaitable[ReportHostResponse]: ...

    def resolve_secrets(self, request: ResolveVmSecretsRequest, call: Call, /) -> ResolveVmSecretsResponse | Awaitable[ResolveVmSecretsResponse]: ...

    def issue_workload(self, request: IssueWorkloadTokenRequest, call: Call, /) -> IssueWorkloadTokenResponse | Awaitable[IssueWorkloadTokenResponse]: ...


HOST_CONSOLE = ServiceDescriptor(
    name="ultracloud.plasmavmc.v1.HostConsole",
    file="ultracloud/plasmavmc/v1/plasmavmc.proto",
    methods=(
        Method("Attach", "/ultracloud.plasmavmc.v1.HostConsole/Attach", "attach", ConsoleInput, ConsoleOutput, True, True),
    ),
)


class HostConsoleClient:
    """Calls ultracloud.plasmavmc.v1.HostConsole."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def attach(self, request: AsyncIterable[ConsoleInput], timeout_s: float | None = None) -> AsyncIterator[ConsoleOutput]:
        """Call /ultracloud.plasmavmc.v1.HostConsole/Attach; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.plasmavmc.v1.HostConsole/Attach", request, ConsoleOutput, timeout_s)


class HostConsoleServer(Protocol):
    """Serves ultracloud.plasmavmc.v1.HostConsole."""

    def attach(self, requests: AsyncIterator[ConsoleInput], call: Call, /) -> AsyncIterator[ConsoleOutput]: ...

