"""What a lane may ask of a cluster, whatever its machines are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from test_cluster.machines import Machine
from test_cluster.vm_image import VmImage


class Cluster(Protocol):
    """Machines that are, or can be, started."""

    machines: Sequence[Machine]
    left_out: Sequence[str]
    """Processes that this kind of machine cannot run, each with why."""

    def start(self, machine: str) -> None:
        """Start all of a machine's processes."""
        ...

    def wait_ready(self, machine: str) -> None:
        """Wait until each of them says that it is ready."""
        ...

    def unfenced(self, machine: str) -> list[str]:
        """Those of a machine's processes that are not behind their units' fences."""
        ...

    def cut_power(self, machine: str) -> None:
        """End all of a machine's processes at once."""
        ...

    def certificate(self, operator: str) -> tuple[Path, Path, Path]:
        """Certificate, key and authority of an operator."""
        ...


class VmCluster(Cluster, Protocol):
    """Machines that may run VMs."""

    vm_image: VmImage | None
    """What VMs can boot, on every machine; None if no VM can be run."""
