"""The state folder: made, locked and written to before anything else, so that a bad disk is one sentence at the start.

Source: flock(2): the lock goes with the process, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.files import write_atomically

LOCK_FILE, PROBE_FILE = "lock", ".probe"
PROBE_BYTES = 64 * 1024
"""A disk that takes these takes a log record and a policy copy."""


class StateDir:
    """A locked state folder; keep it until the process ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._lock)


def open_state_dir(service: str, path: Path) -> StateDir:
    """Make `path` if it is missing, lock it, and prove that it takes writes.

    Raises:
        StartError: It cannot be made, is in use by another instance, is read-only or full.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"{service}: cannot use state_dir {path}: {_why(error)}") from error
    try:
        _lock(service, path, lock)
        write_atomically(path / PROBE_FILE, b"\0" * PROBE_BYTES)
        (path / PROBE_FILE).unlink()
    except OSError as error:
        os.close(lock)
        raise StartError(f"{service}: cannot write to state_dir {path}: {_why(error)}") from error
    except StartError:
        os.close(lock)
        raise
    return StateDir(path, lock)


def hold_state_dir(service: str, path: Path) -> StateDir:
    """Lock the existing folder of a stopped instance, and write nothing: its disk may be the patient.

    Raises:
        StartError: It is no state folder, or in use.
    """
    try:
        lock = os.open(path / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(f"{service}: {path} is no state folder that can be read: {_why(error)}") from error
    try:
        _take(service, path, lock)
    except StartError:
        os.close(lock)
        raise
    return StateDir(path, lock)


def _lock(service: str, path: Path, lock: int) -> None:
    """Take the lock and leave our process id in it for the next one's error message."""
    _take(service, path, lock)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _take(service: str, path: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        raise StartError(
            f"{service}: state_dir {path} is in use by another {service} (process {holder or 'unknown'}); "
            "stop it, or give this one its own state_dir"
        ) from None


def _why(error: OSError) -> str:
    """The reason, and what to do about it."""
    match error.errno:
        case errno.EROFS:
            return "the file system is read-only; mount it writable or choose another state_dir"
        case errno.ENOSPC | errno.EDQUOT:
            return "no space left; free some (df names the disk) or choose another state_dir"
        case errno.EACCES | errno.EPERM:
            return "no permission; run as its owner, or chown it"
        case errno.ENOTDIR | errno.EEXIST:
            return "it is, or lies below, a file; choose another state_dir"
        case _:
            return str(error.strerror)
