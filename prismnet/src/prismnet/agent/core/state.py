"""The part of a kernel's network state that we own: what is there, and what should be there, in the same words.

A `State` holds one `Namespace` per network namespace, the host's own under the name `HOST`. The planner compares two of
them; the actuator reads one and changes it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NewType

NamespaceName = NewType("NamespaceName", str)
LinkName = NewType("LinkName", str)
Owner = NewType("Owner", str)
"""Id of the VPC or port that something is built for, or `HOST_OWNER`: whose fault it is when building fails."""

HOST = NamespaceName("")
HOST_OWNER = Owner("host")


class LinkKind(enum.Enum):
    """The values are the kernel's IFLA_INFO_KIND."""

    BRIDGE = "bridge"
    VETH = "veth"
    TAP = "tun"


@dataclass(frozen=True, slots=True)
class End:
    """The other end of a veth."""

    namespace: NamespaceName
    link: LinkName


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface.

    Attributes:
        mac: None in a desired link means any.
        filtered: Of a bridge: its frames also pass the inet hooks (nf_call_iptables), where security groups live.
        forwarding: IPv4 packets that arrive here may be routed on.
        ipv6: IPv6 is on. We never want it: a VPC is IPv4, and a link-local address would be a way around the rules.
        peer: Of a desired veth, its other end; what is observed does not say.
        owner: Not compared.
    """

    name: LinkName
    kind: LinkKind
    mtu: int
    mac: str | None = None
    master: LinkName | None = None
    up: bool = True
    filtered: bool = False
    forwarding: bool = False
    ipv6: bool = False
    peer: End | None = None
    owner: Owner = HOST_OWNER

    def is_served_by(self, observed: Link) -> bool:
        """Whether `observed` is all that this desired link asks for."""
        return (
            self.kind == observed.kind
            and self.mtu == observed.mtu
            and self.mac in (None, observed.mac)
            and self.master == observed.master
            and self.up == observed.up
            and self.filtered == observed.filtered
            and self.forwarding == observed.forwarding
            and self.ipv6 == observed.ipv6
        )


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IPv4 address on a link."""

    link: LinkName
    interface: IPv4Interface


@dataclass(frozen=True, slots=True)
class Route:
    """An IPv4 route of the main table."""

    destination: IPv4Network
    gateway: IPv4Address
    link: LinkName


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Our nftables tables of one namespace, whole.

    Attributes:
        text: For ``nft -f -``; empty in what is observed.
        digest: Names the text; the kernel keeps it as the name of an empty chain.
    """

    digest: str
    text: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Tracked:
    """An address whose connections the host's conntrack may know.

    Attributes:
        zone: The VPC's number.
        owner: The port: when another gets the address, the connections are still this one's.
    """

    zone: int
    address: IPv4Address
    owner: Owner


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace.

    Attributes:
        sysctls: Dotted names to values; what is observed holds only the names that were asked for.
        tracked: Whose connections may be known. Nobody reads them from the kernel: what was tracked before and is no
            longer wanted must be forgotten, or the next port with the address would inherit its connections.
        exclusive: We own every address and route in it; otherwise a user may add some of their own.
    """

    owner: Owner
    links: Mapping[LinkName, Link] = field(default_factory=dict)
    addresses: frozenset[Address] = frozenset()
    routes: frozenset[Route] = frozenset()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ruleset: Ruleset | None = None
    tracked: frozenset[Tracked] = frozenset()
    exclusive: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """All of it.

    Attributes:
        foreign: Links of the host's namespace that are not ours, by name: never touched, and never made again.
    """

    namespaces: Mapping[NamespaceName, Namespace]
    foreign: frozenset[LinkName] = frozenset()
