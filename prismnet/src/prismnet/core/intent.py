"""What one host must have: the record that the server plans and the agent builds.

Whole, never a difference. Security groups are already resolved: a rule names ranges, not groups, so a host needs to
know nothing but its own intent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from prismnet.core.ids import PortId, SubnetId, VpcId

VNI_MAX = 65_535
"""A VPC's number is also its conntrack zone, which the kernel keeps in 16 bits, and its transit link's place."""
PORT_NUMBER_MAX = 65_535


class Attachment(enum.Enum):
    """How a port meets its user."""

    TAP = "tap"
    NETNS = "netns"


class Direction(enum.Enum):
    """Seen from the port."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Protocol(enum.Enum):
    """What a rule matches; the values are nftables' words."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True)
class Rule:
    """Admits traffic.

    Attributes:
        port_min: First port, TCP and UDP only; 0 with `port_max` 0 means every port.
        remotes: Ranges of the other side; empty admits nobody, ``0.0.0.0/0`` everybody.
    """

    direction: Direction
    protocol: Protocol
    port_min: int
    port_max: int
    remotes: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class Port:
    """One network interface.

    Attributes:
        device: What uses it, e.g. ``vm-01...``; for people.
        hostname: What DHCP calls the guest.
        generation: Of the port's spec, given back in reports.
    """

    id: PortId
    name: str
    project: str
    subnet: SubnetId
    address: IPv4Address
    mac: str
    attachment: Attachment
    device: str
    hostname: str
    rules: tuple[Rule, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range with DHCP; the router answers at `gateway`. No name servers means the gateway is handed out as one."""

    id: SubnetId
    cidr: IPv4Network
    gateway: IPv4Address
    dns_servers: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class Vpc:
    """One isolated address space, as far as it reaches this host."""

    id: VpcId
    cidr: IPv4Network
    vni: int
    egress_nat: bool
    subnets: tuple[Subnet, ...]
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class HostIntent:
    """Everything one host must have; of two, the one with the larger generation holds."""

    host: str
    generation: int
    vpcs: tuple[Vpc, ...]
