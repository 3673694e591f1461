"""From records to what one host must have. The generation is the store's version, so it only grows.

A host learns of a VPC when one of its ports is placed there, and forgets it with the last. Of groups it learns nothing:
each port's rules come resolved to ranges, a group of the other side to the addresses of its members in the same VPC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from prismnet.core.groups import GroupRule
from prismnet.core.ids import GroupId, VpcId
from prismnet.core.intent import HostIntent, Port, Rule, Subnet, Vpc

ANYBODY = (IPv4Network("0.0.0.0/0"),)


@dataclass(frozen=True, slots=True)
class PortRecord:
    """A port as stored; `port` has no rules yet."""

    port: Port
    vpc: VpcId
    host: str
    groups: tuple[GroupId, ...]


@dataclass(frozen=True, slots=True)
class SubnetRecord:
    """A subnet as stored."""

    subnet: Subnet
    vpc: VpcId


@dataclass(frozen=True, slots=True)
class VpcRecord:
    """A VPC as stored."""

    id: VpcId
    cidr: IPv4Network
    vni: int
    egress_nat: bool


@dataclass(frozen=True, slots=True)
class Records:
    """All records that matter to a host; more does no harm."""

    vpcs: tuple[VpcRecord, ...]
    subnets: tuple[SubnetRecord, ...]
    groups: Mapping[GroupId, tuple[GroupRule, ...]]
    ports: tuple[PortRecord, ...]


def plan_host(host: str, generation: int, records: Records) -> HostIntent:
    """Everything that `host` must have; in the order of ids, so that equal records give equal intents."""
    members = _members(records.ports)
    placed = sorted((one for one in records.ports if one.host == host), key=lambda one: one.port.id)
    known = {record.subnet.id for record in records.subnets}
    vpcs = []
    for vpc in sorted(records.vpcs, key=lambda record: record.id):
        # A port whose subnet is not there was read between two writes; the next version has both.
        ports = [one for one in placed if one.vpc == vpc.id and one.port.subnet in known]
        if ports:
            vpcs.append(_vpc(vpc, records, ports, members))
    return HostIntent(host, generation, tuple(vpcs))


_Members = Mapping[tuple[VpcId, GroupId], tuple[IPv4Address, ...]]


def _members(ports: Iterable[PortRecord]) -> _Members:
    """Addresses by VPC and group: two VPCs of one project may share a group, and never an address' meaning."""
    found: dict[tuple[VpcId, GroupId], list[IPv4Address]] = {}
    for one in ports:
        for group in one.groups:
            found.setdefault((one.vpc, group), []).append(one.port.address)
    return {key: tuple(sorted(addresses)) for key, addresses in found.items()}


def _vpc(vpc: VpcRecord, records: Records, ports: Iterable[PortRecord], members: _Members) -> Vpc:
    """One VPC with those of its ports that are on the host."""
    subnets = sorted((one.subnet for one in records.subnets if one.vpc == vpc.id), key=lambda subnet: subnet.id)
    return Vpc(
        id=vpc.id,
        cidr=vpc.cidr,
        vni=vpc.vni,
        egress_nat=vpc.egress_nat,
        subnets=tuple(subnets),
        ports=tuple(replace(one.port, rules=_rules(one, records.groups, members)) for one in ports),
    )


def _rules(one: PortRecord, groups: Mapping[GroupId, tuple[GroupRule, ...]], members: _Members) -> tuple[Rule, ...]:
    """The rules of all groups of a port."""
    rules = []
    for group in one.groups:
        for rule in groups.get(group, ()):
            assert rule.direction is not None, rule
            assert rule.protocol is not None, rule
            remotes = _remotes(rule, one.vpc, members)
            rules.append(Rule(rule.direction, rule.protocol, rule.port_min, rule.port_max, remotes))
    return tuple(rules)


def _remotes(rule: GroupRule, vpc: VpcId, members: _Members) -> tuple[IPv4Network, ...]:
    """Whom a rule means."""
    if rule.remote_group:
        addresses = members.get((vpc, GroupId(rule.remote_group)), ())
        return tuple(IPv4Network((address, 32)) for address in addresses)
    return (IPv4Network(rule.remote_cidr),) if rule.remote_cidr else ANYBODY
