"""How much room there is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

SYNC_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""How syncs are told apart: from a good disk to one that fails."""
LOOK_S = 0.01
"""How old an answer may be: in that time no disk fills the reserve. To look costs a lone caller's put 4 us of 200."""


def free_bytes(folder: Path) -> int:
    """Bytes that an unprivileged process could still write to the disk of `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Room:
    """Room on the disk of a folder, for whoever asks before each batch.

    Args:
        folder: On the disk.
        enough_bytes: Where there is less, each look is a new one, so that an end of it is seen at once.
        now_s: A clock that never goes back.
    """

    def __init__(self, folder: Path, enough_bytes: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._enough_bytes = enough_bytes
        self._now_s = now_s
        self._free_bytes = 0
        self._until_s = 0.0

    def free_bytes(self) -> int:
        """Bytes that an unprivileged process could write, LOOK_S ago at most."""
        now_s = self._now_s()
        if now_s >= self._until_s or self._free_bytes < self._enough_bytes:
            self._free_bytes = free_bytes(self._folder)
            self._until_s = now_s + LOOK_S
        return self._free_bytes
