"""Intents over the wire: what the server renders the agent reads, and what is not sound it refuses whole."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intents import intent, port, subnet, two_tenants, vpc

from prismnet.agent.core.reports import HostReport, PortReport, VpcReport
from prismnet.agent.shell.intents import parse_intent, render_report
from prismnet.core.intent import Direction, Protocol, Rule
from prismnet.shell.intents import render_intent
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError

ranges = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: IPv4Network((pair[0] >> (32 - pair[1]) << (32 - pair[1]) if pair[1] else 0, pair[1]))
)
rules = st.builds(
    Rule,
    direction=st.sampled_from(Direction),
    protocol=st.sampled_from(Protocol),
    port_min=st.integers(0, 100),
    port_max=st.integers(100, 65_535),
    remotes=st.lists(ranges, max_size=3).map(tuple),
)
NET = subnet(1, "10.0.1.0/24", "1.1.1.1")


@given(st.lists(rules, max_size=4), st.booleans(), st.booleans(), st.integers(1, 65_535))
def test_what_is_rendered_is_read_back(chosen: list[Rule], tap: object, egress: object, number: int) -> None:
    one = port(1, "10.0.1.9", NET, *chosen, tap=bool(tap))
    wanted = intent(vpc(number, (NET,), one, egress=bool(egress)), generation=number)
    assert parse_intent(render_intent(wanted)) == wanted


def edit(change: Callable[[pb.HostVpc], object]) -> pb.HostIntent:
    message = render_intent(two_tenants())
    change(message.vpcs[0])
    return message


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "id", "vpc-x"),
        lambda one: setattr(one, "vni", 0),
        lambda one: setattr(one, "vni", 65_536),
        lambda one: setattr(one, "vni", 8),
        lambda one: setattr(one, "cidr", "10.0.0.1/16"),
        lambda one: setattr(one.subnets[0], "gateway", "10.9.9.9"),
        lambda one: setattr(one.subnets[0], "cidr", ""),
        lambda one: one.subnets[0].dns_servers.append("ns1"),
        lambda one: setattr(one.ports[0], "id", '"; flush ruleset'),
        lambda one: setattr(one.ports[0], "subnet", "subnet-gone"),
        lambda one: setattr(one.ports[0], "address", "10.0.9.9"),
        lambda one: setattr(one.ports[0], "address", one.subnets[0].gateway),
        lambda one: setattr(one.ports[0], "address", one.ports[1].address),
        lambda one: setattr(one.ports[0], "mac", one.ports[1].mac),
        lambda one: setattr(one.ports[0], "mac", "02:00:00:00:00:0G"),
        lambda one: setattr(one.ports[0], "mac", "02:00:00:00:00:AB"),
        lambda one: setattr(one.ports[0], "id", one.ports[1].id),
        lambda one: setattr(one.ports[0], "hostname", "x" * 64),
        lambda one: setattr(one.ports[0], "hostname", "a\nb"),
        lambda one: setattr(one.ports[0], "attachment", 9),
        lambda one: setattr(one.ports[0].rules[0], "direction", 0),
        lambda one: setattr(one.ports[0].rules[0], "protocol", 9),
        lambda one: setattr(one.ports[0].rules[0], "port_max", 70_000),
        lambda one: one.ports[0].rules[0].remote_cidrs.append("10.0.0.0/8 accept; drop"),
    ],
)
def test_what_is_not_sound_is_refused_whole(change: Callable[[pb.HostVpc], object]) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_intent(edit(change))


def test_a_report_says_all_it_knows() -> None:
    one = two_tenants().vpcs[0]
    said = HostReport(
        "node-1",
        7,
        (PortReport(one.ports[0].id, 3, ready=False, message="no tap", leased_at_ms=5),),
        (VpcReport(one.id, egress=False, message="no uplink"),),
    )
    request = render_report(said)
    assert (request.host, request.generation) == ("node-1", 7)
    assert (request.ports[0].message, request.ports[0].leased_at_ms) == ("no tap", 5)
    assert (request.vpcs[0].egress, request.vpcs[0].message) == (False, "no uplink")
