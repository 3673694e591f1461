"""A cluster whose machines are network namespaces, with a /var/lib and a /run of their own.

The processes are the units' own command lines, over the configurations that Nix built, byte for byte, behind the
fences of their units: calls, sockets, powers. What is not of NixOS here is the kernel they share, that they are root
without root's powers instead of users of their own, and that they see the file system.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from test_cluster import fences
from test_cluster.machines import Machine
from ultracloud.testkit.namespaces import Host, cable, host
from ultracloud.testkit.processes import Process

READY_S = 120.0
"""Fifteen processes start on two cores, and elect leaders meanwhile."""
LEFT_OUT = {
    "plasmavmc-agent": "it takes a libvirt for each machine",
}
WITH_FOLDERS = """
mount -t tmpfs none /var/lib && mkdir /var/lib/ultracloud && mount --bind "$1/lib" /var/lib/ultracloud || exit 1
mount -t tmpfs none /run || exit 1
shift
exec "$@"
"""


@dataclass(slots=True)
class NamespaceCluster:
    """See `test_cluster.backend.Cluster`."""

    machines: Sequence[Machine]
    folder: Path
    hosts: dict[str, Host]
    left_out: Sequence[str] = tuple(f"{name} ({why})" for name, why in LEFT_OUT.items())
    running: dict[str, dict[str, Process]] = field(default_factory=dict)

    def start(self, machine: str) -> None:
        """Start all of a machine's processes but those that are left out."""
        wanted = self._named(machine)
        home = self.folder / machine
        within = [*self.hosts[machine].prefix, "unshare", "--mount", "sh", "-c", WITH_FOLDERS, "sh", str(home)]
        self.running[machine] = {
            name: Process([*within, *fences.command_of(program.unit, program.command)], home / f"{name}.log")
            for name, program in wanted.programs.items()
            if name not in LEFT_OUT
        }

    def wait_ready(self, machine: str) -> None:
        """Wait until each of them says that it is ready."""
        for process in self.running[machine].values():
            process.wait_ready(READY_S)

    def unfenced(self, machine: str) -> list[str]:
        """Those of a machine's processes that are not behind their units' fences."""
        units = {name: program.unit for name, program in self._named(machine).programs.items()}
        running = self.running[machine].items()
        return [name for name, process in running if not fences.stand_around(process.pid, units[name])]

    def _named(self, machine: str) -> Machine:
        return next(each for each in self.machines if each.name == machine)

    def cut_power(self, machine: str) -> None:
        """Kill them all."""
        for process in self.running.pop(machine).values():
            process.kill()

    def certificate(self, operator: str) -> tuple[Path, Path, Path]:
        """Of the first machine: all have the same."""
        folder = self.folder / self.machines[0].name / "lib/pki/operators"
        return folder / f"operator-{operator}.crt", folder / f"operator-{operator}.key", folder / "ca.crt"


@contextmanager
def cluster(machines: Sequence[Machine], folder: Path) -> Iterator[NamespaceCluster]:
    """Machines that are cabled to this process's own namespace, with certificates of one authority."""
    here = Host(os.getpid())
    with ExitStack() as stack:
        for command in (
            "link set lo up",
            "link add lan type bridge",
            "address add 192.0.2.1/24 dev lan",
            "link set lan up",
        ):
            here.run(["ip", *command.split()])
        hosts = {machine.name: stack.enter_context(host()) for machine in machines}
        for machine in machines:
            near, _far = cable(here, hosts[machine.name], "", f"{machine.address}/24")
            here.run(["ip", "link", "set", near, "master", "lan"])
            certify(machine, folder)
        made = NamespaceCluster(machines, folder, hosts)
        try:
            yield made
        finally:
            for name in list(made.running):
                made.cut_power(name)


def certify(machine: Machine, folder: Path) -> None:
    """Certificates of a machine, as its operator makes them elsewhere: root owns them, as its users are not there."""
    lib = folder / machine.name / "lib"
    lib.mkdir(parents=True)
    where = ["--authority", str(folder / "authority"), "--folder", str(lib / "pki")]
    command = [os.environ["ULTRACLOUD_PKI"], *where, *machine.certificates]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
