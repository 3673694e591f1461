"""What is loaded into the kernel, as texts a person reviews."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from intents import ANYONE, SETTINGS, TRANSIT, intent, port, subnet, two_tenants, vpc, with_rules

from prismnet.agent.core.host_ruleset import host_ruleset
from prismnet.agent.core.nft_text import removal
from prismnet.agent.core.router_ruleset import router_ruleset
from prismnet.core.intent import Direction, Protocol, Rule
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parents[2] / "golden"


def test_two_tenants_behind_an_uplink() -> None:
    ruleset = host_ruleset(two_tenants().vpcs, SETTINGS.uplink, TRANSIT, SETTINGS.mtu)
    golden.check(GOLDEN / "host_two_tenants.nft", ruleset.text)


def test_one_empty_vpc_without_uplink() -> None:
    only = intent(vpc(1, (subnet(1, "10.0.0.0/24"),)))
    golden.check(GOLDEN / "host_empty_vpc.nft", host_ruleset(only.vpcs, None, TRANSIT, 1450).text)


def test_a_router_with_and_without_a_way_out() -> None:
    golden.check(GOLDEN / "router_egress.nft", router_ruleset(egress=True).text)
    golden.check(GOLDEN / "router_closed.nft", router_ruleset(egress=False).text)


def test_every_kind_of_rule() -> None:
    range_, two = (IPv4Network("192.0.2.0/24"),), (IPv4Network("10.0.0.4/32"), IPv4Network("10.0.0.5/32"))
    rules = (
        Rule(Direction.INGRESS, Protocol.TCP, 443, 443, ANYONE),
        Rule(Direction.INGRESS, Protocol.UDP, 5000, 5010, range_),
        Rule(Direction.INGRESS, Protocol.TCP, 0, 0, two),
        Rule(Direction.INGRESS, Protocol.ICMP, 0, 0, range_ + two),
        Rule(Direction.INGRESS, Protocol.ANY, 0, 0, (IPv4Network("198.51.100.7/32"),)),
        Rule(Direction.INGRESS, Protocol.TCP, 22, 22, ()),
        Rule(Direction.EGRESS, Protocol.ANY, 0, 0, range_),
        Rule(Direction.EGRESS, Protocol.UDP, 53, 53, ANYONE),
    )
    net = subnet(1, "10.0.0.0/24")
    only = intent(vpc(1, (net,), port(1, "10.0.0.2", net, *rules, tap=True)))
    golden.check(GOLDEN / "host_every_rule.nft", host_ruleset(only.vpcs, SETTINGS.uplink, TRANSIT, 1450).text)


def test_the_digest_changes_with_the_rules_and_with_nothing_else() -> None:
    first = two_tenants()
    one = host_ruleset(first.vpcs, SETTINGS.uplink, TRANSIT, 1450)
    assert one == host_ruleset(tuple(reversed(first.vpcs)), SETTINGS.uplink, TRANSIT, 1450)
    changed = with_rules(first, first.vpcs[0].ports[0].id)
    assert one.digest != host_ruleset(changed.vpcs, SETTINGS.uplink, TRANSIT, 1450).digest
    assert one.digest in one.text


def test_ports_with_the_same_rules_share_their_chains() -> None:
    net = subnet(1, "10.0.0.0/16")
    web = Rule(Direction.INGRESS, Protocol.TCP, 80, 80, ANYONE)
    ports = [port(number, f"10.0.1.{number}", net, web) for number in range(2, 200)]
    text = host_ruleset((vpc(1, (net,), *ports),), None, TRANSIT, 1450).text
    assert text.count("tcp dport 80 accept") == 1 + 1  # the shared chain, and metadata for everybody


@given(st.lists(st.integers(0, 255).map(lambda last: IPv4Network(f"10.0.0.{last}/32")), max_size=20))
def test_overlapping_ranges_are_joined_as_nft_demands(remotes: list[IPv4Network]) -> None:
    net = subnet(1, "10.0.0.0/24")
    rule = Rule(Direction.INGRESS, Protocol.TCP, 80, 80, (*remotes, IPv4Network("10.0.0.0/25")))
    text = host_ruleset((vpc(1, (net,), port(1, "10.0.0.2", net, rule)),), None, TRANSIT, 1450).text
    line = next(line for line in text.splitlines() if "ip saddr {" in line)
    ranges = [IPv4Network(part.strip()) for part in line.partition("{")[2].partition("}")[0].split(",")]
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)


def test_a_removal_holds_whether_or_not_there_is_a_table() -> None:
    assert removal(["ip"]) == "table ip prismnet\ndelete table ip prismnet\n"


def test_an_intent_with_another_port_in_the_same_place_is_another_ruleset() -> None:
    first = two_tenants()
    moved = replace(first.vpcs[0].ports[0], mac="02:00:00:00:00:99")
    vpcs = (replace(first.vpcs[0], ports=(moved, *first.vpcs[0].ports[1:])), first.vpcs[1])
    assert host_ruleset(vpcs, None, TRANSIT, 1450) != host_ruleset(first.vpcs, None, TRANSIT, 1450)
