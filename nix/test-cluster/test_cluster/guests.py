"""A machine that is a guest of QEMU, with a kernel, a systemd as its first process, and users of its own.

What runs in it is what Nix made, byte for byte: units, configurations, programs, users and kernel modules by name. What
is not of NixOS is the rest of the system: the host's own /usr, read-only, under a small /etc, so a Debian's systemd and
kernel. It is emulated, as KVM cannot be counted on. Its /var is a disk that outlives the power.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quickstart.core import cpio
from test_cluster import fences, guest_image, guest_root, hypervisor
from test_cluster.guest_image import Image
from test_cluster.hypervisor import AGENT
from test_cluster.machines import Machine
from ultracloud.testkit.processes import Process, ProcessFailedError

BOOT_S = 120.0
READY_S = 480.0
"""Seven processes start on two emulated cores; with a quiet host in a sixth of that."""
COMMAND_S = 60.0
FACTS_EVERY_S = 4.0
"""To ask systemd takes an emulated second."""
MEMORY_MIB = 2048
DISK_BYTES = 4 << 30
"""Most of it holes."""
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
FILES = (VIRTIOFSD, "/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-socket-proxyd", "/usr/bin/dbus-daemon")
PROGRAMS = ("qemu-system-x86_64", "mke2fs", "depmod", "modprobe", "apt-get", "dpkg-deb")
HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108 - nothing is put there
"""Where units with ProtectHome and PrivateTmp see nothing of what others do."""
COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 cryptomgr.notests random.trust_cpu=on norandmaps systemd.getty_auto=0"
    " systemd.firstboot=off systemd.show_status=0 systemd.journald.forward_to_console=1"
)
"""`norandmaps`: where each process has a library at the same address, QEMU translates it once, and they start in half
the time."""
PYTHON = "/opt/python"
FACTS = ("Id", "Type", "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts", "User")


def refusal(store: Path) -> str:
    """Why there can be no guests here; empty if there can."""
    missing = [path for path in FILES if not Path(path).exists()]
    missing += [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"guests are made of a Debian's /usr, and this machine has no {' and no '.join(missing)}"
    for path in (str(store), sys.prefix):
        if f"{path}/".startswith(HIDDEN):
            return f"units see nothing of {path}, where their programs are; have it elsewhere"
    return ""


@dataclass(slots=True)
class GuestCluster:
    """See `test_cluster.backend.Cluster`; what a lane may ask besides is `run` and `facts`."""

    machines: Sequence[Machine]
    folder: Path
    image: Image
    left_out: Sequence[str] = ()
    without: frozenset[str] = frozenset()
    running: list[Process] = field(default_factory=list)

    @property
    def processes(self) -> list[str]:
        """Those that the machine runs."""
        return [name for name in self.machines[0].programs if name not in self.without]

    def start(self, machine: str) -> None:
        """Switch the machine on."""
        home = self.folder / machine
        shared = [VIRTIOFSD, f"--socket-path={home}/fs.sock", "-f", "-o", f"source={home}/host,cache=always"]
        self.running.append(Process(shared, home / "virtiofsd.log"))
        wait_until((home / "fs.sock").exists, "virtiofsd listens", COMMAND_S)
        self.running.append(Process(qemu(self.machines[0], home, self.image.kernel), home / "qemu.log"))

    def wait_ready(self, machine: str) -> None:
        """Wait until systemd has each process as started, and each says that it is ready."""
        wait_until(lambda: self._answers(machine), f"{machine} has a shell", BOOT_S)
        # To ask again and again would take a third of what the guest can do.
        self.run(machine, "systemctl is-system-running --wait || true", READY_S)
        wait_until(lambda: self.waits_for(machine) == [], f"all of {machine} is ready", READY_S)

    def waits_for(self, machine: str) -> list[str]:
        """Processes that are not ready yet."""
        time.sleep(FACTS_EVERY_S)
        ready = ("active", "running", "ready")
        told = self.facts(machine).items()
        return [name for name, of in told if (of["ActiveState"], of["SubState"], of["StatusText"]) != ready]

    def _answers(self, machine: str) -> bool:
        with contextlib.suppress(OSError, ProcessFailedError):
            self.run(machine, "true")
            return True
        return False

    def run(self, machine: str, script: str, timeout_s: float = COMMAND_S) -> str:
        """What a root's shell says to `script`.

        Raises:
            ProcessFailedError: Its last command failed.
            OSError: There is no shell, or no answer in time.
        """
        with socket.create_connection(("127.0.0.1", guest_root.CONTROL_PORT), timeout_s) as way:
            way.sendall(f'exec 2>&1\n{script}\necho "status $?"\n'.encode())
            way.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: way.recv(65536), b"")).decode(errors="replace")
        output, _, status = said.rpartition("status ")
        if status != "0\n":
            raise ProcessFailedError(f"{machine}: {script}: {said}")
        return output

    def facts(self, machine: str) -> dict[str, dict[str, str]]:
        """What systemd knows of each process."""
        told = self.run(machine, f"systemctl show --property={','.join(FACTS)} {' '.join(self.processes)}")
        blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in told.strip().split("\n\n")]
        return {block["Id"].removesuffix(".service"): block for block in blocks}

    def unfenced(self, machine: str) -> list[str]:
        """Those of its processes that are not behind their units' fences."""
        told = self.facts(machine)
        statuses = self.run(machine, "".join(f"cat /proc/{of['MainPID']}/status; echo\n" for of in told.values()))
        status = dict(zip(told, statuses.split("\n\n"), strict=False))
        programs = self.machines[0].programs
        return [name for name, text in status.items() if not fences.are_in(text, programs[name].unit)]

    def cut_power(self, machine: str) -> None:
        """End QEMU: what the guest has not brought to its disk is lost."""
        while self.running:
            self.running.pop().close()
        (self.folder / machine / "fs.sock").unlink(missing_ok=True)

    def certificate(self, operator: str) -> tuple[Path, Path, Path]:
        """As the machine made it."""
        machine = self.machines[0].name
        files = [
            self.folder / machine / name for name in (f"operator-{operator}.crt", f"operator-{operator}.key", "ca.crt")
        ]
        for file in files:
            file.write_text(self.run(machine, f"cat /var/lib/ultracloud/pki/operators/{file.name}"))
        certificate, key, authority = files
        return certificate, key, authority


