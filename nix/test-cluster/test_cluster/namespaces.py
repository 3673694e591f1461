"""A cluster whose machines are namespaces of processes, mounts and network, with a /var and a /run of their own.

The processes are the units' own command lines, over the configurations that Nix built, byte for byte, behind the
fences of their units: calls, sockets, powers. What is not of NixOS here is the kernel they share, that they are root
without root's powers instead of users of their own, that they see the file system, and libvirt and QEMU: each machine
has a libvirtd of its own, but it is the one installed on this computer, and guests are root's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from test_cluster import fences, hypervisor, vm_image
from test_cluster.hypervisor import AGENT, HYPERVISOR
from test_cluster.machines import Machine
from test_cluster.vm_image import VmImage
from ultracloud.testkit import libvirt
from ultracloud.testkit import machines as kit
from ultracloud.testkit.namespaces import Host, cable
from ultracloud.testkit.processes import Process

READY_S = 120.0
"""Fifteen processes start on two cores, and elect leaders meanwhile."""
FOLDERS = """
for folder in /run /var/cache /var/lib /var/log; do mount -t tmpfs none $folder; done
# What this machine's own libvirt package would have made.
if ! [ -d /etc/libvirt ]; then
    mkdir -p /run/over/etc /run/over/work
    mount -t overlay -o lowerdir=/etc,upperdir=/run/over/etc,workdir=/run/over/work none /etc
fi
mkdir /var/lib/ultracloud
mount --bind "$2" /var/lib/ultracloud
# It shows the devices of the network namespace that it was mounted from.
mount -t sysfs none /sys
"""


@dataclass(slots=True)
class NamespaceCluster:
    """See `test_cluster.backend.VmCluster`."""

    machines: Sequence[Machine]
    folder: Path
    lan: Host
    vm_image: VmImage | None
    left_out: Sequence[str] = ()
    without: frozenset[str] = frozenset()
    on: dict[str, kit.Machine] = field(default_factory=dict)
    running: dict[str, dict[str, Process]] = field(default_factory=dict)

    def start(self, machine: str) -> None:
        """Start all of a machine's processes but those that are left out."""
        wanted, home = self._named(machine), self.folder / machine
        one = self.on[machine] = kit.power_on(f"{FOLDERS}{libvirt.MOUNTS}", [str(home / "libvirt"), str(home / "lib")])
        near, _far = cable(self.lan, one, "", f"{wanted.address}/24")
        self.lan.run(["ip", "link", "set", near, "master", "lan"])
        running = self.running[machine] = {}
        if AGENT in wanted.programs and AGENT not in self.without:
            running[HYPERVISOR] = Process([*one.prefix, HYPERVISOR], home / f"{HYPERVISOR}.log")
            libvirt.wait_listening(one.seen(libvirt.SOCKET))
        for name, program in wanted.programs.items():
            if name not in self.without:
                command = fences.command_of(program.unit, program.command)
                running[name] = Process([*one.prefix, *command], home / f"{name}.log")

    def wait_ready(self, machine: str) -> None:
        """Wait until each of them says that it is ready."""
        for process in self._fenced(machine).values():
            process.wait_ready(READY_S)

    def unfenced(self, machine: str) -> list[str]:
        """Those of a machine's processes that are not behind their units' fences."""
        units = {name: program.unit for name, program in self._named(machine).programs.items()}
        # What was started entered the machine, and its child is the process.
        running = {name: kit.children_of(process.pid) for name, process in self._fenced(machine).items()}
        return [name for name, (pid,) in running.items() if not fences.stand_around(pid, units[name])]

    def _fenced(self, machine: str) -> dict[str, Process]:
        """A machine's processes that are ours."""
        return {name: process for name, process in self.running[machine].items() if name != HYPERVISOR}

    def _named(self, machine: str) -> Machine:
        return next(each for each in self.machines if each.name == machine)

    def cut_power(self, machine: str) -> None:
        """Kill them all, guests too; no packet leaves the machine any more."""
        one = self.on.pop(machine)
        one.run(["ip", "link", "set", "eth0", "down"])
        one.cut_power()
        for process in self.running.pop(machine).values():
            process.close()

    def certificate(self, operator: str) -> tuple[Path, Path, Path]:
        """Of the first machine: all have the same."""
        folder = self.folder / self.machines[0].name / "lib/pki/operators"
        return folder / f"operator-{operator}.crt", folder / f"operator-{operator}.key", folder / "ca.crt"


@contextmanager
def cluster(machines: Sequence[Machine], folder: Path) -> Iterator[NamespaceCluster]:
    """Machines that are cabled to this process's own namespace, with certificates of one authority."""
    here = Host(os.getpid())
    for command in (
        "link set lo up",
        "link add lan type bridge",
        "address add 192.0.2.1/24 dev lan",
        "link set lan up",
    ):
        here.run(["ip", *command.split()])
    for machine in machines:
        furnish(machine, folder / machine.name)
    made = NamespaceCluster(machines, folder, here, None)
    if why := hypervisor.refusal():
        made.left_out, made.without = [f"{AGENT} ({why})"], frozenset({AGENT})
    elif why := vm_image.why_none():
        made.left_out = [f"VMs ({why})"]
    else:
        for machine in machines:
            made.vm_image = vm_image.bring(folder / machine.name / "lib")
    try:
        yield made
    finally:
        for name in list(made.on):
            made.cut_power(name)


def furnish(machine: Machine, home: Path) -> None:
    """What a machine's operator brings: certificates, made elsewhere; and a libvirt."""
    lib = home / "lib"
    lib.mkdir(parents=True)
    # Root owns the certificates, as the machine's users are not there.
    where = ["--authority", str(home.parent / "authority"), "--folder", str(lib / "pki")]
    command = [os.environ["ULTRACLOUD_PKI"], *where, *machine.certificates]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    libvirt.write_config(home / "libvirt")
