"""Where on this host things are, and what its VMs run on: the constants every definition is rendered with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from plasmavmc.agent.core.desired import Sha256, VmId
from ultracloud.base.faults import InvalidArgumentError

SOCKET_PATH_BYTES_MAX = 107
"""sockaddr_un holds 108 bytes with the final NUL; QEMU refuses what is longer."""
SOCKET_NAME_BYTES = 40
"""Room for ``/vm-<26 characters>.sock``, 35 bytes, and a little."""


class Accelerator(Enum):
    """What runs the guests' instructions; the values are QEMU's words."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Place:
    """The host, as definitions need it.

    Attributes:
        state_dir: What must survive a reboot: image cache, disks, console logs.
        runtime_dir: Sockets; short, because a socket's path is.
        emulator: Path of QEMU; empty leaves the choice to libvirt.
        cache_bytes_max: The image cache is trimmed to this, images in use excepted.
    """

    state_dir: PurePosixPath
    runtime_dir: PurePosixPath
    accelerator: Accelerator
    emulator: str
    cache_bytes_max: int

    def __post_init__(self) -> None:
        length = len(str(self.runtime_dir).encode()) + SOCKET_NAME_BYTES
        if length > SOCKET_PATH_BYTES_MAX:
            room = SOCKET_PATH_BYTES_MAX - SOCKET_NAME_BYTES
            raise InvalidArgumentError(
                f"runtime_dir is {length - SOCKET_NAME_BYTES} bytes long; at most {room}, or its sockets have no room"
            )

    @property
    def images(self) -> PurePosixPath:
        """The image cache."""
        return self.state_dir / "images"

    @property
    def folders(self) -> PurePosixPath:
        """The folder with one folder per VM."""
        return self.state_dir / "vms"

    def image(self, sha256: Sha256) -> PurePosixPath:
        """A cached file."""
        return self.images / sha256

    def folder(self, vm: VmId) -> PurePosixPath:
        """All that one VM has on disk."""
        return self.folders / vm

    def disk(self, vm: VmId) -> PurePosixPath:
        """The root disk of a VM."""
        return self.folder(vm) / "root.qcow2"

    def console_log(self, vm: VmId) -> PurePosixPath:
        """What the serial console printed since the VM was last started."""
        return self.folder(vm) / "console.log"

    def secrets(self, vm: VmId) -> PurePosixPath:
        """What the secrets of a VM held when it was last started: gone with the host's power, like all in /run."""
        return self.runtime_dir / f"{vm}.secrets"

    def console_socket(self, vm: VmId) -> PurePosixPath:
        """Where QEMU listens for the serial console's keys."""
        return self.runtime_dir / f"{vm}.sock"
