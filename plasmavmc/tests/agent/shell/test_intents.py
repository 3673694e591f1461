"""Intents as they come from the wire: what is not exactly right is not acted on at all."""

from __future__ import annotations

from typing import Any

import pytest

from plasmavmc.agent.core.actions import Report
from plasmavmc.agent.core.desired import DirectBoot, DiskBoot, DiskFormat, Power, VmId
from plasmavmc.agent.shell.intents import parse, render_report
from plasmavmc.core.reasons import Reason
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError

ID = "vm-01jd0000000000000000000001"
FILE = pb.HostFile(url="file:///k", sha256="a" * 64)


def intent(**changes: Any) -> pb.HostIntent:
    """An intent of one VM, changed."""
    vm: dict[str, Any] = {"id": ID, "image_format": pb.ImageSpec.DIRECT, "kernel": FILE, "generation": 3}
    return pb.HostIntent(host="node1", generation=7, vms=[pb.HostVm(**(vm | changes))])


def test_vm_comes_as_it_was_sent() -> None:
    nics = [pb.HostNic(port="p", address="10.0.0.2", mac="52:54:00:00:00:02", device_name="tap2"), pb.HostNic()]
    (vm,) = parse(intent(nics=nics, power=pb.STOPPED, reboot_count=4, force=True, ssh_keys=["k"]), "node1").vms
    assert (vm.id, vm.generation, vm.power, vm.reboot_count, vm.force) == (ID, 3, Power.STOPPED, 4, True)
    assert [nic.is_known for nic in vm.nics] == [True, False]
    assert isinstance(vm.boot, DirectBoot)
    assert vm.boot.initrd is None


def test_unspecified_power_means_running() -> None:
    assert parse(intent(), "node1").vms[0].power is Power.RUNNING


def test_disk_formats_keep_their_names() -> None:
    (vm,) = parse(intent(image_format=pb.ImageSpec.RAW, disk=FILE), "node1").vms
    assert isinstance(vm.boot, DiskBoot)
    assert vm.boot.format is DiskFormat.RAW


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../etc"},
        {"id": ""},
        {"image_format": pb.ImageSpec.FORMAT_UNSPECIFIED},
        {"kernel": pb.HostFile(url="file:///k", sha256="../secret")},
        {"kernel": pb.HostFile(url="file:///k", sha256="A" * 64)},
        {"initrd": pb.HostFile(sha256="short")},
        {"nics": [pb.HostNic(device_name="../x")]},
        {"nics": [pb.HostNic(device_name="d" * 16)]},
        {"nics": [pb.HostNic(mac="52:54:00")]},
    ],
)
def test_malformed_part_spoils_the_whole(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        parse(intent(**changes), "node1")


def test_intent_of_another_host_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="it is the intent of host 'node1', and this is node2"):
        parse(intent(), "node2")


def test_report_goes_as_it_is() -> None:
    report = Report(VmId(ID), 3, Power.RUNNING, 2, ready=True, reason=Reason.RUNNING, message="m")
    assert render_report(report) == pb.VmReport(
        id=ID, generation=3, power=pb.RUNNING, reboot_count=2, ready=True, reason="Running", message="m"
    )
