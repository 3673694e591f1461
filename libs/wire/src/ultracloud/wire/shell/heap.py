"""How the process's allocator treats large messages.

glibc gives each freed block of 128 KiB or more back to the kernel, so every large message pays for fresh pages: of the
450 us that a 256 KiB message took here, 340 were page faults. The server asks it once to keep some.

Source: mallopt(3).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

KEPT_BYTES = 8 * 1024 * 1024
"""Free memory a process may keep: two of the largest messages."""
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Let the allocator keep up to KEPT_BYTES for the next large message. Where there is no glibc, nothing happens."""
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
