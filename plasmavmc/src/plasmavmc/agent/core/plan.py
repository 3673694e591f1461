"""The planner: from what is wanted and what there is, what to do now.

Pure and whole: it looks at every VM each time, so it needs no history, and what was done and found done gives an empty
plan. Nothing is planned for a VM that is being acted on. A VM starts when, in this order, its image is verified, its
disk is made and its network devices are up.

A guest that switches itself off stays off until somebody starts it; one whose QEMU crashed is started again, with
pauses that grow. Which of the two happened survives in the domain's marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plasmavmc.agent.core import definition
from plasmavmc.agent.core.actions import (
    Define,
    Destroy,
    DropFile,
    FetchFile,
    FetchSecrets,
    FileAction,
    MakeDisk,
    MarkHalted,
    MarkStarted,
    Plan,
    RemoveFolder,
    Report,
    Resume,
    Shutdown,
    Start,
    Undefine,
    VmAction,
    VmPlan,
)
from plasmavmc.agent.core.desired import DesiredVm, DiskBoot, Intent, Power, Sha256, SourceFile, VmId
from plasmavmc.agent.core.observed import CachedFile, Domain, DomainState, Observed, OffReason
from plasmavmc.agent.core.place import Place
from plasmavmc.core.reasons import Reason
from ultracloud.base.faults import InvalidArgumentError

SHUTDOWN_GRACE_MS = 30_000
"""A guest that was asked gets this long, as with libvirt-guests and most clouds' default; then the plug is pulled."""
SHUTDOWN_REPEAT_MS = 3_000
"""The request is an ACPI button; a guest that was still booting did not see it pressed."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What to do about one VM, and what to say of it."""

    reason: Reason
    power: Power
    actions: tuple[VmAction, ...] = ()
    message: str = ""
    wake_at_ms: int | None = None
    wanted_files: tuple[SourceFile, ...] = ()


def plan(intent: Intent, observed: Observed, place: Place, now_ms: int) -> Plan:
    """Decide what to do now.

    Args:
        intent: What this host must run.
        observed: What there is.
        place: Where things are.
        now_ms: Any clock that never goes back; the same one that `observed`'s times are of.
    """
    verdicts = {vm.id: _verdict(vm, observed, place, now_ms) for vm in intent.vms}
    wanted = {vm.id: vm for vm in intent.vms}
    gone = {vm_id: _removal(vm_id, observed, now_ms) for vm_id in _unwanted(wanted, observed)}
    everything = verdicts | gone
    return Plan(
        vms=tuple(
            VmPlan(vm_id, verdict.actions)
            for vm_id, verdict in everything.items()
            if verdict.actions and vm_id not in observed.busy
        ),
        files=(
            *_fetches(wanted, verdicts, observed, now_ms),
            *_drops(wanted, observed.files, observed.fetching, place.cache_bytes_max),
        ),
        reports=(
            *(_report(wanted[vm_id], verdict, observed.domains.get(vm_id)) for vm_id, verdict in verdicts.items()),
            *(_removal_report(vm_id, verdict, observed.domains.get(vm_id)) for vm_id, verdict in gone.items()),
        ),
        wake_at_ms=_soonest(everything, verdicts, observed, now_ms),
    )


# ---- one wanted VM ---------------------------------------------------------------------------------------------------


def _verdict(vm: DesiredVm, observed: Observed, place: Place, now_ms: int) -> _Verdict:
    """What to do about a VM that this host must have."""
    domain = observed.domains.get(vm.id)
    if domain is not None and domain.marks.generation > vm.generation:
        return _refused(vm, domain)
    if domain is None or domain.state is DomainState.OFF:
        return _off(vm, domain, observed, place, now_ms)
    if domain.state is DomainState.STOPPING and not vm.force:
        # Its QEMU is ending already; the event that it has ended wakes us.
        return _Verdict(Reason.STOPPING, Power.RUNNING)
    if vm.power is Power.STOPPED or _is_behind(vm, domain):
        return _stop(vm, domain.state, observed, now_ms)
    if domain.state is DomainState.PAUSED:
        return _paused(vm, observed, now_ms)
    return _running(vm, domain, observed)


