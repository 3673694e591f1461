"""Hosts as network namespaces, joined by veth cables. Needs root; leaves nothing, even when the test is killed.

    with host() as left, host() as right:
        cable(left, right, "10.0.0.1/24", "10.0.0.2/24")
        left.run(["ping", "-c1", "-W1", "10.0.0.2"])

An anonymous host lives as long as a sleeping process that dies with us; a named one is a file in /run/netns besides,
for programs that take names. Programs run by nsenter: `ip netns exec` would remount /sys.

Source: network_namespaces(7), veth(4).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ultracloud.testkit.processes import DIE_WITH_US

RUN_S = 10.0
"""A command that builds or probes a network is done in far less."""
NAMED = Path("/run/netns")


@dataclass(slots=True)
class Host:
    """One network namespace.

    Attributes:
        pid: The process that holds it.
        name: In /run/netns; empty for an anonymous one.
    """

    pid: int
    name: str = ""
    _cables: Iterator[int] = field(default_factory=itertools.count)

    @property
    def path(self) -> str:
        """The file that is the namespace."""
        return f"/proc/{self.pid}/ns/net"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with to run in it."""
        return ("nsenter", f"--net={self.path}", "--")

    def run(
        self, command: Sequence[str], *, check: bool = True, timeout_s: float = RUN_S, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it; what it said is in the result.

        Raises:
            AssertionError: It failed, and `check` is set.
            subprocess.TimeoutExpired: It takes too long.
        """
        done = subprocess.run(
            [*DIE_WITH_US, *self.prefix, *command],
            capture_output=True,
            check=False,
            text=True,
            timeout=timeout_s,
            input=text,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in it that dies with us; the caller ends it."""
        return subprocess.Popen([*DIE_WITH_US, *self.prefix, *command], stdin=subprocess.DEVNULL)

    def can_reach(self, address: str) -> bool:
        """Whether one ping is answered within a second."""
        return self.run(["ping", "-c1", "-W1", address], check=False).returncode == 0

    def next_interface(self) -> str:
        """The name of the next cable's end: eth0, eth1 ..."""
        return f"eth{next(self._cables)}"


@contextlib.contextmanager
def host(name: str = "") -> Iterator[Host]:
    """A host for as long as the block lasts, its loopback up.

    Args:
        name: Also its name in /run/netns; must be free there.
    """
    holder = subprocess.Popen(
        [*DIE_WITH_US, "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        # The line comes once the namespace is there.
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n", "no network namespace; this needs root"
        made = Host(holder.pid, name)
        made.run(["ip", "link", "set", "lo", "up"])
        with _named(made) if name else contextlib.nullcontext():
            yield made
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


@contextlib.contextmanager
def _named(made: Host) -> Iterator[None]:
    """Keep the namespace's name in /run/netns."""
    subprocess.run(["ip", "netns", "attach", made.name, str(made.pid)], check=True, timeout=RUN_S)
    try:
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", made.name], check=True, timeout=RUN_S)


def cable(one: Host, other: Host, address: str = "", other_address: str = "") -> tuple[str, str]:
    """Join two hosts by a veth pair, both ends up; gives the interfaces' names.

    Args:
        one: A host.
        other: Another.
        address: With prefix length, ``10.0.0.1/24``; none if empty.
        other_address: The same at the other end.
    """
    near, far = one.next_interface(), other.next_interface()
    # A machine has process ids of its own, and `other` is known by ours.
    Host(one.pid).run(["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", str(other.pid)])
    for end, interface, wanted in ((one, near, address), (other, far, other_address)):
        if wanted:
            end.run(["ip", "address", "add", wanted, "dev", interface])
        end.run(["ip", "link", "set", interface, "up"])
    return near, far


def is_possible() -> bool:
    """Whether this process may make network namespaces."""
    return os.geteuid() == 0
