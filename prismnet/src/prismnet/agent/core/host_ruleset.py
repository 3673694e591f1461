"""The host's nftables: anti-spoofing on bridges, security groups in the forward hook, walls around transit links.

Two tables. `bridge` sees every frame: who sends (MAC, IP, ARP, DHCP) and who gets it. It has no conntrack, so stateful
rules stand in `inet`, which bridged IPv4 passes because each bridge has nf_call_iptables on. There the incoming
interface is the bridge, so each VPC gets its own conntrack zone by it, and equal addresses of two tenants stay apart.

A routed packet between two subnets passes here twice, to the router and from it. Both passes see the same addresses and
decide alike, so neither needs to know which one it is.

Source: nft(8); the bridge netfilter hooks of Linux, net/bridge/br_netfilter_hooks.c.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses

from prismnet.agent.core.nft_text import block, collection, ruleset, table
from prismnet.agent.core.state import LinkName, Ruleset
from prismnet.core.ids import bridge_name, router_port_name, tap_name, transit_name, veth_name
from prismnet.core.intent import Attachment, Direction, Port, Protocol, Rule, Vpc

METADATA = "169.254.169.254"
TCP_OVERHEAD_BYTES = 40
"""IPv4 and TCP headers without options: what a segment must leave free of the MTU."""
DHCP_RATE = "20/second burst 40 packets"
"""Of one port: a client sends four packets to get an address, and a few more while it waits."""
DHCP_RATES_MAX = 65_535
"""Ports whose rate is remembered at one time: more than a host has."""
RULE_LISTS_MAX = 1024
"""Distinct lists of rules remembered as text: a host's ports share a few dozen, and most intents change one."""
CHAIN_HASH_LENGTH = 12
ANYONE = IPv4Network("0.0.0.0/0")

FAMILIES = ("bridge", "inet")


def host_ruleset(vpcs: Sequence[Vpc], uplink: LinkName | None, transit: IPv4Network, mtu: int) -> Ruleset:
    """Everything the host filters for these VPCs."""
    return ruleset([_bridge_table(vpcs), _inet_table(vpcs, uplink, transit, mtu)])


