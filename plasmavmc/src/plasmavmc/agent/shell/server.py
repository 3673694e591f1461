"""The agent, put together: its tasks, and how they wake each other.

HostCopy --intent--> Converger --told--> reporter --> plasmavmc
libvirt events, netlink, ends of actions --wake--> Converger
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from plasmavmc.agent.config import AgentSettings
from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.place import Place
from plasmavmc.agent.shell import capacity, devices, intents
from plasmavmc.agent.shell.actor import Actor
from plasmavmc.agent.shell.console import Console
from plasmavmc.agent.shell.converge import Converger
from plasmavmc.agent.shell.hypervisor import Hypervisor
from plasmavmc.agent.shell.image_cache import ImageCache
from plasmavmc.agent.shell.metadata_server import MetadataServer
from plasmavmc.agent.shell.secrets import KeptSecrets
from plasmavmc.agent.shell.workload_tokens import WorkloadTokens
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import HOST_CONSOLE, HostsClient
from ultracloud.base.faults import Fault, InvalidArgumentError
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.policy import PolicyCopy
from ultracloud.servicekit.resources.hosts import HostCopy
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import service

COPY_FILE = "intent.bin"
REPORT_PAUSE_FIRST_S, REPORT_PAUSE_MAX_S = 0.1, 5.0
"""Between attempts to report while the control plane is away."""


class Agent:
    """One host's agent; `start` begins its work, `stop` ends what the process's end would not."""

    def __init__(self, settings: AgentSettings, runtime: Runtime, place: Place) -> None:
        self._settings = settings
        self._runtime = runtime
        self._place = place
        self._report_due = asyncio.Event()
        cache = ImageCache(Path(place.images))
        cache.load()
        self._size = capacity.measure(settings.state_dir, settings.capacity)
        self.hypervisor = Hypervisor(settings.libvirt.uri, self._hypervisor_changed)
        self._hosts = HostsClient(runtime.peer("plasmavmc"))
        secrets = KeptSecrets(place, self._resolve_secrets)
        actor = Actor(self.hypervisor, cache, place, secrets)
        self.converger = Converger(self.hypervisor, cache, actor, place, runtime.clock, self._report_due.set)
        self.console = Console(place, self._has)
        tokens = WorkloadTokens(self._issue_workload, runtime.clock)
        self.metadata = MetadataServer(lambda: self.converger.intent, settings.zone, secrets.of, tokens)
        self._copy = HostCopy(settings.state_dir / COPY_FILE, pb.HostIntent)
        self._gate = runtime.readiness.gate("libvirt")
        self._metadata_server: asyncio.Server | None = None

    async def start(self) -> None:
        """Restore what the copy says, then follow the control plane."""
        copy = self._copy.load()
        if copy is not None:
            self._follow(copy)
        self._metadata_server = await self.metadata.listen(self._settings.metadata_path)
        tasks = self._runtime.tasks
        tasks.create_task(self.hypervisor.run(), name="libvirt")
        tasks.create_task(self.converger.run(), name="converge")
        tasks.create_task(devices.watch(self.converger.devices_changed), name="network devices")
        tasks.create_task(self.console.trim_logs(), name="console logs")

    def connect(self, console_address: str) -> None:
        """Begin to follow and to report, once it is known where consoles are served."""
        tasks = self._runtime.tasks
        tasks.create_task(self._copy.run(self._subscribe, self._runtime.clock), name="copy")
        tasks.create_task(self._take_intents(), name="intents")
        tasks.create_task(self._report(console_address), name="reports")

    async def stop(self) -> None:
        """VMs go on; only what we opened is closed."""
        self.console.close()
        if self._metadata_server is not None:
            self._metadata_server.close()
        with contextlib.suppress(FileNotFoundError):
            self._settings.metadata_path.unlink()

    def _has(self, vm: VmId) -> bool:
        """Whether this host shall have the VM."""
        intent = self.converger.intent
        return intent is not None and any(vm == one.id for one in intent.vms)

    def _hypervisor_changed(self) -> None:
        """A VM changed, or libvirt came or went."""
        if self.hypervisor.is_connected:
            self._gate.open()
        else:
            self._gate.close()
        self.converger.wake()

    async def _resolve_secrets(self, vm: VmId) -> dict[str, bytes]:
        """What the secrets of a VM hold now, as the control plane says."""
        request = pb.ResolveVmSecretsRequest(host=self._settings.host, vm=vm)
        return {each.name: each.value for each in (await self._hosts.resolve_secrets(request)).secrets}

    async def _issue_workload(self, vm: VmId, audience: str, ttl_s: int) -> pb.IssueWorkloadTokenResponse:
        """A token of the account that a VM runs as, as the control plane gives it."""
        host = self._settings.host
        request = pb.IssueWorkloadTokenRequest(host=host, vm=vm, audience=audience, ttl_s=ttl_s)
        return await self._hosts.issue_workload(request)

    def _subscribe(self, known: int) -> AsyncIterator[pb.HostIntent]:
        """Open the stream; a server that was away may have forgotten us."""
        self._report_due.set()
        return self._hosts.watch_host(pb.WatchHostRequest(host=self._settings.host, known_generation=known))

    async def _take_intents(self) -> None:
        """Hand each newer intent to the converger, for ever."""
        generation = self._copy.current.generation if self._copy.current is not None else 0
        while True:
            message = await self._copy.wait_newer(generation)
            generation = message.generation
            self._follow(message)

    def _follow(self, message: pb.HostIntent) -> None:
        """Act on an intent, unless it cannot be read: then the one before stays."""
        try:
            self.converger.follow(intents.parse(message, self._settings.host))
        except InvalidArgumentError as error:
            logging.getLogger(__name__).critical("intent %d refused: %s", message.generation, error)

    async def _report(self, console_address: str) -> None:
        """Tell the control plane how things are whenever they changed, for ever."""
        pause_s = REPORT_PAUSE_FIRST_S
        while True:
            await self._report_due.wait()
            self._report_due.clear()
            try:
                await self._hosts.report_host(self._report_message(console_address))
                pause_s = REPORT_PAUSE_FIRST_S
            except Fault as error:
                logging.getLogger(__name__).debug("report not taken: %s", error)
                self._report_due.set()
                await self._runtime.clock.sleep(pause_s)
                pause_s = min(pause_s * 2, REPORT_PAUSE_MAX_S)

    def _report_message(self, console_address: str) -> pb.ReportHostRequest:
        """All there is to tell."""
        told = self.converger.told
        return pb.ReportHostRequest(
            host=self._settings.host,
            generation=told.generation if told is not None else 0,
            capacity=pb.HostCapacity(
                vcpus=self._size.vcpus,
                memory_mib=self._size.memory_mib,
                disk_gib=self._size.disk_gib,
                accelerator=self._place.accelerator.value,
            ),
            console_address=console_address,
            vms=[intents.render_report(report) for report in told.reports] if told is not None else [],
        )


async def build(settings: AgentSettings, runtime: Runtime) -> Agent:
    """What `lifecycle.main` calls."""
    # First of all: it forks, and nothing of ours has threads yet.
    accelerator, why = capacity.choose_accelerator(settings.accelerator)
    runtime.log.info("accelerator %s: %s", accelerator.value, why)
    settings.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    agent = Agent(settings, runtime, settings.place(accelerator))
    await agent.start()
    # Without certificates we are on a developer's loopback, and whoever calls is taken for the server.
    trusted = None if runtime.identity is not None else spiffe_principal(pki.service_identity("plasmavmc"))
    authenticator = Authenticator(PolicyCopy(), runtime.clock, trusted_local=trusted)
    addresses = await runtime.serve([service(HOST_CONSOLE, agent.console)], [authenticator])
    agent.connect(settings.console_address or addresses[-1])
    return agent
