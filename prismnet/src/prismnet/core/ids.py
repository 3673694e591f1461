"""Ids and device names: what a VPC or a port is called in the API, in the kernel, and on the wire.

Kernel names must fit 15 bytes (IFNAMSIZ less the terminator), so they carry the last 10 characters of the id's ULID: 50
random bits. Namespaces have no such limit and carry the whole id, so that nobody else's can be mistaken for ours.
"""

from __future__ import annotations

import hashlib
from typing import NewType

from ultracloud.base.ids import short

VpcId = NewType("VpcId", str)
SubnetId = NewType("SubnetId", str)
PortId = NewType("PortId", str)
GroupId = NewType("GroupId", str)

VPC_PREFIX, SUBNET_PREFIX, PORT_PREFIX, GROUP_PREFIX = "vpc", "subnet", "port", "sg"
SHORT_LENGTH = 10
"""Characters of the ULID in a device name: 5 + 10 fit IFNAMSIZ, and 50 bits keep a host's ports apart."""
NAMESPACE_FOLDER = "/run/netns"
"""Where iproute2, and so every tool that takes a namespace's name, looks for them."""

_MAC_PREFIX = "02"
"""Locally administered, unicast (IEEE 802: the second-lowest bit of the first octet)."""


def bridge_name(vpc: VpcId) -> str:
    """The bridge that joins the ports of a VPC on one host."""
    return f"br-{short(vpc, SHORT_LENGTH)}"


def router_port_name(vpc: VpcId) -> str:
    """The end, on the bridge, of the veth to the VPC's router namespace."""
    return f"rt{short(vpc, SHORT_LENGTH)}"


def transit_name(vpc: VpcId) -> str:
    """The host's end of the veth over which the router reaches the outside."""
    return f"tr{short(vpc, SHORT_LENGTH)}"


def tap_name(port: PortId) -> str:
    """The tap device that a hypervisor opens."""
    return f"tap{short(port, SHORT_LENGTH)}"


def veth_name(port: PortId) -> str:
    """The end, on the bridge, of the veth to a port's own namespace."""
    return f"vp{short(port, SHORT_LENGTH)}"


def namespace_path(port: PortId) -> str:
    """Where the namespace of a NETNS port can be entered."""
    return f"{NAMESPACE_FOLDER}/{port}"


def mac_of(identifier: str) -> str:
    """A MAC address that follows from an id: the same on every host and after every restart.

    40 bits of a hash: in a VPC of 10,000 ports two share one with odds of 1 in 20,000, and the server's claim on the
    address refuses the second.
    """
    octets = hashlib.sha256(identifier.encode()).hexdigest()[:10]
    return ":".join([_MAC_PREFIX, *(octets[at : at + 2] for at in range(0, 10, 2))])
