"""What this host has: domains, disks, verified files, network devices, and what was tried and failed.

An observation is whole and may be taken at any time; the planner compares it with the intent. What the hypervisor
cannot tell us after a restart (which start a VM is on, whether its guest switched itself off) is kept in the domain's
own metadata, `Marks`, so that there is no second place that could disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from plasmavmc.agent.core.attempts import Attempts, Stopping
from plasmavmc.agent.core.desired import Sha256, VmId


class DomainState(Enum):
    """What a domain does."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    """The guest has been told, or its QEMU is ending."""
    OFF = "off"


class OffReason(Enum):
    """Why a domain is off, as far as the hypervisor knows."""

    UNKNOWN = "unknown"
    """Also after the hypervisor or the host was restarted."""
    GUEST = "guest"
    """The guest switched itself off, asked or not."""
    DESTROYED = "destroyed"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Marks:
    """What we wrote into a domain's metadata.

    Attributes:
        generation: The generation of the VM it was defined from.
        reboot_count: The start on purpose it was defined for.
        digest: Of the definition's text, to see whether it must be defined anew.
        started: The last start on purpose that succeeded; -1 before the first.
        halted: Whether the guest switched itself off after that start.
    """

    generation: int
    reboot_count: int
    digest: str
    started: int = -1
    halted: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain that is ours.

    Attributes:
        marks: Of the stored definition.
        running_reboot_count: The start on purpose that the running QEMU belongs to; None while off.
    """

    state: DomainState
    off_reason: OffReason
    marks: Marks
    running_reboot_count: int | None


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of the image cache.

    Attributes:
        used_at_ms: Orders what is dropped first.
        is_verified: Whether its bytes were compared with its digest since the agent started.
    """

    size_bytes: int
    used_at_ms: int
    is_verified: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What there is.

    Attributes:
        disks: VMs that have their root disk.
        folders: VMs that have anything on this host's disk.
        files: The image cache.
        devices: Network devices that are up, of those wanted.
        fetches: What happened to files that could not be fetched.
        attempts: What happened to VMs whose last action failed.
        stopping: VMs whose guests were asked to switch off.
        busy: VMs that are being acted on: nothing is planned for them.
        fetching: Files that are being fetched.
    """

    domains: Mapping[VmId, Domain] = field(default_factory=dict)
    disks: frozenset[VmId] = frozenset()
    folders: frozenset[VmId] = frozenset()
    files: Mapping[Sha256, CachedFile] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()
    fetches: Mapping[Sha256, Attempts] = field(default_factory=dict)
    attempts: Mapping[VmId, Attempts] = field(default_factory=dict)
    stopping: Mapping[VmId, Stopping] = field(default_factory=dict)
    busy: frozenset[VmId] = frozenset()
    fetching: frozenset[Sha256] = frozenset()

    def has_file(self, sha256: Sha256) -> bool:
        """Whether the file is here and was verified."""
        file = self.files.get(sha256)
        return file is not None and file.is_verified
