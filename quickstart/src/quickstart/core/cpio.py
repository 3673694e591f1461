"""A writer of cpio archives in the `newc` form, the one a kernel unpacks as its initial root.

Written here because the archive must be byte for byte the same for the same packages (its digest is the image's
identity), and because a file owned by root must not need root to make.

Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

PATH_LENGTH_MAX = 4096
"""The kernel's PATH_MAX; its unpacker skips longer names without a word."""
BODY_BYTES_MAX = 0xFFFF_FFFF
"""The size field has eight hexadecimal digits."""
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of an archive, owned by root.

    Attributes:
        path: Without a leading slash.
        mode: Type and permission bits as in `st_mode`.
        body: What the file holds; a link's target.
    """

    path: str
    mode: int
    body: bytes = b""


def file(path: str, body: bytes, permissions: int = 0o644) -> Entry:
    """Make the entry of a regular file."""
    return Entry(path, stat.S_IFREG | permissions, body)


def folder(path: str, permissions: int = 0o755) -> Entry:
    """Make the entry of a folder."""
    return Entry(path, stat.S_IFDIR | permissions)


def link(path: str, target: str) -> Entry:
    """Make the entry of a symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def with_folders(entries: Iterable[Entry]) -> list[Entry]:
    """Add every folder that a path lies in and nobody named, in front of what lies in it."""
    named = {entry.path: entry for entry in entries}
    for path in list(named):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            named.setdefault(parent, folder(parent))
    # The kernel makes no missing folder, so a folder must stand before its content; sorting by path does that.
    return [named[path] for path in sorted(named)]


def render(entries: Iterable[Entry]) -> bytes:
    """Write an archive of `entries`, in their order, with every time set to 0."""
    chunks: list[bytes] = []
    for number, entry in enumerate(entries, start=1):
        assert not entry.path.startswith("/"), entry.path
        assert len(entry.path) < PATH_LENGTH_MAX, entry.path
        assert len(entry.body) <= BODY_BYTES_MAX, entry.path
        chunks.append(_record(number, entry.mode, entry.path, entry.body))
    chunks.append(_record(0, 0, _TRAILER, b""))
    return b"".join(chunks)


def _record(number: int, mode: int, path: str, body: bytes) -> bytes:
    """One header with its name and body, each padded to a multiple of four bytes."""
    name = path.encode() + b"\0"
    link_count = 2 if stat.S_ISDIR(mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (number, mode, 0, 0, link_count, 0, len(body), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + body + b"\0" * (-len(body) % 4)
