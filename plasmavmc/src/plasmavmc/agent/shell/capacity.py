"""How much of this host VMs may use, and what accelerates them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from plasmavmc.agent.config import Capacity
from plasmavmc.agent.core.place import Accelerator
from plasmavmc.agent.shell import kvm

_MIB, _GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class HostSize:
    """What the scheduler may count on."""

    vcpus: int
    memory_mib: int
    disk_gib: int


def measure(state_dir: Path, limits: Capacity) -> HostSize:
    """The host's size, less what is kept for itself.

    Disks are thin, so what VMs' disks occupy now counts as free: it is theirs.
    """
    cores = len(os.sched_getaffinity(0))
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB
    ours = sum(path.stat().st_blocks * 512 for path in state_dir.rglob("*") if path.is_file() and not path.is_symlink())
    disk_gib = (shutil.disk_usage(state_dir).free + ours) // _GIB
    return HostSize(
        vcpus=max(1, int(cores * limits.vcpus_per_core)),
        memory_mib=max(0, memory_mib - limits.memory_reserved_mib),
        disk_gib=max(0, disk_gib - limits.disk_reserved_gib),
    )


def choose_accelerator(wanted: str) -> tuple[Accelerator, str]:
    """The accelerator, and one sentence on why."""
    match wanted:
        case "kvm":
            return Accelerator.KVM, "the configuration says so"
        case "tcg":
            return Accelerator.TCG, "the configuration says so"
        case _:
            found = kvm.probe()
            return (Accelerator.KVM if found.usable else Accelerator.TCG), found.why
