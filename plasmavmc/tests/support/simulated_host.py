"""A host made of dictionaries: it does what the planner says, at once, and things happen to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from plasmavmc.agent.core import attempts
from plasmavmc.agent.core.actions import (
    Define,
    Destroy,
    DropFile,
    FetchFile,
    FetchSecrets,
    MakeDisk,
    MarkHalted,
    MarkStarted,
    Plan,
    RemoveFolder,
    Resume,
    Shutdown,
    Start,
    Undefine,
    VmAction,
)
from plasmavmc.agent.core.attempts import Stopping
from plasmavmc.agent.core.definition import parse_marks
from plasmavmc.agent.core.desired import (
    DesiredVm,
    DirectBoot,
    DiskBoot,
    DiskFormat,
    Intent,
    Nic,
    PortId,
    Power,
    Sha256,
    SourceFile,
    VmId,
)
from plasmavmc.agent.core.observed import CachedFile, Domain, DomainState, Marks, Observed, OffReason
from plasmavmc.agent.core.place import Accelerator, Place
from plasmavmc.agent.core.plan import plan
from plasmavmc.core.reasons import Reason

PLACE = Place(PurePosixPath("/state"), PurePosixPath("/run/vms"), Accelerator.TCG, "", 1000)


def vm_id(number: int) -> VmId:
    return VmId(f"vm-01jd{number:022d}")


def digest(letter: str) -> Sha256:
    return Sha256(letter * 64)


def direct_vm(number: int = 1, **changes: object) -> DesiredVm:
    """A VM that boots a kernel and has no disk."""
    kernel, initrd = SourceFile("file:///k", digest("a")), SourceFile("file:///i", digest("b"))
    vm = DesiredVm(
        id=vm_id(number),
        name=f"vm{number}",
        project="proj-1",
        generation=1,
        vcpus=1,
        memory_mib=128,
        disk_gib=0,
        boot=DirectBoot(kernel, initrd, "console=ttyS0"),
        nics=(),
        ssh_keys=(),
        user_data="",
        power=Power.RUNNING,
        reboot_count=1,
        force=False,
    )
    return replace(vm, **changes)  # type: ignore[arg-type]


def disk_vm(number: int = 1, **changes: object) -> DesiredVm:
    """A VM that boots a disk image."""
    boot = DiskBoot(SourceFile("file:///d", digest("d")), DiskFormat.QCOW2)
    return direct_vm(number, **{"boot": boot, "disk_gib": 5} | changes)


def nic(device: str, mac: str = "52:54:00:00:00:01") -> Nic:
    return Nic(PortId(f"port-of-{device}"), mac, "10.0.0.2", device)


class SimulatedHost:
    """Domains, disks, files and devices, and a clock that is set."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.intent = Intent("node1", 0, ())
        self.observed = Observed()
        self.broken: set[str] = set()
        self.answers_power_button = True

    def plan(self) -> Plan:
        return plan(self.intent, self.observed, PLACE, self.now_ms)

    def settle(self, rounds_max: int = 20) -> list[str]:
        """Plan and do until there is nothing to do; what was done, in words."""
        done: list[str] = []
        for _ in range(rounds_max):
            planned = self.plan()
            if not planned.vms and not planned.files:
                return done
            done += [self.do_file(action) for action in planned.files]
            for vm_plan in planned.vms:
                done += self.do_all(vm_plan.actions)
        raise AssertionError(f"never done: {done[-6:]}")

    def do_all(self, actions: tuple[VmAction, ...]) -> list[str]:
        done = []
        for action in actions:
            name = type(action).__name__
            if isinstance(action, Start) and action.after_crash:
                self._fail(action.id, Reason.CRASHED, "crashed")
            if name in self.broken:
                self._fail(action.id, Reason.START_FAILED, f"{name} is broken")
                return [*done, f"{name} failed"]
            self.do(action)
            done.append(name + (" after crash" if isinstance(action, Start) and action.after_crash else ""))
        return done

    def do_file(self, action: FetchFile | DropFile) -> str:
        files = dict(self.observed.files)
        if isinstance(action, DropFile):
            del files[action.sha256]
            self._see(files=files)
            return f"DropFile {action.sha256[0]}"
        if "FetchFile" in self.broken:
            before = self.observed.fetches.get(action.file.sha256)
            failure = attempts.failed(before, self.now_ms, Reason.IMAGE_CORRUPT, "not what was registered")
            self._see(fetches={**self.observed.fetches, action.file.sha256: failure})
            return f"FetchFile {action.file.sha256[0]} failed"
        files[action.file.sha256] = CachedFile(400, self.now_ms, True)
        self._see(files=files)
        return f"FetchFile {action.file.sha256[0]}{' as ' + action.format if action.format else ''}"

    def do(self, action: VmAction) -> None:
        match action:
            case MakeDisk(vm):
                self._see(disks=self.observed.disks | {vm}, folders=self.observed.folders | {vm})
            case RemoveFolder(vm):
                self._see(disks=self.observed.disks - {vm}, folders=self.observed.folders - {vm})
            case Start():
                self._start(action)
            case Shutdown(vm):
                self._press_power_button(vm)
            case Destroy(vm):
                self.turn_off(vm, OffReason.DESTROYED)
            case Resume(vm):
                self._put(vm, replace(self.observed.domains[vm], state=DomainState.RUNNING))
            case _:
                self._write(action)

    def _write(self, action: Define | FetchSecrets | MarkStarted | MarkHalted | Undefine) -> None:
        """Actions that change only what is stored."""
        match action:
            case Define(vm, text):
                self._define(vm, text)
            case MarkStarted(vm, count):
                self._mark(vm, started=count)
            case MarkHalted(vm):
                self._mark(vm, halted=True)
            case FetchSecrets(vm):
                self._see(folders=self.observed.folders | {vm})
            case Undefine(vm):
                self._see(domains={key: one for key, one in self.observed.domains.items() if key != vm})

    def _start(self, action: Start) -> None:
        vm = action.id
        old = self.observed.domains[vm]
        marks = replace(old.marks, started=action.reboot_count, halted=False)
        self._put(vm, Domain(DomainState.RUNNING, OffReason.UNKNOWN, marks, old.marks.reboot_count))
        self._see(folders=self.observed.folders | {vm})
        if not action.after_crash:
            self._forget(vm)

    def _press_power_button(self, vm: VmId) -> None:
        asked = self.observed.stopping.get(vm)
        stopping = Stopping(asked.asked_at_ms if asked else self.now_ms, self.now_ms)
        self._see(stopping={**self.observed.stopping, vm: stopping})
        if self.answers_power_button:
            self.turn_off(vm, OffReason.GUEST)

    def turn_off(self, vm: VmId, reason: OffReason) -> None:
        old = self.observed.domains[vm]
        self._put(vm, Domain(DomainState.OFF, reason, old.marks, None))
        self._see(stopping={key: one for key, one in self.observed.stopping.items() if key != vm})

    def reboot(self) -> None:
        """The host lost power: nothing runs, nothing is remembered, the disk is as it was."""
        files = {sha: replace(file, is_verified=False) for sha, file in self.observed.files.items()}
        for vm, domain in self.observed.domains.items():
            self._put(vm, Domain(DomainState.OFF, OffReason.UNKNOWN, domain.marks, None))
        self._see(files=files, attempts={}, fetches={}, stopping={}, devices=frozenset())

    def add_device(self, name: str) -> None:
        self._see(devices=self.observed.devices | {name})

    def remove_device(self, name: str) -> None:
        self._see(devices=self.observed.devices - {name})

    def pause(self, vm: VmId) -> None:
        self._put(vm, replace(self.observed.domains[vm], state=DomainState.PAUSED))

    def _define(self, vm: VmId, text: str) -> None:
        marks = parse_marks(text[text.index("<plasmavmc:vm ") : text.index("/>", text.index("<plasmavmc:vm ")) + 2])
        assert marks is not None, text
        self._put(vm, Domain(DomainState.OFF, OffReason.UNKNOWN, marks, None))

    def _mark(self, vm: VmId, **changes: object) -> None:
        old = self.observed.domains[vm]
        marks: Marks = replace(old.marks, **changes)  # type: ignore[arg-type]
        self._put(vm, replace(old, marks=marks))

    def _fail(self, vm: VmId, reason: Reason, message: str) -> None:
        failure = attempts.failed(self.observed.attempts.get(vm), self.now_ms, reason, message)
        self._see(attempts={**self.observed.attempts, vm: failure})

    def _forget(self, vm: VmId) -> None:
        self._see(attempts={key: one for key, one in self.observed.attempts.items() if key != vm})

    def _put(self, vm: VmId, domain: Domain) -> None:
        self._see(domains={**self.observed.domains, vm: domain})

    def _see(self, **changes: object) -> None:
        self.observed = replace(self.observed, **changes)  # type: ignore[arg-type]
