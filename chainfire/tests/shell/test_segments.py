import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainfire.core.wal import Batch
from chainfire.errors import StorageError
from chainfire.shell.segments import SPARE_NAME, LogBrokenError, LogFullError, Origin, SegmentedLog
from ultracloud.raft.words import Entry, EntryKind, HardState

SEGMENT_BYTES = 1 << 20


def opened(folder: Path, segment_bytes: int = SEGMENT_BYTES) -> SegmentedLog:
    """A log in `folder`, ready for appending."""
    log = SegmentedLog(folder, segment_bytes, lambda: 5)
    for _ in log.replay():
        pass
    if log.is_new:
        log.begin(Origin(1, 2), 1)
    return log


def bodies(folder: Path) -> list[bytes]:
    """What a log in `folder` has."""
    log = SegmentedLog(folder, SEGMENT_BYTES, lambda: 5)
    batches = [payload for payload in log.replay() if isinstance(payload, Batch)]
    log.close()
    return [entry.body for batch in batches for entry in batch.entries]


def append(log: SegmentedLog, index: int, body: bytes) -> None:
    """Append one entry."""
    log.append(HardState(1), [Entry(index, 1, EntryKind.NORMAL, body)])


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file may grow over `size`: the kernel refuses as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_next_segment_is_made_ahead(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert (tmp_path / SPARE_NAME).stat().st_size == SEGMENT_BYTES
    assert (tmp_path / SPARE_NAME).stat().st_blocks * 512 >= SEGMENT_BYTES
    log.close()


def test_without_room_for_a_spare_the_log_says_so_and_goes_on_until_its_last_segment_is_full(tmp_path: Path) -> None:
    log = opened(tmp_path)
    body = bytes(400_000)
    with files_of_at_most(SEGMENT_BYTES - 1):
        # Two in each of the two segments that exist.
        for index in range(1, 5):
            append(log, index, body)
        assert not log.has_room
        with pytest.raises(LogFullError):
            append(log, 5, body)
        assert not log.make_spare()
    assert log.make_spare()
    assert log.has_room
    append(log, 5, body)
    log.close()
    assert len(bodies(tmp_path)) == 5


def test_a_write_that_found_no_room_is_overwritten_by_the_next(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, 1, b"one")
    with files_of_at_most(500), pytest.raises(LogFullError):
        append(log, 2, bytes(5000))
    append(log, 2, b"two")
    log.close()
    assert bodies(tmp_path) == [b"one", b"two"]


def test_what_found_no_room_is_no_damage_once_the_log_has_gone_on(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, 1, bytes(500_000))
    with files_of_at_most(800_000), pytest.raises(LogFullError):
        append(log, 2, b"x" * 400_000)
    append(log, 2, b"two")
    append(log, 3, bytes(600_000))
    log.close()
    assert [len(body) for body in bodies(tmp_path)] == [500_000, 3, 600_000]


def test_segments_go_only_when_a_later_one_says_term_and_vote(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, 1, bytes(900_000))
    with files_of_at_most(100), pytest.raises(LogFullError):
        append(log, 2, bytes(200_000))
    assert log.drop_before(2) == 0
    append(log, 2, b"two")
    assert log.drop_before(2) == 1
    log.close()
    assert bodies(tmp_path) == [b"two"]


def test_a_torn_tail_is_cut_alone_when_segments_are_smaller_than_they_were(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for index in (1, 2):
        append(log, index, bytes(400_000))
    os.pwrite(log._descriptor, b"torn", log._offset)
    log.close()
    opened(tmp_path, SEGMENT_BYTES // 2).close()
    assert len(bodies(tmp_path)) == 2


def test_a_record_larger_than_a_segment_is_logged(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for index, size in enumerate((10, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES, 10), 1):
        append(log, index, bytes(size))
    log.close()
    assert [len(body) for body in bodies(tmp_path)] == [10, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES, 10]


def test_after_a_failed_disk_nothing_is_written_any_more(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, 1, b"one")
    reader, writer = os.pipe()
    # A pipe takes no positioned write: the kernel's error is no lack of room.
    os.dup2(writer, log._descriptor)
    for _ in range(2):
        with pytest.raises(LogBrokenError):
            append(log, 2, b"two")
    for descriptor in (reader, writer):
        os.close(descriptor)
    log.close()
    assert bodies(tmp_path) == [b"one"]


def test_a_half_made_spare_of_a_crash_is_made_again(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / SPARE_NAME).write_bytes(b"half")
    log = opened(tmp_path)
    assert log.make_spare()
    assert (tmp_path / SPARE_NAME).stat().st_size == SEGMENT_BYTES
    log.close()


@pytest.mark.parametrize("content", [b"", b"another file", bytes(64)])
def test_a_file_that_is_no_segment_is_refused(content: bytes, tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / f"{1:016x}.wal").write_bytes(content)
    with pytest.raises(StorageError, match="is corrupt at offset 0"):
        opened(tmp_path)
