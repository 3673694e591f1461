"""Snapshots on disk: written beside the running store, found again at start.

A snapshot counts once it has its final name, which it gets after its last byte is synced. The one before is removed
only then, so there is always one whole snapshot, or a log from the beginning.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chainfire.core import snapshot
from chainfire.core.snapshot import MalformedSnapshotError, Restore
from chainfire.errors import StorageError
from chainfire.shell.segments import FILE_MODE, sync_folder

SNAPSHOT_SUFFIX = ".snap"
UNFINISHED_NAME = "unfinished"
EXPORT_NAME = "export"
"""A copy for somebody who asked; gone when it was read, or at the next start."""
INCOMING_NAME = "incoming"
"""A leader's snapshot that is still arriving."""
UNFINISHED_NAMES = (UNFINISHED_NAME, EXPORT_NAME, INCOMING_NAME)
WRITE_BYTES = 1 << 20
"""Bytes handed to the disk at once: few enough calls, and little memory besides the store's."""


def newest(folder: Path) -> Path | None:
    """The newest snapshot of a folder; names sort by the log index."""
    return max(folder.glob(f"*{SNAPSHOT_SUFFIX}"), default=None)


def path_of(folder: Path, index: int) -> Path:
    """Where a snapshot as of `index` is."""
    return folder / f"{index:016x}{SNAPSHOT_SUFFIX}"


def load(path: Path) -> Restore:
    """Read a snapshot.

    Raises:
        StorageError: It is damaged.
    """
    restore = Restore()
    with path.open("rb") as file:
        try:
            for _ in loading(file, restore):
                pass
        except MalformedSnapshotError as error:
            raise StorageError(
                f"{path} is corrupt at or before offset {file.tell()}: {error}; restore the state folder from a backup"
            ) from error
    return restore


def loading(file: BinaryIO, restore: Restore) -> Iterator[None]:
    """Read a snapshot frame by frame.

    Raises:
        MalformedSnapshotError: It is damaged.
    """
    if file.read(len(snapshot.SNAPSHOT_MAGIC)) != snapshot.SNAPSHOT_MAGIC:
        raise MalformedSnapshotError("it does not begin like a snapshot of this version")
    while not restore.is_whole:
        head = snapshot.parse_frame_head(file.read(snapshot.FRAME_HEAD_BYTES))
        restore.add(snapshot.parse_body(head, file.read(head.length)))
        yield


def write_now(folder: Path, index: int, frames: Iterator[bytes]) -> Path:
    """Write a snapshot before anything is served; gives its path, raises as `write`."""
    path = folder / UNFINISHED_NAME
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        for frame in frames:
            write_all(descriptor, frame)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    final = path_of(folder, index)
    publish(folder, UNFINISHED_NAME, final)
    return final


async def write(folder: Path, index: int, frames: Iterator[bytes]) -> int:
    """Write a snapshot as of log index `index` and remove older ones; give its size in bytes.

    Raises:
        OSError: The disk is full or fails; older snapshots are untouched.
    """
    size = await write_to(folder / UNFINISHED_NAME, frames)
    await asyncio.to_thread(publish, folder, UNFINISHED_NAME, path_of(folder, index))
    return size


async def write_to(path: Path, frames: Iterator[bytes]) -> int:
    """Write frames to a file and sync it; give its size in bytes.

    Frames are made on the loop, a step at a time; the disk is written in a thread.

    Raises:
        OSError: The disk is full or fails; nothing is left of the file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        return await _write_frames(descriptor, frames)
    except BaseException:
        _discard(path)
        raise
    finally:
        os.close(descriptor)


def publish(folder: Path, unfinished: str, final: Path) -> None:
    """Give a whole snapshot its name, then remove those before it."""
    (folder / unfinished).rename(final)
    sync_folder(folder)
    for path in folder.glob(f"*{SNAPSHOT_SUFFIX}"):
        if path.name < final.name:
            # One of our own and a leader's may be published at the same time, each from its thread.
            path.unlink(missing_ok=True)


def open_and_unlink(path: Path) -> BinaryIO:
    """Open a file that is gone when it is closed."""
    file = path.open("rb")
    path.unlink()
    return file


def _discard(path: Path) -> None:
    path.unlink()


async def _write_frames(descriptor: int, frames: Iterator[bytes]) -> int:
    size, waiting, waiting_bytes = 0, list[bytes](), 0
    for frame in frames:
        waiting.append(frame)
        waiting_bytes += len(frame)
        if waiting_bytes >= WRITE_BYTES:
            await asyncio.to_thread(write_all, descriptor, b"".join(waiting))
            size, waiting, waiting_bytes = size + waiting_bytes, [], 0
        else:
            # Requests go before: a snapshot is never urgent.
            await asyncio.sleep(0)
    await asyncio.to_thread(write_all, descriptor, b"".join(waiting))
    await asyncio.to_thread(os.fsync, descriptor)
    return size + waiting_bytes


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; raises OSError."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
