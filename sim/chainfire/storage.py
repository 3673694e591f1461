"""A member's disk: the bytes of its log and its snapshots, and what a power cut leaves of what is being written.

Records are those of `core/wal.py`, one at a time, as the log's thread writes them. What a sync has not ended is made of
sectors that are each there or not. Files and folders are the business of `sim/chainfire_disk.py`, which runs the real
code on them; here a segment that is rolled over to, and a snapshot that is complete, are there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from chainfire.core import wal
from chainfire.core.work import Store
from ultracloud.testkit.sim import SimClock
from ultracloud.testkit.sim.disk import SECTOR_BYTES

SEGMENT_BYTES = 4096
RECORD_BYTES = 200
"""Entries of a record; small, so that what is to be stored is often cut into several."""
RETRY_FULL_MS = 500
"""How soon a full disk is tried again: the shell's."""


class DamagedError(Exception):
    """The log cannot be read: no power cut may ever leave that."""


@dataclass(slots=True)
class _Segment:
    header: wal.SegmentHeader
    content: bytearray


@dataclass(slots=True)
class _Write:
    """A record on its way to the disk."""

    segment: _Segment
    offset: int
    record: bytes


@dataclass(slots=True)
class Disk:
    """What one member has; it survives its process.

    Attributes:
        latency_ms_max: What a sync takes at most.
        stalled_until_ms: No sync ends before.
        is_full: There is no room for a record.
        appended: Bytes of records ever written.
        syncs: Records ever made durable.
    """

    clock: SimClock
    random: Random
    latency_ms_max: int
    cluster_id: int
    member_id: int
    stalled_until_ms: int = 0
    is_full: bool = False
    appended: int = 0
    syncs: int = 0
    snapshots: dict[int, bytes] = field(default_factory=dict)
    _segments: list[_Segment] = field(default_factory=list)
    _next_record: int = 1
    _next_index: int = 1
    _writing: _Write | None = None
    _life: int = 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written to it."""
        return not self._segments

    def begin(self, first_index: int) -> None:
        """Make the first segment."""
        self._next_index = first_index
        self._roll()

    def store(self, store: Store, done: Callable[[], None]) -> None:
        """Write what must be durable, and call `done` then; never, if the member dies before."""
        self._write(list(wal.payloads(store.state, store.entries, store.mark, RECORD_BYTES)), done)

    def note_mark(self, mark: wal.Mark) -> None:
        """Write, at a start, that the log begins anew."""
        self._finish(self._put(mark))

    def write_snapshot(self, index: int, content: bytes, done: Callable[[], None]) -> None:
        """Write a snapshot beside the log; it is there once it is whole."""

        def whole() -> None:
            self.snapshots[index] = content
            # The newest two: one that was just received may not be taken by the log.
            for old in sorted(self.snapshots)[:-2]:
                del self.snapshots[old]
            done()

        self._later(whole)

    def drop_before(self, index: int) -> None:
        """Remove segments that hold nothing from `index` on."""
        while len(self._segments) > 1 and self._segments[1].header.first_index <= index:
            del self._segments[0]

    def cut(self) -> None:
        """The process is gone, and of what was being written each sector is there or not."""
        self._life += 1
        writing, self._writing = self._writing, None
        if writing is None or self.random.random() < 0.3:  # noqa: PLR2004 - often nothing had reached the disk
            return
        segment, at, record = writing.segment, writing.offset, writing.record
        content = segment.content
        keep = self.random.choice((0.5, 0.9, 1.0))
        content.extend(bytes(at + len(record) - len(content)))
        start = at
        while start < at + len(record):
            end = min(at + len(record), (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if self.random.random() < keep:
                content[start:end] = record[start - at : end - at]
            start = end

    def replay(self) -> list[wal.Payload]:
        """Everything in the log, ready for more.

        Raises:
            DamagedError: A record that was durable cannot be read.
        """
        return list(self._replay())

    def _replay(self) -> Iterator[wal.Payload]:
        for number, each in enumerate(self._segments):
            is_last = number == len(self._segments) - 1
            segment = wal.Segment(bytes(each.content), each.header, is_last=is_last)
            self._next_index = each.header.first_index
            for _, payload in segment.records():
                self._note(payload)
                yield payload
            if isinstance(segment.end, wal.Corruption):
                raise DamagedError(f"segment {each.header.sequence}, offset {segment.end.offset}: {segment.end.reason}")
            del each.content[segment.end.offset :]
            self._next_record = segment.next_record

    def _write(self, payloads: list[wal.Payload], done: Callable[[], None]) -> None:
        """Write records one after the other, each with its own sync."""
        if self.is_full:
            life = self._life

            def again() -> None:
                if life == self._life:
                    self._write(payloads, done)

            self.clock.call_later(RETRY_FULL_MS, again)
            return
        self._writing = self._put(payloads[0])

        def synced() -> None:
            assert self._writing is not None
            self._finish(self._writing)
            if payloads[1:]:
                self._write(payloads[1:], done)
            else:
                done()

        self._later(synced)

    def _later(self, action: Callable[[], None]) -> None:
        """Do something when the disk is done, unless the member has died by then."""
        life = self._life
        wait_ms = max(self.stalled_until_ms - self.clock.now_ms(), 0) + self.random.randint(0, self.latency_ms_max)

        def do() -> None:
            if life == self._life:
                action()

        self.clock.call_later(wait_ms, do)

    def _put(self, payload: wal.Payload) -> _Write:
        """Render a record for its place."""
        if len(self._segments[-1].content) >= SEGMENT_BYTES:
            self._roll()
        segment = self._segments[-1]
        number, salt = self._next_record, segment.header.salt
        if isinstance(payload, wal.Mark):
            record = wal.render_mark(number, salt, payload)
        else:
            record = wal.render_batch(number, salt, payload.state, payload.entries)
        self._next_record += 1
        self._note(payload)
        return _Write(segment, len(segment.content), record)

    def _finish(self, write: _Write) -> None:
        """A record is durable."""
        self._writing = None
        write.segment.content[write.offset :] = write.record
        self.appended += len(write.record)
        self.syncs += 1

    def _note(self, payload: wal.Payload) -> None:
        if isinstance(payload, wal.Mark):
            self._next_index = payload.index + 1
        elif payload.entries:
            self._next_index = payload.entries[-1].index + 1

    def _roll(self) -> None:
        sequence = self._segments[-1].header.sequence + 1 if self._segments else 1
        header = wal.SegmentHeader(
            sequence, self._next_record, self._next_index, self.cluster_id, self.member_id, self.random.getrandbits(32)
        )
        self._segments.append(_Segment(header, bytearray(wal.render_segment_header(header))))
