"""The checksum of all keys, in steps between which requests get their turn."""

from __future__ import annotations

import asyncio
from zlib import crc32

from chainfire.core.hashes import Hashed
from chainfire.shell.node import Node

REST_S = 0.001
"""Between steps: the disk's thread needs the interpreter too."""


async def hash_of(node: Node, revision: int) -> Hashed:
    """Checksum of all keys up to a revision; 0 is the newest.

    Raises:
        FutureRevisionError: It has not happened here.
        CompactedError: It is not kept.
    """
    store = node.machine.store
    async with node.housekeeping.walking:
        store.check_readable(revision, store.revision)
        until, compacted, checksum = revision or store.revision, store.compact_revision, 0
        for records in store.records(until, compacted):
            for record in records:
                checksum = crc32(record, checksum)
            await asyncio.sleep(REST_S)
    return Hashed(checksum, until, compacted)
