"""The log on disk: a folder of segments, one record and one sync a batch.

Calls here block, so they run in the log's own thread. One spare segment is always made ahead: rolling over costs a
rename, and when the disk is full there is still room to log what frees space again.

A write that fails before its sync has promised nothing and may be tried again. A sync that fails leaves nobody who
knows what is on disk (the kernel may drop the pages and report success next time), so the log is broken until a
restart.

Source: formats in core/wal.py; "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chainfire.core import wal
from chainfire.errors import StorageError
from ultracloud.raft.words import Entry, HardState

SEGMENT_SUFFIX = ".wal"
SPARE_NAME = "spare"
FILE_MODE = 0o600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LogFullError(Exception):
    """The disk has no room for the record; nothing was promised, and it may be tried again."""


class LogBrokenError(Exception):
    """Nobody knows what of the last record is on disk; only a restart finds out."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who a log belongs to."""

    cluster_id: int
    member_id: int


class Log(Protocol):
    """What the node needs of a log; `chainfire.testing.MemoryLog` is one too. Errors are those of `SegmentedLog`."""

    @property
    def bytes_appended(self) -> int:
        """Record bytes since it was opened."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether the next segment exists already, or nothing says that there is no room for it."""
        ...

    def append(self, state: HardState, entries: Sequence[Entry] = ()) -> None:
        """Make a hard state and entries durable."""
        ...

    def append_mark(self, mark: wal.Mark) -> None:
        """Make durable that the log begins anew."""
        ...

    def replay(self) -> Iterator[wal.Payload]:
        """Give everything there is, oldest first."""
        ...

    def make_spare(self) -> bool:
        """Make the next segment ahead if it is missing; False if there is no room for it."""
        ...

    def drop_before(self, index: int) -> int:
        """Remove segments that hold nothing from `index` on; give how many."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


@dataclass(slots=True)
class _File:
    """A segment that is on disk."""

    path: Path
    header: wal.SegmentHeader


class SegmentedLog:
    """A log in a folder, for one thread. `replay` must be read to its end before anything is appended.

    Args:
        folder: Where the segments are.
        segment_bytes: Size of each new one.
        make_salt: Gives 32 random bits.

    Attributes:
        bytes_appended: Record bytes since it was opened.
        has_room: The next segment exists already, or nothing says that there is no room for it.
    """

    def __init__(self, folder: Path, segment_bytes: int, make_salt: Callable[[], int]) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._make_salt = make_salt
        self._files: list[_File] = []
        self._descriptor = -1
        self._offset = wal.SEGMENT_HEADER_BYTES
        self._next_record = 1
        self._next_index = 1
        self._is_broken = False
        self._is_littered = False
        """Part of a record that found no room may lie behind the last one."""
        self.bytes_appended = 0
        self.has_room = True
        self._has_spare = _has_size(folder / SPARE_NAME, segment_bytes)

    @property
    def origin(self) -> Origin:
        """Whose log this is."""
        first = self._files[0].header
        return Origin(first.cluster_id, first.member_id)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written to it."""
        return not self._files

    def begin(self, origin: Origin, first_index: int) -> None:
        """Make the first segment, for entries from `first_index` on.

        Raises:
            LogFullError: There is no room for it.
        """
        assert self.is_new, self._folder
        self._next_index = first_index
        self._roll(wal.SegmentHeader(1, 1, first_index, origin.cluster_id, origin.member_id, self._make_salt()))

    def replay(self) -> Iterator[wal.Payload]:
        """Give everything that is on disk, oldest first, and make the log ready for appending.

        Raises:
            StorageError: A record is damaged, or a segment is missing.
        """
        paths = sorted(self._folder.glob(f"*{SEGMENT_SUFFIX}"))
        for number, path in enumerate(paths):
            is_last = number == len(paths) - 1
            content = path.read_bytes()
            header = wal.parse_segment_header(content)
            if isinstance(header, wal.Corruption):
                raise _damaged(path, header)
            self._check_follows(path, header)
            segment = wal.Segment(content, header, is_last=is_last)
            self._next_index = max(self._next_index, header.first_index)
            for _, payload in segment.records():
                self._next_index = _after(payload, self._next_index)
                yield payload
            if isinstance(segment.end, wal.Corruption):
                raise _damaged(path, segment.end)
            self._files.append(_File(path, header))
            self._next_record = segment.next_record
            if is_last:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                self._offset = segment.end.offset
                if isinstance(segment.end, wal.TornTail):
                    self._cut_tail()

    def append(self, state: HardState, entries: Sequence[Entry] = ()) -> None:
        """Make a hard state and entries durable.

        Raises:
            LogFullError: There is no room; the log is as before.
            LogBrokenError: The disk failed.
        """
        size = wal.RECORD_OVERHEAD_BYTES + sum([len(each.body) + wal.ENTRY_OVERHEAD_BYTES for each in entries])
        self._make_room(size, entries[0].index if entries else self._next_index)
        self._write(wal.render_batch(self._next_record, self._files[-1].header.salt, state, entries))
        if entries:
            self._next_index = entries[-1].index + 1

    def append_mark(self, mark: wal.Mark) -> None:
        """Make durable that the log begins anew; raises as `append`."""
        self._make_room(wal.RECORD_OVERHEAD_BYTES, mark.index + 1)
        self._write(wal.render_mark(self._next_record, self._files[-1].header.salt, mark))
        self._next_index = mark.index + 1

    def make_spare(self) -> bool:
        """Make the next segment ahead if it is missing; False if there is no room for it."""
        if not self._has_spare:
            path = self._folder / SPARE_NAME
            try:
                _allocate(path, self._segment_bytes)
            except OSError as error:
                path.unlink(missing_ok=True)
                if error.errno not in _FULL:
                    raise LogBrokenError(f"{path}: {error.strerror}") from error
                self.has_room = False
                return False
            self._has_spare = True
        self.has_room = True
        return True

    def drop_before(self, index: int) -> int:
        """Remove segments that hold nothing from `index` on; give how many.

        One record at least stays: term and vote are in each of them, and nowhere else.
        """
        dropped = 0
        while len(self._files) > 1 and self._holds_nothing(self._files[1].header, index):
            self._files.pop(0).path.unlink()
            dropped += 1
        if dropped:
            sync_folder(self._folder)
        return dropped

    def close(self) -> None:
        """Let go of the files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _holds_nothing(self, following: wal.SegmentHeader, index: int) -> bool:
        """Whether the segment before `following` is needless."""
        return following.first_index <= index and following.first_record < self._next_record

    def _check_follows(self, path: Path, header: wal.SegmentHeader) -> None:
        if not self._files:
            self._next_record = header.first_record
            return
        before = self._files[-1]
        if header.sequence != before.header.sequence + 1 or header.first_record != self._next_record:
            raise StorageError(
                f"{path.name} does not follow {before.path.name} in {self._folder}: a segment of the log is missing; "
                "restore the folder from a backup"
            )

    def _cut_tail(self) -> None:
        """Remove what a crash left of a record, so that it cannot be taken for damage later."""
        os.ftruncate(self._descriptor, self._offset)
        # Segments may have been larger when this one was made.
        os.ftruncate(self._descriptor, max(self._offset, self._segment_bytes))
        os.fsync(self._descriptor)

    def _make_room(self, size: int, first_index: int) -> None:
        """Go on to the next segment if a record of `size` bytes does not fit in this one.

        One that fits in none has a segment of its own, which is then longer than others: members may be told to take
        requests of different sizes, and a follower cannot refuse what the others have logged.
        """
        if self._is_broken:
            raise LogBrokenError("an earlier sync failed")
        if self._offset + size <= self._segment_bytes or self._offset == wal.SEGMENT_HEADER_BYTES:
            return
        last = self._files[-1].header
        if self._is_littered:
            self._tidy()
        self._roll(
            wal.SegmentHeader(
                last.sequence + 1, self._next_record, first_index, last.cluster_id, last.member_id, self._make_salt()
            )
        )

    def _tidy(self) -> None:
        """Cut what found no room: in front of another segment it would be taken for damage."""
        try:
            os.ftruncate(self._descriptor, self._offset)
            os.fsync(self._descriptor)
        except OSError as error:
            self._is_broken = True
            raise LogBrokenError(f"{self._files[-1].path}: {error.strerror}") from error
        self._is_littered = False

    def _roll(self, header: wal.SegmentHeader) -> None:
        """Make the spare the last segment."""
        if not self.make_spare():
            raise LogFullError(f"{self._folder} has no room for a segment of {self._segment_bytes} bytes")
        spare, path = self._folder / SPARE_NAME, self._folder / f"{header.sequence:016x}{SEGMENT_SUFFIX}"
        try:
            descriptor = os.open(spare, os.O_RDWR | os.O_CLOEXEC)
            os.pwrite(descriptor, wal.render_segment_header(header), 0)
            os.fsync(descriptor)
            spare.rename(path)
            sync_folder(self._folder)
        except OSError as error:
            self._is_broken = True
            raise LogBrokenError(f"{path}: {error.strerror}") from error
        self.close()
        self._descriptor, self._offset = descriptor, wal.SEGMENT_HEADER_BYTES
        self._files.append(_File(path, header))
        self._has_spare = False
        self.make_spare()

    def _write(self, record: bytes) -> None:
        """Write a record and sync it, in one call: between two calls the loop could keep the interpreter to itself."""
        try:
            written = os.pwritev(self._descriptor, (record,), self._offset, os.RWF_DSYNC)
            while written < len(record):
                # Less than asked is written when the disk is nearly full; the next call then says why.
                written += os.pwritev(self._descriptor, (record[written:],), self._offset + written, os.RWF_DSYNC)
        except OSError as error:
            if error.errno in _FULL:
                self._is_littered = True
                raise LogFullError(f"{self._files[-1].path}: {error.strerror}") from error
            self._is_broken = True
            raise LogBrokenError(f"{self._files[-1].path}: {error.strerror}") from error
        self._offset += len(record)
        self._next_record += 1
        self.bytes_appended += len(record)


def _after(payload: wal.Payload, before: int) -> int:
    """The index that comes after a record, if `before` came after the one before it."""
    if isinstance(payload, wal.Mark):
        return payload.index + 1
    return payload.entries[-1].index + 1 if payload.entries else before


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _allocate(path: Path, size: int) -> None:
    """Make a file of `size` bytes of zeros whose blocks are taken from the disk now."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _has_size(path: Path, size: int) -> bool:
    """Whether a spare of an earlier run is whole, and as large as segments are now."""
    return path.exists() and path.stat().st_size == size


def _damaged(path: Path, corruption: wal.Corruption) -> StorageError:
    return StorageError(
        f"{path} is corrupt at offset {corruption.offset}: {corruption.reason}; nothing was changed, "
        "restore the state folder from a backup or a snapshot"
    )
