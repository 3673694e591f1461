"""What one host must run, as its agent reads it: every VM placed there that is not being deleted."""

from __future__ import annotations

from collections.abc import Mapping

from plasmavmc.shell.kinds import Kinds
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.servicekit.resources import World


def render_intent(world: World, kinds: Kinds, host: str) -> pb.HostIntent:
    """The intent of a host at the world's version."""
    here = world.having(kinds.vm, "status.host", host)
    vms = [vm for vm in here if not vm.metadata.HasField("deleted_at")]
    images = {image.metadata.id: image for image in world.all(kinds.image)}
    vms.sort(key=lambda vm: vm.metadata.id)
    return pb.HostIntent(host=host, generation=world.version, vms=[_vm(vm, images) for vm in vms])


def _vm(vm: pb.Vm, images: Mapping[str, pb.Image]) -> pb.HostVm:
    """One VM."""
    spec, image = vm.spec, images[vm.spec.image]
    host_vm = pb.HostVm(
        id=vm.metadata.id,
        name=vm.metadata.name,
        project=vm.metadata.project,
        generation=vm.metadata.generation,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        disk_gib=spec.disk_gib,
        image_format=image.spec.format,
        cmdline=image.spec.cmdline,
        nics=[_nic(vm, index) for index in range(len(spec.nics))],
        ssh_keys=spec.ssh_keys,
        user_data=spec.user_data,
        user_data_secret=spec.user_data_secret if spec.HasField("user_data_secret") else None,
        variables=spec.variables,
        power=spec.power,
        reboot_count=spec.reboot_count,
        force=spec.force,
    )
    for target, url, sha256 in (
        (host_vm.disk, image.spec.disk_url, image.status.disk_sha256),
        (host_vm.kernel, image.spec.kernel_url, image.status.kernel_sha256),
        (host_vm.initrd, image.spec.initrd_url, image.status.initrd_sha256),
    ):
        if sha256:
            target.url, target.sha256 = url, sha256
    return host_vm


def _nic(vm: pb.Vm, index: int) -> pb.HostNic:
    """One interface; empty while its port is not made, so that the host waits for it."""
    if index >= len(vm.status.nics):
        return pb.HostNic()
    nic = vm.status.nics[index]
    return pb.HostNic(port=nic.port, address=nic.address, mac=nic.mac, device_name=nic.device_name)
