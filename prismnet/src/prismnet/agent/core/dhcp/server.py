"""The DHCP server: who asks, by MAC, gets the address that the port has; nobody else gets an answer.

There is no pool and no lease table: an address belongs to its port for the port's life, so the server is a function,
and any number of restarts changes nothing for a guest. Two limits keep it honest: the hardware address asked for must
be the one that sent the frame (which the bridge has checked against the port), and relayed requests are ignored.

Source: RFC 2131 4.3; table 5 in 4.4 for how the client's state shows in a DHCPREQUEST.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from prismnet.agent.core.dhcp.frame import (
    BROADCAST_MAC,
    CLIENT_PORT,
    SERVER_PORT,
    Datagram,
    parse_frame,
    render_frame,
)
from prismnet.agent.core.dhcp.message import (
    NOWHERE,
    Kind,
    MalformedError,
    Message,
    Op,
    Option,
    parse,
    render,
    render_routes,
)
from prismnet.core.ids import PortId, mac_of
from prismnet.core.intent import Vpc

LEASE_S = 86_400
"""A guest keeps its address this long without us: longer than any repair of a host's agent should take."""
RENEWAL_S = 3_600
"""When a guest asks again: how long a changed name server takes to reach it."""
REBINDING_S = LEASE_S * 7 // 8
"""RFC 2131 4.4.5: seven eighths."""
LIMITED_BROADCAST = IPv4Address("255.255.255.255")
METADATA = IPv4Network("169.254.169.254/32")
DEFAULT = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Binding:
    """What one port's guest is told."""

    port: PortId
    mac: str
    address: IPv4Address
    network: IPv4Network
    gateway: IPv4Address
    dns_servers: tuple[IPv4Address, ...]
    hostname: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Served:
    """A frame to send.

    Attributes:
        leased: An address was confirmed: the guest has its network now.
    """

    frame: bytes
    port: PortId
    kind: Kind
    leased: bool


def bindings_of(vpc: Vpc, mtu: int) -> dict[str, Binding]:
    """The ports of a VPC by MAC."""
    subnets = {subnet.id: subnet for subnet in vpc.subnets}
    bindings = {}
    for port in vpc.ports:
        subnet = subnets[port.subnet]
        bindings[port.mac] = Binding(
            port=port.id,
            mac=port.mac,
            address=port.address,
            network=subnet.cidr,
            gateway=subnet.gateway,
            dns_servers=subnet.dns_servers or (subnet.gateway,),
            hostname=port.hostname or port.name,
            mtu=mtu,
        )
    return bindings


def router_mac(vpc: Vpc) -> str:
    """What replies are sent from: the router's `lan`."""
    return mac_of(vpc.id)


def serve(frame: bytes, bindings: Mapping[str, Binding], source_mac: str) -> Served | None:
    """Answer one received frame; None if it deserves no answer, malformed or not."""
    datagram = parse_frame(frame)
    if datagram is None or datagram.destination_port != SERVER_PORT:
        return None
    try:
        request = parse(datagram.payload)
    except MalformedError:
        return None
    binding = bindings.get(datagram.source_mac)
    if binding is None or request.mac != datagram.source_mac:
        return None
    reply = answer(binding, request)
    if reply is None:
        return None
    kind = reply.kind
    assert kind is not None
    mac, address = _destination(request, reply, kind)
    sent = Datagram(source_mac, mac, binding.gateway, address, SERVER_PORT, CLIENT_PORT, render(reply))
    is_lease = kind is Kind.ACK and request.kind is Kind.REQUEST
    return Served(frame=render_frame(sent), port=binding.port, kind=kind, leased=is_lease)


def answer(binding: Binding, request: Message) -> Message | None:
    """What the server says to a request of the port that `binding` describes; None for silence."""
    if request.op is not Op.REQUEST or request.giaddr != NOWHERE:
        return None
    match request.kind:
        case Kind.DISCOVER:
            return _grant(binding, request, Kind.OFFER)
        case Kind.REQUEST:
            return _answer_request(binding, request)
        case Kind.INFORM:
            return _inform(binding, request)
        case _:
            # RELEASE and DECLINE change nothing: the address is the port's, whatever its guest thinks of it.
            return None


def _answer_request(binding: Binding, request: Message) -> Message | None:
    """RFC 2131 4.3.2: SELECTING names a server, INIT-REBOOT an address, RENEWING and REBINDING already use theirs."""
    server = request.address_option(Option.SERVER_ID)
    if server is not None and server != binding.gateway:
        return None
    wanted = request.address_option(Option.REQUESTED_ADDRESS) or request.ciaddr
    if wanted == binding.address:
        return _grant(binding, request, Kind.ACK)
    return _refuse(binding, request)


def _grant(binding: Binding, request: Message, kind: Kind) -> Message:
    """OFFER or ACK with the address and everything that goes with it."""
    times: dict[int, bytes] = {
        Option.LEASE_TIME: struct.pack("!I", LEASE_S),
        Option.RENEWAL_TIME: struct.pack("!I", RENEWAL_S),
        Option.REBINDING_TIME: struct.pack("!I", REBINDING_S),
    }
    return _reply(request, binding, kind, yiaddr=binding.address, options={**times, **_settings(binding)})


def _inform(binding: Binding, request: Message) -> Message | None:
    """A guest that set its address itself asks for the rest; one that set a wrong one gets none."""
    if request.ciaddr != binding.address:
        return None
    return _reply(request, binding, Kind.ACK, yiaddr=NOWHERE, options=_settings(binding))


def _refuse(binding: Binding, request: Message) -> Message:
    """The guest must start over."""
    said = f"the address of this port is {binding.address}".encode()
    return _reply(request, binding, Kind.NAK, yiaddr=NOWHERE, options={Option.MESSAGE: said})


def _settings(binding: Binding) -> dict[int, bytes]:
    """Everything but the address and its times. RFC 3442: who reads 121 ignores 3, so 121 has the default route too."""
    return {
        Option.MASK: binding.network.netmask.packed,
        Option.ROUTER: binding.gateway.packed,
        Option.DNS: b"".join(server.packed for server in binding.dns_servers),
        Option.HOSTNAME: binding.hostname.encode(),
        Option.MTU: struct.pack("!H", binding.mtu),
        Option.CLASSLESS_ROUTES: render_routes([(DEFAULT, binding.gateway), (METADATA, binding.gateway)]),
    }


def _reply(
    request: Message, binding: Binding, kind: Kind, yiaddr: IPv4Address, options: Mapping[int, bytes]
) -> Message:
    """The frame of every reply (RFC 2131 table 3)."""
    return Message(
        op=Op.REPLY,
        xid=request.xid,
        mac=request.mac,
        broadcast=request.broadcast,
        ciaddr=request.ciaddr if kind is Kind.ACK else NOWHERE,
        yiaddr=yiaddr,
        options={Option.KIND: bytes([kind]), Option.SERVER_ID: binding.gateway.packed, **options},
    )


def _destination(request: Message, reply: Message, kind: Kind) -> tuple[str, IPv4Address]:
    """RFC 2131 4.1: to the address in use, to everybody if asked to, else to the new address at the client's MAC."""
    if kind is Kind.NAK:
        return BROADCAST_MAC, LIMITED_BROADCAST
    if request.ciaddr != NOWHERE:
        return request.mac, request.ciaddr
    if request.broadcast:
        return BROADCAST_MAC, LIMITED_BROADCAST
    return request.mac, reply.yiaddr
