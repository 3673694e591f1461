"""The cloud as its users see it: typed clients of every service, for the operator and for the holder of a token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

from quickstart.core.cluster import Cluster
from quickstart.shell.netns import Namespace
from quickstart.shell.session import operator_identity
from quickstart.shell.stack.client import StackClient
from ultracloud.api.iam.v1 import iam_rpc, identity_rpc
from ultracloud.api.plasmavmc.v1 import plasmavmc_rpc
from ultracloud.api.prismnet.v1 import prismnet_rpc
from ultracloud.api.resource.v1.resource_pb2 import Condition, Metadata
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.channels import PeerChannel

IDEMPOTENT = ("Create", "Delete")
"""Creates carry an idempotency key, and a delete that comes twice finds nothing: both may be sent again."""
RETRY_S = 0.05
READY = "Ready"


class Status(Protocol):
    """What every status has."""

    @property
    def conditions(self) -> Iterable[Condition]:
        """Conditions, one a type."""
        ...


class Resource(Protocol):
    """What every resource has."""

    @property
    def metadata(self) -> Metadata:
        """Name, id, versions."""
        ...

    @property
    def status(self) -> Status:
        """What is so."""
        ...


ResourceT = TypeVar("ResourceT", bound=Resource)
ResourceT_co = TypeVar("ResourceT_co", bound=Resource, covariant=True)


class Event(Protocol[ResourceT_co]):
    """What every watch sends."""

    @property
    def object(self) -> ResourceT_co:
        """The resource as it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Iam:
    """iam's services over one channel."""

    organisations: iam_rpc.OrganisationsClient
    projects: iam_rpc.ProjectsClient
    service_accounts: iam_rpc.ServiceAccountsClient
    users: iam_rpc.UsersClient
    credentials: identity_rpc.CredentialsClient
    bindings: iam_rpc.BindingsClient
    tokens: iam_rpc.TokensClient


@dataclass(frozen=True, slots=True)
class Tenant:
    """Everything the holder of a token calls."""

    iam: Iam
    vpcs: prismnet_rpc.VpcsClient
    subnets: prismnet_rpc.SubnetsClient
    groups: prismnet_rpc.SecurityGroupsClient
    ports: prismnet_rpc.PortsClient
    images: plasmavmc_rpc.ImagesClient
    flavours: plasmavmc_rpc.FlavoursClient
    vms: plasmavmc_rpc.VmsClient


class Cloud:
    """One running cloud.

    Attributes:
        cluster: Its configuration.
        stack: Its supervisor.
    """

    def __init__(self, cluster: Cluster, stack: StackClient) -> None:
        self.cluster = cluster
        self.stack = stack
        self._channels: dict[str, PeerChannel] = {}

    def operator(self) -> Iam:
        """iam, called with the operator's certificate."""
        return _iam(self.channel("iam"))

    def tenant(self, token: str) -> Tenant:
        """Every service, called with a token."""
        networks = self.channel("prismnet").with_token(token)
        machines = self.channel("plasmavmc").with_token(token)
        return Tenant(
            iam=_iam(self.channel("iam").with_token(token)),
            vpcs=prismnet_rpc.VpcsClient(networks),
            subnets=prismnet_rpc.SubnetsClient(networks),
            groups=prismnet_rpc.SecurityGroupsClient(networks),
            ports=prismnet_rpc.PortsClient(networks),
            images=plasmavmc_rpc.ImagesClient(machines),
            flavours=plasmavmc_rpc.FlavoursClient(machines),
            vms=plasmavmc_rpc.VmsClient(machines),
        )

    def channel(self, service: str) -> PeerChannel:
        """The way to a service, with the operator's certificate."""
        if service not in self._channels:
            self._channels[service] = channels.connect(
                self.cluster.endpoint(service),
                operator_identity(self.cluster),
                pki.service_identity(service),
                idempotent=IDEMPOTENT,
            )
        return self._channels[service]

    def namespace(self, path: str) -> Namespace:
        """A network namespace of the stack, by its path or its name there: seen through the supervisor's own root."""
        inside = path if path.startswith("/") else f"/run/netns/{path}"
        return Namespace(Path(f"/proc/{self.stack.pid()}/root{inside}"))

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


async def wait_for(
    watch: Callable[[], AsyncIterator[Event[ResourceT]]],
    ref: str,
    is_met: Callable[[ResourceT], bool],
    timeout_s: float,
) -> ResourceT:
    """Follow a watch until the resource with id or name `ref` is as wanted.

    Args:
        watch: Begins the watch; called again when the server restarts.
        ref: Id or name.
        is_met: Whether the resource is as wanted.
        timeout_s: Patience.

    Raises:
        TimeoutError: It is not within `timeout_s`; the sentence says what its conditions say.
        Fault: The watch was refused.
    """
    last: ResourceT | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                events = cast("AsyncGenerator[Event[ResourceT], None]", watch())
                with contextlib.suppress(UnavailableError):
                    async with contextlib.aclosing(events):
                        async for event in events:
                            if ref not in (event.object.metadata.id, event.object.metadata.name):
                                continue
                            last = event.object
                            if is_met(last):
                                return last
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        raise TimeoutError(f"{ref} is not ready after {timeout_s:g} s: {_explained(last)}") from None


def is_ready(resource: Resource) -> bool:
    """Whether its condition Ready is true for the spec it has now."""
    return any(
        condition.type == READY
        and condition.status == Condition.TRUE
        and condition.observed_generation >= resource.metadata.generation
        for condition in resource.status.conditions
    )


def _explained(resource: Resource | None) -> str:
    """What its conditions say."""
    if resource is None:
        return "it has not been seen"
    said = [
        f"{condition.type} is {Condition.Status.Name(condition.status)}: {condition.reason} {condition.message}".strip()
        for condition in resource.status.conditions
    ]
    return "; ".join(said) or "it has no conditions yet"


def _iam(channel: PeerChannel) -> Iam:
    return Iam(
        organisations=iam_rpc.OrganisationsClient(channel),
        projects=iam_rpc.ProjectsClient(channel),
        service_accounts=iam_rpc.ServiceAccountsClient(channel),
        users=iam_rpc.UsersClient(channel),
        credentials=identity_rpc.CredentialsClient(channel),
        bindings=iam_rpc.BindingsClient(channel),
        tokens=iam_rpc.TokensClient(channel),
    )
