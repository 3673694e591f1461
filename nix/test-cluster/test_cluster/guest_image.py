"""What a guest boots from: Debian's cloud kernel with its modules and busybox, got once through apt and kept.

Nothing is installed: the quickstart's code finds and downloads the packages, with the machine's lists or its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quickstart.config import default_cache
from quickstart.core import cpio, modules
from quickstart.core.cpio import Entry
from quickstart.shell.guest import packages

CACHE_VARIABLE = "ULTRACLOUD_CLUSTER_GUEST"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_rng", "virtio_net", "virtio_blk", "ext4", "virtiofs", "overlay", "autofs4")
"""Before systemd starts; whatever comes later is loaded by the kernel when it is asked for."""
INIT = Path(__file__).with_name("guest_init.sh")


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel, and what stands between it and systemd.

    Attributes:
        modules: A folder with the `lib/modules` of the kernel.
        start: The beginning of the initial root; a machine's own part follows it.
    """

    kernel: Path
    modules: Path
    start: bytes


def cache() -> Path:
    """Where it is kept: beside the quickstart's, or where ULTRACLOUD_CLUSTER_GUEST says."""
    return Path(os.environ.get(CACHE_VARIABLE) or default_cache() / "cluster-guest")


def obtain(cache: Path) -> Image:
    """The image, from the cache or made now of Debian's packages.

    Raises:
        QuickstartError: Debian's packages cannot be had.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        tree = cache / "unpacked"
        if not tree.exists():
            _unpack(cache, tree)
    found = next(tree.rglob("lib/modules"))
    return Image(next(tree.glob("boot/vmlinuz-*")), found.parent.parent, cpio.render(_entries(tree)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(cache: Path, tree: Path) -> None:
    scratch, apt = cache / "unpacking", cache / "apt"
    shutil.rmtree(scratch, ignore_errors=True)
    for _, path in asyncio.run(packages.fetch(apt, ["busybox-static"], KERNEL_PACKAGE, lambda _: None)):
        subprocess.run(["dpkg-deb", "-x", str(path), str(scratch)], check=True)
    (version,) = (path.name for path in next(scratch.rglob("lib/modules")).iterdir())
    base = next(scratch.rglob("lib/modules")).parent.parent
    subprocess.run(["depmod", "--basedir", str(base), version], check=True)
    shutil.rmtree(apt)
    scratch.rename(tree)


def _entries(tree: Path) -> list[Entry]:
    """busybox, the first modules in the order they are loaded in, and the guest's first program."""
    available = {modules.name_of(path.name): path for path in tree.rglob("*.ko")}
    # What is built into the kernel is no file.
    wanted = [name for name in MODULES if name in available]
    needs = {name: modules.dependencies(path.read_bytes()) for name, path in available.items()}
    order = modules.load_order(wanted, needs)
    busybox = next(path for path in tree.rglob("bin/busybox") if path.is_file())
    return cpio.with_folders(
        [
            cpio.file("init", INIT.read_bytes(), 0o755),
            cpio.file("bin/busybox", busybox.read_bytes(), 0o755),
            cpio.file("modules/order", "".join(f"{name}\n" for name in order).encode()),
            *(cpio.file(f"modules/{name}.ko", available[name].read_bytes()) for name in order),
        ]
    )
