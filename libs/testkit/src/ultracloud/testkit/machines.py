"""Machines as namespaces of processes, mounts and network, which end as by a power cut. Needs root; leaves nothing.

    with machine("mount -t tmpfs none /run") as one:
        one.run(["touch", "/run/here"])
        one.cut_power()

The first process reaps what it inherits: a libvirtd whose dead children stay waits 40 s for each. When it dies the
kernel ends all others, and mounts, links and network namespaces go with the last of them.

Source: pid_namespaces(7), mount_namespaces(7).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ultracloud.testkit.namespaces import Host
from ultracloud.testkit.processes import DIE_WITH_US

NAMESPACES = ("--mount", "--net", "--pid")
SETUP = """\
set -e
mount -t proc proc /proc
ip link set lo up
program=$1
shift
{setup}
exec "$python" -c "$program"
"""
FIRST_PROCESS = """\
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


@dataclass(slots=True, kw_only=True)
class Machine(Host):
    """A host with processes and mounts of its own; `pid` is its first process, as seen from here."""

    holder: subprocess.Popen[bytes]

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with to run in it; the command is then a child of what was started."""
        return ("nsenter", f"--target={self.pid}", *NAMESPACES, "--")

    def seen(self, path: str) -> Path:
        """Where a path of the machine is seen from here; links with absolute paths are followed here, not there."""
        return Path(f"/proc/{self.pid}/root{path}")

    def cut_power(self) -> None:
        """End all that runs on it, at once; a second time does nothing."""
        if self.holder.poll() is None:
            for child in children_of(self.holder.pid):
                os.kill(child, signal.SIGKILL)
        if self.holder.stdout is not None and not self.holder.stdout.closed:
            self.holder.communicate()


def power_on(setup: str = "", arguments: Sequence[str] = ()) -> Machine:
    """A machine that runs until its power is cut, at the latest when this process ends.

    Args:
        setup: What a shell does in it before anything else runs; its mounts are the machine's own.
        arguments: The shell's, from ``$1`` on.
    """
    unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"]
    holder = subprocess.Popen(
        [*DIE_WITH_US, *unshare, "sh", "-c", SETUP.format(setup=setup), "sh", FIRST_PROCESS, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # unshare complains when what it waits for is killed, which is how a machine ends.
        stderr=subprocess.PIPE,
        env={**os.environ, "python": sys.executable},
    )
    assert holder.stdout is not None
    # The line comes once the setup is done.
    if holder.stdout.readline() != b"up\n":
        raise AssertionError(f"no machine, its setup failed: {holder.communicate()[1].decode(errors='replace')}")
    return Machine(pid=children_of(holder.pid)[0], holder=holder)


@contextlib.contextmanager
def machine(setup: str = "", arguments: Sequence[str] = ()) -> Iterator[Machine]:
    """A machine for as long as the block lasts; see `power_on`."""
    made = power_on(setup, arguments)
    try:
        yield made
    finally:
        made.cut_power()


def children_of(pid: int) -> list[int]:
    """Process ids of the children of `pid`; none if it has ended."""
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
