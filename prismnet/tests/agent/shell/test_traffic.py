"""What packets do in the networks the agent builds, on the real kernel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from agents import QueueOfIntents, inside, running_agent
from intents import ANYONE, HTTP_FROM_ANYONE, PING_FROM_ANYONE, intent, port, subnet, vpc, with_rules
from workloads import (
    OUTSIDE,
    OUTSIDE_ADDRESS,
    UPLINK,
    UPLINK_ADDRESS,
    Connection,
    build_outside,
    echoing,
    is_answered,
)

from prismnet.core.intent import Direction, HostIntent, Protocol, Rule

pytestmark = pytest.mark.usefixtures("own_network")

NF_CONNTRACK = Path("/proc/net/nf_conntrack")
FRONT, BACK, RIVAL = subnet(1, "10.0.1.0/24"), subnet(2, "10.0.2.0/24"), subnet(3, "10.0.1.0/24")
WEB, CLIENT, FAR = port(1, "10.0.1.2", FRONT), port(2, "10.0.1.3", FRONT), port(3, "10.0.2.2", BACK)
RIVAL_WEB, RIVAL_CLIENT = port(4, "10.0.1.2", RIVAL, HTTP_FROM_ANYONE), port(5, "10.0.1.3", RIVAL)


def network() -> HostIntent:
    """Two tenants with the same addresses: web and client of each, and a second subnet of the first."""
    return intent(vpc(7, (FRONT, BACK), WEB, CLIENT, FAR), vpc(8, (RIVAL,), RIVAL_WEB, RIVAL_CLIENT))


@contextlib.asynccontextmanager
async def echo_after(hosts: QueueOfIntents, wanted: HostIntent, where: str) -> AsyncIterator[list[str]]:
    """The intent applied, and an echo server on port 80 of one of its ports."""
    await hosts.apply(wanted)
    async with echoing(where, 80) as came:
        yield came


@contextlib.asynccontextmanager
async def echoing_at_home(port_number: int) -> AsyncIterator[None]:
    """A server in the host's own namespace, on every address it has."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "0.0.0.0", port_number)
    try:
        yield
    finally:
        server.close()


def test_http_is_refused_until_a_rule_admits_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path), echo_after(hosts, network(), WEB.id):
            assert not await is_answered(CLIENT.id, "10.0.1.2", 80)
            assert not await is_answered(FAR.id, "10.0.1.2", 80)
            await hosts.apply(with_rules(network(), WEB.id, HTTP_FROM_ANYONE))
            assert await is_answered(CLIENT.id, "10.0.1.2", 80)
            assert await is_answered(FAR.id, "10.0.1.2", 80)
            assert not await is_answered(CLIENT.id, "10.0.1.2", 81)

    asyncio.run(scenario())


def test_an_open_connection_survives_changed_rules_and_a_restart_of_the_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts, allowed = QueueOfIntents(), with_rules(network(), WEB.id, HTTP_FROM_ANYONE)
        async with running_agent(hosts, tmp_path), echo_after(hosts, allowed, WEB.id):
            near, far = await Connection.open(CLIENT.id, "10.0.1.2", 80), await Connection.open(FAR.id, "10.0.1.2", 80)
            assert await near.ask("one") == "10.0.1.3 one"
            await hosts.apply(replace(network(), generation=3))
            assert await near.ask("two") == "10.0.1.3 two"
            assert await far.ask("two") == "10.0.2.2 two"
        async with running_agent(hosts, tmp_path) as again:
            assert again.steps_done == 0
            assert await near.ask("three") == "10.0.1.3 three"
            assert not await is_answered(CLIENT.id, "10.0.1.2", 80)

    asyncio.run(scenario())


def test_tenants_with_the_same_addresses_do_not_meet(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        allowed = with_rules(network(), WEB.id, HTTP_FROM_ANYONE)
        async with running_agent(hosts, tmp_path), echo_after(hosts, allowed, WEB.id) as came:
            async with echoing(RIVAL_WEB.id, 80) as rival_came:
                for tenant in (CLIENT, RIVAL_CLIENT):
                    connection = await Connection.open(tenant.id, "10.0.1.2", 80)
                    assert await connection.ask("who") == "10.0.1.3 who"
                assert (len(came), len(rival_came)) == (1, 1)
            assert not await is_answered(RIVAL_CLIENT.id, "10.0.2.2", 80)

    asyncio.run(scenario())


def test_a_tenant_reaches_neither_the_host_nor_a_transit_link(tmp_path: Path) -> None:
    async def scenario() -> None:
        build_outside()
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path, uplink=UPLINK), echoing_at_home(8080):
            await hosts.apply(network())
            own_router, own_host, rival_router, rival_host = "100.64.0.30", "100.64.0.29", "100.64.0.34", "100.64.0.33"
            for address in (UPLINK_ADDRESS, own_host, rival_router, rival_host):
                assert not await is_answered(CLIENT.id, address, 8080)
                assert (await inside(CLIENT.id, "ping", "-c1", "-W0.3", address))[0] != 0
            assert (await inside(CLIENT.id, "ping", "-c1", "-W1", "10.0.1.1"))[0] == 0
            assert not await is_answered(CLIENT.id, own_router, 8080)

    asyncio.run(scenario())


