"""The serial console's log: QEMU appends, viewers read at their own pace, and its beginning is given back to the disk.

A viewer is a position in the file, so any number of them, however slow, cost nothing but their reads. When the file has
grown, its old part becomes a hole: positions stay what they are, and the disk gets its blocks back.

Source: fallocate(2), FALLOC_FL_PUNCH_HOLE; lseek(2), SEEK_DATA.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 64 * 1024
"""One message to a viewer."""
KEPT_BYTES_MAX = 4 * 1024**2
"""A console's log on disk: some hundred boots of text."""
KEPT_BYTES_AFTER_TRIM = 1024**2
_PUNCH_HOLE_KEEP_SIZE = 3
_BLOCK_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class LogReader:
    """One viewer's place in a VM's console log, which may be replaced by a new one when the VM starts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._position = 0

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def seek_backlog(self, backlog_bytes: int) -> None:
        """Go back by `backlog_bytes` from the end; -1 goes to the first byte that is kept."""
        if not self._open():
            return
        size = os.fstat(self._descriptor).st_size
        self._position = 0 if backlog_bytes < 0 else max(0, size - backlog_bytes)

    def chunks(self) -> Iterator[bytes]:
        """All there is to read now, through the end of an old log into the new one."""
        while True:
            if self._descriptor < 0 and not self._open():
                return
            yield from self._rest()
            if not self._is_replaced():
                return
            # The last bytes may have been written between our read and the replacement.
            yield from self._rest()
            self.close()

    def _open(self) -> bool:
        """Open the log at its start; False while there is none."""
        self.close()
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._position = 0
        return True

    def _rest(self) -> Iterator[bytes]:
        """From our position to the end, holes left out."""
        while True:
            try:
                self._position = os.lseek(self._descriptor, self._position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole, or nothing, from here to the end
                    return
                raise
            chunk = os.pread(self._descriptor, CHUNK_BYTES, self._position)
            if not chunk:
                return
            self._position += len(chunk)
            yield chunk

    def _is_replaced(self) -> bool:
        """Whether the path names another file than the one we read."""
        try:
            return self._path.stat().st_ino != os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            return False


def trim(path: Path) -> bool:
    """Give the disk back all but the last of a log that has grown; tells whether it did.

    Raises:
        OSError: The file system knows no holes, or the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        status = os.fstat(descriptor)
        if status.st_blocks * 512 <= KEPT_BYTES_MAX:
            return False
        length = (status.st_size - KEPT_BYTES_AFTER_TRIM) // _BLOCK_BYTES * _BLOCK_BYTES
        offset_type = ctypes.c_int64
        if _libc.fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, offset_type(0), offset_type(max(0, length))) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
    return True
