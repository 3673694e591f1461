"""Guests get their addresses: busybox's client in a namespace, and a client of bytes on a tap."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from agents import QueueOfIntents, inside, running_agent
from intents import ANYONE, intent, port, subnet, vpc
from workloads import open_tap

from prismnet.agent.core.dhcp.frame import Datagram, parse_frame, render_frame
from prismnet.agent.core.dhcp.message import Kind, Message, Option, parse
from prismnet.agent.core.state import Owner, Tracked
from prismnet.agent.shell.conntrack import forget
from prismnet.core.ids import mac_of, tap_name
from prismnet.core.intent import Direction, Protocol, Rule

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from dhcp_clients import DISCOVER, INFORM, REQUEST, packet

pytestmark = pytest.mark.usefixtures("own_network")

NET, BACK = subnet(1, "10.0.1.0/24", "10.0.1.53"), subnet(2, "10.0.2.0/28")
WEB_ONLY = Rule(Direction.EGRESS, Protocol.TCP, 443, 443, ANYONE)
POD, GUEST = port(1, "10.0.1.2", NET, name="pod"), port(2, "10.0.2.5", BACK, WEB_ONLY, tap=True, name="guest")
VPC = vpc(7, (NET, BACK), POD, GUEST)
BROADCAST, LIMITED, NOWHERE = "ff:ff:ff:ff:ff:ff", "255.255.255.255", "0.0.0.0"
TRIES, TRY_S = 8, 0.5


class Tap:
    """A guest's network card."""

    def __init__(self, name: str) -> None:
        self.was_complained_to = False
        self._descriptor = open_tap(name)
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(
            self._descriptor, lambda: self._arrived.put_nowait(os.read(self._descriptor, 2048))
        )

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    async def ask(self, payload: bytes, source: str = NOWHERE, destination: str = LIMITED) -> tuple[Datagram, Message]:
        """Send a DHCP message; gives the next one that comes to a client, and the datagram it came in."""
        ends = IPv4Address(source), IPv4Address(destination)
        mac = BROADCAST if destination == LIMITED else mac_of(VPC.id)
        while not self._arrived.empty():
            self._arrived.get_nowait()
        for _ in range(TRIES):
            # A bridge hears of a tap's carrier up to a second after it was opened, and drops frames until then.
            os.write(self._descriptor, render_frame(Datagram(GUEST.mac, mac, *ends, 68, 67, payload)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRY_S):
                    return await self._answer()
        raise TimeoutError

    async def _answer(self) -> tuple[Datagram, Message]:
        while True:
            frame = await self._arrived.get()
            # ICMP to this guest, or the question where to send it.
            self.was_complained_to |= frame[12:14] == b"\x08\x06" or frame[23] == socket.IPPROTO_ICMP
            datagram = parse_frame(frame)
            if datagram is not None and datagram.destination_port == 68:
                return datagram, parse(datagram.payload)


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[QueueOfIntents, Tap]]:
    hosts = QueueOfIntents()
    async with running_agent(hosts, folder):
        await hosts.apply(intent(VPC))
        with contextlib.closing(Tap(tap_name(GUEST.id))) as tap:
            yield hosts, tap


def test_busyboxs_client_gets_a_lease_with_everything_in_it(tmp_path: Path) -> None:
    script = tmp_path / "told.sh"
    told = "$ip/$mask $router $dns $hostname $mtu $lease $staticroutes"
    script.write_text(f'#!/bin/sh\n[ "$1" = bound ] && echo "{told}"\n')
    script.chmod(0o755)

    async def scenario() -> None:
        async with served(tmp_path) as (hosts, _):
            client = ["busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "3", "-T", "1", "-s", str(script)]
            code, said = await inside(POD.id, *client, "-O", "mtu", "-O", "staticroutes")
            assert code == 0, said
            routes = "0.0.0.0/0 10.0.1.1 169.254.169.254/32 10.0.1.1"
            assert f"10.0.1.2/24 10.0.1.1 10.0.1.53 pod 1450 86400 {routes}" in said
            leased = await hosts.wait(lambda report: any(one.leased_at_ms for one in report.ports))
            assert [one.id for one in leased.ports if one.leased_at_ms] == [POD.id]

    asyncio.run(scenario())


def test_a_guest_on_a_tap_boots_renews_and_reboots(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as (_, tap):
            datagram, offer = await tap.ask(packet(DISCOVER, mac=GUEST.mac))
            assert (offer.kind, str(offer.yiaddr)) == (Kind.OFFER, "10.0.2.5")
            assert (datagram.destination_mac, str(datagram.source)) == (GUEST.mac, "10.0.2.1")
            assert offer.address_option(Option.MASK) == IPv4Address("255.255.255.240")
            _, ack = await tap.ask(packet(REQUEST, mac=GUEST.mac, wanted="10.0.2.5", server="10.0.2.1"))
            assert ack.kind is Kind.ACK
            # An hour later conntrack has long forgotten, and only the rules decide.
            await asyncio.to_thread(forget, [Tracked(VPC.vni, GUEST.address, Owner(GUEST.id))])
            renewal = packet(REQUEST, mac=GUEST.mac, ciaddr="10.0.2.5")
            datagram, ack = await tap.ask(renewal, "10.0.2.5", "10.0.2.1")
            assert (ack.kind, str(datagram.destination)) == (Kind.ACK, "10.0.2.5")
            assert not tap.was_complained_to
            datagram, nak = await tap.ask(packet(REQUEST, mac=GUEST.mac, wanted="10.0.9.9"))
            assert (nak.kind, datagram.destination_mac) == (Kind.NAK, BROADCAST)
            _, told = await tap.ask(packet(INFORM, mac=GUEST.mac, ciaddr="10.0.2.5"), "10.0.2.5", "10.0.2.1")
            assert Option.LEASE_TIME not in told.options

    asyncio.run(scenario())


def test_changed_subnets_are_told_from_the_next_lease_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as (hosts, tap):
            other = subnet(2, "10.0.2.0/28", "10.0.2.9")
            await hosts.apply(intent(vpc(7, (NET, other), POD, GUEST), generation=2))
            _, offer = await tap.ask(packet(DISCOVER, mac=GUEST.mac))
            assert offer.address_option(Option.DNS) == IPv4Address("10.0.2.9")

    asyncio.run(scenario())


def test_a_restarted_agent_answers_and_rubbish_does_not_stop_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as (hosts, _):
            pass
        async with running_agent(hosts, tmp_path):
            with contextlib.closing(Tap(tap_name(GUEST.id))) as tap:
                for rubbish in (b"", b"\x00" * 240, packet(DISCOVER, mac=GUEST.mac)[:-1] + b"\x0c\xff"):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await tap.ask(rubbish)
                assert (await tap.ask(packet(DISCOVER, mac=GUEST.mac)))[1].kind is Kind.OFFER

    asyncio.run(scenario())
