"""What every log keeps to: the one on disk and the one in memory."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chainfire.core import wal
from chainfire.shell.segments import Log, Origin, SegmentedLog
from chainfire.testing import MemoryLog
from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId

SEGMENT_BYTES = 4096
Open = Callable[[], Log]


@pytest.fixture(params=["disk", "memory"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same log again each time it is called."""
    opened: list[Log] = []
    kept: list[list[wal.Payload]] = [[]]
    salts = itertools.count(1)

    def open_it() -> Log:
        if request.param == "memory":
            log: Log = MemoryLog(kept)
        else:
            on_disk = SegmentedLog(tmp_path, SEGMENT_BYTES, lambda: next(salts))
            log = on_disk
        opened.append(log)
        return log

    yield open_it
    for log in opened:
        log.close()


def begun(log: Log) -> Log:
    """A log that was just opened, ready for appending."""
    for _ in log.replay():
        pass
    if isinstance(log, SegmentedLog) and log.is_new:
        log.begin(Origin(1, 2), 1)
    return log


STATE = HardState(3, NodeId(2), 1)


def entry(index: int, body: bytes, term: int = 3) -> Entry:
    """A plain entry."""
    return Entry(index, term, EntryKind.NORMAL, body)


def entries(log: Log) -> list[tuple[int, int, bytes]]:
    """All entries a log has."""
    batches = [payload for payload in log.replay() if isinstance(payload, wal.Batch)]
    return [(each.index, each.term, each.body) for batch in batches for each in batch.entries]


def test_what_was_appended_is_there_after_it_is_opened_again(reopen: Open) -> None:
    log = begun(reopen())
    config = Entry(2, 3, EntryKind.CONFIG, b"")
    log.append(STATE)
    log.append(STATE, [entry(1, b"one"), config])
    log.append_mark(wal.Mark(STATE, 7, 2))
    log.append(STATE, [entry(8, b"eight")])
    assert list(reopen().replay()) == [
        wal.Batch(STATE),
        wal.Batch(STATE, (entry(1, b"one"), config)),
        wal.Mark(STATE, 7, 2),
        wal.Batch(STATE, (entry(8, b"eight"),)),
    ]


def test_appending_goes_on_after_it_is_opened_again_over_many_segments(reopen: Open) -> None:
    for number in range(40):
        log = begun(reopen())
        log.append(STATE, [entry(number + 1, b"%d" % number + bytes(500))])
        log.close()
    found = entries(reopen())
    assert [index for index, _, _ in found] == list(range(1, 41))
    assert [body.rstrip(b"\x00") for _, _, body in found] == [b"%d" % number for number in range(40)]


@pytest.mark.parametrize("index", [0, 1, 17, 40, 41, 99])
def test_dropping_removes_nothing_that_is_still_needed(reopen: Open, index: int) -> None:
    log = begun(reopen())
    for number in range(40):
        log.append(STATE, [entry(number + 1, bytes(500))])
    dropped = log.drop_before(index)
    left = [found for found, _, _ in entries(reopen())]
    assert left == list(range(left[0], 41))
    assert left[0] <= max(index, 1)
    assert (dropped > 0) == (left[0] > 1)
    log.append(STATE, [entry(41, b"x")])


def test_entries_that_replace_others_keep_their_predecessors_when_segments_are_dropped(reopen: Open) -> None:
    log = begun(reopen())
    for index in [*range(1, 21), *range(11, 31)]:
        log.append(STATE, [entry(index, bytes(500), term=3 if index < 11 else 4)])
    log.drop_before(11)
    left = [index for index, _, _ in entries(reopen())]
    assert left[-20:] == list(range(11, 31))


def test_it_counts_what_was_appended(reopen: Open) -> None:
    log = begun(reopen())
    before = log.bytes_appended
    log.append(STATE, [entry(1, bytes(100))])
    assert log.bytes_appended >= before + 100
    assert log.has_room
    assert log.make_spare()
