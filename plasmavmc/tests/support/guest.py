"""The smallest guest that boots, serves HTTP, answers the power button and has a shell on its console.

Debian's cloud kernel, fetched once through apt into the checkout's .cache, and an initramfs of busybox made here.
"""

from __future__ import annotations

import fcntl
import io
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "plasmavmc-guest"
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
    "button",
    "evdev",
)
"""In the order insmod needs them."""
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in {modules}; do insmod /lib/$m.ko; done
for word in $(cat /proc/cmdline); do
  case $word in address=*) ip addr add ${{word#address=}} dev eth0; ip link set eth0 up;; esac
done
echo hello-from-guest > /www/index.html; httpd -p 80 -h /www
acpid
grep -q poweroff-now /proc/cmdline && poweroff -f
[ -b /dev/vda ] && echo "DISK $(cat /sys/block/vda/size)"
read up _ < /proc/uptime; echo "GUEST-READY $up"
while :; do setsid cttyhack sh; sleep 1; done
"""
POWER_BUTTON = "#!/bin/sh\npoweroff -f\n"


class NoGuestError(Exception):
    """There is no kernel to be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Files a DIRECT image is made of."""

    kernel: Path
    initrd: Path


def build() -> Guest:
    """The guest, from the cache or made now.

    Raises:
        NoGuestError: apt cannot be reached, or there is no busybox.
    """
    with _locked():
        tree = _kernel_tree()
        kernel = next(iter(sorted((tree / "boot").glob("vmlinuz-*"))))
        initrd = CACHE / "initrd.cpio"
        made = _initrd(tree)
        if not initrd.exists() or initrd.read_bytes() != made:
            initrd.write_bytes(made)
        return Guest(kernel, initrd)


@contextmanager
def _locked() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kernel_tree() -> Path:
    """The unpacked kernel package."""
    tree = CACHE / "kernel"
    if tree.exists():
        return tree
    if shutil.which("apt-get") is None:
        raise NoGuestError("no apt-get to fetch a kernel with")
    shown = _run("apt-cache", "depends", "linux-image-cloud-amd64")
    package = next((line.split()[-1] for line in shown.splitlines() if "Depends: linux-image-" in line), "")
    if not package:
        raise NoGuestError("apt knows no linux-image-cloud-amd64")
    fresh = CACHE / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    _run("apt-get", "download", package, cwd=fresh)
    _run("dpkg-deb", "-x", str(next(fresh.glob("*.deb"))), str(fresh / "tree"))
    (fresh / "tree").rename(tree)
    shutil.rmtree(fresh)
    return tree


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise NoGuestError(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _initrd(tree: Path) -> bytes:
    """The initramfs."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise NoGuestError("no busybox on this machine")
    archive = Cpio()
    for folder in [
        "bin",
        "dev",
        "etc",
        "etc/acpi",
        "etc/acpi/PWRF",
        "lib",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "var",
        "var/log",
        "var/run",
        "www",
    ]:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes())
    archive.add("etc/acpi/PWRF/00000080", stat.S_IFREG | 0o755, POWER_BUTTON.encode())
    for module in MODULES:
        found = next((tree / "lib" / "modules").rglob(f"{module}.ko"))
        archive.add(f"lib/{module}.ko", stat.S_IFREG | 0o644, found.read_bytes())
    archive.add("init", stat.S_IFREG | 0o755, INIT.format(modules=" ".join(MODULES)).encode())
    return archive.bytes()


class Cpio:
    """A newc archive, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._inode = 0

    def add(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        self._out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
        self._pad()
        self._out.write(content)
        self._pad()

    def bytes(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return self._out.getvalue()

    def _pad(self) -> None:
        self._out.write(b"\0" * (-self._out.tell() % 4))
