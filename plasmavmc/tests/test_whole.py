"""Server and agent together, on real libvirt, with mutual TLS between them; only the network is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

from agents import AgentProcess, Loop
from clouds import WiredCloud, reason
from guest import Guest
from libvirt_host import LibvirtHost

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import ImagesClient, VmsClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, ListRequest, WatchRequest
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.channels import PeerChannel


class Operator:
    """Somebody who uses the API."""

    def __init__(self, channel: PeerChannel) -> None:
        self.channel = channel
        self.images = ImagesClient(channel)
        self.vms = VmsClient(channel)

    async def until(self, holds: Callable[[pb.Vm], object]) -> pb.Vm:
        """Watch VM ``web`` until something holds; a server that restarts is waited for."""
        while True:
            try:
                async with aclosing(self.vms.watch(WatchRequest(project="blue"))) as events:  # type: ignore[type-var]
                    async for event in events:
                        if event.object.metadata.name == "web" and holds(event.object):
                            return event.object
            except UnavailableError:
                await asyncio.sleep(0.05)

    async def console(self, keys: bytes, until: str) -> str:
        booted, done = asyncio.Event(), asyncio.Event()

        async def requests() -> AsyncIterator[pb.ConsoleInput]:
            yield pb.ConsoleInput(project="blue", ref="web", backlog_bytes=-1)
            await booted.wait()
            yield pb.ConsoleInput(keys=keys)
            await done.wait()

        shown = ""
        async with aclosing(self.vms.console(requests())) as output:  # type: ignore[type-var]
            async for chunk in output:
                shown += chunk.text.decode(errors="replace")
                if "GUEST-READY" in shown:
                    booted.set()
                if until in shown:
                    done.set()
                    return shown
        return shown


async def create(operator: Operator, guest: Guest) -> pb.Vm:
    image = pb.ImageSpec(
        format=pb.ImageSpec.DIRECT,
        kernel_url=guest.kernel.as_uri(),
        initrd_url=guest.initrd.as_uri(),
        cmdline="console=ttyS0 quiet",
    )
    await operator.images.create(pb.CreateImageRequest(project="blue", name="guest", spec=image))
    spec = pb.VmSpec(image="guest", vcpus=1, memory_mib=192, nics=[pb.Nic(subnet="s")])
    return await operator.vms.create(pb.CreateVmRequest(project="blue", name="web", spec=spec))


async def story(cloud: WiredCloud, guest: Guest) -> None:
    operator = Operator(cloud.operator())
    try:
        made = await create(operator, guest)
        waiting = await operator.until(lambda vm: reason(vm, "Ready") in ("Starting", "Running", "WaitingForNetwork"))
        assert waiting.status.host == made.status.host or not made.status.host
        ready = await operator.until(lambda vm: reason(vm, "Ready") == "Running")
        assert (ready.status.accelerator, ready.status.nics[0].device_name) == ("tcg", "tap2")
        assert "42" in await operator.console(b"echo $((6*7))\n", "\n42\r\n")
        await operator.vms.reboot(pb.PowerRequest(project="blue", ref="web", force=True))
        await operator.until(lambda vm: vm.status.reboot_count == 2 and reason(vm, "Ready") == "Running")
        await operator.vms.stop(pb.PowerRequest(project="blue", ref="web", force=True))
        await operator.until(lambda vm: vm.status.power == pb.STOPPED and reason(vm, "Ready") == "Stopped")
    finally:
        await operator.channel.close()


async def ending(cloud: WiredCloud) -> None:
    operator = Operator(cloud.operator())
    try:
        await operator.vms.start(pb.PowerRequest(project="blue", ref="web"))
        await operator.until(lambda vm: vm.status.reboot_count == 3 and reason(vm, "Ready") == "Running")
        await operator.vms.delete(DeleteRequest(project="blue", ref="web"))
        async with asyncio.timeout(10):
            while list((await operator.vms.list(ListRequest(project="blue"))).items):  # noqa: ASYNC110 - asked, not told
                await asyncio.sleep(0.02)
    finally:
        await operator.channel.close()


def test_vm_lives_and_goes_through_restarts_of_its_server(
    guest_files: Guest, libvirt: LibvirtHost, loop: Loop, short_path: Path
) -> None:
    cloud = WiredCloud(loop, short_path, guest_files.kernel.parents[2])
    agent = AgentProcess(libvirt, cloud.socket, short_path, cloud.agent_tls())
    libvirt.add_tap("tap2")
    agent.start()
    try:
        loop.run(story(cloud, guest_files), 60)
        cloud.stop()
        cloud.start()
        loop.run(ending(cloud), 60)
        assert libvirt.emulators() == []
        assert cloud.network.ports == {}
    finally:
        agent.kill()
        cloud.stop()
        libvirt.clear()
        libvirt.remove_tap("tap2")
