"""What a member makes of the combinations of snapshot and log that crashes leave behind."""

from pathlib import Path

import pytest

from chainfire.core.wal import Batch, Mark, Payload
from chainfire.errors import StorageError
from chainfire.shell.recovery import joined, tail_of
from ultracloud.raft.words import Config, Entry, EntryKind, HardState, NodeId, SnapshotMark

OTHER = NodeId(2)
FOLDER = Path("state")


def entries(first: int, last: int, term: int) -> tuple[Entry, ...]:
    return tuple(Entry(index, term, EntryKind.NORMAL, b"") for index in range(first, last + 1))


def read(index: int, term: int, *payloads: Payload) -> tuple[HardState, list[tuple[int, int]]]:
    """The hard state, and index and term of the entries after a snapshot as of `index` and `term`."""
    state, after = joined(FOLDER, SnapshotMark(index, term, Config()), tail_of(payloads))
    return state, [(each.index, each.term) for each in after]


@pytest.mark.parametrize(
    ("payloads", "after"),
    [
        pytest.param((), [], id="nothing was ever logged"),
        pytest.param((Batch(HardState(3), entries(2, 12, 3)),), [(11, 3), (12, 3)], id="own snapshot, log kept"),
        pytest.param((Batch(HardState(3), entries(9, 12, 3)),), [(11, 3), (12, 3)], id="own snapshot, log dropped"),
        pytest.param((Batch(HardState(3), entries(2, 10, 3)),), [], id="the log ends with the snapshot"),
        pytest.param((Batch(HardState(3), entries(2, 7, 3)),), [], id="published, the mark is not written"),
        pytest.param((Batch(HardState(2), entries(2, 14, 2)),), [], id="published, the log says otherwise"),
        pytest.param((Batch(HardState(3), entries(2, 7, 3)), Mark(HardState(3), 10, 3)), [], id="mark written"),
        pytest.param(
            (Batch(HardState(2), entries(2, 7, 2)), Mark(HardState(3), 10, 3), Batch(HardState(3), entries(11, 11, 3))),
            [(11, 3)],
            id="mark written, entries after it",
        ),
        pytest.param(
            (Mark(HardState(3), 6, 3), Batch(HardState(3), entries(7, 11, 3))), [(11, 3)], id="later snapshot"
        ),
        pytest.param(
            (Batch(HardState(2), entries(2, 14, 2)), Batch(HardState(3), entries(10, 11, 3))),
            [(11, 3)],
            id="entries replaced",
        ),
    ],
)
def test_snapshot_and_log_are_joined(payloads: tuple[Payload, ...], after: list[tuple[int, int]]) -> None:
    assert read(10, 3, *payloads)[1] == after


def test_a_log_that_begins_after_the_snapshot_is_refused() -> None:
    with pytest.raises(StorageError, match="begins with entry 12, but the snapshot ends with 10"):
        read(10, 3, Batch(HardState(3), entries(12, 14, 3)))


def test_a_mark_without_its_snapshot_is_refused() -> None:
    with pytest.raises(StorageError, match="begins with entry 21, but the snapshot ends with 10"):
        read(10, 3, Batch(HardState(3), entries(2, 12, 3)), Mark(HardState(4), 20, 4))


def test_a_vote_of_an_earlier_term_than_the_snapshot_is_none_in_its_term() -> None:
    assert read(10, 5, Batch(HardState(3, OTHER, 2), entries(2, 7, 3)))[0] == HardState(5, NodeId(0), 10)
    assert read(10, 3, Batch(HardState(3, OTHER, 2), entries(2, 7, 3)))[0] == HardState(3, OTHER, 10)
