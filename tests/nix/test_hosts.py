"""What a machine of tenants' networks and guests takes of NixOS beside our units."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from prismnet.core import ids
from ultracloud.base.ids import make_id


@pytest.fixture(scope="module")
def hosts(machines: Any) -> list[Any]:
    found = [machine for machine in machines.values() if "prismnet-agent" in machine["settings"]]
    assert found
    return found


def test_bridged_frames_pass_the_rules(hosts: list[Any]) -> None:
    assert all("br_netfilter" in host["kernelModules"] for host in hosts)


def test_frames_of_guests_need_no_route_back(hosts: list[Any]) -> None:
    assert all(host["checksReversePath"] is False for host in hosts)


def test_the_hosts_dhcp_client_leaves_tenants_links_alone(hosts: list[Any]) -> None:
    vpc, port = ids.VpcId(make_id("vpc", 0, bytes(10))), ids.PortId(make_id("port", 0, bytes(10)))
    links = {
        ids.bridge_name(vpc),
        ids.router_port_name(vpc),
        ids.transit_name(vpc),
        ids.tap_name(port),
        ids.veth_name(port),
    }
    for host in hosts:
        assert {link for link in links if any(fnmatchcase(link, pattern) for pattern in host["withoutDhcp"])} == links
        assert not any(
            fnmatchcase("br-lan", pattern) or fnmatchcase("eth0", pattern) for pattern in host["withoutDhcp"]
        )
