"""The libvirtd that machines with `plasmavmc-agent` have, of this computer's own programs."""

from __future__ import annotations

import shutil

AGENT = "plasmavmc-agent"
HYPERVISOR = "libvirtd"
PROGRAMS = (HYPERVISOR, "qemu-system-x86_64", "qemu-img")


def refusal() -> str:
    """Why no machine can have one here; empty if they can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} on this computer" if missing else ""
