"""From changes of records to intents of hosts and figures of subnets: the reconciler's planner.

Keys are not resources but what follows from them: a host's intent, a subnet's count of addresses, the hosts that a VPC
or a project is on. Many changes that concern one host while it is being planned are one plan: the reconciler keeps a
key once, however often it is touched; so a thousand ports of a VPC are one look at which hosts it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from prismnet.core.hosts import Records, plan_host
from prismnet.core.ids import GroupId
from prismnet.shell.intents import render_intent
from prismnet.shell.kinds import PORT, SECURITY_GROUP, SUBNET, VPC
from prismnet.shell.records import group_rules, port_record, subnet_record, vpc_record
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.servicekit.resources import HostFeed, Key, Resources, World

HOST, HOSTS_OF_VPC, HOSTS_OF_PROJECT = "host", "hosts-of-vpc", "hosts-of-project"
EVERYWHERE = frozenset({HOST, HOSTS_OF_VPC, HOSTS_OF_PROJECT})
"""Keys that every replica works on for the agents that are connected to it."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Give a host its intent."""

    intent: pb.HostIntent


@dataclass(frozen=True, slots=True)
class CountAddresses:
    """Write how many addresses of a subnet are in use."""

    subnet: str
    used: int


@dataclass(frozen=True, slots=True)
class LookAt:
    """Plan hosts anew."""

    hosts: tuple[str, ...]


Action = Publish | CountAddresses | LookAt


def host_key(host: str) -> Key:
    """The key of a host's intent."""
    return Key(HOST, host)


def affected(world: World, key: Key) -> Iterable[Key]:
    """Whom a changed record concerns."""
    match key.kind:
        case PORT.key:
            port = world.get(PORT, key.id)
            if port is None:
                return []
            # Its own host by name: when it was the last port there, the VPC is not on that host any more.
            own = [host_key(port.spec.host)] if port.spec.host else []
            return [Key(SUBNET.key, port.spec.subnet), Key(HOSTS_OF_VPC, port.status.vpc), *own]
        case SUBNET.key:
            subnet = world.get(SUBNET, key.id)
            return [key, Key(HOSTS_OF_VPC, subnet.spec.vpc)] if subnet else []
        case VPC.key:
            return [Key(HOSTS_OF_VPC, key.id)]
        case _:
            group = world.get(SECURITY_GROUP, key.id)
            return [Key(HOSTS_OF_PROJECT, group.metadata.project)] if group else []


@dataclass(frozen=True, slots=True)
class HostPlanner:
    """Decides and publishes."""

    resources: Resources
    feed: HostFeed[pb.HostIntent]
    touch: Callable[[Key], None]

    def plan(self, world: World, key: Key) -> Sequence[Action]:
        """What follows from the world for one key."""
        if key.kind == HOST:
            return [Publish(render_intent(plan_host(key.id, world.version, records_for(world, key.id))))]
        if key.kind == HOSTS_OF_VPC:
            return [_look_at(world.having(PORT, "status.vpc", key.id))]
        if key.kind == HOSTS_OF_PROJECT:
            return [_look_at(port for port in world.all(PORT) if port.metadata.project == key.id)]
        subnet = world.get(SUBNET, key.id) if key.kind == SUBNET.key else None
        if subnet is None:
            return []
        used = len(world.having(PORT, "spec.subnet", key.id))
        return [CountAddresses(key.id, used)] if used != subnet.status.addresses_used else []

    async def act(self, action: Action) -> None:
        """Do it; twice is harmless."""
        match action:
            case Publish(intent):
                self.feed.offer(intent)
            case CountAddresses(subnet, used):

                def count(message: pb.Subnet) -> None:
                    message.status.addresses_used = used

                await self.resources.change_status(SUBNET, subnet, count)
            case LookAt(hosts):
                for host in hosts:
                    self.touch(host_key(host))
            case _:
                assert_never(action)


def _look_at(ports: Iterable[pb.Port]) -> LookAt:
    """Plan the hosts of some ports."""
    return LookAt(tuple(sorted({port.spec.host for port in ports if port.spec.host})))


def records_for(world: World, host: str) -> Records:
    """What one host's intent is made of: VPCs with ports there, with all that these rest on."""
    vpcs = sorted({port.status.vpc for port in world.having(PORT, "spec.host", host)})
    ports = tuple(port_record(port) for vpc in vpcs for port in world.having(PORT, "status.vpc", vpc))
    wanted = {group for one in ports if one.host == host for group in one.groups}
    found = {identifier: world.get(SECURITY_GROUP, identifier) for identifier in wanted}
    return Records(
        vpcs=tuple(vpc_record(vpc) for vpc in (world.get(VPC, one) for one in vpcs) if vpc is not None),
        subnets=tuple(subnet_record(subnet) for vpc in vpcs for subnet in world.having(SUBNET, "spec.vpc", vpc)),
        groups={GroupId(identifier): group_rules(group) for identifier, group in found.items() if group},
        ports=ports,
    )
