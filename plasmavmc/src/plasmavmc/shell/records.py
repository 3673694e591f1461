"""Between stored messages and the core's records."""

from __future__ import annotations

from plasmavmc.core.placement import HostName, Offer
from plasmavmc.core.plan import VmId, VmRecord
from plasmavmc.core.sizes import Size
from plasmavmc.core.status import Finding
from plasmavmc.core.vms import Power, PowerSpec
from plasmavmc.shell.network import NicWish
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.servicekit.resources import Condition, Truth
from ultracloud.servicekit.resources.conditions import find, put

POWERS = {pb.RUNNING: Power.RUNNING, pb.STOPPED: Power.STOPPED}
_SAYS_WHAT_RUNS = ("image", "user_data", "user_data_secret", "variables", "ssh_keys")
MESSAGES = {Power.RUNNING: pb.RUNNING, Power.STOPPED: pb.STOPPED}


def vm_record(vm: pb.Vm) -> VmRecord:
    """A VM as the planner wants it."""
    return VmRecord(
        id=VmId(vm.metadata.id),
        project=vm.metadata.project,
        host=HostName(vm.status.host) if vm.status.host else None,
        nic_count=len(vm.spec.nics),
        ports=tuple(nic.port for nic in vm.status.nics),
        is_deleted=vm.metadata.HasField("deleted_at"),
    )


def size_of(spec: pb.VmSpec | pb.FlavourSpec) -> Size:
    """The sizes in a spec."""
    return Size(spec.vcpus, spec.memory_mib, spec.disk_gib)


def set_size(spec: pb.VmSpec, size: Size) -> None:
    """Write sizes into a spec."""
    spec.vcpus, spec.memory_mib, spec.disk_gib = size.vcpus, size.memory_mib, size.disk_gib


def power_of(spec: pb.VmSpec) -> PowerSpec:
    """The power in a spec; unspecified means running."""
    return PowerSpec(POWERS.get(spec.power, Power.RUNNING), spec.reboot_count)


def set_power(spec: pb.VmSpec, power: PowerSpec) -> None:
    """Write the power into a spec."""
    spec.power, spec.reboot_count = MESSAGES[power.power], power.reboot_count


def nic_wish(nic: pb.Nic) -> NicWish:
    """An interface as it was asked for."""
    return NicWish(nic.subnet, tuple(nic.security_groups), nic.address)


def runs_other(new: pb.VmSpec, old: pb.VmSpec) -> bool:
    """Whether an update changes what runs in the guest, and so who can use what is told to it alone."""
    return any(getattr(new, name) != getattr(old, name) for name in _SAYS_WHAT_RUNS)


def on_host(vm: pb.Vm | None, host: str) -> pb.Vm:
    """`vm`, if it is on `host`.

    Raises:
        PermissionDeniedError: It is not; a host learns nothing of VMs elsewhere.
    """
    if vm is None or not host or vm.status.host != host or vm.metadata.HasField("deleted_at"):
        raise PermissionDeniedError("no such VM is on your host", reason="VM_NOT_HERE")
    return vm


def offer_of(host: pb.Host, used: Size) -> Offer:
    """A host as the scheduler wants it."""
    capacity = host.status.capacity
    return Offer(
        host=HostName(host.metadata.name),
        total=Size(capacity.vcpus, capacity.memory_mib, capacity.disk_gib),
        used=used,
        is_cordoned=host.spec.cordoned,
        is_lost=is_disconnected(host),
    )


def host_claim(host: str, vm: str, size: Size) -> str:
    """What a VM on a host holds: its share, readable without reading the VM."""
    return f"host/{host}/vm/{vm}/{size.vcpus}/{size.memory_mib}/{size.disk_gib}"


def condition_of(finding: Finding, generation: int) -> Condition:
    """A finding as the kit writes it."""
    truth = Truth.TRUE if finding.holds else Truth.FALSE
    return Condition(finding.type, truth, finding.reason, finding.message, generation)


def set_conditions(message: pb.Vm | pb.Image | pb.Host | pb.Flavour, now_ms: int, *findings: Finding) -> None:
    """Put what was found at the message's generation into its status."""
    put(message, now_ms, [condition_of(one, message.metadata.generation) for one in findings])


def is_disconnected(host: pb.Host) -> bool:
    """Whether a host's agent has been away for too long; one that has only just reported is not."""
    found = find(host, "Ready")
    return found is not None and found.status == resource_pb2.Condition.FALSE
