"""The DHCP message: BOOTP's fixed fields and a list of options.

Source: RFC 2131 2, RFC 2132, RFC 3396 (long options come in pieces), RFC 3442 (classless routes).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

MAGIC = bytes.fromhex("63825363")
BOOTP_BYTES_MIN = 300
"""RFC 951 3 and RFC 1542 2.1: some clients drop anything shorter."""
MESSAGE_BYTES_MAX = 1500
"""A message that is larger than a frame came from no client of ours."""
OPTION_BYTES_MAX = 255
ETHERNET = 1
MAC_BYTES = 6
BROADCAST_FLAG = 0x8000
NOWHERE = IPv4Address(0)

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
_FILE_AT, _FILE_BYTES, _SNAME_AT, _SNAME_BYTES = 108, 128, 44, 64


class Op(enum.IntEnum):
    """Who speaks."""

    REQUEST = 1
    REPLY = 2


class Kind(enum.IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(enum.IntEnum):
    """Options we read or write; others are kept by number."""

    PAD = 0
    MASK = 1
    ROUTER = 3
    DNS = 6
    HOSTNAME = 12
    MTU = 26
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    KIND = 53
    SERVER_ID = 54
    MESSAGE = 56
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    CLASSLESS_ROUTES = 121
    END = 255


class MalformedError(ValueError):
    """Not a DHCP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One DHCP message.

    Attributes:
        mac: Client's hardware address, lower case with colons.
        options: By number, pieces joined; PAD, END and OVERLOAD are not among them.
    """

    op: Op
    xid: int
    mac: str
    broadcast: bool = False
    ciaddr: IPv4Address = NOWHERE
    yiaddr: IPv4Address = NOWHERE
    siaddr: IPv4Address = NOWHERE
    giaddr: IPv4Address = NOWHERE
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> Kind | None:
        """Option 53, None if it is missing or unknown (BOOTP)."""
        raw = self.options.get(Option.KIND, b"")
        return Kind(raw[0]) if len(raw) == 1 and raw[0] in Kind.__members__.values() else None

    def address_option(self, option: Option) -> IPv4Address | None:
        """An option that holds one address; None if it is missing or no address."""
        raw = self.options.get(option, b"")
        return IPv4Address(raw) if len(raw) == 4 else None  # noqa: PLR2004 - octets of an IPv4 address


def parse(packet: bytes) -> Message:
    """Read a message.

    Raises:
        MalformedError: It is too short, too long, not for Ethernet, not DHCP, or an option reaches past the end.
    """
    if not _FIXED.size <= len(packet) <= MESSAGE_BYTES_MAX:
        raise MalformedError(f"{len(packet)} bytes; a DHCP message has {_FIXED.size} to {MESSAGE_BYTES_MAX}")
    op, htype, hlen, _, xid, _, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, _, _, magic = _FIXED.unpack_from(packet)
    if magic != MAGIC:
        raise MalformedError("no DHCP magic: plain BOOTP, or something else")
    if op not in (Op.REQUEST, Op.REPLY) or (htype, hlen) != (ETHERNET, MAC_BYTES):
        raise MalformedError(f"op {op}, hardware {htype} with {hlen} octets; only Ethernet is served")
    return Message(
        op=Op(op),
        xid=xid,
        mac=chaddr[:MAC_BYTES].hex(":"),
        broadcast=bool(flags & BROADCAST_FLAG),
        ciaddr=IPv4Address(ciaddr),
        yiaddr=IPv4Address(yiaddr),
        siaddr=IPv4Address(siaddr),
        giaddr=IPv4Address(giaddr),
        options=_parse_options(packet),
    )


def render(message: Message) -> bytes:
    """Write a message, padded to what old clients want to see."""
    fixed = _FIXED.pack(
        message.op,
        ETHERNET,
        MAC_BYTES,
        0,
        message.xid,
        0,
        BROADCAST_FLAG if message.broadcast else 0,
        message.ciaddr.packed,
        message.yiaddr.packed,
        message.siaddr.packed,
        message.giaddr.packed,
        bytes.fromhex(message.mac.replace(":", "")),
        b"",
        b"",
        MAGIC,
    )
    return (fixed + _render_options(message.options)).ljust(BOOTP_BYTES_MIN, b"\0")


def render_routes(routes: Iterable[tuple[IPv4Network, IPv4Address]]) -> bytes:
    """Option 121: each destination with only as many octets as its prefix has (RFC 3442)."""
    return b"".join(
        bytes([network.prefixlen]) + network.network_address.packed[: (network.prefixlen + 7) // 8] + gateway.packed
        for network, gateway in routes
    )


def _parse_options(packet: bytes) -> dict[int, bytes]:
    """All options, also those that option 52 says are in the fields `file` and `sname`."""
    found: dict[int, bytes] = {}
    _collect(found, packet[_FIXED.size :])
    overload = found.pop(Option.OVERLOAD, b"")[:1]
    if overload in (b"\1", b"\3"):
        _collect(found, packet[_FILE_AT : _FILE_AT + _FILE_BYTES])
    if overload in (b"\2", b"\3"):
        _collect(found, packet[_SNAME_AT : _SNAME_AT + _SNAME_BYTES])
    found.pop(Option.OVERLOAD, None)
    return found


def _collect(found: dict[int, bytes], octets: bytes) -> None:
    """Join each option's pieces, in place (RFC 3396 7)."""
    for option, value in _split(octets):
        found[option] = found.get(option, b"") + value


def _split(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Options one after the other."""
    at = 0
    while at < len(octets) and octets[at] != Option.END:
        if octets[at] == Option.PAD:
            at += 1
            continue
        if at + 2 > len(octets) or at + 2 + octets[at + 1] > len(octets):
            raise MalformedError(f"option {octets[at]} reaches past the end")
        yield octets[at], octets[at + 2 : at + 2 + octets[at + 1]]
        at += 2 + octets[at + 1]


def _render_options(options: Mapping[int, bytes]) -> bytes:
    """Option 53 first, as clients expect; what is long in pieces."""
    written = []
    for option in sorted(options, key=lambda number: (number != Option.KIND, number)):
        value = options[option]
        for at in range(0, max(len(value), 1), OPTION_BYTES_MAX):
            piece = value[at : at + OPTION_BYTES_MAX]
            written.append(bytes([option, len(piece)]) + piece)
    return b"".join(written) + bytes([Option.END])
