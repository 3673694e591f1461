"""How large a region is, and where its middle is: counted a little at a time, and again when much was written.

RocksDB's own estimate knows files and not ranges, and is wrong by whole memtables. Counting reads everything, some
10 ms for each MiB of small records, so it goes in slices and is not repeated before the region can have changed by a
fifth, or by as much as matters for whether it is cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flaredb.core.engine import Column, Cursor, Engine
from flaredb.core.keys import VERSION_BYTES
from flaredb.core.region import Epoch, Region

SAMPLE_BYTES = 256 * 1024
"""Between two places that are remembered as a possible middle."""
AGAIN_PART, AGAIN_SPLIT_PART = 5, 24
"""It is counted again once so large a part of it was written, and of the size that splits one: 4 MiB of 96."""


@dataclass(slots=True)
class _Count:
    """A count under way."""

    epoch: Epoch
    written: int
    cursor: Cursor
    end: bytes
    size_bytes: int = 0
    next_sample: int = SAMPLE_BYTES
    samples: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Size:
    """The size of one region, as far as it is known.

    Attributes:
        split_bytes: The size at which a region is cut.
        size_bytes: Of the last count; while nothing was counted, what was written.
        middle: An encoded key with about half of the bytes before it; empty if it is small.
    """

    split_bytes: int
    size_bytes: int = 0
    middle: bytes = b""
    _epoch: Epoch | None = None
    _written: int = 0
    _count: _Count | None = None

    def is_due(self, region: Region, written: int) -> bool:
        """Whether there is something to count, for a region that so many bytes were written to in all."""
        if self._count is not None:
            return True
        if self._epoch is None or self._epoch.version != region.epoch.version:
            return True
        return written - self._written >= max(self.split_bytes // AGAIN_SPLIT_PART, self.size_bytes // AGAIN_PART)

    def step(self, engine: Engine, region: Region, written: int, keys: int) -> None:
        """Count so many keys more. Raises DataLossError as `Engine.check`."""
        count = self._count
        if count is None or count.epoch.version != region.epoch.version:
            cursor = engine.cursor(Column.DATA)
            cursor.seek(region.start)
            count = self._count = _Count(region.epoch, written, cursor, region.end)
        if _step(count, keys):
            engine.check(count.cursor)
            self.size_bytes, self.middle = count.size_bytes, _middle(count)
            self._epoch, self._written, self._count = count.epoch, count.written, None


def _step(count: _Count, keys: int) -> bool:
    """Count on; whether that was all."""
    cursor = count.cursor
    for _ in range(keys):
        if not cursor.valid():
            return True
        key = cursor.key()
        if count.end and key >= count.end:
            return True
        count.size_bytes += len(key) + len(cursor.value())
        if count.size_bytes >= count.next_sample:
            count.next_sample = count.size_bytes + SAMPLE_BYTES
            count.samples.append((count.size_bytes, key[:-VERSION_BYTES]))
        cursor.next()
    return False


def _middle(count: _Count) -> bytes:
    """The sample nearest to the half."""
    half = count.size_bytes // 2
    return min(count.samples, key=lambda sample: abs(sample[0] - half), default=(0, b""))[1]
