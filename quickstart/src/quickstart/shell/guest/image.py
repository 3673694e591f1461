"""Builds the guest's kernel and initial root once and keeps them below the cache.

The cache has one folder for each version of the builder and its packages; it is made under another name and renamed, so
that an interrupted build leaves nothing that looks whole, and a lock keeps two builders apart.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quickstart.core import cpio, modules
from quickstart.errors import CommandError, QuickstartError
from quickstart.shell.guest import packages, root
from quickstart.shell.guest.packages import Package, Report

KERNEL_PACKAGE = "linux-image-cloud-amd64"
PACKAGES: Sequence[str] = (
    "busybox-static",
    "dropbear-bin",
    "libc6",
    "libcrypt1",
    "libtomcrypt1",
    "libtommath1",
    "zlib1g",
)
COMMAND_LINE = "console=ttyS0 quiet panic=1 cryptomgr.notests random.trust_cpu=on"
"""`cryptomgr.notests`: the kernel's self-tests of its ciphers take 0.35 s of an emulated boot of 1.8 s."""
GZIP_LEVEL = 6
LOCK_POLL_S = 0.2
_BUILDER_FILES = (__file__, root.__file__, cpio.__file__, modules.__file__)


@dataclass(frozen=True, slots=True)
class GuestImage:
    """A guest that boots directly from its kernel."""

    kernel: Path
    initrd: Path
    command_line: str
    packages: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Kernel and initial root together."""
        return self.kernel.stat().st_size + self.initrd.stat().st_size


async def obtain(cache: Path, report: Report) -> GuestImage:
    """Give the guest image, building it if this version of it was never built.

    Args:
        cache: A folder to keep it in, made if it is missing.
        report: Told what is going on.

    Raises:
        QuickstartError: The packages cannot be had or do not hold what the guest needs. The cache is unchanged.
    """
    lock = _open_lock(cache)
    try:
        while not _is_locked(lock):
            report("waiting for another build of the guest")
            await asyncio.sleep(LOCK_POLL_S)
        return _newest(cache) or await _build(cache, report)
    finally:
        os.close(lock)


def builder_digest() -> str:
    """A digest of all that decides what the image holds, apart from the packages."""
    digest = hashlib.sha256(f"{COMMAND_LINE}\n{GZIP_LEVEL}\n".encode())
    for path in _BUILDER_FILES:
        digest.update(Path(path).read_bytes())
    for name in sorted(root.SCRIPTS):
        digest.update(root.script(name))
    return digest.hexdigest()[:16]


def _newest(cache: Path) -> GuestImage | None:
    """The last image this builder made, if it is still whole."""
    folders = sorted(cache.glob(f"{builder_digest()}-*"), key=lambda path: path.stat().st_mtime)
    for folder in reversed(folders):
        try:
            return _opened(folder)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(folder)
    return None


def _opened(folder: Path) -> GuestImage:
    """Read an image's description and check that its files have the sizes it names."""
    described = json.loads((folder / "image.json").read_text())
    image = GuestImage(
        folder / "vmlinuz", folder / "initrd.gz", described["command_line"], tuple(described["packages"])
    )
    if image.size_bytes != described["size_bytes"]:
        raise ValueError(f"{folder}: {image.size_bytes} bytes instead of {described['size_bytes']}")
    return image


async def _build(cache: Path, report: Report) -> GuestImage:
    """Download, lay out, pack, and move into place."""
    report("asking Debian for the packages of the guest")
    fetched = await packages.fetch(cache / "apt", PACKAGES, KERNEL_PACKAGE, report)
    report("unpacking kernel, busybox and dropbear")
    try:
        kernel, initrd = await asyncio.to_thread(_pack, [path for _, path in fetched])
    except (CommandError, KeyError, StopIteration) as error:
        raise QuickstartError(
            f"Debian's packages do not hold what the guest image needs: {error}",
            remedy=f"delete {cache} and run again; if it stays, this Debian's packages have changed",
        ) from error
    return _keep(cache, kernel, initrd, [package for package, _ in fetched])


def _pack(paths: Sequence[Path]) -> tuple[bytes, bytes]:
    """Give the kernel and the packed initial root."""
    files: dict[str, bytes] = {}
    for path in paths:
        files |= packages.read_members(path, root.is_wanted)
    kernel = files[next(path for path in files if path.startswith("boot/vmlinuz-"))]
    return kernel, gzip.compress(cpio.render(root.entries(files)), GZIP_LEVEL, mtime=0)


def _keep(cache: Path, kernel: bytes, initrd: bytes, made_of: Sequence[Package]) -> GuestImage:
    """Write the image beside its final place, then rename it there."""
    versions = sorted(package.file_name.removesuffix(".deb") for package in made_of)
    digest = hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        (scratch / "vmlinuz").write_bytes(kernel)
        (scratch / "initrd.gz").write_bytes(initrd)
        described = {
            "command_line": COMMAND_LINE,
            "packages": versions,
            "size_bytes": len(kernel) + len(initrd),
        }
        (scratch / "image.json").write_text(json.dumps(described, indent=2) + "\n")
        final = cache / f"{builder_digest()}-{digest}"
        for older in cache.glob("*-*/image.json"):
            if older.parent != scratch:
                shutil.rmtree(older.parent)
        scratch.rename(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shutil.rmtree(cache / "apt")
    return _opened(final)


def _open_lock(cache: Path) -> int:
    """Open the cache's lock file; the kernel releases the lock however this process ends."""
    cache.mkdir(parents=True, exist_ok=True)
    return os.open(cache / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _is_locked(lock: int) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
