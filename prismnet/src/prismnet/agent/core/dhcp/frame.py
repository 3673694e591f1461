"""Ethernet, IPv4 and UDP around a DHCP message, as a raw socket sees and sends it.

A client without an address cannot be reached by the kernel's own UDP: nobody would answer the ARP request. So the
server reads and writes frames.

Source: RFC 791 3.1, RFC 768, RFC 1071.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

ETHERTYPE_IPV4 = 0x0800
PROTOCOL_UDP = 17
SERVER_PORT, CLIENT_PORT = 67, 68
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
TTL = 64

_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram with the addresses of both layers below it; MACs in lower case with colons."""

    source_mac: str
    destination_mac: str
    source: IPv4Address
    destination: IPv4Address
    source_port: int
    destination_port: int
    payload: bytes


def parse_frame(frame: bytes) -> Datagram | None:
    """The datagram in a frame; None if it is anything else, cut short, or a fragment.

    The UDP checksum is not looked at: on a veth or tap the sender leaves it to hardware that is not there.
    """
    if len(frame) < _ETHERNET.size + _IPV4.size + _UDP.size:
        return None
    destination_mac, source_mac, ethertype = _ETHERNET.unpack_from(frame)
    if ethertype != ETHERTYPE_IPV4:
        return None
    version, _, total, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(frame, _ETHERNET.size)
    header_bytes = (version & 15) * 4
    udp_at = _ETHERNET.size + header_bytes
    end = _ETHERNET.size + total
    is_sound = version >> 4 == 4 and header_bytes >= _IPV4.size and end <= len(frame) and udp_at + _UDP.size <= end  # noqa: PLR2004 - IPv4
    if not is_sound or protocol != PROTOCOL_UDP or fragment & _MORE_FRAGMENTS_OR_OFFSET:
        return None
    source_port, destination_port, length, _ = _UDP.unpack_from(frame, udp_at)
    if length < _UDP.size or udp_at + length > end:
        return None
    return Datagram(
        source_mac=source_mac.hex(":"),
        destination_mac=destination_mac.hex(":"),
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        source_port=source_port,
        destination_port=destination_port,
        payload=frame[udp_at + _UDP.size : udp_at + length],
    )


def render_frame(datagram: Datagram) -> bytes:
    """The frame that carries `datagram`, with both checksums."""
    length = _UDP.size + len(datagram.payload)
    source, destination = datagram.source.packed, datagram.destination.packed
    ports = datagram.source_port, datagram.destination_port
    pseudo = source + destination + struct.pack("!BBH", 0, PROTOCOL_UDP, length)
    # RFC 768: a sum of zero is sent as all ones, because zero means that there is none.
    udp_sum = checksum(pseudo + _UDP.pack(*ports, length, 0) + datagram.payload) or 0xFFFF
    header = _IPV4.pack(0x45, 0, _IPV4.size + length, 0, 0, TTL, PROTOCOL_UDP, 0, source, destination)
    header = _IPV4.pack(0x45, 0, _IPV4.size + length, 0, 0, TTL, PROTOCOL_UDP, checksum(header), source, destination)
    ethernet = _ETHERNET.pack(_octets(datagram.destination_mac), _octets(datagram.source_mac), ETHERTYPE_IPV4)
    return ethernet + header + _UDP.pack(*ports, length, udp_sum) + datagram.payload


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = octets + b"\0" if len(octets) % 2 else octets
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