def _is_behind(vm: DesiredVm, domain: Domain) -> bool:
    """Whether the running QEMU belongs to an earlier start than the one that is wanted."""
    return domain.running_reboot_count is not None and domain.running_reboot_count < vm.reboot_count


def _refused(vm: DesiredVm, domain: Domain) -> _Verdict:
    """The VM was defined from a newer generation: leave it alone."""
    message = f"generation {vm.generation} is older than {domain.marks.generation}, which this host has acted on"
    if domain.state is DomainState.OFF:
        return _Verdict(Reason.STOPPED, Power.STOPPED, message=message)
    return _Verdict(Reason.RUNNING, Power.RUNNING, message=message)


def _running(vm: DesiredVm, domain: Domain, observed: Observed) -> _Verdict:
    """The VM runs as wanted; repair what was not written down, and look at its network."""
    lost = [nic.device for nic in vm.nics if nic.is_known and nic.device not in observed.devices]
    repair: tuple[VmAction, ...] = ()
    if domain.running_reboot_count is not None and domain.marks.started != domain.running_reboot_count:
        repair = (MarkStarted(vm.id, domain.running_reboot_count),)
    if lost:
        message = f"network device {', '.join(lost)} is gone or down; reboot the VM when its port is ready again"
        return _Verdict(Reason.NETWORK_LOST, Power.RUNNING, repair, message)
    return _Verdict(Reason.RUNNING, Power.RUNNING, repair)


def _paused(vm: DesiredVm, observed: Observed, now_ms: int) -> _Verdict:
    """The VM is frozen: its disk was full, or its start was interrupted. Let it go on."""
    attempts = observed.attempts.get(vm.id)
    if attempts is not None and attempts.retry_at_ms > now_ms:
        return _Verdict(Reason.PAUSED, Power.RUNNING, (), attempts.message, attempts.retry_at_ms)
    return _Verdict(Reason.PAUSED, Power.RUNNING, (Resume(vm.id),))


def _stop(vm: DesiredVm, state: DomainState, observed: Observed, now_ms: int) -> _Verdict:
    """Ask the guest to switch itself off, again from time to time, and pull the plug when it does not."""
    attempts = observed.attempts.get(vm.id)
    if attempts is not None and attempts.retry_at_ms > now_ms:
        return _Verdict(attempts.reason, Power.RUNNING, (), attempts.message, attempts.retry_at_ms)
    asked = observed.stopping.get(vm.id)
    # A frozen guest cannot answer.
    if vm.force or state is DomainState.PAUSED:
        return _Verdict(Reason.STOPPING, Power.RUNNING, (Destroy(vm.id),))
    if asked is None:
        return _Verdict(Reason.STOPPING, Power.RUNNING, (Shutdown(vm.id),))
    if now_ms >= asked.asked_at_ms + SHUTDOWN_GRACE_MS:
        message = f"the guest did not switch itself off within {SHUTDOWN_GRACE_MS // 1000} s"
        return _Verdict(Reason.STOPPING, Power.RUNNING, (Destroy(vm.id),), message)
    if now_ms >= asked.repeated_at_ms + SHUTDOWN_REPEAT_MS:
        return _Verdict(Reason.STOPPING, Power.RUNNING, (Shutdown(vm.id),))
    wake_at_ms = min(asked.asked_at_ms + SHUTDOWN_GRACE_MS, asked.repeated_at_ms + SHUTDOWN_REPEAT_MS)
    return _Verdict(Reason.STOPPING, Power.RUNNING, wake_at_ms=wake_at_ms)


