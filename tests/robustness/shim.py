"""One member's disk and wall clock, as `shim.c` bends them."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

_LAYOUT = struct.Struct("<qq")
COMPILE_S = 60.0


def build(folder: Path) -> Path:
    """Compile the library into a folder."""
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=COMPILE_S)
    return library


class Shim:
    """What the member's process reads; a change holds from its next call on, and through its restarts."""

    def __init__(self, library: Path, control: Path) -> None:
        control.write_bytes(_LAYOUT.pack(0, 0))
        self.env = {"LD_PRELOAD": str(library), "ULTRACLOUD_SHIM": str(control)}
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)
        self._sync_us = self._wall_ns = 0

    def slow_disk(self, sync_s: float) -> None:
        """Let each sync take so much longer; 0 ends it."""
        self._sync_us = round(sync_s * 1e6)
        self._write()

    def shift_clock(self, seconds: float) -> None:
        """Let the wall clock be so much ahead, or behind; 0 ends it."""
        self._wall_ns = round(seconds * 1e9)
        self._write()

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def _write(self) -> None:
        self._map[:] = _LAYOUT.pack(self._sync_us, self._wall_ns)
