"""The intent from the wire, checked once: below this line every address is one and every port has its subnet.

Source: api/proto/ultracloud/prismnet/v1/prismnet.proto, message HostIntent.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from prismnet.agent.core.reports import HostReport
from prismnet.core.ids import PORT_PREFIX, VPC_PREFIX, PortId, SubnetId, VpcId
from prismnet.core.intent import (
    PORT_NUMBER_MAX,
    VNI_MAX,
    Attachment,
    Direction,
    HostIntent,
    Port,
    Protocol,
    Rule,
    Subnet,
    Vpc,
)
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import is_id

_ATTACHMENTS = {pb.PortSpec.TAP: Attachment.TAP, pb.PortSpec.NETNS: Attachment.NETNS}
_DIRECTIONS = {pb.Rule.INGRESS: Direction.INGRESS, pb.Rule.EGRESS: Direction.EGRESS}
_PROTOCOLS = {
    pb.Rule.PROTOCOL_UNSPECIFIED: Protocol.ANY,
    pb.Rule.TCP: Protocol.TCP,
    pb.Rule.UDP: Protocol.UDP,
    pb.Rule.ICMP: Protocol.ICMP,
}
_MAC_LENGTH = len("02:00:00:00:00:00")
_HEXADECIMAL = frozenset("0123456789abcdef")
HOSTNAME_LENGTH_MAX = 63


def parse_intent(message: pb.HostIntent) -> HostIntent:
    """Read an intent.

    Raises:
        InvalidArgumentError: Something in it is not what it should be; nothing of it may be built then, because rules
            that were left out could be those that protect somebody.
    """
    try:
        intent = HostIntent(message.host, message.generation, tuple(_vpc(vpc) for vpc in message.vpcs))
    except (AddressValueError, NetmaskValueError, ValueError, KeyError) as error:
        raise InvalidArgumentError(f"intent {message.generation} cannot be read: {error}") from error
    _check_unique([str(vpc.vni) for vpc in intent.vpcs], "VPC number")
    _check_unique([port.id for vpc in intent.vpcs for port in vpc.ports], "port")
    for vpc in intent.vpcs:
        _check_unique([str(port.address) for port in vpc.ports], f"address in {vpc.id}")
        _check_unique([port.mac for port in vpc.ports], f"MAC in {vpc.id}")
    return intent


def render_report(report: HostReport) -> pb.ReportHostRequest:
    """A report for the wire."""
    return pb.ReportHostRequest(
        host=report.host,
        generation=report.generation,
        ports=[
            pb.PortReport(
                id=port.id,
                generation=port.generation,
                ready=port.ready,
                message=port.message,
                leased_at_ms=port.leased_at_ms,
            )
            for port in report.ports
        ],
        vpcs=[pb.VpcReport(id=vpc.id, egress=vpc.egress, message=vpc.message) for vpc in report.vpcs],
    )


def _vpc(message: pb.HostVpc) -> Vpc:
    if not is_id(message.id, VPC_PREFIX) or not 0 < message.vni <= VNI_MAX:
        raise ValueError(f"VPC '{message.id}' with number {message.vni}")
    subnets = tuple(_subnet(subnet) for subnet in message.subnets)
    known = {subnet.id: subnet for subnet in subnets}
    return Vpc(
        id=VpcId(message.id),
        cidr=IPv4Network(message.cidr),
        vni=message.vni,
        egress_nat=message.egress_nat,
        subnets=subnets,
        ports=tuple(_port(port, known) for port in message.ports),
    )


def _subnet(message: pb.HostSubnet) -> Subnet:
    cidr, gateway = IPv4Network(message.cidr), IPv4Address(message.gateway)
    if gateway not in cidr:
        raise ValueError(f"gateway {gateway} is outside {cidr}")
    servers = tuple(IPv4Address(server) for server in message.dns_servers)
    return Subnet(SubnetId(message.id), cidr, gateway, servers)


def _port(message: pb.HostPort, subnets: dict[SubnetId, Subnet]) -> Port:
    address, subnet = IPv4Address(message.address), SubnetId(message.subnet)
    if not is_id(message.id, PORT_PREFIX) or subnet not in subnets:
        raise ValueError(f"port '{message.id}' in subnet '{message.subnet}'")
    if address not in subnets[subnet].cidr or address == subnets[subnet].gateway:
        raise ValueError(f"port {message.id} has {address} in {subnets[subnet].cidr}")
    hostname = message.hostname or message.name
    if len(hostname) > HOSTNAME_LENGTH_MAX or not hostname.isascii() or not hostname.isprintable():
        raise ValueError(f"port {message.id} has a hostname DHCP cannot carry")
    return Port(
        id=PortId(message.id),
        name=message.name,
        project=message.project,
        subnet=subnet,
        address=address,
        mac=_mac(message.mac),
        attachment=_ATTACHMENTS[message.attachment],
        device=message.device,
        hostname=hostname,
        rules=tuple(_rule(rule) for rule in message.rules),
        generation=message.generation,
    )


def _rule(message: pb.HostRule) -> Rule:
    if not 0 <= message.port_min <= message.port_max <= PORT_NUMBER_MAX:
        raise ValueError(f"ports {message.port_min} to {message.port_max}")
    return Rule(
        direction=_DIRECTIONS[message.direction],
        protocol=_PROTOCOLS[message.protocol],
        port_min=message.port_min,
        port_max=message.port_max,
        remotes=tuple(IPv4Network(cidr) for cidr in message.remote_cidrs),
    )


def _mac(text: str) -> str:
    """A MAC in the one spelling that the kernel, nft and DHCP agree on."""
    octets = text.split(":")
    if len(text) != _MAC_LENGTH or not all(len(octet) == 2 and _HEXADECIMAL.issuperset(octet) for octet in octets):  # noqa: PLR2004
        raise ValueError(f"'{text}' is no MAC address in lower case")
    return text


def _check_unique(values: list[str], what: str) -> None:
    """Two that are equal would break the rules that tell them apart."""
    seen = set()
    for value in values:
        if value in seen:
            raise InvalidArgumentError(f"the intent has {what} {value} twice")
        seen.add(value)
