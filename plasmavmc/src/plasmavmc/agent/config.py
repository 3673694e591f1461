"""The agent's configuration.

```toml
host = "node1"
state_dir = "/var/lib/ultracloud/plasmavmc-agent"
runtime_dir = "/run/ultracloud/plasmavmc-agent"
[listen]
address = "127.0.0.1:0"
unix = "/run/ultracloud/plasmavmc-agent.sock"    # where the server reaches consoles
[peers]
plasmavmc = "unix:/run/ultracloud/plasmavmc.sock"
[libvirt]
uri = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock"
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from plasmavmc.agent.core.place import Accelerator, Place
from ultracloud.servicekit.settings import Settings

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Libvirt:
    """The hypervisor.

    Attributes:
        uri: As virsh takes it.
        emulator: Path of QEMU; empty takes libvirt's.
    """

    uri: str = "qemu:///system"
    emulator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What of the host VMs may use.

    Attributes:
        vcpus_per_core: Guests rarely compute at the same time; 4 is the field's usual overcommitment.
        memory_reserved_mib: For the host and its agents.
        disk_reserved_gib: So that the host itself never runs out.
    """

    vcpus_per_core: float = 4.0
    memory_reserved_mib: int = 1024
    disk_reserved_gib: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings(Settings):
    """All of it.

    Attributes:
        host: This host's name; its certificate says ``/agent/plasmavmc/<host>``.
        runtime_dir: For sockets: consoles, and metadata unless that is set apart.
        metadata_socket: Where prismnet's proxy asks for guests' metadata; `runtime_dir`/metadata.sock by default.
        console_address: Where the server reaches this agent, if not at `listen.unix` or `listen.address`.
        accelerator: auto tries KVM by running something on it.
        zone: The availability zone guests are told.
        image_cache_gib: The image cache is trimmed to this, images in use excepted.
    """

    host: str
    runtime_dir: Path
    metadata_socket: Path | None = None
    console_address: str = ""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    zone: str = "local"
    image_cache_gib: int = 20
    libvirt: Libvirt = field(default_factory=Libvirt)
    capacity: Capacity = field(default_factory=Capacity)

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"host {self.host!a} is no host name; accepted: lower-case letters, digits, '-' and '.'")
        # Makes the paths' lengths an error of the configuration.
        self.place(Accelerator.TCG)

    def place(self, accelerator: Accelerator) -> Place:
        """Where things are on this host."""
        return Place(
            state_dir=PurePosixPath(self.state_dir),
            runtime_dir=PurePosixPath(self.runtime_dir),
            accelerator=accelerator,
            emulator=self.libvirt.emulator,
            cache_bytes_max=self.image_cache_gib * 1024**3,
        )

    @property
    def metadata_path(self) -> Path:
        """The metadata socket."""
        return self.metadata_socket or self.runtime_dir / "metadata.sock"
