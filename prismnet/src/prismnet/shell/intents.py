"""Intents for the wire."""

from __future__ import annotations

from prismnet.core.ids import namespace_path, tap_name
from prismnet.core.intent import Attachment, Direction, HostIntent, Port, Protocol, Rule, Vpc
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb

_PROTOCOLS = {
    Protocol.ANY: pb.Rule.PROTOCOL_UNSPECIFIED,
    Protocol.TCP: pb.Rule.TCP,
    Protocol.UDP: pb.Rule.UDP,
    Protocol.ICMP: pb.Rule.ICMP,
}


def render_intent(intent: HostIntent) -> pb.HostIntent:
    """An intent as agents read it."""
    return pb.HostIntent(host=intent.host, generation=intent.generation, vpcs=[_vpc(vpc) for vpc in intent.vpcs])


def _vpc(vpc: Vpc) -> pb.HostVpc:
    subnets = [
        pb.HostSubnet(
            id=subnet.id,
            cidr=str(subnet.cidr),
            gateway=str(subnet.gateway),
            dns_servers=[str(server) for server in subnet.dns_servers],
        )
        for subnet in vpc.subnets
    ]
    return pb.HostVpc(
        id=vpc.id,
        cidr=str(vpc.cidr),
        vni=vpc.vni,
        egress_nat=vpc.egress_nat,
        subnets=subnets,
        ports=[_port(port) for port in vpc.ports],
    )


def _port(port: Port) -> pb.HostPort:
    is_tap = port.attachment is Attachment.TAP
    return pb.HostPort(
        id=port.id,
        name=port.name,
        project=port.project,
        subnet=port.subnet,
        address=str(port.address),
        mac=port.mac,
        attachment=pb.PortSpec.TAP if is_tap else pb.PortSpec.NETNS,
        device=port.device,
        device_name=tap_name(port.id) if is_tap else namespace_path(port.id),
        hostname=port.hostname,
        rules=[_rule(rule) for rule in port.rules],
        generation=port.generation,
    )


def _rule(rule: Rule) -> pb.HostRule:
    return pb.HostRule(
        direction=pb.Rule.INGRESS if rule.direction is Direction.INGRESS else pb.Rule.EGRESS,
        protocol=_PROTOCOLS[rule.protocol],
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidrs=[str(remote) for remote in rule.remotes],
    )
