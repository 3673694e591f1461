"""From an intent to the kernel state that serves it.

Per VPC there is a bridge in the host's namespace and a router namespace: they meet in a veth (`lan` inside), and the
router meets the host in another (`wan` inside), the transit link, on a /30 of its own. The router alone has the
tenant's addresses, so two tenants with the same range never meet: the host sees only transit addresses.

See docs/adr/0006-router-namespace-per-vpc.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from prismnet.agent.core.host_ruleset import host_ruleset
from prismnet.agent.core.router_ruleset import router_ruleset
from prismnet.agent.core.state import (
    HOST,
    HOST_OWNER,
    Address,
    End,
    Link,
    LinkKind,
    LinkName,
    Namespace,
    NamespaceName,
    Owner,
    Route,
    State,
    Tracked,
)
from prismnet.core.ids import bridge_name, mac_of, router_port_name, tap_name, transit_name, veth_name
from prismnet.core.intent import VNI_MAX, Attachment, HostIntent, Port, Subnet, Vpc

LAN, WAN, ETH0, LOOPBACK = LinkName("lan"), LinkName("wan"), LinkName("eth0"), LinkName("lo")
METADATA_ADDRESS = IPv4Address("169.254.169.254")
DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")
TRANSIT_PREFIX_MAX = 14
"""A /14 holds a /30 for each of the 65,535 numbers a VPC can have."""

ROUTER_SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    # Two subnets share `lan`: without this the router would tell guests to bypass it.
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.default.accept_redirects": "0",
    # Answer ARP only for addresses of the link that was asked: `wan` is nobody's business on `lan`.
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}
PORT_SYSCTLS = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"}


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What the host's operator decided.

    Attributes:
        uplink: Link that leads outside; None if none was configured or it does not exist.
        mtu: Of every tenant link. 1450 leaves room for VXLAN under an underlay of 1500.
        transit: Range the transit links are cut from.
    """

    uplink: LinkName | None
    mtu: int
    transit: IPv4Network

    def __post_init__(self) -> None:
        if self.transit.prefixlen > TRANSIT_PREFIX_MAX:
            raise ValueError(f"transit range {self.transit} is too small; a /{TRANSIT_PREFIX_MAX} or larger is needed")


def desired_state(intent: HostIntent, settings: HostSettings) -> State:
    """All that the host's kernel should hold for `intent`."""
    namespaces: dict[NamespaceName, Namespace] = {}
    links: list[Link] = []
    addresses: set[Address] = set()
    for vpc in intent.vpcs:
        links += _vpc_links(vpc, settings)
        addresses.add(_transit_address(vpc, settings, LinkName(transit_name(vpc.id)), 1))
        namespaces[router_name(vpc)] = _router(vpc, settings)
        for port in vpc.ports:
            links.append(_port_link(vpc, port, settings))
            if port.attachment is Attachment.NETNS:
                namespaces[NamespaceName(port.id)] = _port_namespace(vpc, port, settings)
    namespaces[HOST] = Namespace(
        owner=HOST_OWNER,
        links=_by_name(links),
        addresses=frozenset(addresses),
        tracked=frozenset(Tracked(vpc.vni, port.address, Owner(port.id)) for vpc in intent.vpcs for port in vpc.ports),
        # Replies come in there; per link, because the host's other interfaces are none of our business.
        sysctls={f"net.ipv4.conf.{settings.uplink}.forwarding": "1"} if settings.uplink and intent.vpcs else {},
        ruleset=host_ruleset(intent.vpcs, settings.uplink, settings.transit, settings.mtu) if intent.vpcs else None,
    )
    return State(namespaces)


def router_name(vpc: Vpc) -> NamespaceName:
    """The VPC's router namespace: its id."""
    return NamespaceName(vpc.id)


def port_device(port: Port) -> LinkName:
    """The link on the bridge through which the port's frames come."""
    return LinkName(tap_name(port.id) if port.attachment is Attachment.TAP else veth_name(port.id))


def has_egress(vpc: Vpc, settings: HostSettings) -> bool:
    """Whether traffic of this VPC can leave the host."""
    return vpc.egress_nat and settings.uplink is not None


