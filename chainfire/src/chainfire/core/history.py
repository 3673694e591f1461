"""Every write that is kept, in the order it happened: what watches resume from, and what snapshots and hashes walk.

Records lie in chunks, so that compaction works through them in steps that each take well under a millisecond, and a
watch finds its place by two bisections. Only the walks of compaction shift chunks; whoever walks in steps must not
let a compaction step in between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from chainfire.core.keyvalue import Record, revision_of

CHUNK_RECORDS = 512
"""Records of one chunk: a step over one takes about 0.1 ms, and a million records make only 2,000 chunks."""


class History:
    """Records ordered by revision and, within one revision, by the order of its operations."""

    def __init__(self) -> None:
        self._chunks: list[list[Record]] = [[]]
        # A lower bound of the revisions in each chunk; exact until compaction removes records.
        self._firsts: list[int] = [0]

    def append(self, record: Record) -> None:
        """Add the newest record; its revision is not lower than any before."""
        tail = self._chunks[-1]
        if len(tail) >= CHUNK_RECORDS:
            tail = []
            self._chunks.append(tail)
            self._firsts.append(revision_of(record))
        tail.append(record)

    def read(self, start_revision: int, records_max: int) -> tuple[list[Record], bool]:
        """Give records from `start_revision` on, and whether there are more.

        Whole revisions only: a watch may not see half a txn. So there may be more than `records_max` by one revision.
        """
        assert records_max > 0, records_max
        found: list[Record] = []
        for chunk in self._chunks_from(start_revision):
            room = records_max - len(found)
            if len(chunk) <= room:
                found += chunk
                continue
            last = chunk[room - 1] if room > 0 else found[-1]
            cut = bisect_right(chunk, revision_of(last), key=revision_of)
            found += chunk[:cut]
            if cut < len(chunk):
                return found, True
        return found, False

    def walk(self, end_revision: int) -> Iterator[list[Record]]:
        """Give all records up to and including `end_revision`, a chunk at a time. Appending meanwhile is fine."""
        at = 0
        while at < len(self._chunks) and self._firsts[at] <= end_revision:
            chunk = self._chunks[at]
            if chunk and revision_of(chunk[-1]) > end_revision:
                chunk = chunk[: bisect_right(chunk, end_revision, key=revision_of)]
            if chunk:
                yield chunk
            at += 1

    def sweep(self, end_revision: int, is_dead: Callable[[Record], bool]) -> Iterator[None]:
        """Drop records up to and including `end_revision` that are dead, one chunk a step."""
        at = 0
        while at < len(self._chunks) and self._firsts[at] <= end_revision:
            chunk = self._chunks[at]
            kept = [record for record in chunk if revision_of(record) > end_revision or not is_dead(record)]
            at = self._replace(at, chunk, kept)
            yield

    def _replace(self, at: int, chunk: list[Record], kept: list[Record]) -> int:
        """Put `kept` where `chunk` was, joined to its neighbour if both fit in one; give where the next chunk is."""
        if chunk is self._chunks[-1]:
            # The tail stays its own chunk, since it is still written to.
            chunk[:] = kept
            return at + 1
        if at > 0 and len(self._chunks[at - 1]) + len(kept) <= CHUNK_RECORDS:
            self._chunks[at - 1] += kept
            del self._chunks[at], self._firsts[at]
            return at
        chunk[:] = kept
        return at + 1

    def _chunks_from(self, start_revision: int) -> Iterator[list[Record]]:
        """Chunks with the records from `start_revision` on; the first is cut to begin there."""
        # One chunk further back than bisected: a revision's records may begin at the end of a chunk.
        at = max(bisect_left(self._firsts, start_revision) - 1, 0)
        first = self._chunks[at]
        yield first[bisect_left(first, start_revision, key=revision_of) :]
        yield from self._chunks[at + 1 :]