def _bridge_table(vpcs: Sequence[Vpc]) -> tuple[str, list[str]]:
    """Who may send what, and what may be delivered to whom."""
    ports = [port for vpc in vpcs for port in vpc.ports]
    return table(
        "bridge",
        [
            collection("set", "routers", "ifname", (_quoted(router_port_name(vpc.id)) for vpc in vpcs)),
            collection("set", "ports", "ifname", (_quoted(_device(port)) for port in ports)),
            collection("set", "macs", "ifname . ether_addr", (f"{_quoted(_device(p))} . {p.mac}" for p in ports)),
            collection(
                "set",
                "bindings",
                "ifname . ether_addr . ipv4_addr",
                (f"{_quoted(_device(p))} . {p.mac} . {p.address}" for p in ports),
            ),
            collection(
                "set", "recipients", "ifname . ipv4_addr", (f"{_quoted(_device(p))} . {p.address}" for p in ports)
            ),
            block("set dhcp_rates", ["type ifname", f"size {DHCP_RATES_MAX}", "flags dynamic", "timeout 1m"]),
            block(
                "chain prerouting",
                ["type filter hook prerouting priority dstnat; policy accept;", "iifname @ports goto sent"],
            ),
            block(
                "chain sent",
                [
                    # Also stops VLAN tags: the kernel looks past a tag when it matches IP, not when it decides which
                    # frames meet the inet hooks, so a tagged packet would meet no security group.
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
            block(
                "chain input",
                [
                    "type filter hook input priority filter; policy accept;",
                    # The bridge itself has no address, but Linux would answer ARP on it for every address of the host:
                    # a port that has the same one would be cut off.
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
                    # Nothing but the port's own address: a frame to its MAC with another destination, a broadcast
                    # or a multicast would pass no security group.
                    "oifname . ip daddr @recipients accept",
                    "counter drop",
                ],
            ),
        ],
    )


def _inet_table(vpcs: Sequence[Vpc], uplink: LinkName | None, transit: IPv4Network, mtu: int) -> tuple[str, list[str]]:
    """Conntrack zones, security groups, and the walls around the transit links."""
    bridges = {vpc.id: _quoted(bridge_name(vpc.id)) for vpc in vpcs}
    bound = [(bridges[vpc.id], port) for vpc in vpcs for port in vpc.ports]
    zones = ", ".join(sorted(f"{bridges[vpc.id]} : {vpc.vni}" for vpc in vpcs))
    return table(
        "inet",
        [
            collection("set", "bridges", "ifname", bridges.values()),
            collection("set", "bridged", "ifname . ifname", (f"{name} . {name}" for name in bridges.values())),
            collection("set", "transits", "ifname", (_quoted(transit_name(vpc.id)) for vpc in vpcs)),
            *_rule_chains(port for _, port in bound),
            collection(
                "map",
                "egress",
                "ifname . ipv4_addr : verdict",
                (
                    f"{name} . {p.address} : jump {_chain_name(p, Direction.EGRESS)}"
                    for name, p in bound
                    if _restricted(p)
                ),
            ),
            collection(
                "map",
                "ingress",
                "ifname . ipv4_addr : verdict",
                (f"{name} . {p.address} : goto {_chain_name(p, Direction.INGRESS)}" for name, p in bound),
            ),
            block(
                "chain raw",
                [
                    "type filter hook prerouting priority raw; policy accept;",
                    *([f"ct zone set iifname map {{ {zones} }}"] if zones else []),
                ],
            ),
            block(
                "chain input",
                [
                    "type filter hook input priority filter; policy accept;",
                    "iifname @bridges counter drop",
                    "iifname @transits counter drop",
                ],
            ),
            block(
                "chain forward",
                [
                    "type filter hook forward priority filter; policy accept;",
                    "iifname @bridges goto tenant",
                    "oifname @bridges counter drop",
                    *_transit_rules(uplink),
                ],
            ),
            block(
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
            ),
            *([_postrouting(uplink, transit)] if uplink else []),
        ],
    )


def _transit_rules(uplink: LinkName | None) -> list[str]:
    """From a transit link only out of the uplink, and only replies back: never to the host, never to another VPC."""
    if uplink is None:
        return ["iifname @transits counter drop", "oifname @transits counter drop"]
    return [
        f"iifname @transits oifname {_quoted(uplink)} accept",
        "iifname @transits counter drop",
        f"oifname @transits iifname {_quoted(uplink)} ct state established,related accept",
        "oifname @transits counter drop",
    ]


def _postrouting(uplink: LinkName, transit: IPv4Network) -> list[str]:
    """What leaves takes the uplink's address."""
    return block(
        "chain postrouting",
        [
            "type nat hook postrouting priority srcnat; policy accept;",
            f"ip saddr {transit} oifname {_quoted(uplink)} masquerade",
        ],
    )


def _rule_chains(ports: Iterable[Port]) -> list[list[str]]:
    """One chain for each distinct list of rules: a thousand ports of one group share it."""
    chains: dict[str, tuple[str, ...]] = {}
    for port in ports:
        chains[_chain_name(port, Direction.INGRESS)] = _rendered(port.rules, Direction.INGRESS)
        if _restricted(port):
            chains[_chain_name(port, Direction.EGRESS)] = _rendered(port.rules, Direction.EGRESS)
    return [block(f"chain {name}", lines) for name, lines in sorted(chains.items())]


@lru_cache(RULE_LISTS_MAX)
def _rendered(rules: tuple[Rule, ...], direction: Direction) -> tuple[str, ...]:
    """Those of a port's rules that have this direction, then the denial."""
    # What may be sent goes on to the receiver's own rules.
    side, verdict = ("saddr", "accept") if direction is Direction.INGRESS else ("daddr", "return")
    lines = {_rule_line(rule, side, verdict) for rule in rules if rule.direction is direction and rule.remotes}
    return (*sorted(lines), "counter drop")


def _rule_line(rule: Rule, side: str, verdict: str) -> str:
    """One rule, e.g. ``ip saddr { 10.0.0.0/24 } tcp dport 80-90 accept``."""
    remotes = list(collapse_addresses(rule.remotes))
    parts = [] if ANYONE in remotes else [f"ip {side} {{ {', '.join(str(remote) for remote in remotes)} }}"]
    match rule.protocol:
        case Protocol.TCP | Protocol.UDP if rule.port_min or rule.port_max:
            parts.append(f"{rule.protocol.value} dport {_port_range(rule)}")
        case Protocol.TCP | Protocol.UDP | Protocol.ICMP:
            parts.append(f"ip protocol {rule.protocol.value}")
        case Protocol.ANY:
            pass
    return " ".join([*parts, verdict])


def _port_range(rule: Rule) -> str:
    """``80`` or ``80-90``."""
    return str(rule.port_min) if rule.port_min == rule.port_max else f"{rule.port_min}-{rule.port_max}"


def _restricted(port: Port) -> bool:
    """Whether what the port may send is limited: it is as soon as one egress rule exists."""
    return any(rule.direction is Direction.EGRESS for rule in port.rules)


def _chain_name(port: Port, direction: Direction) -> str:
    """Named after what it holds, so ports with the same rules share it."""
    content = "\n".join(_rendered(port.rules, direction))
    return f"{direction.value}-{hashlib.sha256(content.encode()).hexdigest()[:CHAIN_HASH_LENGTH]}"


def _device(port: Port) -> str:
    """The port's link on the bridge."""
    return tap_name(port.id) if port.attachment is Attachment.TAP else veth_name(port.id)


def _quoted(name: str) -> str:
    """A link's name as nft wants it."""
    return f'"{name}"'
