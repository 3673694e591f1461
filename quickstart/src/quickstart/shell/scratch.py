"""Tries out what the kernel must be able to do, in namespaces that vanish: `unshare --net --mount python -m ...`.

Asking the kernel's configuration would tell what was compiled, not what works here: modules may be missing, and a
container may forbid what its kernel can do. So each feature is used once, for real, and the result printed as JSON:
feature -> null, or why it failed.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

COMMAND_SECONDS = 10.0
_TUNSETIFF = 0x400454CA
_IFF_TAP_NO_PI = 0x1002
ETHERNET_IPV4 = 0x0800

INET_RULES = """
table inet scratch {
    set members { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
    chain raw {
        type filter hook prerouting priority raw;
        ct zone set iifname map { "x0" : 7 }
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ip saddr @members tcp dport 80 accept
    }
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "x0" masquerade
    }
}
"""
BRIDGE_RULES = """
table bridge scratch {
    chain from {
        type filter hook prerouting priority 0;
        ether saddr != 02:00:00:00:00:01 drop
        arp saddr ip 10.0.0.1 accept
    }
}
"""


def main() -> int:
    """Try everything and print what failed."""
    results: dict[str, str | None] = {}
    for feature, attempt in ATTEMPTS.items():
        try:
            attempt()
        except (OSError, subprocess.SubprocessError) as error:
            results[feature] = reason(error)
        else:
            results[feature] = None
    sys.stdout.write(json.dumps(results) + "\n")
    return 0


def reason(error: Exception) -> str:
    """What the kernel or the command said."""
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().replace("\n", "; ") or str(error)
    return str(error)


def try_bridge() -> None:
    """A bridge."""
    _run("ip", "link", "add", "scratch-br", "type", "bridge")


def try_veth() -> None:
    """A pair of devices, one end in the bridge."""
    _run("ip", "link", "add", "scratch-a", "type", "veth", "peer", "name", "scratch-b")
    _run("ip", "link", "set", "scratch-a", "up", "master", "scratch-br")


def try_tun() -> None:
    """A tap device."""
    with Path("/dev/net/tun").open("r+b", buffering=0) as tun:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"scratch-tap", _IFF_TAP_NO_PI))


def try_nft_inet() -> None:
    """The rules of security groups and of NAT."""
    _run("nft", "-f", "-", fed=INET_RULES)


def try_nft_bridge() -> None:
    """The rules against spoofing."""
    _run("nft", "-f", "-", fed=BRIDGE_RULES)


def try_br_netfilter() -> None:
    """Bridged packets that pass the rules of inet, per namespace."""
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1\n")


def try_af_packet() -> None:
    """The raw socket of the DHCP server."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERNET_IPV4)) as raw:
        raw.bind(("lo", 0))


def try_forwarding() -> None:
    """Routing between devices."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


ATTEMPTS: Mapping[str, Callable[[], None]] = {
    "bridge": try_bridge,
    "veth": try_veth,
    "tun": try_tun,
    "nftables inet": try_nft_inet,
    "nftables bridge": try_nft_bridge,
    "br_netfilter": try_br_netfilter,
    "AF_PACKET": try_af_packet,
    "IP forwarding": try_forwarding,
}


def _run(*arguments: str, fed: str = "") -> None:
    subprocess.run(arguments, input=fed, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
