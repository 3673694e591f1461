"""The image that a lane's VMs boot: the quickstart's small guest, put where operators put images, on every machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from quickstart.config import default_cache
from quickstart.errors import QuickstartError
from quickstart.shell.guest import image

FOLDER = "plasmavmc/images"
"""Below a machine's /var/lib/ultracloud: plasmavmc takes images from there, and agents copy them from the same path."""
WHY_NONE = "ULTRACLOUD_NO_GUEST"
"""Variable that tells the process inside the lane's namespaces, which have no network."""


@dataclass(frozen=True, slots=True)
class VmImage:
    """An image as machines see it: URLs of its files, and the kernel's arguments."""

    kernel: str
    initrd: str
    command_line: str


def cache() -> Path:
    """Where images are kept: the quickstart's folder, or what ULTRACLOUD_GUEST says."""
    return Path(os.environ.get("ULTRACLOUD_GUEST") or default_cache() / "guest")


def obtain() -> None:
    """Have an image in the cache, made of Debian's packages if need be, while there is a network to get them over."""
    try:
        asyncio.run(image.obtain(cache(), lambda _: None))
    except QuickstartError as error:
        os.environ[WHY_NONE] = f"{error.cause}; {error.remedy}"


def why_none() -> str:
    """Why `obtain` had no image; empty if it had."""
    return os.environ.get(WHY_NONE, "")


def bring(lib: Path) -> VmImage:
    """Copy the image from the cache to a machine whose /var/lib/ultracloud is `lib`."""
    made = asyncio.run(image.obtain(cache(), lambda _: None))
    folder = lib / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for file in (made.kernel, made.initrd):
        shutil.copy(file, folder)
    seen = f"file:///var/lib/ultracloud/{FOLDER}"
    return VmImage(f"{seen}/{made.kernel.name}", f"{seen}/{made.initrd.name}", made.command_line)
