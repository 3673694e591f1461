"""The files images are registered from: found, looked at, hashed.

Only regular files below the configured folders count, links resolved, or a tenant could register the host's own files
and read them from a VM. A digest is kept as long as the file's identity, size and times are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from plasmavmc.core.sentences import shown_path
from plasmavmc.core.signatures import HEAD_BYTES, Role, check_role
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

URL_LENGTH_MAX = 4096
"""PATH_MAX."""
DIGESTS_MAX = 1024
"""Digests that are remembered; each is a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that was looked at: `stamp` changes when its content does."""

    path: Path
    size_bytes: int
    stamp: tuple[int, ...]


class ImageFiles:
    """Reads files below `folders`."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._digests: dict[tuple[int, ...], str] = {}

    async def look(self, url: str, role: Role, field: str) -> FileFacts:
        """Look at the file a URL names.

        Raises:
            InvalidArgumentError: The URL names no file below the folders, or the file cannot serve as `role`.
        """
        path = _path_of(url, field)
        return await asyncio.to_thread(self._look, path, role, field)

    async def digest(self, facts: FileFacts) -> str:
        """SHA-256 of a file, in hexadecimal.

        Raises:
            FailedPreconditionError: It changed while it was read, or cannot be read any more.
        """
        known = self._digests.get(facts.stamp)
        if known is not None:
            return known
        digest = await asyncio.to_thread(_digest, facts)
        if len(self._digests) >= DIGESTS_MAX:
            self._digests.clear()
        self._digests[facts.stamp] = digest
        return digest

    def _look(self, path: Path, role: Role, field: str) -> FileFacts:
        """`look`, on a thread."""
        shown = f"{field} {shown_path(path)}"
        try:
            real = path.resolve(strict=True)
            if not any(real.is_relative_to(folder.resolve()) for folder in self._folders):
                raise _outside(shown)
            # O_NONBLOCK: a FIFO would wait for a writer.
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            # What is outside must look the same whether it is there or not.
            if not any(path.is_relative_to(folder) for folder in self._folders):
                raise _outside(shown) from None
            raise InvalidArgumentError(f"{shown} does not exist", reason="IMAGE_FILE") from None
        except (OSError, RuntimeError) as error:
            raise InvalidArgumentError(
                f"{shown} cannot be read", detail=str(error), hint="check its permissions", reason="IMAGE_FILE"
            ) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidArgumentError(f"{shown} is no regular file", reason="IMAGE_FILE")
            check_role(os.pread(descriptor, HEAD_BYTES, 0), status.st_size, role)
            return FileFacts(real, status.st_size, _stamp(status))
        finally:
            os.close(descriptor)


def _outside(shown: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{shown} is in none of the folders that images are registered from",
        hint="put the file into one of the server's image_dirs, or ask its operator which they are",
        reason="IMAGE_FILE_OUTSIDE",
    )


def _path_of(url: str, field: str) -> Path:
    """The path in a file URL."""
    accepted = "accepted: file:///absolute/path"
    try:
        parts = urlsplit(url)
        path = unquote(parts.path, errors="strict")
    except ValueError:
        raise InvalidArgumentError(f"{field} is no URL; {accepted}", reason="IMAGE_URL") from None
    is_file = parts.scheme == "file" and parts.netloc in ("", "localhost") and not parts.query and not parts.fragment
    if not is_file or len(url) > URL_LENGTH_MAX or not path.startswith("/") or "\0" in path:
        raise InvalidArgumentError(f"{field} is {url[:200]!a}; {accepted}", reason="IMAGE_URL")
    return Path(path)


def _digest(facts: FileFacts) -> str:
    """Read it all."""
    try:
        with facts.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(os.fstat(file.fileno())) != facts.stamp:
                raise FailedPreconditionError(
                    "the image's file changed while it was read; register it again", reason="IMAGE_CHANGED"
                )
    except OSError as error:
        raise FailedPreconditionError(
            "the image's file cannot be read any more", detail=str(error), reason="IMAGE_UNREADABLE"
        ) from error
    return digest


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """What differs when the content does."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
