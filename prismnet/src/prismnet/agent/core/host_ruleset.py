"""The host's nftables: anti-spoofing on bridges, security groups in the forward hook, walls around transit links.

Two tables. `bridge` sees every frame: who sends (MAC, IP, ARP, DHCP) and who gets it. It has no conntrack, so stateful
rules stand in `inet`, which bridged IPv4 passes because each bridge has nf_call_iptables on. There the incoming
interface is the bridge, so each VPC gets its own conntrack zone by it, and equal addresses of two tenants stay apart.

A routed packet between two subnets passes here twice, to the router and from it. Both passes see the same addresses and
decide alike, so neither needs to know which one it is.

Source: nft(8); the bridge netfilter hooks of Linux, net/bridge/br_netfilter_hooks.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from prismnet.agent.core.bridge_table import bridge_table
from prismnet.agent.core.inet_table import inet_table
from prismnet.agent.core.nft_text import ruleset
from prismnet.agent.core.state import LinkName, Ruleset
from prismnet.core.intent import Vpc

FAMILIES = ("bridge", "inet")


def host_ruleset(vpcs: Sequence[Vpc], uplink: LinkName | None, transit: IPv4Network, mtu: int) -> Ruleset:
    """Everything the host filters for these VPCs."""
    return ruleset([bridge_table(vpcs), inet_table(vpcs, uplink, transit, mtu)])
