"""Makes the place a stack runs in: private mounts and network namespaces.

It runs inside the supervisor's own mount and process namespaces, so that nothing made here exists for anybody else, and
all of it is gone when the supervisor is, however it ended.

Source: mount_namespaces(7), network_namespaces(7), ip-netns(8).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quickstart.core.stack import Bind, Stack
from quickstart.errors import CommandError

NAMESPACES = Path("/run/netns")
"""Where `ip netns` and pyroute2 look for namespaces."""
SCRATCH = Path("/run/quickstart")
COMMAND_SECONDS = 20.0
ACCOUNT_ID = 64055
"""The number Debian keeps for libvirt-qemu."""


def prepare(stack: Stack) -> None:
    """Mount and make all that `stack` asks for.

    Raises:
        CommandError: A mount or a namespace could not be made.
    """
    kept = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in stack.kept}
    for folder in stack.private:
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for bind in stack.binds:
        _make_target(Path(bind.target))
    for folder, descriptor in kept.items():
        _show_again(folder, descriptor)
    for bind in stack.binds:
        _bind(bind)
    for account in stack.accounts:
        _name_account(account)
    _make_namespaces(stack.namespaces, stack.setup)
    if stack.devices_of:
        # sysfs shows the network devices of the namespace it was mounted from.
        _run("nsenter", f"--net={namespace_path(stack.devices_of)}", "mount", "-t", "sysfs", "sysfs", "/sys")


def namespace_path(name: str) -> Path:
    """The file that stands for a network namespace."""
    return NAMESPACES / name


def _make_target(target: Path) -> None:
    """Make the folder a bind needs, without making it in the person's file system: below an overlay in memory."""
    if target.is_dir():
        return
    parent = next(folder for folder in target.parents if folder.is_dir())
    if not _is_ours(parent):
        scratch = SCRATCH / "overlays" / "-".join(parent.parts[1:])
        (scratch / "upper").mkdir(parents=True)
        (scratch / "work").mkdir()
        layers = f"lowerdir={parent},upperdir={scratch / 'upper'},workdir={scratch / 'work'}"
        _run("mount", "-t", "overlay", "-o", layers, "overlay", str(parent))
    target.mkdir(parents=True)


def _is_ours(folder: Path) -> bool:
    """Whether `folder` lies on a file system that only this namespace has."""
    return folder.stat().st_dev != Path("/").stat().st_dev and folder.stat().st_dev in {
        Path(mounted).stat().st_dev for mounted in ("/run", *_overlays())
    }


def _overlays() -> list[str]:
    """Mount points of overlays made here."""
    return [
        fields[1]
        for fields in map(str.split, Path("/proc/mounts").read_text().splitlines())
        if fields[0] == "overlay" and str(SCRATCH) in fields[3]
    ]


def _show_again(folder: str, descriptor: int) -> None:
    """Mount a folder, known by an open descriptor, over whatever covers its path now."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    # Not canonicalised: that would follow the descriptor to its path, which something else covers now.
    _run("mount", "--no-canonicalize", "--bind", f"/proc/self/fd/{descriptor}", folder, passed=(descriptor,))
    os.close(descriptor)


def _bind(bind: Bind) -> None:
    Path(bind.source).mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", bind.source, bind.target)


def _name_account(name: str) -> None:
    """Give a system user and its group a line in this namespace's /etc/passwd and /etc/group if they have none."""
    for file, line in (
        (Path("/etc/passwd"), f"{name}:x:{ACCOUNT_ID}:{ACCOUNT_ID}::/nonexistent:/usr/sbin/nologin\n"),
        (Path("/etc/group"), f"{name}:x:{ACCOUNT_ID}:\n"),
    ):
        text = file.read_text()
        if not any(known.startswith(f"{name}:") for known in text.splitlines()):
            named = SCRATCH / file.name
            named.write_text(f"{text.rstrip()}\n{line}")
            _run("mount", "--bind", str(named), str(file))


def _make_namespaces(names: Sequence[str], setup: Sequence[str]) -> None:
    """Make the namespaces, then run the lines that join and address them."""
    if names:
        NAMESPACES.mkdir(parents=True, exist_ok=True)
    for name in names:
        _run("ip", "netns", "add", name)
    for name in names:
        _run("ip", "-n", name, "link", "set", "lo", "up")
    for line in setup:
        _run("ip", *line.split())


def _run(*arguments: str, passed: Sequence[int] = ()) -> None:
    """Run one command of the machine."""
    try:
        ended = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=passed,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(arguments, None, str(error)) from error
    if ended.returncode:
        raise CommandError(arguments, ended.returncode, ended.stderr)
