"""The newest version that the disk confirmed, in a file of its own, to notice lost writes at the next start.

After a crash RocksDB keeps its log up to the first record that is not whole. Usually that one was never acknowledged.
But damage further in looks the same, and then everything after it would be gone without a word. This file is written
after each sync and never synced itself: after the death of the process it is exact, after a power cut it is some
seconds old, and never is it ahead of what was confirmed. A store that holds less than it says has lost acknowledged
writes.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_RECORD = struct.Struct(">QQ")
_MASK = (1 << 64) - 1


class Watermark:
    """The file at a path, open for writing.

    Attributes:
        version: What the file said when it was opened; 0 without one, or with one that a power cut left half written.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, making it if there is none. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.version = self._read()

    def write(self, version: int) -> None:
        """Remember a version that the disk confirmed. Raises OSError."""
        os.pwrite(self._file, _RECORD.pack(version, version ^ _MASK), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _read(self) -> int:
        record = os.pread(self._file, _RECORD.size, 0)
        if len(record) != _RECORD.size:
            return 0
        version, inverse = _RECORD.unpack(record)
        return int(version) if version == inverse ^ _MASK else 0
