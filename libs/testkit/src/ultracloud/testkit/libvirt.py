"""A libvirtd of a machine's own: its configuration, and the mounts that keep it from the host's.

    libvirt.write_config(folder)
    with machine(libvirt.MOUNTS, [str(folder)]) as one:
        one.start(["libvirtd"])
        libvirt.wait_listening(one.seen(libvirt.SOCKET))

What it knows stays in `folder` when the machine's power is cut; it is at its default socket, /run/libvirt/libvirt-sock.
"""

from __future__ import annotations

import socket
import time
import uuid
from pathlib import Path

SOCKET = "/run/libvirt/libvirt-sock"
START_S = 20.0
POLL_S = 0.02
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
unix_sock_dir = "/run/libvirt"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{uuid}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
"""
MOUNTS = """\
for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt; do
    [ -d "$1/${pair%%:*}" ] || continue
    mkdir -p "${pair#*:}"
    mount --bind "$1/${pair%%:*}" "${pair#*:}"
done
# libvirt looks its own user up before it reads that it is to be root; only its system package makes it.
if ! getent passwd libvirt-qemu > /dev/null; then
    for file in passwd group; do
        cat "/etc/$file" "$1/accounts.$file" > "$1/$file"
        mount --bind "$1/$file" "/etc/$file"
    done
fi
"""
"""For a machine's setup, whose first argument is the folder. Without a `run` in it /run/libvirt is the machine's."""


def write_config(folder: Path) -> None:
    """Folders and configuration; what is there already but the configuration stays."""
    for name in ("etc", "lib/qemu", "cache", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "accounts.passwd").write_text("libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
    (folder / "accounts.group").write_text("libvirt-qemu:x:64055:\n")
    (folder / "etc" / "qemu.conf").write_text(QEMU_CONF)
    (folder / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=uuid.uuid4()))


def wait_listening(path: Path, timeout_s: float = START_S) -> None:
    """Wait until something takes connections at a unix socket.

    Raises:
        AssertionError: Nothing does in time.
    """
    until = time.monotonic() + timeout_s
    while not _is_listening(path):
        assert time.monotonic() < until, f"nothing listens at {path} after {timeout_s:g} s"
        time.sleep(POLL_S)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
