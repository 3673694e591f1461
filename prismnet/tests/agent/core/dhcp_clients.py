"""DHCP clients that are a few lines of bytes: what guests send, written apart from the code under test."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network

from prismnet.agent.core.dhcp.server import Binding
from prismnet.core.ids import PortId

MAC = "02:00:00:00:00:05"
SERVER_MAC = "02:00:00:00:00:01"
BINDING = Binding(
    port=PortId("port-01jdh4x0k3v8p7q2m9n5r6s7t8"),
    mac=MAC,
    address=IPv4Address("10.0.1.5"),
    network=IPv4Network("10.0.1.0/24"),
    gateway=IPv4Address("10.0.1.1"),
    dns_servers=(IPv4Address("1.1.1.1"), IPv4Address("8.8.8.8")),
    hostname="web-0",
    mtu=1450,
)
DISCOVER, REQUEST, DECLINE, RELEASE, INFORM = 1, 3, 4, 7, 8


def packet(
    kind: int,
    *,
    mac: str = MAC,
    ciaddr: str = "0.0.0.0",
    giaddr: str = "0.0.0.0",
    broadcast: bool = False,
    wanted: str = "",
    server: str = "",
    more: bytes = b"",
) -> bytes:
    fixed = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x1234ABCD, 0, 0x8000 if broadcast else 0)
    addresses = IPv4Address(ciaddr).packed + bytes(8) + IPv4Address(giaddr).packed
    options = bytes([53, 1, kind])
    options += bytes([50, 4]) + IPv4Address(wanted).packed if wanted else b""
    options += bytes([54, 4]) + IPv4Address(server).packed if server else b""
    hardware = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    return fixed + addresses + hardware + bytes(192) + bytes.fromhex("63825363") + options + more + b"\xff"


def frame(payload: bytes, *, mac: str = MAC, source: str = "0.0.0.0", destination: str = "255.255.255.255") -> bytes:
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    ends = IPv4Address(source).packed + IPv4Address(destination).packed
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + b"\x08\x00" + ip + udp
