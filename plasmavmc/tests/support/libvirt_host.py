"""A libvirtd of its own, on a machine of namespaces: nothing of it is seen outside or stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from ultracloud.testkit.libvirt import MOUNTS, write_config
from ultracloud.testkit.machines import Machine, children_of, machine

START_S = 20.0

# libvirt prints every error to stderr unless told otherwise.
libvirt.registerErrorHandler(lambda *_: None, None)


@dataclass
class LibvirtHost:
    """One libvirtd in its namespaces."""

    folder: Path
    machine: Machine
    libvirtd: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    def inside(self, *command: str) -> list[str]:
        """`command`, run in the namespaces."""
        return [*self.machine.prefix, *command]

    def run(self, *command: str) -> str:
        """Run to the end; its output."""
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def start_libvirtd(self) -> None:
        """Start it and wait until it answers."""
        pid_file = str(self.folder / "libvirtd.pid")
        self.libvirtd = subprocess.Popen(self.inside("libvirtd", "--pid-file", pid_file), stderr=subprocess.DEVNULL)
        wait_until(lambda: (self.folder / "run" / "libvirt-sock").exists() and self._answers(), "libvirtd answers")

    def kill_libvirtd(self) -> None:
        """SIGKILL."""
        assert self.libvirtd is not None
        # nsenter's child is libvirtd itself; inside its namespace it has another number.
        for child in children_of(self.libvirtd.pid):
            os.kill(child, signal.SIGKILL)
        self.libvirtd.wait()

    def clear(self) -> None:
        """Destroy and forget every VM, whoever made it."""
        with self.connection() as connection:
            for domain in connection.listAllDomains():
                if domain.isActive():
                    domain.destroy()
                domain.undefine()

    def domains(self) -> list[str]:
        """Names of all VMs, running or not."""
        with self.connection() as connection:
            return [domain.name() for domain in connection.listAllDomains()]

    def define(self, xml: str) -> None:
        with self.connection() as connection:
            connection.defineXML(xml)

    def destroy(self, name: str) -> None:
        """Pull a VM's plug."""
        with self.connection() as connection:
            connection.lookupByName(name).destroy()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """libvirt's own API."""
        made = libvirt.open(self.uri)
        try:
            yield made
        finally:
            made.close()

    def add_tap(self, name: str, state: str = "up") -> None:
        """A tap on the bridge that has 10.9.0.1/24; again, to change its state."""
        self.run(
            "sh",
            "-ec",
            "ip link show br0 >/dev/null 2>&1 || { ip link add br0 type bridge; ip address add 10.9.0.1/24 dev br0;"
            f" ip link set br0 up; }}; ip link show {name} >/dev/null 2>&1 || ip tuntap add {name} mode tap;"
            f" ip link set {name} master br0 {state}",
        )

    def remove_tap(self, name: str) -> None:
        self.run("ip", "link", "delete", name)

    def emulators(self) -> list[str]:
        """Command lines of the QEMUs that run."""
        listed = self.run(
            "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | sed 's/qemu-system/\\n&/g'"
        )
        return [line for line in listed.splitlines() if line.startswith("qemu-system") and "-name guest=" in line]

    def _answers(self) -> bool:
        try:
            with self.connection() as connection:
                return bool(connection.getLibVersion())
        except libvirt.libvirtError:
            return False


def wait_until(holds: object, what: str, within_s: float = START_S) -> None:
    """Wait for something another process does; a test's only way to wait."""
    assert callable(holds)
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


@contextmanager
def libvirt_host(folder: Path) -> Iterator[LibvirtHost]:
    """A running libvirtd; `folder` must be short, for sockets."""
    write_config(folder)
    (folder / "run").mkdir()
    with machine(MOUNTS, [str(folder)]) as made:
        host = LibvirtHost(folder, made)
        host.start_libvirtd()
        yield host
