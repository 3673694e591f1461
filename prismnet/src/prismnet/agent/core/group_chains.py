"""Security-group rules as nftables chains: one for each distinct list, so a thousand ports of one group share it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses

from prismnet.agent.core.nft_text import block
from prismnet.core.intent import Direction, Port, Protocol, Rule

RULE_LISTS_MAX = 1024
"""Distinct lists of rules remembered as text: a host's ports share a few dozen, and most intents change one."""
CHAIN_HASH_LENGTH = 12
ANYONE = IPv4Network("0.0.0.0/0")


def rule_chains(ports: Iterable[Port]) -> list[list[str]]:
    """Every chain that these ports need, once."""
    chains: dict[str, tuple[str, ...]] = {}
    for port in ports:
        chains[chain_name(port, Direction.INGRESS)] = _rendered(port.rules, Direction.INGRESS)
        if is_restricted(port):
            chains[chain_name(port, Direction.EGRESS)] = _rendered(port.rules, Direction.EGRESS)
    return [block(f"chain {name}", lines) for name, lines in sorted(chains.items())]


def chain_name(port: Port, direction: Direction) -> str:
    """Named after what it holds, so ports with the same rules share it."""
    content = "\n".join(_rendered(port.rules, direction))
    return f"{direction.value}-{hashlib.sha256(content.encode()).hexdigest()[:CHAIN_HASH_LENGTH]}"


def is_restricted(port: Port) -> bool:
    """Whether what the port may send is limited: it is as soon as one egress rule exists."""
    return any(rule.direction is Direction.EGRESS for rule in port.rules)


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
