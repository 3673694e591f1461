"""The four kinds of prismnet, as the resource kit wants them.

Claims are both locks and indexes: ``subnet/<subnet>/address/<address>`` keeps an address to one port, and a scan of
its prefix tells which are taken and by whom. Guards serialise what must not happen at once: two subnets that overlap, a
port in a subnet that is being deleted.

| claim | held by |
|---|---|
| ``vni/<number>`` | the VPC |
| ``vpc/<vpc>/subnet/<range>`` | a subnet |
| ``vpc/<vpc>/mac/<mac>`` | a port |
| ``subnet/<subnet>/address/<address>`` | a port |
| ``sg/<group>/port/<port>`` | a port in the group |
| ``sg/<group>/group/<other>`` | another group whose rules name it |
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from prismnet.core.addressing import (
    addresses_total,
    check_address,
    check_dns_servers,
    check_subnet_range,
    check_vpc_range,
    choose_address,
    choose_vni,
    gateway_of,
)
from prismnet.core.groups import GROUPS_PER_PORT_MAX, check_description, check_rules
from prismnet.core.ids import (
    GROUP_PREFIX,
    PORT_PREFIX,
    SUBNET_PREFIX,
    VPC_PREFIX,
    PortId,
    mac_of,
    namespace_path,
    tap_name,
)
from prismnet.core.ports import check_device_owner, check_placement
from prismnet.shell.records import ATTACHMENTS, group_rules
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS, SECURITY_GROUPS, SUBNETS, VPCS
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.policy import PrincipalKind
from ultracloud.servicekit.resources import Condition, Context, Kind, Truth
from ultracloud.servicekit.resources.conditions import put

ALLOCATED = "Allocated"
PORT_REASONS = frozenset({"Unplaced", "Pending", "Built", "BuildFailed", "Leased"})
VPC_REASONS = frozenset({ALLOCATED, "Reachable", "NoEgress"})


# ---- VPCs ----------------------------------------------------------------------------------------------------------


async def _admit_vpc(context: Context, new: pb.Vpc, old: pb.Vpc | None) -> pb.Vpc:
    if old is not None:
        new.status.CopyFrom(old.status)
        return new
    check_vpc_range(new.spec.cidr)
    taken = [int(claim.rpartition("/")[2]) for claim in await context.claimed("vni/")]
    new.status.vni = choose_vni(taken)
    put(new, context.clock.now_ms(), [Condition("Ready", Truth.TRUE, ALLOCATED, observed_generation=1)])
    return new


async def _vpc_deletable(context: Context, record: pb.Vpc) -> None:
    holders = await context.claimed(f"vpc/{record.metadata.id}/subnet/")
    await context.refuse_if_used(f"VPC '{record.metadata.name}'", SUBNET, holders.values())


VPC = Kind(
    name="Vpc",
    prefix=VPC_PREFIX,
    service=VPCS,
    message=pb.Vpc,
    admit=_admit_vpc,
    deletable=_vpc_deletable,
    claims=lambda vpc: (f"vni/{vpc.status.vni}",),
    costs=lambda _vpc: {"vpcs": 1},
    guards=lambda vpc: (f"vpc/{vpc.metadata.id}",),
    immutable=frozenset({"cidr"}),
    reasons=VPC_REASONS,
)


# ---- subnets -------------------------------------------------------------------------------------------------------


async def _admit_subnet(context: Context, new: pb.Subnet, old: pb.Subnet | None) -> pb.Subnet:
    vpc = await context.resolve(VPC, _required(new.spec.vpc, "vpc", "subnet"))
    _keep(new.spec.vpc, vpc.metadata.id, old.spec.vpc if old else "", "vpc of a subnet")
    new.spec.vpc = vpc.metadata.id
    check_dns_servers(new.spec.dns_servers)
    if old is not None:
        new.status.CopyFrom(old.status)
        return new
    holders = await context.claimed(f"vpc/{vpc.metadata.id}/subnet/")
    ranges = {identifier: IPv4Network(claim.split("/subnet/")[1]) for claim, identifier in holders.items()}
    siblings = {name: ranges[identifier] for identifier, name in (await context.names(SUBNET, ranges)).items()}
    cidr = check_subnet_range(new.spec.cidr, IPv4Network(vpc.spec.cidr), siblings)
    new.status.gateway = str(gateway_of(cidr))
    new.status.addresses_total = addresses_total(cidr)
    put(new, context.clock.now_ms(), [Condition("Ready", Truth.TRUE, ALLOCATED, observed_generation=1)])
    return new


async def _subnet_deletable(context: Context, record: pb.Subnet) -> None:
    holders = await context.claimed(f"subnet/{record.metadata.id}/address/")
    await context.refuse_if_used(f"subnet '{record.metadata.name}'", PORT, holders.values())


SUBNET = Kind(
    name="Subnet",
    prefix=SUBNET_PREFIX,
    service=SUBNETS,
    message=pb.Subnet,
    admit=_admit_subnet,
    deletable=_subnet_deletable,
    costs=lambda _subnet: {"subnets": 1},
    claims=lambda subnet: (f"vpc/{subnet.spec.vpc}/subnet/{subnet.spec.cidr}",),
    guards=lambda subnet: (f"vpc/{subnet.spec.vpc}", f"subnet/{subnet.metadata.id}"),
    immutable=frozenset({"cidr"}),
    reasons=frozenset({ALLOCATED}),
    indexed=("spec.vpc",),
)


# ---- security groups -----------------------------------------------------------------------------------------------


async def _admit_group(context: Context, new: pb.SecurityGroup, old: pb.SecurityGroup | None) -> pb.SecurityGroup:
    check_description(new.spec.description)
    check_rules(group_rules(new))
    for rule in new.spec.rules:
        if rule.remote_group in (new.metadata.name, new.metadata.id):
            rule.remote_group = new.metadata.id
        elif rule.remote_group:
            rule.remote_group = (await context.resolve(SECURITY_GROUP, rule.remote_group)).metadata.id
    if old is not None:
        new.status.CopyFrom(old.status)
    ready = Condition("Ready", Truth.TRUE, ALLOCATED, observed_generation=new.metadata.generation)
    put(new, context.clock.now_ms(), [ready])
    return new


def _named_groups(group: pb.SecurityGroup) -> set[str]:
    """Other groups that its rules name."""
    return {rule.remote_group for rule in group.spec.rules if rule.remote_group} - {group.metadata.id}


async def _group_deletable(context: Context, record: pb.SecurityGroup) -> None:
    shown = f"security group '{record.metadata.name}'"
    holders = await context.claimed(f"sg/{record.metadata.id}/")
    groups = [holder for claim, holder in holders.items() if "/group/" in claim]
    ports = [holder for claim, holder in holders.items() if "/port/" in claim]
    await context.refuse_if_used(shown, PORT, ports)
    await context.refuse_if_used(shown, SECURITY_GROUP, groups)


SECURITY_GROUP = Kind(
    name="SecurityGroup",
    prefix=GROUP_PREFIX,
    service=SECURITY_GROUPS,
    message=pb.SecurityGroup,
    admit=_admit_group,
    deletable=_group_deletable,
    costs=lambda _group: {"security-groups": 1},
    claims=lambda group: [f"sg/{other}/group/{group.metadata.id}" for other in _named_groups(group)],
    guards=lambda group: [f"sg/{one}" for one in (group.metadata.id, *_named_groups(group))],
    reasons=frozenset({ALLOCATED}),
)


# ---- ports ---------------------------------------------------------------------------------------------------------


async def _admit_port(context: Context, new: pb.Port, old: pb.Port | None) -> pb.Port:
    spec = new.spec
    check_placement(spec.host, spec.device, spec.hostname)
    if spec.attachment not in ATTACHMENTS:
        raise InvalidArgumentError(f"attachment {spec.attachment} is unknown; accepted: TAP or NETNS", reason="UNKNOWN")
    _check_device(context, new, old)
    subnet = await context.resolve(SUBNET, _required(spec.subnet, "subnet", "port"))
    _keep(spec.subnet, subnet.metadata.id, old.spec.subnet if old else "", "subnet of a port")
    spec.subnet = subnet.metadata.id
    groups = await _resolved_groups(context, spec.security_groups)
    del spec.security_groups[:]
    spec.security_groups.extend(groups)
    if old is None:
        await _allocate(context, new, subnet)
    else:
        _keep(spec.address, spec.address, old.status.address if spec.address else "", "address of a port")
        new.status.CopyFrom(old.status)
    if old is None or old.spec.host != spec.host:
        put(new, context.clock.now_ms(), [_unbuilt(new)])
    return new


async def _allocate(context: Context, new: pb.Port, subnet: pb.Subnet) -> None:
    """Give a new port its address, MAC and device name."""
    cidr = IPv4Network(subnet.spec.cidr)
    prefix = f"subnet/{subnet.metadata.id}/address/"
    claimed = await context.claimed(prefix)
    holders = {IPv4Address(claim.removeprefix(prefix)): identifier for claim, identifier in claimed.items()}
    if new.spec.address:
        wanted = [holder for address, holder in holders.items() if str(address) == new.spec.address]
        names = await context.names(PORT, wanted)
        named = {address: names.get(holder, holder) for address, holder in holders.items()}
        address = check_address(new.spec.address, cidr, named)
    else:
        address = choose_address(cidr, holders)
    identifier = PortId(new.metadata.id)
    is_tap = new.spec.attachment == pb.PortSpec.TAP
    new.status.address = str(address)
    new.status.mac = mac_of(identifier)
    new.status.device_name = tap_name(identifier) if is_tap else namespace_path(identifier)
    new.status.vpc = subnet.spec.vpc


async def _resolved_groups(context: Context, refs: Iterable[str]) -> list[str]:
    """Ids of groups, each once, in the order given."""
    wanted = list(dict.fromkeys(refs))
    if len(wanted) > GROUPS_PER_PORT_MAX:
        raise InvalidArgumentError(
            f"{len(wanted)} security_groups; at most {GROUPS_PER_PORT_MAX} are accepted", reason="GROUPS_TOO_MANY"
        )
    found = [(await context.resolve(SECURITY_GROUP, ref)).metadata.id for ref in wanted]
    return list(dict.fromkeys(found))


def _check_device(context: Context, new: pb.Port, old: pb.Port | None) -> None:
    """A VM's port stays a VM's port."""
    by_service = context.principal.kind is PrincipalKind.SERVICE
    before = old.spec.device if old else ""
    if before != new.spec.device:
        check_device_owner(before, by_service=by_service)
        check_device_owner(new.spec.device, by_service=by_service)


def _unbuilt(port: pb.Port) -> Condition:
    """What is to be said of a port that no agent has reported on."""
    if not port.spec.host:
        return Condition("Ready", Truth.FALSE, "Unplaced", "no host yet; set 'host'", port.metadata.generation)
    return Condition("Ready", Truth.FALSE, "Pending", "waiting for its host", port.metadata.generation)


def _port_deletable(context: Context, record: pb.Port) -> None:
    check_device_owner(record.spec.device, by_service=context.principal.kind is PrincipalKind.SERVICE)


PORT = Kind(
    name="Port",
    prefix=PORT_PREFIX,
    service=PORTS,
    message=pb.Port,
    admit=_admit_port,
    deletable=_port_deletable,
    costs=lambda _port: {"ports": 1},
    claims=lambda port: [
        f"subnet/{port.spec.subnet}/address/{port.status.address}",
        f"vpc/{port.status.vpc}/mac/{port.status.mac}",
        *(f"sg/{group}/port/{port.metadata.id}" for group in port.spec.security_groups),
    ],
    guards=lambda port: [f"subnet/{port.spec.subnet}", *(f"sg/{group}" for group in port.spec.security_groups)],
    immutable=frozenset({"attachment"}),
    reasons=PORT_REASONS,
    indexed=("spec.subnet", "spec.security_groups", "spec.host", "spec.device", "status.vpc"),
)

KINDS: tuple[Kind[Any], ...] = (VPC, SUBNET, SECURITY_GROUP, PORT)


# ---- shared --------------------------------------------------------------------------------------------------------


def _required(ref: str, field: str, kind: str) -> str:
    """A reference that must be given."""
    if not ref:
        raise InvalidArgumentError(f"{field} of the {kind} is empty; give its name or id", reason="FIELD_MISSING")
    return ref


def _keep(asked: str, resolved: str, before: str, what: str) -> None:
    """Refuse to change what cannot change, however it is written."""
    if before and resolved != before:
        raise InvalidArgumentError(
            f"{what} cannot change to {asked[:80]!a}; delete it and make a new one", reason="FIELD_IMMUTABLE"
        )
