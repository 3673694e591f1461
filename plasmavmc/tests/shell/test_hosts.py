"""Hosts and their agents, as the server sees them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from clouds import OPERATOR, ROOMY, Cloud, in_cloud, reason

from plasmavmc.shell import presence
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.faults import (
    FailedPreconditionError,
    InvalidArgumentError,
    PermissionDeniedError,
    UnavailableError,
)
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.testing import FakeCall


def agent_call(host: str = "node1", service: str = "plasmavmc") -> FakeCall:
    return FakeCall(principal=spiffe_principal(pki.agent_identity(service, host)))


def test_first_report_makes_the_host_and_later_ones_keep_it(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.report(capacity=pb.HostCapacity(vcpus=2, memory_mib=100, disk_gib=1, accelerator="kvm"))
        (host,) = (await cloud.hosts.list(resource_pb2.ListRequest(), FakeCall(principal=OPERATOR))).items  # type: ignore[attr-defined]
        assert (host.metadata.name, host.status.capacity.accelerator) == ("node1", "kvm")

    in_cloud(tmp_path, story)


@pytest.mark.parametrize(
    "caller",
    [agent_call("node2"), agent_call(service="prismnet"), FakeCall(principal=OPERATOR)],
    ids=["another host", "another service", "operator"],
)
def test_only_the_hosts_own_agent_speaks_for_it(caller: FakeCall, tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        with pytest.raises(PermissionDeniedError):
            await cloud.hosts.report_host(pb.ReportHostRequest(host="node1"), caller)
        with pytest.raises(PermissionDeniedError):
            await anext(aiter(cloud.hosts.watch_host(pb.WatchHostRequest(host="node1"), caller)))

    in_cloud(tmp_path, story)


def test_what_a_host_says_before_the_server_has_seen_its_last_report_is_written(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm()
        await cloud.until(lambda: "web" in cloud.intent())
        runs = pb.VmReport(
            id=vm.metadata.id, generation=1, power=pb.RUNNING, reboot_count=1, ready=True, reason="Running"
        )
        waits = pb.VmReport(id=vm.metadata.id, generation=1, power=pb.STOPPED, reboot_count=1, reason="Starting")
        await cloud.report(runs)
        await cloud.until(
            lambda: [one.status.power for one in cloud.reconciler.world.all(cloud.kinds.vm)] == [pb.RUNNING]
        )
        for report in (waits, runs):
            await cloud.hosts.report_host(
                pb.ReportHostRequest(host="node1", capacity=ROOMY, vms=[report]), agent_call()
            )
        found = await cloud.get("web")
        assert (found.status.power, reason(found, "Ready")) == (pb.RUNNING, "Running")

    in_cloud(tmp_path, story)


def test_host_may_not_speak_of_anothers_vms(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm()
        await cloud.until(lambda: "web" in cloud.intent())
        lie = pb.VmReport(id=vm.metadata.id, power=pb.STOPPED, reason="Crashed")
        await cloud.report(lie, host="node2")
        assert reason(await cloud.get("web"), "Ready") == "WaitingForHost"

    in_cloud(tmp_path, story)


def test_agent_gets_the_intent_and_what_is_newer(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        async with aclosing(cloud.hosts.watch_host(pb.WatchHostRequest(host="node1"), agent_call())) as intents:  # type: ignore[type-var]
            assert [vm.name for vm in (await anext(intents)).vms] == []
            await cloud.vm()
            newer = await anext(intents)
            assert [vm.name for vm in newer.vms] == ["web"]
            assert newer.generation > 0

    in_cloud(tmp_path, story)


def test_agent_that_comes_is_connected_and_one_that_stays_away_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOST_S", 0.05)

    async def story(cloud: Cloud) -> None:
        async with aclosing(cloud.hosts.watch_host(pb.WatchHostRequest(host="node1"), agent_call())) as intents:  # type: ignore[type-var]
            await anext(intents)
            await cloud.until(lambda: reason(cloud.world_hosts("node1")[0], "Ready") == "Connected")
        await cloud.until(lambda: reason(cloud.world_hosts("node1")[0], "Ready") == "Disconnected")
        async with aclosing(cloud.hosts.watch_host(pb.WatchHostRequest(host="node1"), agent_call())) as intents:  # type: ignore[type-var]
            await anext(intents)
            await cloud.until(lambda: reason(cloud.world_hosts("node1")[0], "Ready") == "Connected")

    in_cloud(tmp_path, story)


def test_a_tenant_reads_in_the_events_where_the_vm_went_and_that_its_host_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOST_S", 0.05)

    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm()

        async def told() -> list[str]:
            events = await cloud.resources.events(cloud.kinds.vm, vm.metadata.id)
            return [f"{one.reason}: {one.message}" for one in events]

        assert "Placed: on node1" in await told()
        async with aclosing(cloud.hosts.watch_host(pb.WatchHostRequest(host="node1"), agent_call())) as intents:  # type: ignore[type-var]
            await anext(intents)
        async with asyncio.timeout(5):
            while not any(one.startswith("HostLost: its host") for one in await told()):  # noqa: ASYNC110 - in the store
                await asyncio.sleep(0.01)

    in_cloud(tmp_path, story)


def test_host_that_does_not_come_back_after_our_restart_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOST_S", 0.05)

    async def story(cloud: Cloud) -> None:
        cloud.presence.expect(["node1"])
        await cloud.until(lambda: reason(cloud.world_hosts("node1")[0], "Ready") == "Disconnected")

    in_cloud(tmp_path, story)


def test_host_with_vms_cannot_be_removed_and_an_empty_one_can(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        with pytest.raises(FailedPreconditionError, match="host 'node1' is used by vm "):
            await cloud.delete(cloud.hosts, "node1", project="", caller=OPERATOR)
        await cloud.report(host="node2")
        await cloud.delete(cloud.hosts, "node2", project="", caller=OPERATOR)

    in_cloud(tmp_path, story)


def test_vms_of_a_lost_host_go_when_an_operator_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LOST_S", 0.01)

    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm(nics=[pb.Nic(subnet="s")])
        await cloud.until(lambda: cloud.network.ports)
        cloud.presence.expect(["node1"])
        await cloud.until(lambda: reason(cloud.world_hosts("node1")[0], "Ready") == "Disconnected")
        with pytest.raises(FailedPreconditionError, match="is used by vm "):
            await cloud.delete(cloud.hosts, "node1", project="", caller=OPERATOR)
        await cloud.delete(cloud.vms, "web")
        await cloud.delete(cloud.hosts, "node1", project="", caller=OPERATOR)
        await cloud.until(lambda: not cloud.reconciler.world.all(cloud.kinds.vm))
        assert cloud.network.ports == {}

    in_cloud(tmp_path, story)


def test_nobody_makes_a_host_by_hand_and_tenants_see_none(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        with pytest.raises(FailedPreconditionError, match="start plasmavmc's agent on it"):
            await cloud.hosts.create(pb.CreateHostRequest(name="node9"), FakeCall(principal=OPERATOR))
        assert list((await cloud.hosts.list(resource_pb2.ListRequest(), cloud.call())).items) == []  # type: ignore[attr-defined]

    in_cloud(tmp_path, story)


def test_report_before_the_records_are_read_is_sent_again(tmp_path: Path) -> None:
    async def early() -> None:
        cloud = Cloud(tmp_path)
        with pytest.raises(UnavailableError, match="has not read its records yet"):
            await cloud.hosts.report_host(pb.ReportHostRequest(host="node1", capacity=ROOMY), agent_call())

    asyncio.run(early())


def test_host_name_with_forbidden_characters_is_refused(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        with pytest.raises((InvalidArgumentError, PermissionDeniedError)):
            await cloud.hosts.report_host(pb.ReportHostRequest(host="a/b", capacity=ROOMY), agent_call("a/b"))

    in_cloud(tmp_path, story)


def test_two_first_reports_at_once_make_one_host(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        request = pb.ReportHostRequest(host="node3", capacity=ROOMY)
        await asyncio.gather(*(cloud.hosts.report_host(request, agent_call("node3")) for _ in range(3)))
        await cloud.until(lambda: cloud.world_hosts("node3"))
        assert len(cloud.world_hosts("node3")) == 1

    in_cloud(tmp_path, story)
