"""Small files of a person: read with a bound, written whole, and secrets so that nobody else can open them."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ultracloud.cli.core.failures import Failure, UsageFailure

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The content; empty if there is no such file.

    Raises:
        Failure: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > bytes_max:
        raise UsageFailure(f"{path} is larger than {bytes_max} bytes, which are accepted")
    return content


def read_secret(path: Path, bytes_max: int) -> bytes:
    """The content of a file that holds a secret; one that others can read is refused.

    Raises:
        Failure: Others can read it, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise Failure(
            f"{path} can be read by others",
            hint=f"chmod 600 {path}; if it was open for long, `uc logout` and log in anew",
        )
    return read_bounded(path, bytes_max)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; only its owner can open it, at every moment."""
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all commands that lock the same path; the lock ends with the process."""
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise Failure(f"{path} cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