def _vpc_links(vpc: Vpc, settings: HostSettings) -> list[Link]:
    """The VPC's three links in the host's namespace."""
    owner, bridge = Owner(vpc.id), LinkName(bridge_name(vpc.id))
    return [
        Link(
            name=bridge,
            kind=LinkKind.BRIDGE,
            mtu=settings.mtu,
            # Or the bridge would take its lowest port's, and change it with every port.
            mac=mac_of(f"{vpc.id}/bridge"),
            filtered=True,
            owner=owner,
        ),
        Link(
            name=LinkName(router_port_name(vpc.id)),
            kind=LinkKind.VETH,
            mtu=settings.mtu,
            master=bridge,
            peer=End(router_name(vpc), LAN),
            owner=owner,
        ),
        Link(
            name=LinkName(transit_name(vpc.id)),
            kind=LinkKind.VETH,
            mtu=settings.mtu,
            forwarding=True,
            peer=End(router_name(vpc), WAN),
            owner=owner,
        ),
    ]


def _port_link(vpc: Vpc, port: Port, settings: HostSettings) -> Link:
    """The port's link on the bridge."""
    is_tap = port.attachment is Attachment.TAP
    return Link(
        name=port_device(port),
        kind=LinkKind.TAP if is_tap else LinkKind.VETH,
        mtu=settings.mtu,
        master=LinkName(bridge_name(vpc.id)),
        peer=None if is_tap else End(NamespaceName(port.id), ETH0),
        owner=Owner(port.id),
    )


def _router(vpc: Vpc, settings: HostSettings) -> Namespace:
    """The VPC's router."""
    owner = Owner(vpc.id)
    addresses = {Address(LAN, _on(subnet, subnet.gateway)) for subnet in vpc.subnets}
    addresses |= {Address(LAN, IPv4Interface((METADATA_ADDRESS, 32))), _transit_address(vpc, settings, WAN, 2)}
    default = Route(DEFAULT_ROUTE, _transit_address(vpc, settings, WAN, 1).interface.ip, WAN)
    return Namespace(
        owner=owner,
        links=_by_name(
            [
                _inner(LAN, mac_of(vpc.id), settings, owner, forwarding=True),
                _inner(WAN, mac_of(f"{vpc.id}/wan"), settings, owner, forwarding=True),
            ]
        ),
        addresses=frozenset(addresses),
        # No way out, no route: a guest learns at once, by the router's own ICMP.
        routes=frozenset({default}) if has_egress(vpc, settings) else frozenset(),
        sysctls=ROUTER_SYSCTLS,
        ruleset=router_ruleset(egress=has_egress(vpc, settings)),
    )


def _port_namespace(vpc: Vpc, port: Port, settings: HostSettings) -> Namespace:
    """What a NETNS port's user finds."""
    subnet = next(subnet for subnet in vpc.subnets if subnet.id == port.subnet)
    ways = (DEFAULT_ROUTE, IPv4Network((METADATA_ADDRESS, 32)))
    owner = Owner(port.id)
    return Namespace(
        owner=owner,
        links=_by_name([_inner(ETH0, port.mac, settings, owner, forwarding=False)]),
        addresses=frozenset({Address(ETH0, _on(subnet, port.address))}),
        routes=frozenset(Route(way, subnet.gateway, ETH0) for way in ways),
        sysctls=PORT_SYSCTLS,
        exclusive=False,
    )


def _inner(name: LinkName, mac: str, settings: HostSettings, owner: Owner, *, forwarding: bool) -> Link:
    """The inner end of a veth."""
    return Link(name=name, kind=LinkKind.VETH, mtu=settings.mtu, mac=mac, forwarding=forwarding, owner=owner)


def _transit_address(vpc: Vpc, settings: HostSettings, link: LinkName, place: int) -> Address:
    """Address number `place` (1 the host's, 2 the router's) of the VPC's transit link."""
    assert 0 < vpc.vni <= VNI_MAX, vpc.vni
    return Address(link, IPv4Interface((settings.transit.network_address + 4 * vpc.vni + place, 30)))


def _on(subnet: Subnet, address: IPv4Address) -> IPv4Interface:
    """`address` with the subnet's prefix length."""
    return IPv4Interface((address, subnet.cidr.prefixlen))


def _by_name(links: Iterable[Link]) -> dict[LinkName, Link]:
    """Links by their names."""
    return {link.name: link for link in links}
