"""Wakes whoever waits for a folder's files to change.

Source: inotify(7).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_MODIFY, _IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE, _IN_DELETE_SELF = 0x2, 0x40, 0x80, 0x100, 0x200, 0x400
_MASK = _IN_MODIFY | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF
_IN_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")
_READ_BYTES = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """One inotify descriptor for all watched folders."""

    def __init__(self) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watches: dict[int, set[asyncio.Event]] = {}
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Give the descriptor back."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[asyncio.Event]:
        """An event that is set whenever something in `folder` changes; it is the caller's to clear.

        Raises:
            OSError: There is no such folder, or the kernel watches too many.
        """
        watch = _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK))
        changed = asyncio.Event()
        self._watches.setdefault(watch, set()).add(changed)
        try:
            yield changed
        finally:
            waiting = self._watches.get(watch)
            if waiting is not None:
                waiting.discard(changed)
                if not waiting:
                    del self._watches[watch]
                    # Fails if the folder is gone: then the kernel has removed the watch.
                    _libc.inotify_rm_watch(self._descriptor, watch)

    def _read(self) -> None:
        """Set the events of every watch that something happened to."""
        try:
            told = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(told):
            watch, mask, _cookie, name_length = _EVENT.unpack_from(told, at)
            at += _EVENT.size + name_length
            for changed in self._watches.get(watch, ()):
                changed.set()
            if mask & _IN_IGNORED:
                self._watches.pop(watch, None)


def _checked(result: int) -> int:
    """The result of a call of libc."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
