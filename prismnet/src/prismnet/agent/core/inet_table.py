"""The table of the inet family: conntrack zones, security groups, and the walls around the transit links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from prismnet.agent.core.group_chains import chain_name, is_restricted, rule_chains
from prismnet.agent.core.nft_text import block, collection, quoted, table
from prismnet.agent.core.state import LinkName
from prismnet.core.ids import bridge_name, transit_name
from prismnet.core.intent import Direction, Port, Vpc

METADATA = "169.254.169.254"
TCP_OVERHEAD_BYTES = 40
"""IPv4 and TCP headers without options: what a segment must leave free of the MTU."""


def inet_table(vpcs: Sequence[Vpc], uplink: LinkName | None, transit: IPv4Network, mtu: int) -> tuple[str, list[str]]:
    """Everything that keeps state."""
    bridges = [(quoted(bridge_name(vpc.id)), vpc) for vpc in vpcs]
    names = [name for name, _ in bridges]
    return table(
        "inet",
        [
            collection("set", "bridges", "ifname", names),
            collection("set", "bridged", "ifname . ifname", (f"{name} . {name}" for name in names)),
            collection("set", "transits", "ifname", (quoted(transit_name(vpc.id)) for vpc in vpcs)),
            *rule_chains(port for vpc in vpcs for port in vpc.ports),
            *_verdict_maps([(name, port) for name, vpc in bridges for port in vpc.ports]),
            _raw(f"{name} : {vpc.vni}" for name, vpc in bridges),
            _input(),
            _forward(uplink),
            _tenant(mtu),
            *([_postrouting(uplink, transit)] if uplink else []),
        ],
    )


def _verdict_maps(ports: Sequence[tuple[str, Port]]) -> list[list[str]]:
    """From a bridge and an address to the rules of the port that has it."""
    kind = "ifname . ipv4_addr : verdict"
    egress = (
        f"{bridge} . {port.address} : jump {chain_name(port, Direction.EGRESS)}"
        for bridge, port in ports
        if is_restricted(port)
    )
    ingress = (f"{bridge} . {port.address} : goto {chain_name(port, Direction.INGRESS)}" for bridge, port in ports)
    return [collection("map", "egress", kind, egress), collection("map", "ingress", kind, ingress)]


def _raw(zones: Iterable[str]) -> list[str]:
    """Each VPC's connections in a zone of their own."""
    listed = ", ".join(sorted(zones))
    rule = [f"ct zone set iifname map {{ {listed} }}"] if listed else []
    return block("chain raw", ["type filter hook prerouting priority raw; policy accept;", *rule])


def _input() -> list[str]:
    """The host itself is no tenant's business."""
    return block(
        "chain input",
        [
            "type filter hook input priority filter; policy accept;",
            "iifname @bridges counter drop",
            "iifname @transits counter drop",
        ],
    )


def _forward(uplink: LinkName | None) -> list[str]:
    """Bridged packets to their rules; from a transit link only out of the uplink, and only replies back."""
    rules = ["iifname @transits counter drop", "oifname @transits counter drop"]
    if uplink is not None:
        rules = [
            f"iifname @transits oifname {quoted(uplink)} accept",
            rules[0],
            f"oifname @transits iifname {quoted(uplink)} ct state established,related accept",
            rules[1],
        ]
    return block(
        "chain forward",
        [
            "type filter hook forward priority filter; policy accept;",
            "iifname @bridges goto tenant",
            "oifname @bridges counter drop",
            *rules,
        ],
    )


def _tenant(mtu: int) -> list[str]:
    """What may pass a bridge."""
    return block(
        "chain tenant",
        [
            "iifname . oifname != @bridged counter drop",
            # A guest that ignores DHCP's MTU would send segments that its bridge drops in silence.
            f"tcp flags syn tcp option maxseg size set {mtu - TCP_OVERHEAD_BYTES}",
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            "udp sport 68 udp dport 67 accept",
            "udp sport 67 udp dport 68 accept",
            f"ip daddr {METADATA} tcp dport 80 accept",
            "iifname . ip saddr vmap @egress",
            "iifname . ip daddr vmap @ingress",
        ],
    )


def _postrouting(uplink: LinkName, transit: IPv4Network) -> list[str]:
    """What leaves takes the uplink's address."""
    return block(
        "chain postrouting",
        [
            "type nat hook postrouting priority srcnat; policy accept;",
            f"ip saddr {transit} oifname {quoted(uplink)} masquerade",
        ],
    )
