"""nftables of a VPC's router namespace: it routes among its subnets, answers metadata, and lets out what may leave."""

from __future__ import annotations

from prismnet.agent.core.nft_text import block, ruleset, table
from prismnet.agent.core.state import Ruleset

FAMILIES = ("ip",)


def router_ruleset(*, egress: bool) -> Ruleset:
    """The router's whole ruleset; with `egress` it masquerades behind its transit address."""
    leaving = ['iifname "lan" oifname "wan" accept'] if egress else []
    nat = [_postrouting()] if egress else []
    return ruleset(
        [
            table(
                "ip",
                [
                    block(
                        "chain input",
                        [
                            "type filter hook input priority filter; policy drop;",
                            'iifname "lo" accept',
                            "ct state established,related accept",
                            # DHCP is read below IP; without this the kernel would answer that nobody listens.
                            "udp dport 67 drop",
                            'iifname "lan" ip daddr 169.254.169.254 tcp dport 80 accept',
                            'iifname "lan" icmp type echo-request accept',
                            # A guest that asks its gateway for a name or a page learns at once that there is none.
                            'iifname "lan" reject with icmp type admin-prohibited',
                        ],
                    ),
                    block(
                        "chain forward",
                        [
                            "type filter hook forward priority filter; policy drop;",
                            'iifname "lan" oifname "lan" accept',
                            "ct state established,related accept",
                            *leaving,
                        ],
                    ),
                    *nat,
                ],
            )
        ]
    )


def _postrouting() -> list[str]:
    """The tenant's own addresses end here."""
    return block(
        "chain postrouting",
        ["type nat hook postrouting priority srcnat; policy accept;", 'oifname "wan" masquerade'],
    )
