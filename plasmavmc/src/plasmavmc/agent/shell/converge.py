"""The agent's one loop: look, plan, act, tell; woken by events, never by a clock unless something is due.

It owns what is remembered between looks: failures, guests that were asked to switch off, what is under way. VMs are
acted on side by side, each by at most one task.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plasmavmc.agent.core import attempts
from plasmavmc.agent.core.actions import (
    ActionFailedError,
    DropFile,
    FetchFile,
    FileAction,
    Plan,
    Report,
    Shutdown,
    Start,
    VmAction,
    VmPlan,
)
from plasmavmc.agent.core.attempts import Attempts, Stopping
from plasmavmc.agent.core.desired import Intent, Sha256, VmId
from plasmavmc.agent.core.observed import DomainState, Observed
from plasmavmc.agent.core.place import Place
from plasmavmc.agent.core.plan import plan
from plasmavmc.agent.shell.actor import Actor
from plasmavmc.agent.shell.hypervisor import Hypervisor, HypervisorAwayError
from plasmavmc.agent.shell.image_cache import ImageCache
from plasmavmc.core.reasons import Reason
from ultracloud.base.ids import is_id
from ultracloud.servicekit.clock import Clock

CRASH_MESSAGE = "the VM's emulator ended unexpectedly; it is started again"
NO_DEVICES: frozenset[str] = frozenset()
_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1
"""Source: netdevice(7)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was last planned for: the intent's generation and a report on each VM."""

    generation: int
    reports: tuple[Report, ...]


