"""Hosts on one switch: the process that runs this is the clients' host, each member has one of its own.

It must run in network and mount namespaces of its own (`__main__` enters them): the bridge, the cables and the small
disks are in those, and go with them however it ends. Members die with their parent, and end with the bed.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.robustness.servers import CERTIFICATES, CLIENT_PORT, Place, Server
from tests.robustness.shim import Shim, build
from ultracloud.servicekit import channels, coordination, pki
from ultracloud.servicekit.channels import DEADLINE_S, PeerChannel
from ultracloud.servicekit.coordination import Coordination
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.testkit.namespaces import RUN_S, Host, host
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process

SWITCH, NETWORK, CLIENTS = "switch", "10.99.0", 254
ADDRESSES = 8
"""More members than ever come in a round."""
SMALL_DISK_MIB = 320
"""etcd allocates two segments of 64 MB before it starts."""


class BedError(AssertionError):
    """The bed itself failed, not what lies in it."""


@dataclass(slots=True)
class Member:
    """One member: its host, and the process that runs there now.

    Attributes:
        life: How often it was started.
        is_stopped: It stands still, by SIGSTOP.
    """

    place: Place
    host: Host
    shim: Shim
    port: int = CLIENT_PORT
    life: int = 0
    process: Process | None = None
    is_stopped: bool = False

    @property
    def name(self) -> str:
        """Of the member."""
        return self.place.name

    @property
    def life_name(self) -> str:
        """Of its process: one that is started again may have forgotten what it only read."""
        return f"{self.name}.{self.life}"

    @property
    def target(self) -> str:
        """Where clients find it."""
        return f"{self.place.address}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.is_running

    def stop(self) -> None:
        """Let it stand still."""
        if self.is_running and self.process is not None:
            self.process.signal(signal.SIGSTOP)
            self.is_stopped = True

    def go_on(self) -> None:
        """Let it go on."""
        if self.is_running and self.process is not None:
            self.process.signal(signal.SIGCONT)
        self.is_stopped = False

    def kill(self) -> None:
        """End it as a power cut would, as far as a process can: what it wrote to the page cache stays."""
        self.is_stopped = False
        if self.process is not None:
            self.process.close()

    def cut_from(self, others: Iterable[Member], *, hears: bool = False, is_heard: bool = False) -> None:
        """Let nothing through from others, or to them, unless said otherwise; clients still reach it."""
        addresses = ", ".join(other.place.address for other in others)
        rules = "" if hears else f"chain in {{ type filter hook input priority 0; ip saddr {{ {addresses} }} drop; }}\n"
        if not is_heard:
            rules += f"chain out {{ type filter hook output priority 0; ip daddr {{ {addresses} }} drop; }}\n"
        self.host.run(["nft", "-f", "-"], text=f"table ip cut {{\n{rules}}}\n")

    def join_again(self) -> None:
        """Let everything through."""
        self.host.run(["nft", "-f", "-"], text="table ip cut\ndelete table ip cut\n")

    def tail(self) -> str:
        """The end of its log."""
        return "" if self.process is None else self.process.tail()


@dataclass(slots=True)
class Bed:
    """All members, and how more are made.

    Attributes:
        folder: Where everything is: data, logs, history.
        is_small: Members' folders are on small disks of their own, which can be filled.
        material: What issues certificates, if the server wants them.
    """

    server: Server
    folder: Path
    is_small: bool = False
    members: list[Member] = field(default_factory=list)
    material: TlsMaterial | None = None
    _identity: TlsIdentity | None = None
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _library: Path = Path()
    _made: int = 0

    def __post_init__(self) -> None:
        self._library = build(self.folder)
        if self.server.has_tls:
            material = TlsMaterial(self.folder / CERTIFICATES)
            material.service(self.server.service)
            self._identity = material.operator()
            self.material = material
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", SWITCH, "type", "bridge")
        _run("ip", "address", "add", f"{NETWORK}.{CLIENTS}/24", "dev", SWITCH)
        _run("ip", "link", "set", SWITCH, "up")

    def connect(self, member: Member, identity: TlsIdentity | None = None) -> PeerChannel:
        """A connection of its own to one member, as an operator or as somebody else."""
        return channels.connect(member.target, identity or self._identity, self._expect)

    def client(self, *members: Member, deadline_s: float = DEADLINE_S) -> Coordination:
        """A client of some members; of all, if none is given."""
        targets = ",".join(member.target for member in members or self.members)
        return coordination.connect(targets, self._identity, self._expect, deadline_s=deadline_s)

    def lasting_client(self) -> Coordination:
        """A client that also knows the addresses of members to come: the first ones may all have left one day."""
        targets = ",".join(f"{NETWORK}.{number + 1}:{CLIENT_PORT}" for number in range(ADDRESSES))
        return coordination.connect(targets, self._identity, self._expect)

    @property
    def _expect(self) -> str:
        return pki.service_identity(self.server.service) if self._identity else ""

    def add(self) -> Member:
        """A host with a name, an address and a folder of its own; nothing runs there yet."""
        self._made += 1
        number = self._made
        made = self._held.enter_context(host())
        cable = f"to-m{number}"
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(made.pid))
        _run("ip", "link", "set", cable, "master", SWITCH, "up")
        # The kernel ends a namespace some time after its last process, and its cable with it: its name is wanted again.
        self._held.callback(_run, "ip", "link", "delete", cable)
        made.run(["ip", "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0"])
        made.run(["ip", "link", "set", "eth0", "up"])
        folder = self.folder / f"m{number}" / "data"
        folder.parent.mkdir()
        if self.is_small:
            _run("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MIB}m", "tmpfs", str(folder.parent))
            self._held.callback(_run, "umount", "--lazy", str(folder.parent))
        shim = Shim(self._library, self.folder / f"m{number}.shim")
        self._held.callback(shim.close)
        member = Member(
            Place(f"m{number}", f"{NETWORK}.{number}", folder, "https" if self.server.has_tls else "http"),
            made,
            shim,
            self.server.port,
        )
        self.members.append(member)
        return member

    def start(self, member: Member, *, joins: bool = False) -> None:
        """Start a member's process, again or for the first time."""
        member.life += 1
        known = member.place.folder.exists() and any(member.place.folder.iterdir())
        command = self.server.start(member.place, [each.place for each in self.members], joins=joins and not known)
        member.process = Process(
            [*member.host.prefix, *command],
            self.folder / f"{member.name}.log",
            env=member.shim.env if self.server.bends else {},
        )

    def wipe(self, member: Member) -> None:
        """Lose a member's disk."""
        member.kill()
        shutil.rmtree(member.place.folder, ignore_errors=True)

    def forget(self, member: Member) -> None:
        """Take a member off the list for good."""
        member.kill()
        self.members.remove(member)

    def fill(self, member: Member) -> None:
        """Leave no room on a member's small disk."""
        assert self.is_small, "only a small disk is filled"
        with contextlib.suppress(OSError), (member.place.folder.parent / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 20))
        with contextlib.suppress(OSError), (member.place.folder.parent / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(512))

    def empty(self, member: Member) -> None:
        """Make room again."""
        (member.place.folder.parent / "filler").unlink(missing_ok=True)

    def hold(self, thing: AbstractContextManager[object]) -> None:
        """Enter something that ends with the bed, after the members."""
        self._held.enter_context(thing)

    def close(self) -> None:
        """End everything."""
        for member in self.members:
            member.kill()
        self._held.close()
        _run("ip", "link", "delete", SWITCH)


@contextlib.contextmanager
def bed(
    server: Server,
    folder: Path,
    count: int,
    *,
    is_small: bool = False,
    beside: Callable[[Bed], AbstractContextManager[object]] | None = None,
) -> Iterator[Bed]:
    """A bed with so many members started; `beside` runs what they need for as long."""
    made = Bed(server, folder, is_small)
    try:
        if beside is not None:
            made.hold(beside(made))
        for _ in range(count):
            made.add()
        for member in made.members:
            made.start(member)
        yield made
    finally:
        made.close()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S)
    if done.returncode:
        raise BedError(f"{' '.join(command)}: {done.stderr}")
