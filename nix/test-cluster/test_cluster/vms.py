"""What ada does with VMs."""

from __future__ import annotations

from quickstart.shell import console
from test_cluster.vm_image import VmImage
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vm
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import HostsClient, ImagesClient, VmsClient
from ultracloud.api.resource.v1.resource_pb2 import Condition, GetRequest, ListRequest
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.channels import PeerChannel

PROJECT = "acme/web"
SIZE = vm.VmSpec(vcpus=1, memory_mib=256)
BOOT_S = 90.0
"""Emulated and alone a guest takes 2 s."""
ANSWER_S = 5.0
BOOT_ID = "sed s/$/' is'-boot/ /proc/sys/kernel/random/boot_id"
"""Its answer ends in what the command, which the console shows too, does not hold."""


class Vms:
    """VMs of ada's project, all on one network; every call goes to plasmavmc over one channel."""

    def __init__(self, channel: PeerChannel) -> None:
        self._vms, self._images, self._hosts = VmsClient(channel), ImagesClient(channel), HostsClient(channel)

    async def sees_hosts(self, count: int) -> str:
        """Names of the hosts, once `count` are connected."""
        found = [host.metadata.name for host in (await self._hosts.list(ListRequest())).items if is_ready(host.status)]
        if len(found) < count:
            raise UnavailableError(f"only {', '.join(found)} are connected")
        return ", ".join(found)

    async def registers(self, image: VmImage) -> None:
        """An image `small` that boots directly from its kernel."""
        spec = vm.ImageSpec(
            format=vm.ImageSpec.DIRECT,
            kernel_url=image.kernel,
            initrd_url=image.initrd,
            cmdline=image.command_line,
        )
        await self._images.create(vm.CreateImageRequest(project=PROJECT, name="small", spec=spec))

    async def makes(self, name: str, subnet: str) -> str:
        """A VM of the image in a subnet; the machine that it is placed on."""
        spec = vm.VmSpec(image="small", nics=[vm.Nic(subnet=subnet)], power=vm.RUNNING)
        spec.MergeFrom(SIZE)
        made = await self._vms.create(vm.CreateVmRequest(project=PROJECT, name=name, spec=spec))
        return str(made.status.host)

    async def sees_running(self, name: str) -> str:
        """The address of a VM, once it runs."""
        found = await self._vms.get(GetRequest(project=PROJECT, ref=name))
        if not is_ready(found.status) or found.status.power != vm.RUNNING:
            raise UnavailableError(f"{name} does not run: {found.status}")
        return str(found.status.nics[0].address)

    async def reads_its_boot(self, name: str) -> str:
        """What a VM says on its console until it knows its network and its name."""
        return await console.read_until(self._vms, PROJECT, name, f"metadata: I am {name}", BOOT_S)

    async def asks_its_boot(self, name: str) -> str:
        """The id that a VM's kernel gave to its boot, asked of the shell on its console."""
        try:
            return await console.run_command(self._vms, PROJECT, name, BOOT_ID, " is-boot", ANSWER_S)
        except TimeoutError as error:
            raise UnavailableError(f"{name} does not answer on its console yet") from error


def is_ready(status: vm.VmStatus | vm.HostStatus) -> bool:
    """Whether the condition Ready is true."""
    return any(each.type == "Ready" and each.status == Condition.TRUE for each in status.conditions)
