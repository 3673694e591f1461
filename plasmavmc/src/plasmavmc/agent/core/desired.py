"""What the control plane wants of this host: the whole set of VMs, with a generation.

The records are what `HostIntent` says, parsed at the edge. They carry ids, addresses and digests, so that acting on
them twice is harmless, and a generation, so that acting on an older one can be refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NewType

from plasmavmc.core.variables import USER_DATA

VmId = NewType("VmId", str)
"""``vm-<ulid>``; also the name libvirt knows the VM by."""
PortId = NewType("PortId", str)
"""``port-<ulid>`` of prismnet."""
Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""


class Power(Enum):
    """Whether a VM runs, wanted or found."""

    RUNNING = "running"
    STOPPED = "stopped"


class DiskFormat(Enum):
    """Formats a boot disk's image may have; the values are QEMU's words."""

    QCOW2 = "qcow2"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file the host must have a verified copy of."""

    url: str
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class DiskBoot:
    """Boot from a disk that starts as the image's content."""

    image: SourceFile
    format: DiskFormat


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """Boot a kernel; the disk, if any, starts blank."""

    kernel: SourceFile
    initrd: SourceFile | None
    cmdline: str


@dataclass(frozen=True, slots=True)
class Nic:
    """One network interface: a tap device that prismnet's agent makes. Empty words are not known yet."""

    port: PortId
    mac: str
    address: str
    device: str

    @property
    def is_known(self) -> bool:
        """Whether the control plane has said which device it is."""
        return bool(self.mac and self.device)


@dataclass(frozen=True, slots=True)
class Variable:
    """One of a VM's variables: a value, or where there is a secret, what it is: ``<id>@<version>``."""

    name: str
    value: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class DesiredVm:
    """One VM of this host.

    Attributes:
        disk_gib: Size of the root disk, 0 for none.
        reboot_count: How often it was started on purpose; a running VM with a smaller count is restarted.
        force: Pull the plug instead of asking the guest.
        user_data_secret: The secret that has the user data, as a variable's; empty if `user_data` is it.
    """

    id: VmId
    name: str
    project: str
    generation: int
    vcpus: int
    memory_mib: int
    disk_gib: int
    boot: DiskBoot | DirectBoot
    nics: tuple[Nic, ...]
    ssh_keys: tuple[str, ...]
    user_data: str
    power: Power
    reboot_count: int
    force: bool
    user_data_secret: str = ""
    variables: tuple[Variable, ...] = ()

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """Variables whose values are secrets, each with what it is; the user data under USER_DATA."""
        user_data = ((USER_DATA, self.user_data_secret),) if self.user_data_secret else ()
        return (*user_data, *((each.name, each.secret) for each in self.variables if each.secret))

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Every file it boots from."""
        match self.boot:
            case DiskBoot(image=image):
                return (image,)
            case DirectBoot(kernel=kernel, initrd=initrd):
                return (kernel,) if initrd is None else (kernel, initrd)

    @property
    def has_disk(self) -> bool:
        """Whether it needs a root disk."""
        return isinstance(self.boot, DiskBoot) or self.disk_gib > 0


@dataclass(frozen=True, slots=True)
class Intent:
    """All VMs of one host, whole."""

    host: str
    generation: int
    vms: tuple[DesiredVm, ...]