def _off(vm: DesiredVm, domain: Domain | None, observed: Observed, place: Place, now_ms: int) -> _Verdict:
    """The VM is off: it shall be, or its guest wanted it so, or it must be started."""
    if vm.power is Power.STOPPED:
        return _Verdict(Reason.STOPPED, Power.STOPPED)
    if domain is not None and domain.marks.started == vm.reboot_count:
        message = "the guest switched itself off; start it to bring it back"
        if domain.marks.halted:
            return _Verdict(Reason.GUEST_STOPPED, Power.STOPPED, message=message)
        if domain.off_reason is OffReason.GUEST:
            return _Verdict(Reason.GUEST_STOPPED, Power.STOPPED, (MarkHalted(vm.id),), message)
    return _start(vm, domain, observed, place, now_ms)


def _start(vm: DesiredVm, domain: Domain | None, observed: Observed, place: Place, now_ms: int) -> _Verdict:
    """Bring up a VM as far as what it needs is there."""
    missing = tuple(file for file in vm.files if not observed.has_file(file.sha256))
    attempts = observed.attempts.get(vm.id)
    if attempts is not None and attempts.retry_at_ms > now_ms:
        return _Verdict(attempts.reason, Power.STOPPED, (), attempts.message, attempts.retry_at_ms, missing)
    if missing:
        return _waiting_for_files(missing, observed)
    disk: tuple[VmAction, ...] = ()
    if vm.has_disk and vm.id not in observed.disks:
        disk = (_make_disk(vm, place),)
    absent = tuple(nic for nic in vm.nics if not nic.is_known or nic.device not in observed.devices)
    if absent:
        message = f"network port {absent[0].port or 'of the VM'} is not ready on this host"
        return _Verdict(Reason.WAITING_FOR_NETWORK, Power.STOPPED, disk, message)
    crashed = domain is not None and domain.off_reason is OffReason.CRASHED and domain.marks.started == vm.reboot_count
    start = Start(vm.id, vm.reboot_count, after_crash=crashed)
    try:
        # At each start anew, also after a crash: a secret that was rotated or taken back is not told again.
        secrets = (FetchSecrets(vm.id, vm.secrets),) if vm.secrets else ()
        return _Verdict(Reason.STARTING, Power.STOPPED, (*disk, *_define(vm, domain, place), *secrets, start))
    except InvalidArgumentError as error:
        # The control plane admits no such words; one that slips through costs its own VM only.
        return _Verdict(Reason.DEFINE_FAILED, Power.STOPPED, message=error.public)


def _waiting_for_files(missing: tuple[SourceFile, ...], observed: Observed) -> _Verdict:
    """The VM's image is not here yet; say so, or why it cannot be had."""
    for file in missing:
        attempts = observed.fetches.get(file.sha256)
        if attempts is not None and file.sha256 not in observed.fetching:
            return _Verdict(attempts.reason, Power.STOPPED, message=attempts.message, wanted_files=missing)
    return _Verdict(Reason.FETCHING_IMAGE, Power.STOPPED, wanted_files=missing)


def _make_disk(vm: DesiredVm, place: Place) -> MakeDisk:
    """The root disk: over the image's file, or blank."""
    if isinstance(vm.boot, DiskBoot):
        backing = str(place.image(vm.boot.image.sha256))
        return MakeDisk(vm.id, str(place.disk(vm.id)), vm.disk_gib, backing, vm.boot.format.value)
    return MakeDisk(vm.id, str(place.disk(vm.id)), vm.disk_gib, "", "")


def _define(vm: DesiredVm, domain: Domain | None, place: Place) -> tuple[VmAction, ...]:
    """Store the definition, unless the stored one is exactly it."""
    marks = definition.marks_of(vm, place, domain.marks.started if domain is not None else -1)
    if domain is not None and marks == domain.marks:
        return ()
    return (Define(vm.id, definition.render(vm, place, marks)),)


# ---- VMs that are not wanted any more --------------------------------------------------------------------------------


def _unwanted(wanted: Mapping[VmId, DesiredVm], observed: Observed) -> Iterator[VmId]:
    """Everything of ours that the intent does not name."""
    yield from sorted((observed.domains.keys() | observed.folders) - wanted.keys())


