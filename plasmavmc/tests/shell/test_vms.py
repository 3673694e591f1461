"""What happens to a VM's record, from the server's side alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from clouds import Cloud, in_cloud, reason

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError


def test_vm_is_placed_wired_and_handed_to_its_host(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        made = await cloud.vm(nics=[pb.Nic(subnet="s", security_groups=["web"])])
        assert made.status.host == "node1"
        assert made.spec.power == pb.RUNNING
        vm = await cloud.until_vm("web", lambda vm: len(vm.status.nics) == 1)
        await cloud.until(lambda: cloud.intent()["web"].nics[0].device_name == "tap2")
        assert vm.status.nics[0].address == "10.0.0.2"
        assert reason(vm, "Placed") == "Placed"

    in_cloud(tmp_path, story)


def test_vm_without_image_is_refused(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match="image of the VM is empty"):
            await cloud.vm(image="")

    in_cloud(tmp_path, story)
