"""Admission as callers meet it: the four kinds over the memory store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from clouds import DEV, PLASMAVMC, STRANGE, Cloud

from prismnet.core.ids import mac_of
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.base.faults import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
)
from ultracloud.servicekit.resources import SetLimits
from ultracloud.servicekit.testing import BLUE

ResultT = TypeVar("ResultT")
VM = "vm-01jdh4x0k3v8p7q2m9n5r6s7t8"


def run(scenario: Callable[[Cloud], Awaitable[ResultT]]) -> ResultT:
    async def begun() -> ResultT:
        return await scenario(Cloud())

    return asyncio.run(begun())


def test_a_vpc_is_made_with_the_lowest_free_number() -> None:
    async def scenario(cloud: Cloud) -> None:
        first, second = await cloud.vpc("a"), await cloud.vpc("b")
        assert (first.status.vni, second.status.vni) == (1, 2)
        await cloud.delete(cloud.vpcs, "a")
        assert (await cloud.vpc("c")).status.vni == 1

    run(scenario)


def test_concurrent_vpcs_get_different_numbers() -> None:
    async def scenario(cloud: Cloud) -> None:
        made = await asyncio.gather(*(cloud.vpc(f"v{number}") for number in range(20)))
        assert sorted(vpc.status.vni for vpc in made) == list(range(1, 21))

    run(scenario)


def test_a_subnet_knows_its_gateway_and_its_size() -> None:
    async def scenario(cloud: Cloud) -> None:
        vpc, subnet = await cloud.vpc("v"), await cloud.subnet("s", cidr="10.0.1.0/28")
        assert subnet.spec.vpc == vpc.metadata.id
        assert (subnet.status.gateway, subnet.status.addresses_total) == ("10.0.1.1", 13)
        assert subnet.status.conditions[0].type == "Ready"

    run(scenario)


def test_an_overlapping_subnet_is_refused_by_name() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.vpc("v")
        await cloud.subnet("web", cidr="10.0.1.0/24")
        with pytest.raises(FailedPreconditionError, match=r"overlaps subnet 'web' \(10\.0\.1\.0/24\)"):
            await cloud.subnet("too", cidr="10.0.1.128/25")
        await cloud.subnet("db", cidr="10.0.2.0/24")

    run(scenario)


def test_of_concurrent_overlapping_subnets_one_is_made() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.vpc("v")
        tries = [cloud.subnet(f"s{n}", cidr=f"10.0.{n}.0/20" if n == 0 else f"10.0.{n}.0/24") for n in range(8)]
        made = [one for one in await asyncio.gather(*tries, return_exceptions=True) if isinstance(one, pb.Subnet)]
        ranges = sorted(one.spec.cidr for one in made)
        assert ranges == ["10.0.0.0/20"] or "10.0.0.0/20" not in ranges

    run(scenario)


def test_ports_get_the_lowest_free_address_and_a_mac_of_their_own() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        ports = [await cloud.port(f"p{number}") for number in range(3)]
        assert [port.status.address for port in ports] == ["10.0.1.2", "10.0.1.3", "10.0.1.4"]
        assert ports[0].status.mac == mac_of(ports[0].metadata.id)
        assert ports[0].status.device_name == f"tap{ports[0].metadata.id[-10:]}"
        await cloud.delete(cloud.ports, "p1")
        assert (await cloud.port("p9")).status.address == "10.0.1.3"

    run(scenario)


def test_fifty_concurrent_ports_get_fifty_addresses() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        made = await asyncio.gather(*(cloud.port(f"p{number}") for number in range(50)))
        assert len({port.status.address for port in made}) == 50

    run(scenario)


def test_of_concurrent_ports_that_want_one_address_one_gets_it() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        tries = [cloud.port(f"p{number}", address="10.0.1.77") for number in range(6)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, pb.Port) for one in outcomes) == 1
        assert all(isinstance(one, pb.Port | AlreadyExistsError) for one in outcomes)
        with pytest.raises(AlreadyExistsError, match=r"address 10\.0\.1\.77 is taken by port 'p\d'"):
            await cloud.port("late", address="10.0.1.77")

    run(scenario)


def test_a_full_subnet_says_so() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.vpc("v")
        await cloud.subnet("s", cidr="10.0.1.0/29")
        for number in range(5):
            await cloud.port(f"p{number}")
        with pytest.raises(ResourceExhaustedError, match="all 5 addresses"):
            await cloud.port("p5")

    run(scenario)


def test_what_is_in_use_is_not_deleted_and_its_users_are_named() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        await cloud.group("web")
        await cloud.group("db", pb.Rule(direction=pb.Rule.INGRESS, remote_group="web"))
        await cloud.port("p0", groups=["db"])
        for server, ref, user in (
            (cloud.vpcs, "v", "subnet s"),
            (cloud.subnets, "s", "port p0"),
            (cloud.groups, "db", "port p0"),
            (cloud.groups, "web", "securitygroup db"),
        ):
            with pytest.raises(FailedPreconditionError, match=f"used by {user}; delete"):
                await cloud.delete(server, ref)
        for server, ref in (
            (cloud.ports, "p0"),
            (cloud.groups, "db"),
            (cloud.groups, "web"),
            (cloud.subnets, "s"),
            (cloud.vpcs, "v"),
        ):
            await cloud.delete(server, ref)

    run(scenario)


def test_a_vpc_is_not_deleted_under_a_subnet_that_is_being_made() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.vpc("v")
        outcomes = await asyncio.gather(cloud.subnet("s"), cloud.delete(cloud.vpcs, "v"), return_exceptions=True)
        assert sum(not isinstance(one, BaseException) for one in outcomes) == 1

    run(scenario)


def test_rules_name_groups_and_may_name_their_own() -> None:
    async def scenario(cloud: Cloud) -> None:
        own = await cloud.group("mesh", pb.Rule(direction=pb.Rule.INGRESS, remote_group="mesh"))
        assert own.spec.rules[0].remote_group == own.metadata.id
        with pytest.raises(NotFoundError, match="no securitygroup 'nobody'"):
            await cloud.group("x", pb.Rule(direction=pb.Rule.INGRESS, remote_group="nobody"))
        with pytest.raises(InvalidArgumentError, match="rule 1: direction is missing"):
            await cloud.group("x", pb.Rule(protocol=pb.Rule.TCP))
        await cloud.delete(cloud.groups, "mesh")

    run(scenario)


def test_references_are_kept_when_a_whole_spec_is_sent_again_with_names() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        await cloud.vpc("other")
        spec = pb.SubnetSpec(vpc="v", cidr="10.0.1.0/24", dns_servers=["1.1.1.1"])
        changed = await cloud.subnets.update(
            pb.UpdateSubnetRequest(project="blue", ref="s", spec=spec), cloud.call(DEV)
        )
        assert list(changed.spec.dns_servers) == ["1.1.1.1"]
        spec.vpc = "other"
        with pytest.raises(InvalidArgumentError, match="vpc of a subnet cannot change to 'other'"):
            await cloud.subnets.update(pb.UpdateSubnetRequest(project="blue", ref="s", spec=spec), cloud.call(DEV))

    run(scenario)


def test_a_port_keeps_its_address_and_may_move_to_another_host() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        port = await cloud.port("p")
        assert [one.reason for one in port.status.conditions] == ["Unplaced"]
        moved = await cloud.change_port("p", pb.PortSpec(host="node-1"), "host")
        assert moved.status.address == port.status.address
        assert [one.reason for one in moved.status.conditions] == ["Pending"]
        with pytest.raises(InvalidArgumentError, match=r"address of a port cannot change to '10\.0\.1\.99'"):
            await cloud.change_port("p", pb.PortSpec(address="10.0.1.99"), "address")

    run(scenario)


def test_a_vms_port_belongs_to_plasmavmc() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        with pytest.raises(FailedPreconditionError, match=f"used by {VM}"):
            await cloud.port("mine", device=VM)
        await cloud.port("vm-nic", device=VM, caller=PLASMAVMC)
        with pytest.raises(FailedPreconditionError, match=f"used by {VM}; delete the VM"):
            await cloud.delete(cloud.ports, "vm-nic")
        with pytest.raises(FailedPreconditionError, match=f"used by {VM}"):
            await cloud.change_port("vm-nic", pb.PortSpec(device=""), "device")
        await cloud.delete(cloud.ports, "vm-nic", caller=PLASMAVMC)

    run(scenario)


def test_another_tenant_sees_and_uses_nothing() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        with pytest.raises(PermissionDeniedError):
            await cloud.vpc("x", caller=STRANGE)
        with pytest.raises(NotFoundError):
            await cloud.port("x", project="red", subnet="s", caller=STRANGE)

    run(scenario)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (pb.PortSpec(), "subnet of the port is empty"),
        (pb.PortSpec(subnet="s", host="NODE"), "no host's name"),
        (pb.PortSpec(subnet="s", attachment=7), "attachment 7 is unknown"),  # type: ignore[arg-type]
        (pb.PortSpec(subnet="s", address="10.0.9.9"), "accepted: 10.0.1.2 to 10.0.1.254"),
        (pb.PortSpec(subnet="s", security_groups=[f"g{n}" for n in range(17)]), "at most 16"),
        (pb.PortSpec(subnet="s", hostname="no_good"), "hostname"),
    ],
)
def test_a_bad_port_is_refused(spec: pb.PortSpec, says: str) -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.network()
        with pytest.raises(InvalidArgumentError, match=says):
            await cloud.ports.create(pb.CreatePortRequest(project="blue", name="p", spec=spec), cloud.call(DEV))

    run(scenario)


def test_what_tenants_have_counts_in_the_quota_of_their_project() -> None:
    async def scenario(cloud: Cloud) -> None:
        await cloud.vpc("v")
        await cloud.subnet("s", cidr="10.0.1.0/28")
        await cloud.port("p")
        assert await cloud.resources.ledger.used(BLUE.id) == {"vpcs": 1, "subnets": 1, "ports": 1}
        cloud.resources.ledger.limits = SetLimits({"vpcs": 1})
        with pytest.raises(ResourceExhaustedError, match="quota of vpcs: the limit is 1, 1 are used"):
            await cloud.vpc("w")

    run(scenario)
