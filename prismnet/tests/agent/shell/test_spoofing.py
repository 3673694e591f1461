"""What a port cannot send and what cannot be delivered to one, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from agents import QueueOfIntents, inside, running_agent
from intents import ANYONE, intent, port, subnet, vpc
from workloads import all_heard, heard, packet_socket

from prismnet.agent.core.dhcp.frame import Datagram, render_frame
from prismnet.core.ids import mac_of
from prismnet.core.intent import Direction, Protocol, Rule

pytestmark = pytest.mark.usefixtures("own_network")

NET = subnet(1, "10.0.1.0/24")
OPEN = Rule(Direction.INGRESS, Protocol.ANY, 0, 0, ANYONE)
MALLORY, VICTIM, CLOSED = port(1, "10.0.1.2", NET), port(2, "10.0.1.3", NET, OPEN), port(3, "10.0.1.4", NET)
VPC = vpc(7, (NET,), MALLORY, VICTIM, CLOSED)
BROADCAST = "ff:ff:ff:ff:ff:ff"
STRANGE_MAC = "02:00:00:00:0b:ad"
MARK = b"marked frame <-->"


@dataclass(slots=True)
class Wire:
    """Mallory's interface, and what arrives at the others and at the router."""

    hosts: QueueOfIntents

    async def arrives(self, frame: bytes, where: str, link: str = "eth0", marker: bytes = MARK) -> bool:
        listener, sender = packet_socket(where, link), packet_socket(MALLORY.id)
        with contextlib.closing(listener), contextlib.closing(sender):
            sender.send(frame)
            return await heard(listener, marker)


@contextlib.asynccontextmanager
async def wired(folder: Path) -> AsyncIterator[Wire]:
    hosts = QueueOfIntents()
    async with running_agent(hosts, folder):
        await hosts.apply(intent(VPC))
        yield Wire(hosts)


def udp(
    *,
    source_mac: str = MALLORY.mac,
    mac: str = VICTIM.mac,
    source: str = "10.0.1.2",
    destination: str = "10.0.1.3",
    ports: tuple[int, int] = (5000, 6000),
) -> bytes:
    ends = IPv4Address(source), IPv4Address(destination)
    frame = render_frame(Datagram(source_mac, mac, *ends, *ports, MARK))
    # Without a checksum, which would not hold once the mark is numbered: conntrack drops what it finds broken.
    return frame[:40] + bytes(2) + frame[42:]


def arp(sender_mac: str, sender: str, target: str = "10.0.1.3", *, ethernet: str = MALLORY.mac) -> bytes:
    octets = [bytes.fromhex(mac.replace(":", "")) for mac in (BROADCAST, ethernet, sender_mac, "00:00:00:00:00:00")]
    request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    ends = IPv4Address(sender).packed, IPv4Address(target).packed
    return octets[0] + octets[1] + b"\x08\x06" + request + octets[2] + ends[0] + octets[3] + ends[1] + MARK


def ethernet(after_the_macs: bytes) -> bytes:
    return mac_octets(BROADCAST) + mac_octets(MALLORY.mac) + after_the_macs


def tagged(tags: bytes) -> bytes:
    return udp()[:12] + tags + udp()[12:]


