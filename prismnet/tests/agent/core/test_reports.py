from __future__ import annotations

from dataclasses import replace

from intents import SETTINGS, two_tenants

from prismnet.agent.core.reports import report
from prismnet.agent.core.state import HOST_OWNER, LinkName, Owner
from prismnet.core.intent import HostIntent

INTENT: HostIntent = two_tenants()
WEB, CLIENT, _ = INTENT.vpcs[0].ports
UPLINK = LinkName("eth9")
NO_UPLINK = replace(SETTINGS, uplink=None)


def test_all_is_well() -> None:
    said = report(INTENT, SETTINGS, UPLINK, {}, {WEB.id: 123})
    assert all(port.ready and not port.message for port in said.ports)
    assert {port.id: port.leased_at_ms for port in said.ports}[WEB.id] == 123
    assert [(vpc.egress, vpc.message) for vpc in said.vpcs] == [
        (True, ""),
        (False, "egress_nat is off for this VPC"),
    ]


def test_a_failed_port_stands_alone() -> None:
    said = report(INTENT, SETTINGS, UPLINK, {Owner(WEB.id): "no tap"}, {})
    assert [port.id for port in said.ports if not port.ready] == [WEB.id]
    assert said.ports[0].message == "no tap"


def test_a_failed_vpc_takes_its_ports_along_and_no_others() -> None:
    said = report(INTENT, SETTINGS, UPLINK, {Owner(INTENT.vpcs[0].id): "no bridge"}, {})
    assert [port.ready for port in said.ports] == [False, False, False, True]
    assert said.vpcs[0].message == "no bridge"


def test_a_failed_host_takes_everything_along() -> None:
    said = report(INTENT, SETTINGS, UPLINK, {HOST_OWNER: "no nft"}, {})
    assert not any(port.ready for port in said.ports)


def test_a_missing_uplink_is_told_with_what_to_do() -> None:
    assert "no uplink configured" in report(INTENT, NO_UPLINK, None, {}, {}).vpcs[0].message
    assert "'eth9' does not exist" in report(INTENT, NO_UPLINK, UPLINK, {}, {}).vpcs[0].message
