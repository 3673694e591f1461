"""Finds out whether this machine can run the quickstart, by trying; says everything that is missing at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quickstart.config import PORTS, Options
from quickstart.errors import CommandError, QuickstartError
from quickstart.shell.commands import run

PYTHON_MIN = (3, 11)
MEMORY_MB_MIN = 1536
"""The control plane takes under 400 MB, libvirtd 50, two guests 256 each; the rest is for the machine."""
DISK_MB_MIN = 512
"""Logs, the guest image (17 MB, 60 while it is made), the services' logs and stores."""
PROBE_SECONDS = 15.0
PROGRAMS: Mapping[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "libvirtd": "libvirt-daemon",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}
"""Program -> the Debian package it comes in."""
QEMU_DRIVER = Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so")
KERNEL_MODULES: Mapping[str, tuple[str, ...]] = {
    "bridge": ("bridge",),
    "veth": ("veth",),
    "tun": ("tun",),
    "nftables inet": ("nf_tables", "nft_ct", "nft_masq", "nft_nat"),
    "nftables bridge": ("nf_tables", "nft_meta_bridge"),
    "br_netfilter": ("br_netfilter",),
    "AF_PACKET": ("af_packet",),
}
"""Feature -> modules that bring it where they are not built in."""
ALLOWED_REMEDY = (
    "run it on the machine itself or in a virtual machine, outside any chroot; a container needs --privileged"
)
"""For features that every kernel has: what fails then is not allowed here. A chroot cannot make mount namespaces."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found.

    Attributes:
        accelerator: ``kvm`` or ``tcg``.
        why: Why that one, in a few words.
        probe_seconds: How long it took to find out.
        summary: Versions and room, for a person.
    """

    accelerator: str
    why: str
    probe_seconds: float
    summary: str


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing, and what to do about it."""

    what: str
    remedy: str


async def examine(options: Options) -> Machine:
    """Look at everything and choose the accelerator.

    Raises:
        QuickstartError: Something is missing; all that is missing is named, with what to do.
    """
    lacks = [*_check_platform(), *_check_programs(), *_check_room(options), *_check_ports(options)]
    if lacks:
        raise _failure(lacks)
    versions, kvm, kernel = await asyncio.gather(_versions(), probe_kvm(), _check_kernel())
    if kernel:
        raise _failure(kernel)
    accelerator, why, probe_seconds = kvm
    memory_gb, disk_gb = available_memory_mb() / 1024, free_disk_mb(options.layout.state) / 1024
    summary = (
        f"Python {platform.python_version()}, {versions}, kernel features tried, {memory_gb:.0f} GB of memory and "
        f"{disk_gb:.0f} GB of disk free"
    )
    return Machine(accelerator, why, probe_seconds, summary)


def require_root() -> None:
    """Return if we are root.

    Raises:
        QuickstartError: We are not.
    """
    if os.geteuid() != 0:
        raise QuickstartError(
            f"you are user {os.geteuid()}, not root; network namespaces, bridges and libvirt need root",
            remedy=f"sudo {shlex.join(['./dev', 'quickstart', *sys.argv[1:]])}",
        )


def _failure(lacks: Sequence[Lack]) -> QuickstartError:
    """One error that names everything."""
    return QuickstartError(
        "\n".join(lack.what for lack in lacks), remedy="\n".join(dict.fromkeys(lack.remedy for lack in lacks))
    )


def _check_platform() -> list[Lack]:
    """Who and where we are."""
    lacks = []
    if sys.version_info < PYTHON_MIN:
        found = platform.python_version()
        lacks.append(
            Lack(f"Python is {found}; 3.11 or newer is needed", "apt-get install python3 (Debian 12 has 3.11)")
        )
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        found = f"{platform.system()} on {platform.machine()}"
        lacks.append(
            Lack(f"this is {found}; the quickstart runs on Linux on x86_64", "use an x86_64 machine with Linux")
        )
    return lacks


def _check_programs() -> list[Lack]:
    """The programs the stack is made of."""
    missing = {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if "libvirtd" not in missing and Path("/etc/debian_version").exists() and not QEMU_DRIVER.exists():
        missing["libvirt's QEMU driver"] = "libvirt-daemon-driver-qemu"
    if not missing:
        return []
    packages = " ".join(sorted(set(missing.values())))
    return [Lack(f"{program} is missing", f"apt-get install --no-install-recommends {packages}") for program in missing]


def _check_room(options: Options) -> list[Lack]:
    """Memory, and disk below the state folder."""
    lacks = []
    memory_mb, disk_mb = available_memory_mb(), free_disk_mb(options.layout.state)
    if memory_mb < MEMORY_MB_MIN:
        lacks.append(Lack(f"{memory_mb} MB of memory are free; {MEMORY_MB_MIN} are needed", "end something large"))
    if disk_mb < DISK_MB_MIN:
        lacks.append(
            Lack(
                f"{options.layout.state} has {disk_mb} MB of disk left; {DISK_MB_MIN} are needed",
                "make room, or choose another folder with --state DIR",
            )
        )
    return lacks


def _check_ports(options: Options) -> list[Lack]:
    """Ports asked for must be free; the others are free when they are chosen."""
    if options.port_base is None:
        return []
    return [
        Lack(
            f"port {port} on 127.0.0.1 is in use by another program (`ss -ltnp sport = :{port}` names it)",
            "end that program, choose another --port-base, or leave it out to take free ports",
        )
        for port in ports(options)
        if not _is_free(port)
    ]


def ports(options: Options) -> list[int]:
    """The ports to listen on: those asked for, or free ones."""
    if options.port_base is not None:
        return list(range(options.port_base, options.port_base + PORTS))
    held = [socket.socket() for _ in range(PORTS)]
    try:
        # All are held until the last is chosen, or the kernel may give one twice.
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def available_memory_mb() -> int:
    """Memory that can be had without swapping."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def free_disk_mb(folder: Path) -> int:
    """Room on the file system of `folder`, which need not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    room = os.statvfs(existing)
    return room.f_bavail * room.f_frsize // 1_000_000


async def _versions() -> str:
    """QEMU's and libvirt's versions."""
    qemu, libvirt = await asyncio.gather(run("qemu-system-x86_64", "--version"), run("libvirtd", "--version"))
    return f"QEMU {_version(qemu)}, libvirt {_version(libvirt)}"


def _version(text: bytes) -> str:
    found = re.search(r"\d+(\.\d+)+", text.decode(errors="replace"))
    return found[0] if found else "of unknown version"


async def probe_kvm() -> tuple[str, str, float]:
    """Run something on /dev/kvm; gives the accelerator to use, why, and how long it took."""
    begun = time.monotonic()
    try:
        said = await run(sys.executable, "-m", "plasmavmc.agent", "kvm-probe", timeout_s=PROBE_SECONDS)
        verdict = json.loads(said)
        accelerator, why = ("kvm" if verdict["usable"] else "tcg"), str(verdict["why"])
    except (CommandError, ValueError, KeyError) as error:
        accelerator, why = "tcg", f"the probe of KVM failed: {error}"
    return accelerator, why, time.monotonic() - begun


async def _check_kernel() -> list[Lack]:
    """Try every feature; where one fails, load its modules and try again."""
    failed = await _try_kernel()
    modules = [module for feature in failed for module in KERNEL_MODULES.get(feature, ())]
    if modules and shutil.which("modprobe"):
        # A kernel may have some built in under no name; the second try tells what counts.
        with contextlib.suppress(CommandError):
            await run("modprobe", "--all", *dict.fromkeys(modules))
        failed = await _try_kernel()
    return [Lack(f"this kernel cannot do {feature}: {why}", _kernel_remedy(feature)) for feature, why in failed.items()]


def _kernel_remedy(feature: str) -> str:
    """What makes a feature work: its modules, or for what needs none a place that allows it."""
    modules = KERNEL_MODULES.get(feature)
    return f"load or build in {', '.join(modules)}" if modules else ALLOWED_REMEDY


async def _try_kernel() -> dict[str, str]:
    """Features that do not work here, and what the kernel said."""
    try:
        said = await run("unshare", "--net", "--mount", "--", sys.executable, "-m", "quickstart.shell.scratch")
    except CommandError as error:
        return {"namespaces": error.output.strip()}
    results: dict[str, str | None] = json.loads(said)
    return {feature: why for feature, why in results.items() if why is not None}
