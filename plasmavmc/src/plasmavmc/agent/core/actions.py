"""The planner's whole vocabulary: what the shell may be told to do, each harmless when done twice."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.agent.core.desired import Power, Sha256, SourceFile, VmId
from plasmavmc.core.reasons import Reason


class ActionFailedError(Exception):
    """An action did not do what it should; the VM is as before it, or as far as the action got.

    Args:
        reason: From the closed list.
        public: One sentence that the VM's owner may read.
        detail: For the host's log.
    """

    def __init__(self, reason: Reason, public: str, detail: str = "") -> None:
        super().__init__(public)
        self.reason = reason
        self.public = public
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FetchFile:
    """Copy the file into the cache, or verify the copy that is there.

    `format` is what QEMU will open it as; empty for kernels and RAM disks, which it only loads.
    """

    file: SourceFile
    format: str


@dataclass(frozen=True, slots=True)
class DropFile:
    """Remove a file from the cache."""

    sha256: Sha256


@dataclass(frozen=True, slots=True)
class MakeDisk:
    """Make the root disk of a VM at `path`: over the file `backing`, or blank where that is empty.

    `size_gib` is the least a guest sees; 0 takes the backing file's own size.
    """

    id: VmId
    path: str
    size_gib: int
    backing: str
    backing_format: str


@dataclass(frozen=True, slots=True)
class Define:
    """Store the definition of a VM: the domain's XML."""

    id: VmId
    text: str


@dataclass(frozen=True, slots=True)
class FetchSecrets:
    """Have what a VM's secrets hold now: the name of each, and what it is."""

    id: VmId
    secrets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Start a defined VM, then mark `reboot_count` as started. `after_crash` counts the crash as a failure."""

    id: VmId
    reboot_count: int
    after_crash: bool = False


@dataclass(frozen=True, slots=True)
class MarkStarted:
    """Write down that a VM runs on this start: we were killed between starting it and writing it down."""

    id: VmId
    reboot_count: int


@dataclass(frozen=True, slots=True)
class MarkHalted:
    """Write down that the guest switched itself off."""

    id: VmId


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused VM run."""

    id: VmId


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Ask the guest to switch itself off."""

    id: VmId


@dataclass(frozen=True, slots=True)
class Destroy:
    """Pull the plug."""

    id: VmId


@dataclass(frozen=True, slots=True)
class Undefine:
    """Remove the definition of a VM that is off."""

    id: VmId


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """Remove all a VM has on this host's disk."""

    id: VmId


VmAction = (
    MakeDisk
    | Define
    | FetchSecrets
    | Start
    | MarkStarted
    | MarkHalted
    | Resume
    | Shutdown
    | Destroy
    | Undefine
    | RemoveFolder
)
FileAction = FetchFile | DropFile


@dataclass(frozen=True, slots=True)
class Report:
    """What the control plane is told of one VM."""

    id: VmId
    generation: int
    power: Power
    reboot_count: int
    ready: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class VmPlan:
    """What to do about one VM: `actions` in order, stopping at the first that fails."""

    id: VmId
    actions: tuple[VmAction, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what to tell, and when to look again though nothing happened (None: never)."""

    vms: tuple[VmPlan, ...]
    files: tuple[FileAction, ...]
    reports: tuple[Report, ...]
    wake_at_ms: int | None
