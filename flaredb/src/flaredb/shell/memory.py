"""How much memory RocksDB's cache may take: what the operator says, or a part of what the machine has.

A cache takes only what is read, so a large bound costs a small cloud nothing; a small one makes each read of a large
store look for its index on the disk again.

Source: Linux, cgroup-v2.rst (memory.max); PostgreSQL's documentation, "Resource Consumption" (shared_buffers).
"""

from __future__ import annotations

import os
from pathlib import Path

from flaredb.errors import MIB

CACHE_PART = 16
"""The cache takes at most so small a part of the memory: guests, agents and other services run on the same machine."""
CACHE_BYTES_MIN, CACHE_BYTES_MAX = 16 * MIB, 1024 * MIB
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def cache_bytes(configured_mib: int) -> int:
    """Bytes of the block cache; 0 MiB leaves it to us."""
    if configured_mib:
        return configured_mib * MIB
    return min(max(memory_bytes() // CACHE_PART, CACHE_BYTES_MIN), CACHE_BYTES_MAX)


def memory_bytes() -> int:
    """What this process may have: the machine's memory, or its control group's limit where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine
