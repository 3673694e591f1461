"""The table of the bridge family: which frames a port may send, and which are delivered to it. It keeps no state."""

from __future__ import annotations

from collections.abc import Sequence

from prismnet.agent.core.nft_text import block, collection, quoted, table
from prismnet.core.ids import router_port_name, tap_name, veth_name
from prismnet.core.intent import Attachment, Port, Vpc

DHCP_RATE = "20/second burst 40 packets"
"""Of one port: a client sends four packets to get an address, and a few more while it waits."""
DHCP_RATES_MAX = 65_535
"""Ports whose rate is remembered at one time: more than a host has."""


def bridge_table(vpcs: Sequence[Vpc]) -> tuple[str, list[str]]:
    """Who may send what, and what may be delivered to whom."""
    routers = collection("set", "routers", "ifname", (quoted(router_port_name(vpc.id)) for vpc in vpcs))
    ports = [port for vpc in vpcs for port in vpc.ports]
    return table("bridge", [routers, *_sets(ports), *_sending(), *_delivering()])


def _sets(ports: Sequence[Port]) -> list[list[str]]:
    """What is known of each port, by the link its frames come from."""
    links = [(quoted(_link(port)), port) for port in ports]
    return [
        collection("set", "ports", "ifname", (link for link, _ in links)),
        collection("set", "macs", "ifname . ether_addr", (f"{link} . {port.mac}" for link, port in links)),
        collection(
            "set",
            "bindings",
            "ifname . ether_addr . ipv4_addr",
            (f"{link} . {port.mac} . {port.address}" for link, port in links),
        ),
        collection("set", "recipients", "ifname . ipv4_addr", (f"{link} . {port.address}" for link, port in links)),
        block("set dhcp_rates", ["type ifname", f"size {DHCP_RATES_MAX}", "flags dynamic", "timeout 1m"]),
    ]


def _sending() -> list[list[str]]:
    """Frames that come from ports."""
    return [
        block(
            "chain prerouting",
            ["type filter hook prerouting priority dstnat; policy accept;", "iifname @ports goto sent"],
        ),
        block(
            "chain sent",
            [
                # Also stops VLAN tags: the kernel looks past a tag when it matches IP, not when it decides which frames
                # meet the inet hooks, so a tagged packet would meet no security group.
                "ether type != { ip, arp } counter drop",
                "iifname . ether saddr != @macs counter drop",
                "ether type arp iifname . arp saddr ether . arp saddr ip @bindings accept",
                # RFC 5227 2.1.1: a probe for a duplicate has no sender address yet.
                "ether type arp iifname . arp saddr ether @macs arp saddr ip 0.0.0.0 accept",
                # The server is a Python program that all tenants of the host share.
                f"udp dport 67 update @dhcp_rates {{ iifname limit rate over {DHCP_RATE} }} counter drop",
                "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
                "udp sport 67 counter drop",
                "iifname . ether saddr . ip saddr @bindings accept",
                "counter drop",
            ],
        ),
    ]


def _delivering() -> list[list[str]]:
    """Frames that go to ports, and those meant for the bridge itself."""
    return [
        block(
            "chain input",
            [
                "type filter hook input priority filter; policy accept;",
                # The bridge itself has no address, but Linux would answer ARP on it for every address of the host: a
                # port that has the same one would be cut off.
                "iifname @ports counter drop",
                "iifname @routers counter drop",
            ],
        ),
        block(
            "chain forward",
            ["type filter hook forward priority filter; policy accept;", "oifname @ports goto delivered"],
        ),
        block(
            "chain delivered",
            [
                "ether type arp accept",
                "iifname @routers udp sport 67 udp dport 68 accept",
                # Nothing but the port's own address: a frame to its MAC with another destination, a broadcast or a
                # multicast would pass no security group.
                "oifname . ip daddr @recipients accept",
                "counter drop",
            ],
        ),
    ]


def _link(port: Port) -> str:
    """The port's link on the bridge."""
    return tap_name(port.id) if port.attachment is Attachment.TAP else veth_name(port.id)
