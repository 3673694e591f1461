"""plasmavmc's server over the memory store and a network in memory: without wires, or with, for a real agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from agents import Loop

from plasmavmc.config import PlasmavmcSettings
from plasmavmc.shell.hosts import HostServer
from plasmavmc.shell.image_admission import ImageAdmission
from plasmavmc.shell.image_files import ImageFiles
from plasmavmc.shell.kinds import Kinds, make_kinds
from plasmavmc.shell.planner import Action, VmPlanner, affected
from plasmavmc.shell.presence import Presence
from plasmavmc.shell.secrets import Secrets
from plasmavmc.shell.server import assemble
from plasmavmc.shell.vms import HostChannels, VmServer
from plasmavmc.shell.workloads import Workloads
from plasmavmc.testing import MemoryNetwork, NoSecrets, SaidIdentities
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.base.policy import Principal
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.readiness import Readiness
from ultracloud.servicekit.resources import HostFeed, Key, KindServer, Reconciler, Resources, World
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Listen, Tls
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import BLUE, DEVELOPER, OPERATOR, FakeCall, account_principal, sample_authority

DEV = account_principal(DEVELOPER)
AGENT = spiffe_principal(pki.agent_identity("plasmavmc", "node1"))
ROOMY = pb.HostCapacity(vcpus=8, memory_mib=8192, disk_gib=100, accelerator="tcg")

ResultT = TypeVar("ResultT")


class Cloud:
    """A server without wires: every RPC as a method, the reconciler running."""

    def __init__(
        self,
        folder: Path,
        network: MemoryNetwork | None = None,
        secrets: Secrets | None = None,
        authority: Authority | None = None,
    ) -> None:
        self.folder = folder
        known = secrets or NoSecrets()
        self.network = network or MemoryNetwork("s", "web")
        images = ImageAdmission(ImageFiles((folder,)))
        self.kinds: Kinds = make_kinds(images, self.network, known, self.world_at)
        self.resources = Resources(MemoryStore(), authority or sample_authority(), SystemClock(), self.kinds.all)
        self.feed: HostFeed[pb.HostIntent] = HostFeed()
        self.presence = Presence(self.feed, self._host_changed)
        planner = VmPlanner(
            self.resources, self.kinds, self.network, images, self.feed, self.presence, lambda: self.reconciler.world
        )
        self.reconciler: Reconciler[Action] = Reconciler(
            self.resources, self.kinds.all, planner, affected=affected(self.kinds)
        )
        self.images: KindServer[pb.Image] = KindServer(self.resources, self.kinds.image)
        self.flavours: KindServer[pb.Flavour] = KindServer(self.resources, self.kinds.flavour)
        self.vms = VmServer(self.resources, self.kinds, HostChannels(None, lambda _host: ""))
        self.gate = Readiness().gate("the records")
        self.hosts = HostServer(
            self.resources,
            self.kinds,
            self.reconciler.world,
            self.reconciler.touch,
            self.feed,
            self.presence,
            self.gate,
            Workloads(SaidIdentities(), known),
        )

    async def world_at(self, version: int) -> World:
        return await self.reconciler.world_at(version)

    def _host_changed(self, name: str) -> None:
        for host in self.reconciler.world.all(self.kinds.host):
            if host.metadata.name == name:
                self.reconciler.touch(Key(self.kinds.host.key, host.metadata.id))

    def call(self, caller: Principal = DEV) -> FakeCall:
        return FakeCall(principal=caller)

    async def image(self, name: str = "guest", caller: Principal = DEV, project: str = "blue", **spec: Any) -> pb.Image:
        """An image; a DIRECT one of small files if nothing is said."""
        if not spec:
            kernel = self.folder / "vmlinuz"
            kernel.write_bytes(bzimage())
            spec = {"format": pb.ImageSpec.DIRECT, "kernel_url": kernel.as_uri()}
        request = pb.CreateImageRequest(project=project, name=name, spec=pb.ImageSpec(**spec))
        return await self.images.create(request, FakeCall(principal=caller))

    async def flavour(self, name: str = "small", **spec: Any) -> pb.Flavour:
        wanted = pb.FlavourSpec(**({"vcpus": 1, "memory_mib": 256} | spec))
        request = pb.CreateFlavourRequest(project="blue", name=name, spec=wanted)
        return await self.flavours.create(request, FakeCall(principal=DEV))

    async def vm(self, name: str = "web", key: str = "", caller: Principal = DEV, **spec: Any) -> pb.Vm:
        """A VM of image ``guest``; of free sizes if no flavour is said."""
        wanted: dict[str, Any] = {"image": "guest"} | spec
        if "flavour" not in wanted:
            wanted = {"vcpus": 1, "memory_mib": 256} | wanted
        request = pb.CreateVmRequest(project="blue", name=name, spec=pb.VmSpec(**wanted), idempotency_key=key)
        return await self.vms.create(request, FakeCall(principal=caller))

    async def vm_or_none(self, **spec: Any) -> pb.Vm | None:
        """The same, None if the state forbids it."""
        try:
            return await self.vm(**spec)
        except FailedPreconditionError:
            return None

    async def cordon(self, host: str) -> None:
        request = pb.UpdateHostRequest(ref=host, spec=pb.HostSpec(cordoned=True))
        await self.hosts.update(request, FakeCall(principal=OPERATOR))

    async def console(self, ref: str) -> bytes:
        async def requests() -> AsyncIterator[pb.ConsoleInput]:
            yield pb.ConsoleInput(project="blue", ref=ref)

        return b"".join([chunk.text async for chunk in self.vms.console(requests(), FakeCall(principal=DEV))])

    def generation(self, host: str = "node1") -> int:
        """Of the intent the host has been given."""
        intent = self.feed.get(host)
        return intent.generation if intent is not None else 0

    async def settle(self) -> None:
        """Let everything that can happen now happen."""
        for _ in range(20):
            await asyncio.sleep(0.002)

    async def change_vm(self, ref: str, mask: list[str], **spec: Any) -> pb.Vm:
        request = pb.UpdateVmRequest(project="blue", ref=ref, spec=pb.VmSpec(**spec), update_mask=mask)
        return await self.vms.update(request, FakeCall(principal=DEV))

    async def get(self, ref: str) -> pb.Vm:
        return await self.vms.get(resource_pb2.GetRequest(project="blue", ref=ref), FakeCall(principal=DEV))

    async def delete(self, server: KindServer[Any], ref: str, project: str = "blue", caller: Principal = DEV) -> Any:
        request = resource_pb2.DeleteRequest(project=project, ref=ref)
        return await server.delete(request, FakeCall(principal=caller))

    async def power(self, verb: str, ref: str = "web", *, force: bool = False) -> pb.Vm:
        request = pb.PowerRequest(project="blue", ref=ref, force=force)
        method: Callable[..., Awaitable[pb.Vm]] = getattr(self.vms, verb)
        return await method(request, FakeCall(principal=DEV))

    async def report(
        self, *vms: pb.VmReport, generation: int = 0, capacity: pb.HostCapacity = ROOMY, host: str = "node1"
    ) -> None:
        """What the agent of `host` says; waits until the server knows the host."""
        agent = spiffe_principal(pki.agent_identity("plasmavmc", host))
        request = pb.ReportHostRequest(host=host, generation=generation, capacity=capacity, vms=vms)
        await self.hosts.report_host(request, FakeCall(principal=agent))
        await self.until(lambda: any(one.status.capacity == capacity for one in self.world_hosts(host)))

    def world_hosts(self, name: str) -> list[pb.Host]:
        return [one for one in self.reconciler.world.all(self.kinds.host) if one.metadata.name == name]

    def intent(self, host: str = "node1") -> dict[str, pb.HostVm]:
        """What the host must run."""
        intent = self.feed.get(host)
        return {vm.name: vm for vm in intent.vms} if intent is not None else {}

    async def until(self, holds: Callable[[], object], within_s: float = 20.0) -> None:
        """Let the reconciler work until something holds."""
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event: it is whatever the test says
                await asyncio.sleep(0.002)

    async def until_vm(self, ref: str, holds: Callable[[pb.Vm], object], within_s: float = 20.0) -> pb.Vm:
        async with asyncio.timeout(within_s):
            while True:
                vm = await self.get(ref)
                if holds(vm):
                    return vm
                await asyncio.sleep(0.002)


def in_cloud(
    folder: Path,
    story: Callable[[Cloud], Awaitable[ResultT]],
    *,
    hosts: bool = True,
    network: MemoryNetwork | None = None,
) -> ResultT:
    """Tell a story in a fresh cloud with one roomy host, or none."""

    async def tell() -> ResultT:
        cloud = Cloud(folder, network)
        async with reconciling(cloud):
            if hosts:
                await cloud.report()
            return await story(cloud)

    return asyncio.run(tell())


@asynccontextmanager
async def reconciling(cloud: Cloud) -> AsyncIterator[None]:
    """The reconciler runs within."""
    task = asyncio.create_task(cloud.reconciler.run(cloud.gate))
    try:
        await cloud.until(lambda: cloud.gate.is_open)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        cloud.presence.close()


def reason(message: pb.Vm | pb.Image | pb.Host, kind: str) -> str:
    """The reason of one condition; empty if there is none."""
    return next((one.reason for one in message.status.conditions if one.type == kind), "")


def bzimage() -> bytes:
    """What looks like a kernel."""
    return b"\0" * 0x202 + b"HdrS" + b"\0" * 1024


class WiredCloud:
    """The real server on a unix socket with mutual TLS, for a real agent and an operator."""

    def __init__(self, loop: Loop, folder: Path, image_dir: Path) -> None:
        self.loop = loop
        self.folder = folder
        self.socket = folder / "server.sock"
        self.ca = pki.make_ca(folder / "pki")
        self.network = MemoryNetwork("s", "web")
        self.store = loop.run(self._made())
        identity = pki.issue(self.ca, pki.service_identity("plasmavmc"), folder / "pki")
        self.settings = PlasmavmcSettings(
            state_dir=folder / "server",
            image_dirs=(image_dir,),
            listen=Listen(unix=self.socket),
            tls=Tls(certificate=identity.certificate, key=identity.key, ca=identity.ca),
        )
        self._task: asyncio.Task[None] | None = None
        self.start()

    async def _made(self) -> MemoryStore:
        return MemoryStore()

    def start(self) -> None:
        """Serve; the store is as it was."""
        self.loop.run(self._started())

    async def _started(self) -> None:
        ready = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._serve(ready))
        waiting = asyncio.get_running_loop().create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            waiting.cancel()
            await self._task

    async def _serve(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime("plasmavmc", self.settings, tasks, logging.getLogger("plasmavmc"))
            workloads = Workloads(SaidIdentities(), NoSecrets())
            service = await assemble(self.settings, runtime, self.store, sample_authority(), self.network, workloads)
            await runtime.readiness.wait_ready()
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                for server in runtime.servers:
                    await server.drain(0)
                await service.stop()
                self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        async def end() -> None:
            assert self._task is not None
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

        self.loop.run(end())

    def agent_tls(self) -> str:
        """The agent's identity, as its configuration has it."""
        identity = pki.issue(self.ca, AGENT.id, self.folder / "pki")
        return f'[tls]\ncertificate = "{identity.certificate}"\nkey = "{identity.key}"\nca = "{identity.ca}"\n'

    def operator(self) -> channels.PeerChannel:
        """A channel of somebody who may do anything; made and used on the loop."""
        identity = pki.issue(self.ca, OPERATOR.id, self.folder / "pki")
        return channels.connect(f"unix:{self.socket}", identity, pki.service_identity("plasmavmc"))


__all__ = ["AGENT", "BLUE", "DEV", "OPERATOR", "ROOMY", "Cloud", "WiredCloud", "bzimage", "in_cloud", "reason"]
