"""A libvirtd of its own, in its own mount, network and process namespaces: nothing of it is seen outside or stays.

The process namespace's first process reaps what it inherits (a libvirtd whose dead children stay waits 40 s for each)
and takes everything along when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
seccomp_sandbox = 0
stdio_handler = "file"
"""
LIBVIRTD_CONF = """\
unix_sock_dir = "{run}"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{uuid}"
log_outputs = "2:file:{log}"
"""
FIRST_PROCESS = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
print("up", flush=True)
while True:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    signal.sigwait({signal.SIGCHLD})
"""
SETUP = """
set -e
mount -t proc proc /proc
for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt; do
    mkdir -p "${pair#*:}"
    mount --bind "$1/${pair%%:*}" "${pair#*:}"
done
# libvirt looks its own user up before it reads that it is to be root; only its system package makes it.
if ! getent passwd libvirt-qemu > /dev/null; then
    for file in passwd group; do
        cat /etc/$file "$1/accounts.$file" > "$1/$file"
        mount --bind "$1/$file" /etc/$file
    done
fi
ip link set lo up
exec "$2" -c "$3"
"""
START_S = 20.0

# libvirt prints every error to stderr unless told otherwise.
libvirt.registerErrorHandler(lambda *_: None, None)


@dataclass
class LibvirtHost:
    """One libvirtd in its namespaces."""

    folder: Path
    first_process: int
    libvirtd: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    def inside(self, *command: str) -> list[str]:
        """`command`, run in the namespaces."""
        return ["nsenter", "-t", str(self.first_process), "--mount", "--net", "--pid", "--", *command]

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


def children_of(pid: int) -> list[int]:
    """Process ids of the children of `pid`."""
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


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
    _write_config(folder)
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    holder = subprocess.Popen(
        [*unshare, "sh", "-c", SETUP, "sh", str(folder), sys.executable, FIRST_PROCESS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n", "namespaces cannot be made; are we root?"
        host = LibvirtHost(folder, children_of(holder.pid)[0])
        host.start_libvirtd()
        yield host
    finally:
        for child in children_of(holder.pid):
            os.kill(child, signal.SIGKILL)
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def _write_config(folder: Path) -> None:
    """Folders and configuration."""
    for name in ("etc", "run", "lib/qemu", "cache", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if Path("/etc/libvirt").is_dir():
        shutil.copytree("/etc/libvirt", folder / "etc", dirs_exist_ok=True)
    (folder / "accounts.passwd").write_text("libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
    (folder / "accounts.group").write_text("libvirt-qemu:x:64055:\n")
    (folder / "etc" / "qemu.conf").write_text(QEMU_CONF)
    (folder / "etc" / "libvirtd.conf").write_text(
        LIBVIRTD_CONF.format(run=folder / "run", uuid=uuid.uuid4(), log=folder / "log" / "libvirtd.log")
    )
