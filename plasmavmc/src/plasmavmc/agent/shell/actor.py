"""The planner's hands: each action of its vocabulary, done once, harmless when done again."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import assert_never

from plasmavmc.agent.core.actions import (
    ActionFailedError,
    Define,
    Destroy,
    FetchSecrets,
    MakeDisk,
    MarkHalted,
    MarkStarted,
    RemoveFolder,
    Resume,
    Shutdown,
    Start,
    Undefine,
    VmAction,
)
from plasmavmc.agent.core.desired import Sha256, VmId
from plasmavmc.agent.core.place import Place
from plasmavmc.agent.shell.hypervisor import Hypervisor
from plasmavmc.agent.shell.image_cache import ImageCache
from plasmavmc.agent.shell.secrets import KeptSecrets
from plasmavmc.core.disk_images import ImageSize, judge
from plasmavmc.core.reasons import Reason
from plasmavmc.core.sentences import without_paths
from plasmavmc.shell import qemu_img

GIB = 1024**3
PREVIOUS_LOG = "console.previous.log"
"""What the console printed before the VM was last started: what one wants to read after a crash."""


class Actor:
    """Does what the planner says, on this host's libvirt and disk."""

    def __init__(self, hypervisor: Hypervisor, cache: ImageCache, place: Place, secrets: KeptSecrets) -> None:
        self._hypervisor = hypervisor
        self._secrets = secrets
        self._cache = cache
        self._place = place

    async def do(self, action: VmAction) -> None:
        """Do one action.

        Raises:
            ActionFailedError: It did not work; its reason is from the closed list.
            HypervisorAwayError: libvirt went away; what was done is not known.
        """
        match action:
            case MakeDisk():
                await self._make_disk(action)
            case Define(vm, text):
                await self._hypervisor.define(vm, text)
            case FetchSecrets(vm, secrets):
                await self._secrets.fetch(vm, secrets)
            case Start(vm, reboot_count):
                await self._on_disk(Reason.START_FAILED, self._turn_log, vm)
                await self._hypervisor.start(vm, reboot_count)
            case RemoveFolder(vm):
                await self._on_disk(Reason.DISK_FAILED, self._remove, vm)
            case MarkStarted() | MarkHalted() | Resume() | Shutdown() | Destroy() | Undefine():
                await self._tell_hypervisor(action)
            case _:
                assert_never(action)

    async def _tell_hypervisor(self, action: MarkStarted | MarkHalted | Resume | Shutdown | Destroy | Undefine) -> None:
        """The actions that are one call to libvirt."""
        match action:
            case MarkStarted(vm, reboot_count):
                await self._hypervisor.mark_started(vm, reboot_count)
            case MarkHalted(vm):
                await self._hypervisor.mark_halted(vm)
            case Resume(vm):
                await self._hypervisor.resume(vm)
            case Shutdown(vm):
                await self._hypervisor.shutdown(vm)
            case Destroy(vm):
                await self._hypervisor.destroy(vm)
            case Undefine(vm):
                await self._hypervisor.undefine(vm)
            case _:
                assert_never(action)

    async def _make_disk(self, action: MakeDisk) -> None:
        """The root disk; never smaller than the image it starts as."""
        path, backing = Path(action.path), Path(action.backing) if action.backing else None
        size_bytes = action.size_gib * GIB or None
        try:
            await self._on_disk(Reason.DISK_FAILED, _make_folder, path.parent)
            if backing is not None:
                size_bytes = await self._checked_size(backing, action.backing_format, size_bytes)
                self._cache.touch(Sha256(backing.name))
            await qemu_img.create(path, size_bytes, backing, action.backing_format)
        except qemu_img.QemuImgError as error:
            public = f"the root disk cannot be made: {without_paths(str(error), path, *filter(None, [backing]))}"
            raise ActionFailedError(Reason.DISK_FAILED, public, str(error)) from error

    async def _checked_size(self, backing: Path, backing_format: str, size_bytes: int | None) -> int | None:
        """The size to make a disk over `backing` with."""
        judged = judge(await qemu_img.inspect(backing, backing_format), backing_format)
        if not isinstance(judged, ImageSize):
            raise ActionFailedError(Reason.IMAGE_REFUSED, f"the image is refused: {judged.says}", str(backing))
        if size_bytes is not None and size_bytes < judged.virtual_bytes:
            public = f"the disk of {size_bytes // GIB} GiB is smaller than its image of {judged.virtual_bytes} bytes"
            raise ActionFailedError(Reason.DISK_FAILED, public)
        return size_bytes

    async def _on_disk(self, reason: Reason, work: object, argument: VmId | Path) -> None:
        """Run blocking work on files in a thread."""
        assert callable(work), work
        try:
            await asyncio.to_thread(work, argument)
        except OSError as error:
            public = f"the host's disk refuses: {error.strerror}"
            raise ActionFailedError(reason, public, str(error)) from error

    def _turn_log(self, vm: VmId) -> None:
        """Begin a new console log and keep the last; QEMU opens it by name."""
        log = Path(self._place.console_log(vm))
        _make_folder(log.parent)
        if log.exists():
            log.replace(log.with_name(PREVIOUS_LOG))

    def _remove(self, vm: VmId) -> None:
        """All a VM has here; what is gone already is as wanted."""
        Path(self._place.console_socket(vm)).unlink(missing_ok=True)
        self._secrets.forget(vm)
        folder = Path(self._place.folder(vm))
        if folder.exists():
            shutil.rmtree(folder)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
