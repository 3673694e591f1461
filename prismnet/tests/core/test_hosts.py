from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st
from intents import port, subnet, vpc

from prismnet.core.groups import GroupRule
from prismnet.core.hosts import PortRecord, Records, SubnetRecord, VpcRecord, plan_host
from prismnet.core.ids import GroupId
from prismnet.core.intent import Direction, Protocol

WEB, DB = GroupId("sg-web"), GroupId("sg-db")
NET, OTHER_NET = subnet(1, "10.0.1.0/24"), subnet(2, "10.0.1.0/24")
FIRST, SECOND = vpc(1, (NET,)), vpc(2, (OTHER_NET,))
FROM_WEB = GroupRule(Direction.INGRESS, Protocol.TCP, 5432, 5432, "", WEB, "")
FROM_ANYBODY = GroupRule(Direction.INGRESS, Protocol.TCP, 80, 80, "", "", "")
FROM_RANGE = GroupRule(Direction.INGRESS, Protocol.ICMP, 0, 0, "10.0.0.0/8", "", "")


def records(*ports: PortRecord) -> Records:
    vpcs = tuple(VpcRecord(one.id, one.cidr, one.vni, one.egress_nat) for one in (SECOND, FIRST))
    subnets = (SubnetRecord(OTHER_NET, SECOND.id), SubnetRecord(NET, FIRST.id))
    return Records(vpcs, subnets, {WEB: (FROM_ANYBODY,), DB: (FROM_WEB, FROM_RANGE)}, ports)


def placed(number: int, host: str, *groups: GroupId, second: bool = False) -> PortRecord:
    net, where = (OTHER_NET, SECOND) if second else (NET, FIRST)
    return PortRecord(port(number, f"10.0.1.{number + 1}", net), where.id, host, groups)


def test_a_host_gets_only_its_own_ports_and_their_vpcs() -> None:
    planned = plan_host("a", 9, records(placed(1, "a"), placed(2, "b"), placed(3, "b", second=True), placed(4, "")))
    assert planned.generation == 9
    assert [one.id for one in planned.vpcs] == [FIRST.id]
    assert [one.name for one in planned.vpcs[0].ports] == ["port-1"]
    assert planned.vpcs[0].subnets == (NET,)


def test_a_group_of_the_other_side_is_its_members_in_the_same_vpc_on_any_host() -> None:
    planned = plan_host(
        "a", 1, records(placed(1, "a", DB), placed(2, "b", WEB), placed(3, "", WEB), placed(4, "b", WEB, second=True))
    )
    (from_web, from_range) = planned.vpcs[0].ports[0].rules
    assert [str(remote) for remote in from_web.remotes] == ["10.0.1.3/32", "10.0.1.4/32"]
    assert from_range.remotes == (IPv4Network("10.0.0.0/8"),)


def test_a_rule_without_other_side_admits_anybody_and_one_with_an_empty_group_nobody() -> None:
    planned = plan_host("a", 1, records(placed(1, "a", WEB)))
    assert planned.vpcs[0].ports[0].rules[0].remotes == (IPv4Network("0.0.0.0/0"),)
    alone = plan_host("a", 1, records(placed(1, "a", DB)))
    assert alone.vpcs[0].ports[0].rules[0].remotes == ()


def test_rules_of_all_groups_add_up_and_a_deleted_group_gives_none() -> None:
    planned = plan_host("a", 1, records(placed(1, "a", WEB, DB, GroupId("sg-gone"))))
    assert len(planned.vpcs[0].ports[0].rules) == 3


def test_a_host_without_ports_gets_an_empty_intent() -> None:
    assert plan_host("z", 4, records(placed(1, "a"))).vpcs == ()


def test_a_port_whose_subnet_was_not_read_yet_waits() -> None:
    early = replace(records(placed(1, "a")), subnets=())
    assert plan_host("a", 1, early).vpcs == ()


@given(st.permutations([placed(n, "a", WEB, DB) for n in range(1, 6)]))
def test_equal_records_in_any_order_give_equal_intents(ports: list[PortRecord]) -> None:
    straight = plan_host("a", 1, records(*sorted(ports, key=lambda one: one.port.id)))
    assert plan_host("a", 1, records(*ports)) == straight
