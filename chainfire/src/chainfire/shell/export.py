"""Writes an etcd database to a file while the store goes on.

Pieces are made on the loop, a step at a time; the disk is written in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from chainfire.core.bbolt_writer import Piece
from chainfire.shell.segments import FILE_MODE
from chainfire.shell.snapshots import WRITE_BYTES

PAUSE_S = 0.001
"""Between two steps. A loop that never rests lets the thread that syncs the log wait 5 ms for its turn, twice a write;
a snapshot is never urgent."""


async def write_pieces(path: Path, pieces: Iterator[Piece]) -> int:
    """Write pieces where they belong in a file; give its size in bytes. It is not synced.

    Raises:
        OSError: The disk is full or fails; nothing is left of the file.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        return await _write(descriptor, pieces)
    except BaseException:
        _discard(path)
        raise
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    path.unlink()


async def _write(descriptor: int, pieces: Iterator[Piece]) -> int:
    waiting: list[Piece] = []
    waiting_bytes = end = 0
    for piece in pieces:
        waiting.append(piece)
        waiting_bytes += len(piece.content)
        end = max(end, piece.offset + len(piece.content))
        if waiting_bytes >= WRITE_BYTES:
            await asyncio.to_thread(_write_all, descriptor, waiting)
            waiting, waiting_bytes = [], 0
        else:
            await asyncio.sleep(PAUSE_S)
    await asyncio.to_thread(_write_all, descriptor, waiting)
    return end


def _write_all(descriptor: int, pieces: list[Piece]) -> None:
    for piece in pieces:
        view, offset = memoryview(piece.content), piece.offset
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
