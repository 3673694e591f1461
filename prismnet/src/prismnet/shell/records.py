"""Between stored messages and the core's records."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from prismnet.core.groups import GroupRule
from prismnet.core.hosts import PortRecord, SubnetRecord, VpcRecord
from prismnet.core.ids import GroupId, PortId, SubnetId, VpcId
from prismnet.core.intent import Attachment, Direction, Port, Protocol, Subnet
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb

ATTACHMENTS = {pb.PortSpec.TAP: Attachment.TAP, pb.PortSpec.NETNS: Attachment.NETNS}
DIRECTIONS = {pb.Rule.INGRESS: Direction.INGRESS, pb.Rule.EGRESS: Direction.EGRESS}
PROTOCOLS = {
    pb.Rule.PROTOCOL_UNSPECIFIED: Protocol.ANY,
    pb.Rule.TCP: Protocol.TCP,
    pb.Rule.UDP: Protocol.UDP,
    pb.Rule.ICMP: Protocol.ICMP,
}


def group_rules(group: pb.SecurityGroup) -> tuple[GroupRule, ...]:
    """The rules of a group."""
    return tuple(
        GroupRule(
            direction=DIRECTIONS.get(rule.direction),
            protocol=PROTOCOLS.get(rule.protocol),
            port_min=rule.port_min,
            port_max=rule.port_max,
            remote_cidr=rule.remote_cidr,
            remote_group=rule.remote_group,
            description=rule.description,
        )
        for rule in group.spec.rules
    )


def vpc_record(vpc: pb.Vpc) -> VpcRecord:
    """A VPC as the planner wants it."""
    return VpcRecord(VpcId(vpc.metadata.id), IPv4Network(vpc.spec.cidr), vpc.status.vni, vpc.spec.egress_nat)


def subnet_record(subnet: pb.Subnet) -> SubnetRecord:
    """A subnet as the planner wants it."""
    return SubnetRecord(
        Subnet(
            id=SubnetId(subnet.metadata.id),
            cidr=IPv4Network(subnet.spec.cidr),
            gateway=IPv4Address(subnet.status.gateway),
            dns_servers=tuple(IPv4Address(server) for server in subnet.spec.dns_servers),
        ),
        VpcId(subnet.spec.vpc),
    )


def port_record(port: pb.Port) -> PortRecord:
    """A port as the planner wants it; its rules are filled in there."""
    return PortRecord(
        port=Port(
            id=PortId(port.metadata.id),
            name=port.metadata.name,
            project=port.metadata.project,
            subnet=SubnetId(port.spec.subnet),
            address=IPv4Address(port.status.address),
            mac=port.status.mac,
            attachment=ATTACHMENTS[port.spec.attachment],
            device=port.spec.device,
            hostname=port.spec.hostname or port.metadata.name,
            rules=(),
            generation=port.metadata.generation,
        ),
        vpc=VpcId(port.status.vpc),
        host=port.spec.host,
        groups=tuple(GroupId(group) for group in port.spec.security_groups),
    )