class Converger:
    """Makes this host be as the intent says.

    Attributes:
        intent: What is wanted; None until it is known, and then nothing at all is done.
        told: The newest reports; None until the host was first looked at.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        cache: ImageCache,
        actor: Actor,
        place: Place,
        clock: Clock,
        tell: Callable[[], None],
    ) -> None:
        """Make it; `tell` is called whenever `told` has changed."""
        self.intent: Intent | None = None
        self.told: Told | None = None
        self._hypervisor = hypervisor
        self._cache = cache
        self._actor = actor
        self._place = place
        self._clock = clock
        self._tell = tell
        self._woken = asyncio.Event()
        self._attempts: dict[VmId, Attempts] = {}
        self._fetches: dict[Sha256, Attempts] = {}
        self._stopping: dict[VmId, Stopping] = {}
        self._busy: set[VmId] = set()
        self._fetching: set[Sha256] = set()
        self._devices = NO_DEVICES
        self._log = logging.getLogger(__name__)

    def wake(self) -> None:
        """Something changed: look again."""
        self._woken.set()

    def follow(self, intent: Intent) -> None:
        """Want this from now on. What was changed is tried at once, whatever failed before."""
        before = {vm.id: vm for vm in self.intent.vms} if self.intent is not None else {}
        for vm in intent.vms:
            if before.get(vm.id) != vm:
                self._attempts.pop(vm.id, None)
        self._fetches.clear()
        self.intent = intent
        self.wake()

    def devices_changed(self) -> None:
        """The host's network devices changed; look again if one that is wanted came or went."""
        if self._present_devices() != self._devices:
            self.wake()

    async def run(self) -> None:
        """Converge for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                due_ms = await self._look(tasks)
                try:
                    async with asyncio.timeout(None if due_ms is None else max(0, due_ms - self._now_ms()) / 1000):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    async def _look(self, tasks: asyncio.TaskGroup) -> int | None:
        """Look and plan once, begin what is planned; when to look again at the latest."""
        intent = self.intent
        if intent is None:
            return None
        try:
            observed = await self._observe()
        except HypervisorAwayError:
            # Nothing is known, so nothing is done; the connection's return wakes us.
            return None
        planned = plan(intent, observed, self._place, self._now_ms())
        self._begin(planned, tasks)
        told = Told(intent.generation, planned.reports)
        if told != self.told:
            self.told = told
            self._tell()
        return planned.wake_at_ms

    async def _observe(self) -> Observed:
        """Everything there is, now."""
        # What is busy must be read before the domains: an action that ends meanwhile is then still taken for busy,
        # and its end wakes us to look again; the other way round, its result could be missed and done twice.
        busy, fetching = frozenset(self._busy), frozenset(self._fetching)
        domains = await self._hypervisor.domains()
        folders, disks = await asyncio.to_thread(_scan, Path(self._place.folders))
        for vm in [vm for vm in self._stopping if vm not in domains or domains[vm].state is DomainState.OFF]:
            del self._stopping[vm]
        self._devices = self._present_devices()
        return Observed(
            domains=domains,
            disks=disks,
            folders=folders,
            files=dict(self._cache.files),
            devices=self._devices,
            fetches=dict(self._fetches),
            attempts=dict(self._attempts),
            stopping=dict(self._stopping),
            busy=busy,
            fetching=fetching,
        )

    def _present_devices(self) -> frozenset[str]:
        """Which of the wanted network devices exist."""
        if self.intent is None:
            return NO_DEVICES
        wanted = {nic.device for vm in self.intent.vms for nic in vm.nics if nic.device}
        return frozenset(device for device in wanted if _is_device(device))

    def _begin(self, planned: Plan, tasks: asyncio.TaskGroup) -> None:
        """Start a task for each VM and each file with work."""
        for vm_plan in planned.vms:
            if vm_plan.id not in self._busy:
                self._busy.add(vm_plan.id)
                tasks.create_task(self._act(vm_plan), name=f"act on {vm_plan.id}")
        for action in planned.files:
            sha256 = action.file.sha256 if isinstance(action, FetchFile) else action.sha256
            if sha256 not in self._fetching:
                self._fetching.add(sha256)
                tasks.create_task(self._act_on_file(action, sha256), name=f"file {sha256[:12]}")

    async def _act(self, vm_plan: VmPlan) -> None:
        """Do one VM's actions in order, up to the first that fails."""
        try:
            for action in vm_plan.actions:
                self._log.info("%s %s", type(action).__name__, vm_plan.id)
                self._note_before(action)
                await self._actor.do(action)
                self._note_after(action)
        except ActionFailedError as error:
            self._log.warning("%s: %s: %s [%s]", vm_plan.id, error.reason.value, error, error.detail)
            self._fail(vm_plan.id, error.reason, error.public)
        except HypervisorAwayError:
            self._log.info("%s: libvirt went away meanwhile", vm_plan.id)
        else:
            if not any(isinstance(action, Start) and action.after_crash for action in vm_plan.actions):
                self._attempts.pop(vm_plan.id, None)
        finally:
            self._busy.discard(vm_plan.id)
            self.wake()

    def _note_before(self, action: VmAction) -> None:
        """A crash counts as a failure, or a VM that crashes at once would be started for ever without a pause."""
        if isinstance(action, Start) and action.after_crash:
            self._fail(action.id, Reason.CRASHED, CRASH_MESSAGE)

    def _note_after(self, action: VmAction) -> None:
        """Remember that a guest was asked, first and last."""
        if isinstance(action, Shutdown):
            asked = self._stopping.get(action.id)
            now_ms = self._now_ms()
            self._stopping[action.id] = Stopping(asked.asked_at_ms if asked is not None else now_ms, now_ms)

    async def _act_on_file(self, action: FileAction, sha256: Sha256) -> None:
        """Fetch or drop one file."""
        try:
            match action:
                case FetchFile():
                    await self._cache.fetch(action)
                case DropFile():
                    await asyncio.to_thread(self._cache.drop, sha256)
            self._fetches.pop(sha256, None)
        except ActionFailedError as error:
            self._log.warning("file %s: %s: %s [%s]", sha256, error.reason.value, error, error.detail)
            now_ms = self._now_ms()
            self._fetches[sha256] = attempts.failed(self._fetches.get(sha256), now_ms, error.reason, error.public)
        finally:
            self._fetching.discard(sha256)
            self.wake()

    def _fail(self, vm: VmId, reason: Reason, message: str) -> None:
        """Remember a failure."""
        self._attempts[vm] = attempts.failed(self._attempts.get(vm), self._now_ms(), reason, message)

    def _now_ms(self) -> int:
        return self._clock.monotonic_ms()


def _scan(folders: Path) -> tuple[frozenset[VmId], frozenset[VmId]]:
    """VMs that have a folder, and those that have a root disk."""
    found = [path for path in folders.iterdir() if is_id(path.name, "vm")] if folders.is_dir() else []
    names = frozenset(VmId(path.name) for path in found)
    return names, frozenset(VmId(path.name) for path in found if (path / "root.qcow2").exists())


def _is_device(name: str) -> bool:
    """Whether a network device of this name is up in our network namespace (/sys may show another one's).

    prismnet's agent sets a device up when all else about it holds; until then it may still have it open, and QEMU
    would be told that it is busy.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        try:
            answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
        except OSError:
            return False
    return bool(struct.unpack_from("16xH", answer)[0] & _IFF_UP)