@contextmanager
def cluster(machines: Sequence[Machine], folder: Path, store: Path) -> Iterator[GuestCluster]:
    """One machine, in a namespace of networks and mounts that is this process's own.

    Args:
        machines: The machine.
        folder: For its disk and its logs.
        store: The Nix store with its programs.
    """
    (machine,) = machines
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    image = guest_image.obtain(guest_image.cache())
    made = GuestCluster(machines, folder, image)
    why_not = hypervisor.refusal()
    if why_not:
        made.left_out, made.without = [f"{AGENT} ({why_not})"], frozenset({AGENT})
    furnish(machine, folder / machine.name, image, store, made.without)
    try:
        yield made
    finally:
        made.cut_power(machine.name)
        # Who removes the folder must not come into what it showed.
        subprocess.run(["umount", "--recursive", str(folder / machine.name / "host")], check=True)


def furnish(machine: Machine, home: Path, image: Image, store: Path, without: Collection[str]) -> None:
    """Make the folders that a guest sees, its disk, and what it boots."""
    home.mkdir()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    seen = {"store": (store, str(store))}
    entries = []
    environment = ""
    if not sys.prefix.startswith((f"{store}/", "/usr")):
        # An environment of its own: the same path, over an interpreter that its services can see.
        packages = f"{sys.prefix}/lib/{version}/site-packages"
        base = sys.base_prefix if sys.base_prefix == "/usr" else PYTHON
        seen |= {"packages": (Path(packages), packages), "python": (Path(sys.base_prefix), PYTHON)}
        entries.append(cpio.file(f"machine{sys.prefix}/pyvenv.cfg", f"home = {base}/bin\n".encode()))
        entries.append(cpio.link(f"machine{sys.executable}", f"{base}/bin/{version}"))
        environment = f"LD_LIBRARY_PATH={base}/lib"
    shares = "".join(f"{name} {path}\n" for name, (_, path) in seen.items())
    entries += [cpio.file("shares", shares.encode()), *guest_root.entries(machine, without, environment)]
    (home / "initrd").write_bytes(image.start + cpio.render(cpio.with_folders(entries)))
    with (home / "var.raw").open("wb") as disk:
        disk.truncate(DISK_BYTES)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", str(home / "var.raw")], check=True)
    given = {"usr": Path("/usr"), "kernel": image.modules, **{name: source for name, (source, _) in seen.items()}}
    (home / "host").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(home / "host")], check=True)
    for name, source in given.items():
        (home / "host" / name).mkdir()
        subprocess.run(["mount", "--bind", "-o", "ro", str(source), str(home / "host" / name)], check=True)


def qemu(machine: Machine, home: Path, kernel: Path) -> list[str]:
    """The command line of a machine's QEMU."""
    ports = [guest_root.CONTROL_PORT, *guest_root.loopback_ports(machine)]
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{port}-{guest_root.ADDRESS}:{port}" for port in ports)
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)),
        # virtiofsd reads and writes the guest's memory.
        *("-object", f"memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on"),
        *("-machine", "pc,memory-backend=memory"),
        *("-kernel", str(kernel), "-initrd", str(home / "initrd"), "-append", COMMAND_LINE),
        *("-chardev", f"file,id=console,path={home}/console.log,append=on", "-serial", "chardev:console"),
        *("-drive", f"file={home}/var.raw,if=virtio,format=raw", "-device", "virtio-rng-pci"),
        *("-chardev", f"socket,id=host,path={home}/fs.sock", "-device", "vhost-user-fs-pci,chardev=host,tag=host"),
        *("-netdev", f"user,id=net,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=net"),
    ]


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until something holds.

    Raises:
        ProcessFailedError: It does not in time.
    """
    ends_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends_at:
            raise ProcessFailedError(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)