def test_what_leaves_takes_the_uplinks_address_and_nothing_comes_in_unasked(tmp_path: Path) -> None:
    async def scenario() -> None:
        build_outside()
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path, uplink=UPLINK), echoing(OUTSIDE, 80) as came:
            report = await hosts.apply(network())
            assert all(one.egress for one in report.vpcs)
            connections = [await Connection.open(one.id, OUTSIDE_ADDRESS, 80) for one in (CLIENT, RIVAL_CLIENT)]
            for connection in connections:
                assert await connection.ask("hello") == f"{UPLINK_ADDRESS} hello"
            assert came == [UPLINK_ADDRESS, UPLINK_ADDRESS]
            await inside(OUTSIDE, "ip", "route", "add", "10.0.0.0/16", "via", UPLINK_ADDRESS)
            await inside(OUTSIDE, "ip", "route", "add", "100.64.0.0/10", "via", UPLINK_ADDRESS)
            for address in ("10.0.1.2", "100.64.0.30"):
                assert not await is_answered(OUTSIDE, address, 80)

    asyncio.run(scenario())


def test_without_an_uplink_guests_learn_at_once_and_the_report_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path, uplink=UPLINK):
            report = await hosts.apply(network())
            assert "'eth9' does not exist" in report.vpcs[0].message
            code, said = await inside(CLIENT.id, "ping", "-c1", "-W2", "203.0.113.1")
            assert code != 0
            assert "Net Unreachable" in said

    asyncio.run(scenario())


def test_egress_rules_restrict_and_metadata_stays_reachable(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        only_https = Rule(Direction.EGRESS, Protocol.TCP, 443, 443, ANYONE)
        wanted = with_rules(with_rules(network(), WEB.id, HTTP_FROM_ANYONE), CLIENT.id, only_https)
        async with running_agent(hosts, tmp_path), echo_after(hosts, wanted, WEB.id):
            assert not await is_answered(CLIENT.id, "10.0.1.2", 80)
            assert await is_answered(FAR.id, "10.0.1.2", 80)
            assert await is_answered(CLIENT.id, "169.254.169.254", 80)

    asyncio.run(scenario())


def test_the_next_owner_of_an_address_inherits_no_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts, allowed = QueueOfIntents(), with_rules(network(), WEB.id, HTTP_FROM_ANYONE)
        async with running_agent(hosts, tmp_path), echo_after(hosts, allowed, WEB.id):
            connection = await Connection.open(CLIENT.id, "10.0.1.2", 80)
            assert await connection.ask("one") == "10.0.1.3 one"
            heir = port(6, "10.0.1.2", FRONT)
            await hosts.apply(intent(vpc(7, (FRONT, BACK), heir, CLIENT, FAR), generation=9))
            tracked = NF_CONNTRACK.read_text()  # noqa: ASYNC240 - a file of the kernel
            assert not [line for line in tracked.splitlines() if "10.0.1.2" in line and "zone=7" in line]

    asyncio.run(scenario())


def test_pings_and_their_errors_pass_where_they_may(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path):
            await hosts.apply(with_rules(network(), FAR.id, PING_FROM_ANYONE))
            assert (await inside(CLIENT.id, "ping", "-c1", "-W1", "10.0.2.2"))[0] == 0
            assert (await inside(FAR.id, "ping", "-c1", "-W0.3", "10.0.1.3"))[0] != 0
            code, said = await inside(CLIENT.id, "ping", "-c1", "-W1", "-t1", "10.0.2.2")
            assert code != 0
            assert "Time to live exceeded" in said

    asyncio.run(scenario())


def test_segments_are_kept_small_for_guests_that_ignore_the_mtu(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts, allowed = QueueOfIntents(), with_rules(network(), WEB.id, HTTP_FROM_ANYONE)
        async with running_agent(hosts, tmp_path), echo_after(hosts, allowed, WEB.id):
            for guest in (WEB, CLIENT):
                await inside(guest.id, "ip", "link", "set", "eth0", "mtu", "1500")
            connection = await Connection.open(CLIENT.id, "10.0.1.2", 80)
            assert connection.segment_bytes <= 1410

    asyncio.run(scenario())


def test_a_gateway_that_serves_nothing_says_so_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path):
            await hosts.apply(network())
            with pytest.raises(OSError, match=r"Errno 113"):
                await Connection.open(CLIENT.id, "10.0.1.1", 53)

    asyncio.run(scenario())


def test_egress_is_switched_off_and_on_while_it_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        build_outside()
        hosts = QueueOfIntents()
        async with running_agent(hosts, tmp_path, uplink=UPLINK), echoing(OUTSIDE, 80):
            for generation, egress in enumerate((True, False, True), 1):
                one = replace(network().vpcs[0], egress_nat=egress)
                report = await hosts.apply(intent(one, generation=generation))
                assert report.vpcs[0].egress is egress
                assert await is_answered(CLIENT.id, OUTSIDE_ADDRESS, 80) is egress

    asyncio.run(scenario())


def test_large_packets_and_segments_get_through(tmp_path: Path) -> None:
    async def scenario() -> None:
        hosts = QueueOfIntents()
        wanted = with_rules(with_rules(network(), WEB.id, HTTP_FROM_ANYONE), FAR.id, PING_FROM_ANYONE)
        async with running_agent(hosts, tmp_path), echo_after(hosts, wanted, WEB.id):
            assert (await inside(CLIENT.id, "ping", "-c1", "-W1", "-s4000", "10.0.2.2"))[0] == 0
            far = await Connection.open(FAR.id, "10.0.1.2", 80)
            assert await far.ask("x" * 60_000) == "10.0.2.2 " + "x" * 60_000

    asyncio.run(scenario())
