"""What happens to a VM's record, from the server's side alone: the host is what the test says it reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clouds import Cloud, in_cloud, reason

from plasmavmc.testing import MemoryNetwork
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import (
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.servicekit.resources import SetLimits
from ultracloud.servicekit.testing import BLUE

WIRED = {"nics": [pb.Nic(subnet="s", security_groups=["web"])]}


def report_of(vm: pb.Vm, why: str = "Running", **fields: Any) -> pb.VmReport:
    """What a host says of a VM."""
    said: dict[str, Any] = {"power": pb.RUNNING, "reboot_count": vm.spec.reboot_count, "ready": why == "Running"}
    return pb.VmReport(id=vm.metadata.id, generation=vm.metadata.generation, reason=why, **(said | fields))


def test_vm_is_placed_wired_and_handed_to_its_host(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        image = await cloud.image()
        made = await cloud.vm(**WIRED)
        assert (made.status.host, made.spec.power, made.spec.reboot_count) == ("node1", pb.RUNNING, 1)
        assert made.spec.image == image.metadata.id
        vm = await cloud.until_vm("web", lambda vm: len(vm.status.nics) == 1)
        await cloud.until(lambda: "web" in cloud.intent() and cloud.intent()["web"].nics[0].device_name == "tap2")
        assert vm.status.nics[0].address == "10.0.0.2"
        assert (reason(vm, "Placed"), reason(vm, "NetworkReady")) == ("Placed", "PortsMade")
        assert cloud.intent()["web"].kernel.sha256 == image.status.kernel_sha256
        await cloud.report(report_of(vm))
        ready = await cloud.get("web")
        assert (reason(ready, "Ready"), ready.status.power, ready.status.accelerator) == ("Running", pb.RUNNING, "tcg")

    in_cloud(tmp_path, story)


def test_host_hears_of_a_vm_before_its_ports_are_made(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm(**WIRED)
        cloud.network.is_away = True
        await cloud.until(lambda: "web" in cloud.intent())
        assert cloud.intent()["web"].id == vm.metadata.id
        cloud.network.is_away = False
        await cloud.until(lambda: cloud.intent()["web"].nics[0].port)

    in_cloud(tmp_path, story)


@pytest.mark.parametrize(
    ("spec", "fault", "says"),
    [
        ({"image": ""}, InvalidArgumentError, "image of the VM is empty"),
        ({"image": "nothing"}, NotFoundError, "no image 'nothing' in project 'blue'"),
        ({"flavour": "nothing"}, NotFoundError, "no flavour 'nothing'"),
        ({"vcpus": 0}, InvalidArgumentError, "vcpus of the VM is 0; accepted: 1 to 64"),
        ({"memory_mib": 16}, InvalidArgumentError, "memory_mib of the VM is 16; accepted: 32"),
        ({"vcpus": 9}, FailedPreconditionError, "wants 9 vCPU, .* the largest offers 8 vCPU, 8192 MiB"),
        ({"memory_mib": 9000}, FailedPreconditionError, "no host is that large"),
        ({"user_data": "x" * 40_000}, InvalidArgumentError, "user_data has 40000 bytes; at most 32768"),
        ({"ssh_keys": ["nonsense"]}, InvalidArgumentError, r"ssh_keys\[0\] is no public key"),
        ({"nics": [pb.Nic()]}, InvalidArgumentError, "subnet of an interface is empty"),
        ({"nics": [pb.Nic(subnet="none")]}, NotFoundError, "no subnet or security group 'none'"),
        ({"nics": [pb.Nic(subnet="s")] * 9}, InvalidArgumentError, "9 nics; at most 8"),
    ],
)
def test_wrong_vm_is_refused_with_what_is_accepted(
    spec: dict[str, Any], fault: type[Fault], says: str, tmp_path: Path
) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        with pytest.raises(fault, match=says):
            await cloud.vm(**spec)
        with pytest.raises(NotFoundError):
            await cloud.get("web")
        assert cloud.network.ports == {}

    in_cloud(tmp_path, story)


def test_full_host_takes_no_more_and_takes_again_what_fits(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm("large", vcpus=2, memory_mib=6000)
        with pytest.raises(ResourceExhaustedError, match="1 host with only 2192 MiB of memory free"):
            await cloud.vm("more", vcpus=2, memory_mib=3000)
        await cloud.vm("less", vcpus=2, memory_mib=2000)
        await cloud.until(lambda: len(cloud.intent()) == 2)
        await cloud.delete(cloud.vms, "large")
        await cloud.until(lambda: "large" not in cloud.intent())
        await cloud.report(generation=cloud.generation())
        await cloud.until(lambda: len(all_vms(cloud)) == 1)
        await cloud.vm("more", vcpus=2, memory_mib=3000)

    in_cloud(tmp_path, story)


def test_concurrent_creates_never_share_the_same_room(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        made = await asyncio.gather(
            *(cloud.vm(f"vm{number}", vcpus=3, memory_mib=256) for number in range(5)), return_exceptions=True
        )
        assert sum(isinstance(one, pb.Vm) for one in made) == 2
        assert sum(isinstance(one, ResourceExhaustedError) for one in made) == 3

    in_cloud(tmp_path, story)


def test_vm_without_any_host_waits_and_is_placed_when_one_reports(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm()
        assert (vm.status.host, reason(vm, "Placed")) == ("", "NoHost")
        await cloud.report()
        placed = await cloud.until_vm("web", lambda vm: vm.status.host)
        assert (placed.status.host, reason(placed, "Placed")) == ("node1", "Placed")
        assert placed.metadata.generation == 1

    in_cloud(tmp_path, story, hosts=False)


def test_cordoned_host_takes_no_new_vm_and_keeps_those_it_has(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        await cloud.cordon("node1")
        with pytest.raises(ResourceExhaustedError, match="1 host taking no new VMs"):
            await cloud.vm("other")
        assert (await cloud.change_vm("web", ["memory_mib"], memory_mib=512)).spec.memory_mib == 512

    in_cloud(tmp_path, story)


def test_flavour_is_copied_and_keeps_its_size_for_the_vm(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        flavour = await cloud.flavour("small", vcpus=2, memory_mib=512, disk_gib=3)
        vm = await cloud.vm(flavour="small")
        assert (vm.spec.flavour, vm.spec.vcpus, vm.spec.memory_mib, vm.spec.disk_gib) == (
            flavour.metadata.id,
            2,
            512,
            3,
        )
        await cloud.delete(cloud.flavours, "small")
        again = await cloud.change_vm("web", ["user_data"], user_data="x")
        assert again.spec.memory_mib == 512

    in_cloud(tmp_path, story)


def test_flavour_and_sizes_together_are_refused(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.flavour("small")
        with pytest.raises(InvalidArgumentError, match="give a flavour or sizes, not both"):
            await cloud.vm(flavour="small", vcpus=7)

    in_cloud(tmp_path, story)


def test_resize_is_checked_against_the_host_it_is_on(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        grown = await cloud.change_vm("web", ["memory_mib"], memory_mib=8000)
        assert (grown.spec.memory_mib, grown.metadata.generation) == (8000, 2)
        with pytest.raises(FailedPreconditionError, match="no host is that large"):
            await cloud.change_vm("web", ["memory_mib"], memory_mib=9000)
        with pytest.raises(InvalidArgumentError, match="disk_gib cannot change from 0 to 5"):
            await cloud.change_vm("web", ["disk_gib"], disk_gib=5)

    in_cloud(tmp_path, story)


def test_power_verbs_change_power_and_count(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        assert (await cloud.power("start")).spec.reboot_count == 1
        stopped = await cloud.power("stop")
        assert (stopped.spec.power, stopped.spec.reboot_count, stopped.spec.force) == (pb.STOPPED, 1, False)
        assert (await cloud.power("stop", force=True)).spec.force
        with pytest.raises(FailedPreconditionError, match="start it instead"):
            await cloud.power("reboot")
        started = await cloud.power("start")
        assert (started.spec.power, started.spec.reboot_count, started.spec.force) == (pb.RUNNING, 2, False)
        assert (await cloud.power("reboot")).spec.reboot_count == 3
        await cloud.until(lambda: "web" in cloud.intent() and cloud.intent()["web"].reboot_count == 3)

    in_cloud(tmp_path, story)


def test_start_brings_back_a_guest_that_switched_itself_off_once(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm()
        await cloud.until(lambda: "web" in cloud.intent())
        await cloud.report(report_of(vm, "GuestStopped", power=pb.STOPPED))
        assert (await cloud.power("start")).spec.reboot_count == 2
        assert (await cloud.power("start")).spec.reboot_count == 2

    in_cloud(tmp_path, story)


def test_deleted_vm_stays_until_its_host_and_its_network_are_rid_of_it(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        vm = await cloud.vm(**WIRED)
        await cloud.until(lambda: "web" in cloud.intent() and cloud.intent()["web"].nics[0].port)
        await cloud.delete(cloud.vms, "web")
        await cloud.until(lambda: cloud.intent() == {})
        going = await cloud.until_vm("web", lambda vm: reason(vm, "Ready") == "Deleting")
        assert going.metadata.HasField("deleted_at")
        generation = cloud.generation()
        await cloud.report(report_of(vm, "Stopping"), generation=generation)
        assert cloud.network.ports
        await cloud.report(generation=generation)
        await cloud.until(lambda: all_vms(cloud) == [])
        assert cloud.network.ports == {}

    in_cloud(tmp_path, story)


def test_report_on_an_older_intent_proves_nothing(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        await cloud.until(lambda: "web" in cloud.intent())
        generation = cloud.generation()
        await cloud.delete(cloud.vms, "web")
        await cloud.until(lambda: cloud.intent() == {})
        await cloud.report(generation=generation)
        await cloud.settle()
        assert len(all_vms(cloud)) == 1

    in_cloud(tmp_path, story)


def test_refused_port_is_said_and_tried_again(tmp_path: Path) -> None:
    class Refusing(MemoryNetwork):
        refuses = True

        async def make_port(self, wish: Any) -> Any:
            if self.refuses:
                raise InvalidArgumentError("address 10.0.0.9 is taken")
            return await super().make_port(wish)

    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm(**WIRED)
        vm = await cloud.until_vm("web", lambda vm: reason(vm, "NetworkReady") == "PortRefused")
        assert any(one.message == "address 10.0.0.9 is taken" for one in vm.status.conditions)
        cloud.network.refuses = False  # type: ignore[attr-defined]
        await cloud.until_vm("web", lambda vm: vm.status.nics)

    in_cloud(tmp_path, story, network=Refusing("s", "web"))


def test_console_of_a_vm_whose_host_is_away_is_unavailable(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        with pytest.raises(UnavailableError, match="host has not reported yet"):
            await cloud.console("web")
        with pytest.raises(NotFoundError):
            await cloud.console("nothing")

    in_cloud(tmp_path, story)


def test_repeating_the_whole_spec_by_name_changes_nothing(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.flavour("small")
        spec = {"flavour": "small", **WIRED}
        made = await cloud.vm(**spec)
        again = await cloud.change_vm("web", [], image="guest", **spec)
        assert again.spec == made.spec
        assert again.metadata.generation == 1

    in_cloud(tmp_path, story)


def test_interfaces_and_image_cannot_change(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.image("other")
        await cloud.vm(**WIRED)
        with pytest.raises(InvalidArgumentError, match="nics of a VM cannot change"):
            await cloud.change_vm("web", ["nics"], nics=[])
        with pytest.raises(InvalidArgumentError, match="image of a VM cannot change"):
            await cloud.change_vm("web", ["image"], image="other")

    in_cloud(tmp_path, story)


def test_same_create_twice_makes_one_vm(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        first = await cloud.vm(key="k1")
        second = await cloud.vm(key="k1")
        assert first.metadata.id == second.metadata.id

    in_cloud(tmp_path, story)


def all_vms(cloud: Cloud) -> list[pb.Vm]:
    return list(cloud.reconciler.world.all(cloud.kinds.vm))


def test_vms_count_in_the_quota_of_their_project_until_they_are_gone(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm("a", vcpus=2, memory_mib=512, disk_gib=3)
        used = await cloud.resources.ledger.used(BLUE.id)
        assert used == {"images": 1, "vms": 1, "vcpus": 2, "memory-mib": 512, "disk-gib": 3}
        cloud.resources.ledger.limits = SetLimits({"vcpus": 3})
        with pytest.raises(ResourceExhaustedError, match="quota of vcpus: the limit is 3, 2 are used, and this asks"):
            await cloud.vm("b", vcpus=2)
        await cloud.vm("b", vcpus=1)

    in_cloud(tmp_path, story)