def _removal(vm_id: VmId, observed: Observed, now_ms: int) -> _Verdict:
    """Remove all that a VM has here."""
    domain = observed.domains.get(vm_id)
    power = Power.STOPPED if domain is None or domain.state is DomainState.OFF else Power.RUNNING
    attempts = observed.attempts.get(vm_id)
    if attempts is not None and attempts.retry_at_ms > now_ms:
        return _Verdict(attempts.reason, power, (), attempts.message, attempts.retry_at_ms)
    actions: list[VmAction] = []
    if domain is not None and domain.state is not DomainState.OFF:
        actions.append(Destroy(vm_id))
    if domain is not None:
        actions.append(Undefine(vm_id))
    return _Verdict(Reason.STOPPING, power, (*actions, RemoveFolder(vm_id)))


# ---- files -----------------------------------------------------------------------------------------------------------


def _fetches(
    wanted: Mapping[VmId, DesiredVm], verdicts: Mapping[VmId, _Verdict], observed: Observed, now_ms: int
) -> Iterator[FileAction]:
    """Each missing file once, unless it is under way or failed a moment ago."""
    seen: set[Sha256] = set(observed.fetching)
    for vm_id, verdict in verdicts.items():
        boot = wanted[vm_id].boot
        kind = boot.format.value if isinstance(boot, DiskBoot) else ""
        for file in verdict.wanted_files:
            attempts = observed.fetches.get(file.sha256)
            is_resting = attempts is not None and attempts.retry_at_ms > now_ms
            if file.sha256 not in seen and not is_resting:
                seen.add(file.sha256)
                yield FetchFile(file, kind)


def _drops(
    wanted: Mapping[VmId, DesiredVm],
    files: Mapping[Sha256, CachedFile],
    fetching: frozenset[Sha256],
    cache_bytes_max: int,
) -> Iterator[FileAction]:
    """Files nobody needs, those unused for longest first, until the cache is small enough."""
    needed = {file.sha256 for vm in wanted.values() for file in vm.files}
    total = sum(file.size_bytes for file in files.values())
    for sha256, file in sorted(files.items(), key=lambda item: (item[1].used_at_ms, item[0])):
        if total <= cache_bytes_max:
            return
        if sha256 not in needed and sha256 not in fetching:
            total -= file.size_bytes
            yield DropFile(sha256)


# ---- telling ---------------------------------------------------------------------------------------------------------


def _report(vm: DesiredVm, verdict: _Verdict, domain: Domain | None) -> Report:
    """What the control plane is told of a wanted VM."""
    started = max(domain.marks.started, 0) if domain is not None else 0
    if domain is not None and domain.running_reboot_count is not None:
        started = domain.running_reboot_count
    ready = verdict.reason is Reason.RUNNING
    return Report(vm.id, vm.generation, verdict.power, started, ready, verdict.reason, verdict.message)


def _removal_report(vm_id: VmId, verdict: _Verdict, domain: Domain | None) -> Report:
    """A VM that is being removed is told of until nothing of it is left: its absence is the good news."""
    generation = domain.marks.generation if domain is not None else 0
    return Report(vm_id, generation, verdict.power, 0, ready=False, reason=verdict.reason, message=verdict.message)


def _soonest(
    everything: Mapping[VmId, _Verdict], verdicts: Mapping[VmId, _Verdict], observed: Observed, now_ms: int
) -> int | None:
    """When something is due that no event announces."""
    times = [verdict.wake_at_ms for verdict in everything.values() if verdict.wake_at_ms is not None]
    for verdict in verdicts.values():
        for file in verdict.wanted_files:
            attempts = observed.fetches.get(file.sha256)
            if attempts is not None and file.sha256 not in observed.fetching and attempts.retry_at_ms > now_ms:
                times.append(attempts.retry_at_ms)
    return min(times, default=None)