def mac_octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def test_a_sound_frame_arrives(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with wired(tmp_path) as wire:
            assert await wire.arrives(udp(), VICTIM.id)
            assert await wire.arrives(arp(MALLORY.mac, "10.0.1.2"), VICTIM.id)
            assert await wire.arrives(arp(MALLORY.mac, "0.0.0.0"), VICTIM.id)

    asyncio.run(scenario())


FORBIDDEN = {
    "another MAC": udp(source_mac=STRANGE_MAC),
    "the victim's MAC": udp(source_mac=VICTIM.mac),
    "another address": udp(source="10.0.1.9"),
    "the gateway's address": udp(source="10.0.1.1"),
    "no address": udp(source="0.0.0.0"),
    "ARP for the gateway": arp(MALLORY.mac, "10.0.1.1"),
    "ARP with another MAC inside": arp(VICTIM.mac, "10.0.1.2"),
    "ARP probe with another MAC inside": arp(STRANGE_MAC, "0.0.0.0"),
    "ARP from another MAC": arp(MALLORY.mac, "10.0.1.2", ethernet=STRANGE_MAC),
    "DHCP server": udp(ports=(67, 68), destination="255.255.255.255", mac=BROADCAST),
    "DHCP server, unicast": udp(ports=(67, 68)),
    "DHCP to a port": udp(ports=(68, 67), destination="255.255.255.255", mac=BROADCAST),
    "broadcast": udp(destination="10.0.1.255", mac=BROADCAST),
    "multicast": udp(destination="224.0.0.251", mac="01:00:5e:00:00:fb"),
    "the victim's MAC, another address": udp(destination="10.0.1.99"),
    "metadata at the victim's MAC": udp(destination="169.254.169.254"),
    "a closed port": udp(destination="10.0.1.4", mac=CLOSED.mac),
    "a closed port's address at the victim's MAC": udp(destination="10.0.1.4"),
    "IPv6": ethernet(b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(MARK), 17, 64) + bytes(32) + MARK),
    "LLDP": ethernet(b"\x88\xcc" + MARK),
    "802.3": ethernet(b"\x00\x04" + MARK),
    "VLAN": tagged(b"\x81\x00\x00\x05"),
    "priority tag": tagged(b"\x81\x00\x00\x00"),
    "provider VLAN": tagged(b"\x88\xa8\x00\x05"),
    "two tags": tagged(b"\x81\x00\x00\x05\x81\x00\x00\x06"),
}


def test_what_is_not_ones_own_or_not_for_one_does_not_arrive(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with wired(tmp_path), contextlib.AsyncExitStack() as stack:
            sender, *listeners = [stack.enter_context(packet_socket(one.id)) for one in (MALLORY, VICTIM, CLOSED)]
            names = {f"<{number:02}>".encode(): name for number, name in enumerate(FORBIDDEN)}
            for number, name in names.items():
                sender.send(FORBIDDEN[name].replace(b"<-->", number))
            arrived = [frame for listener in listeners for frame in await all_heard(listener, b"marked frame")]
        assert [names[frame[frame.index(b"<") :][:4]] for frame in arrived] == []

    asyncio.run(scenario())


def test_the_host_answers_no_arp_on_a_tenants_bridge(tmp_path: Path) -> None:
    async def scenario() -> None:
        await inside_host("ip", "address", "add", "10.0.1.77/32", "dev", "lo")
        async with wired(tmp_path):
            listener, sender = packet_socket(MALLORY.id), packet_socket(MALLORY.id)
            with contextlib.closing(listener), contextlib.closing(sender):
                sender.send(arp(MALLORY.mac, "10.0.1.2", "10.0.1.77"))
                assert not await heard(listener, IPv4Address("10.0.1.77").packed + mac_octets(MALLORY.mac))
                sender.send(arp(MALLORY.mac, "10.0.1.2", "10.0.1.1"))
                assert await heard(listener, mac_octets(mac_of(VPC.id)) + IPv4Address("10.0.1.1").packed)

    asyncio.run(scenario())


def test_the_router_finds_no_host_behind_an_address_of_its_tenants(tmp_path: Path) -> None:
    async def scenario() -> None:
        await inside_host("ip", "address", "add", "10.0.1.77/32", "dev", "lo")
        async with wired(tmp_path):
            await inside(VPC.id, "ping", "-c1", "-W0.3", "10.0.1.77")
            assert "lladdr" not in (await inside(VPC.id, "ip", "neighbour", "show", "10.0.1.77"))[1]

    asyncio.run(scenario())


def test_of_a_flood_of_dhcp_a_trickle_arrives(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with wired(tmp_path):
            listener, sender = packet_socket(VPC.id, "lan"), packet_socket(MALLORY.id)
            with contextlib.closing(listener), contextlib.closing(sender):
                for _ in range(200):
                    sender.send(udp(source="0.0.0.0", destination="255.255.255.255", mac=BROADCAST, ports=(68, 67)))
                arrived = 0
                while await heard(listener, MARK):
                    arrived += 1
            assert 40 <= arrived <= 60

    asyncio.run(scenario())


async def inside_host(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0
