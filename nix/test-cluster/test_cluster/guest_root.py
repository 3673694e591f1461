"""The files that make a guest the machine that Nix described: its units, users and folders, and a way in for a lane.

What NixOS's activation does, in small: units go where systemd reads them, each user gets a number, rules for folders
go to systemd-tmpfiles. The way in is a shell behind a socket, and a relay to each port that listens on loopback only;
both are units of systemd's own programs, at an address that only the lane's own network reaches.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection

from quickstart.core import cpio
from quickstart.core.cpio import Entry
from test_cluster.hypervisor import HYPERVISOR
from test_cluster.machines import Machine
from ultracloud.testkit import libvirt

ADDRESS = "10.0.2.15"
"""What QEMU's own network gives its guest."""
CONTROL_PORT = 2222
UIDS_FROM = 400
UNITS = "etc/systemd/system"
ACCOUNTS = (
    ("root", 0, "/root"),
    ("messagebus", 100, "/nonexistent"),
    ("libvirt-qemu", 64055, "/nonexistent"),
    ("nobody", 65534, "/nonexistent"),
)
LIBVIRTD = """\
[Unit]
Description=This computer's libvirt
[Service]
Type=notify
ExecStart=/usr/sbin/libvirtd
StateDirectory=libvirt
CacheDirectory=libvirt
LogsDirectory=libvirt
"""
"""NixOS has one of its own; the modules say only that it is to be there."""
CONTROL = f"""\
[Unit]
Description=The lane's way in
[Socket]
ListenStream={ADDRESS}:{CONTROL_PORT}
Accept=true
MaxConnections=64
"""
CONTROL_SERVICE = """\
[Unit]
Description=A command of the lane's
CollectMode=inactive-or-failed
[Service]
ExecStart=-/bin/sh
StandardInput=socket
StandardOutput=socket
StandardError=socket
"""


def entries(machine: Machine, left_out: Collection[str], environment: str) -> list[Entry]:
    """The files of a machine, below `machine/`, from which the guest's first program copies them.

    Args:
        machine: The machine.
        left_out: Processes that are not started.
        environment: Variables of all processes, as systemd-system.conf(5) has them.
    """
    accounts = [*ACCOUNTS, *((name, UIDS_FROM + number, "/") for number, name in enumerate(sorted(machine.users)))]
    texts = {
        "etc/passwd": "".join(f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n" for name, uid, home in accounts),
        "etc/group": "".join(f"{name}:x:{uid}:\n" for name, uid, _ in accounts),
        "etc/shadow": "".join(f"{name}:*:20000::::::\n" for name, _, _ in accounts),
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "etc/hostname": f"{machine.name}\n",
        "etc/machine-id": hashlib.sha256(machine.name.encode()).hexdigest()[:32] + "\n",
        "etc/fstab": "",
        "etc/systemd/system.conf": f"[Manager]\nDefaultEnvironment={environment}\n",
        "etc/modules-load.d/machine.conf": "".join(f"{name}\n" for name in machine.kernel_modules),
        "etc/tmpfiles.d/machine.conf": "".join(f"{rule}\n" for rule in machine.tmpfiles),
        "etc/libvirt/qemu.conf": libvirt.QEMU_CONF,
        "etc/libvirt/libvirtd.conf": libvirt.LIBVIRTD_CONF.format(uuid=uuid.uuid4()),
        f"{UNITS}/{HYPERVISOR}.service": LIBVIRTD,
        f"{UNITS}/control.socket": CONTROL,
        f"{UNITS}/control@.service": CONTROL_SERVICE,
    }
    links = {f"{UNITS}/default.target": "/usr/lib/systemd/system/multi-user.target"}
    wanted = {"control.socket": ["sockets.target"]}
    for name, unit in machine.units.items():
        if name.removesuffix(".service") not in left_out:
            texts[f"{UNITS}/{name}"] = unit.text
            wanted[name] = list(unit.wanted_by)
    for port in loopback_ports(machine):
        texts |= relay(port)
        wanted[f"reach-{port}.socket"] = ["sockets.target"]
    for name, targets in wanted.items():
        links |= {f"{UNITS}/{target}.wants/{name}": f"../{name}" for target in targets}
    files = [cpio.file(f"machine/{path}", text.encode()) for path, text in texts.items()]
    return [*files, *(cpio.link(f"machine/{path}", target) for path, target in links.items())]


def loopback_ports(machine: Machine) -> list[int]:
    """Ports of processes that only the machine itself reaches."""
    listens = [program.listen for program in machine.programs.values()]
    return [int(listen.rpartition(":")[2]) for listen in listens if listen.startswith("127.")]


def relay(port: int) -> dict[str, str]:
    """Units that let the lane reach a port on the guest's loopback."""
    return {
        f"{UNITS}/reach-{port}.socket": f"[Socket]\nListenStream={ADDRESS}:{port}\n",
        f"{UNITS}/reach-{port}.service": f"[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:{port}\n",
    }
