"""prismnet, as far as VMs need it: what an interface's subnet and groups are, and its port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PortsClient, SecurityGroupsClient, SubnetsClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import AlreadyExistsError, NotFoundError


@dataclass(frozen=True, slots=True)
class NicWish:
    """An interface as it shall be: subnet and groups by name or id, an address or none."""

    subnet: str
    groups: tuple[str, ...]
    address: str


@dataclass(frozen=True, slots=True)
class PortMade:
    """A port that exists: what the guest and the hypervisor need of it."""

    id: str
    address: str
    mac: str
    device_name: str


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port to make; the same wish twice is one port."""

    project: str
    name: str
    nic: NicWish
    host: str
    vm: str
    hostname: str


class Network(Protocol):
    """What plasmavmc asks of a network."""

    async def resolve(self, project: str, nic: NicWish) -> NicWish:
        """`nic` with ids instead of names.

        Raises:
            NotFoundError: No such subnet or group in the project.
        """
        ...

    async def make_port(self, wish: PortWish) -> PortMade:
        """Make a port, or find the one that was made for the same wish.

        Raises:
            Fault: The network refuses, or is away.
        """
        ...

    async def remove_port(self, project: str, ref: str) -> None:
        """Remove a port by id or name; one that is gone is as wanted."""
        ...


class Prismnet:
    """The real one."""

    def __init__(self, channel: Channel) -> None:
        self._ports = PortsClient(channel)
        self._subnets = SubnetsClient(channel)
        self._groups = SecurityGroupsClient(channel)

    async def resolve(self, project: str, nic: NicWish) -> NicWish:
        """See `Network`."""
        subnet = await self._subnets.get(GetRequest(project=project, ref=nic.subnet))
        groups = [await self._groups.get(GetRequest(project=project, ref=group)) for group in nic.groups]
        return NicWish(subnet.metadata.id, tuple(group.metadata.id for group in groups), nic.address)

    async def make_port(self, wish: PortWish) -> PortMade:
        """See `Network`."""
        spec = net.PortSpec(
            subnet=wish.nic.subnet,
            security_groups=wish.nic.groups,
            address=wish.nic.address,
            host=wish.host,
            attachment=net.PortSpec.TAP,
            device=wish.vm,
            hostname=wish.hostname,
        )
        # The name is key enough: it is the same at every attempt, and unlike an idempotency key it can be used again.
        request = net.CreatePortRequest(project=wish.project, name=wish.name, spec=spec)
        try:
            port = await self._ports.create(request)
        except AlreadyExistsError:
            # Made before, when the answer was lost; or it is the address that is taken: then there is none to get.
            try:
                port = await self._ports.get(GetRequest(project=wish.project, ref=wish.name))
            except NotFoundError:
                port = await self._ports.create(request)
        status = port.status
        return PortMade(port.metadata.id, status.address, status.mac, status.device_name)

    async def remove_port(self, project: str, ref: str) -> None:
        """See `Network`."""
        # An id says by itself where it is, also when its project is gone from iam.
        try:
            await self._ports.delete(DeleteRequest(project="" if ref.startswith("port-") else project, ref=ref))
        except NotFoundError:
            return
