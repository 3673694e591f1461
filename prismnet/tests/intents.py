"""Intents that several tests plan from."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from prismnet.agent.core.desired import HostSettings
from prismnet.agent.core.state import LinkName
from prismnet.core.ids import PortId, SubnetId, VpcId, mac_of
from prismnet.core.intent import Attachment, Direction, HostIntent, Port, Protocol, Rule, Subnet, Vpc
from ultracloud.base.ids import make_id

TRANSIT = IPv4Network("100.64.0.0/10")
SETTINGS = HostSettings(uplink=LinkName("eth9"), mtu=1450, transit=TRANSIT)
ANYONE = (IPv4Network("0.0.0.0/0"),)
HTTP_FROM_ANYONE = Rule(Direction.INGRESS, Protocol.TCP, 80, 80, ANYONE)
PING_FROM_ANYONE = Rule(Direction.INGRESS, Protocol.ICMP, 0, 0, ANYONE)


def entropy(number: int) -> bytes:
    return number.to_bytes(10, "big")


def port(number: int, address: str, subnet: Subnet, *rules: Rule, tap: bool = False, name: str = "") -> Port:
    port_id = PortId(make_id("port", 1, entropy(number)))
    return Port(
        id=port_id,
        name=name or f"port-{number}",
        project="proj-a",
        subnet=subnet.id,
        address=IPv4Address(address),
        mac=mac_of(port_id),
        attachment=Attachment.TAP if tap else Attachment.NETNS,
        device="",
        hostname=name or f"port-{number}",
        rules=rules,
        generation=1,
    )


def subnet(number: int, cidr: str, *dns: str) -> Subnet:
    network = IPv4Network(cidr)
    return Subnet(
        id=SubnetId(make_id("subnet", 1, entropy(number))),
        cidr=network,
        gateway=network.network_address + 1,
        dns_servers=tuple(IPv4Address(server) for server in dns),
    )


def vpc(number: int, subnets: tuple[Subnet, ...], *ports: Port, egress: bool = True) -> Vpc:
    return Vpc(
        id=VpcId(make_id("vpc", 1, entropy(number))),
        cidr=IPv4Network("10.0.0.0/16"),
        vni=number,
        egress_nat=egress,
        subnets=subnets,
        ports=ports,
    )


def intent(*vpcs: Vpc, generation: int = 1) -> HostIntent:
    return HostIntent("node-1", generation, vpcs)


def two_tenants() -> HostIntent:
    """Two VPCs with the same range, each with two ports; the first has a web server and a restricted client."""
    first, second = subnet(1, "10.0.1.0/24", "10.0.1.53"), subnet(2, "10.0.1.0/24")
    backend = subnet(3, "10.0.2.0/24")
    only_web = Rule(Direction.EGRESS, Protocol.TCP, 80, 90, (IPv4Network("10.0.1.2/32"), IPv4Network("10.0.1.3/32")))
    return intent(
        vpc(
            7,
            (first, backend),
            port(1, "10.0.1.2", first, HTTP_FROM_ANYONE, PING_FROM_ANYONE, tap=True, name="web"),
            port(2, "10.0.1.3", first, only_web, name="client"),
            port(3, "10.0.2.2", backend, name="backend"),
        ),
        vpc(
            8,
            (second,),
            port(4, "10.0.1.2", second, HTTP_FROM_ANYONE, PING_FROM_ANYONE, name="other-web"),
            egress=False,
        ),
    )


def with_rules(whole: HostIntent, port_id: PortId, *rules: Rule) -> HostIntent:
    """The same intent, one generation on, with other rules on one port."""
    vpcs = tuple(
        replace(v, ports=tuple(replace(p, rules=rules) if p.id == port_id else p for p in v.ports)) for v in whole.vpcs
    )
    return replace(whole, generation=whole.generation + 1, vpcs=vpcs)
