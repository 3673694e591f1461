"""The guest's initial root: busybox, dropbear with the libraries it needs, kernel modules, and the guest's scripts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from quickstart.core import cpio, modules
from quickstart.core.cpio import Entry

MODULE_LISTS: Mapping[str, tuple[str, ...]] = {
    # What stands between the kernel and DHCP; random numbers come first because udhcpc draws one.
    "network": ("virtio_pci", "virtio_rng", "virtio_net"),
    # The power button and the disk can wait until HTTP answers.
    "power": ("button", "evdev", "virtio_blk"),
}
PROGRAMS: Mapping[str, str] = {"usr/sbin/dropbear": "bin/dropbear", "usr/bin/dropbearkey": "bin/dropbearkey"}
LIBRARIES: tuple[str, ...] = (
    "libc.so.6",
    "libcrypt.so.1",
    "libtomcrypt.so.1",
    "libtommath.so.1",
    "libz.so.1",
    "ld-linux-x86-64.so.2",
)
LIBRARY_FOLDER = "lib/x86_64-linux-gnu/"
LOADER = "lib64/ld-linux-x86-64.so.2"
SCRIPTS: Mapping[str, tuple[str, int]] = {
    "init": ("init", 0o755),
    "dhcp-event": ("bin/dhcp-event", 0o755),
    "index.cgi": ("www/cgi-bin/index.cgi", 0o755),
    "power-off": ("etc/acpi/PWRF/00000080", 0o755),
    "profile": ("etc/profile", 0o644),
}
ACCOUNTS: Mapping[str, str] = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    # No password matches `*`; dropbear accepts keys only, the serial console asks nothing.
    "etc/shadow": "root:*:20000:0:99999:7:::\n",
    "etc/group": "root:x:0:\n",
    "etc/shells": "/bin/sh\n",
}
FOLDERS: Sequence[tuple[str, int]] = (
    ("dev", 0o755),
    ("proc", 0o755),
    ("sys", 0o755),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("root/.ssh", 0o700),
    ("root", 0o700),
    ("etc/dropbear", 0o755),
    ("www", 0o755),
)


def is_wanted(path: str) -> bool:
    """Whether the guest or its boot needs this file of a package."""
    return (
        path in PROGRAMS
        or path in ("bin/busybox", "usr/bin/busybox")
        or path.startswith("boot/vmlinuz-")
        or path.endswith(".ko")
        or (path.rpartition("/")[2].partition(".so")[0] in _library_stems() and "gconv" not in path)
    )


def entries(files: Mapping[str, bytes]) -> list[Entry]:
    """Lay out the guest's root from the files of the packages."""
    busybox = files.get("bin/busybox") or files["usr/bin/busybox"]
    made = [cpio.folder(path, permissions) for path, permissions in FOLDERS]
    made.append(cpio.file("bin/busybox", busybox, 0o755))
    made += [cpio.link(f"bin/{name}", "busybox") for name in _applets(busybox) if name != "busybox"]
    made += [cpio.file(target, files[source], 0o755) for source, target in PROGRAMS.items()]
    made += [cpio.file(f"lib/{name}", _library(files, name), 0o755) for name in LIBRARIES[:-1]]
    made.append(cpio.file(LOADER, _library(files, LIBRARIES[-1]), 0o755))
    made += [cpio.file(path, text.encode()) for path, text in ACCOUNTS.items()]
    made += [cpio.file(target, script(name), mode) for name, (target, mode) in SCRIPTS.items()]
    made += _module_entries(files)
    return cpio.with_folders(made)


def script(name: str) -> bytes:
    """One of the guest's own scripts, by its file name."""
    return resources.files("quickstart.shell.guest").joinpath("rootfs", name).read_bytes()


def _library_stems() -> frozenset[str]:
    return frozenset(name.partition(".so")[0] for name in LIBRARIES)


def _library(files: Mapping[str, bytes], name: str) -> bytes:
    """A shared library wherever its package keeps it."""
    for path, body in files.items():
        if path.endswith(f"/{name}"):
            return body
    raise KeyError(name)


def _applets(busybox: bytes) -> list[str]:
    """The commands this busybox has; it is static, so it runs here as it will run in the guest."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "busybox"
        program.write_bytes(busybox)
        program.chmod(0o700)
        return subprocess.run([program, "--list"], capture_output=True, check=True, text=True).stdout.split()


def _module_entries(files: Mapping[str, bytes]) -> list[Entry]:
    """The modules of all lists, and each list in load order, less what an earlier list has loaded."""
    available = {modules.name_of(path): body for path, body in files.items() if path.endswith(".ko")}
    needs = {name: modules.dependencies(body) for name, body in available.items()}
    made: list[Entry] = []
    loaded: list[str] = []
    for title, wanted in MODULE_LISTS.items():
        order = [name for name in modules.load_order(wanted, needs) if name not in loaded]
        loaded += order
        made.append(cpio.file(f"lib/modules/{title}.list", "".join(f"{name}\n" for name in order).encode()))
        made += [cpio.file(f"lib/modules/{name}.ko", available[name]) for name in order]
    return made
