"""What no conversation shows: bounds, and what ends the process."""

from __future__ import annotations

import pytest

from ultracloud.raft.events import Campaign, Compact, Persisted, Propose, Read, Ready, Tick
from ultracloud.raft.messages import Append, Appended, Forward, Heartbeat, Vote
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.turns import Role
from ultracloud.raft.words import Config, Entry, EntryKind, HardState, NodeId, Restored, SnapshotMark

ONE, TWO, THREE = NodeId(1), NodeId(2), NodeId(3)


def restored(*voters: NodeId) -> Restored:
    """A new cluster's node."""
    return Restored(SnapshotMark(1, 1, Config(frozenset(voters))), applied=1)


def node(options: Options | None = None, *voters: NodeId) -> Raft:
    """Node 1 of a new cluster."""
    return Raft(ONE, options or Options(), restored(*(voters or (ONE, TWO, THREE))), lambda _: 0)


def leader(options: Options) -> Raft:
    """Node 1, leading 2 and 3 in term 2."""
    raft = node(options)
    raft.step(Campaign())
    ready = raft.step(Vote(ONE, TWO, 2, granted=True, is_pre=True))
    raft.step(Persisted(ready.number))
    ready = raft.step(Vote(ONE, TWO, 2, granted=True))
    raft.step(Persisted(ready.number), Appended(ONE, TWO, 2, 2))
    assert (raft.role, raft.commit) == (Role.LEADER, 2)
    return raft


@pytest.mark.parametrize(
    "bad",
    [
        {"election_ticks": 1},
        {"heartbeat_ticks": 0},
        {"election_ticks": 11, "heartbeat_ticks": 6},
        {"append_bytes_max": 0},
        {"inflight_max": 0},
        {"inflight_bytes_max": 10},
        {"uncommitted_bytes_max": 10},
        {"reads_max": 0},
        {"compact_keep": -1},
        {"lease_margin_ticks": 0},
        {"lease_reads": 1, "check_quorum": 0},
    ],
)
def test_options_that_cannot_work_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Options(**bad)  # type: ignore[arg-type]


def test_a_leader_without_a_quorum_or_a_disk_does_not_fill_its_memory() -> None:
    raft = leader(Options(append_bytes_max=100, inflight_bytes_max=100, uncommitted_bytes_max=100))
    ready = raft.step(Propose((bytes(60),)), Propose((bytes(60),)), Propose((bytes(60),)))
    assert (raft.last_index, raft.accepts_proposals) == (4, False)
    raft.step(Appended(ONE, TWO, 2, 4))
    assert not raft.accepts_proposals
    raft.step(Appended(ONE, THREE, 2, 4))
    assert (raft.commit, raft.accepts_proposals) == (4, False)
    raft.step(Persisted(ready.number))
    assert raft.accepts_proposals


def test_reads_beyond_the_bound_are_lost_at_once() -> None:
    raft = leader(Options(reads_max=2))
    raft.step(Read(1))
    ready = raft.step(Read(2), Read(3), Read(4))
    assert ready.lost_reads == (4,)


def test_a_follower_forwards_in_messages_of_bounded_size() -> None:
    raft = node(Options(append_bytes_max=10))
    raft.step(Heartbeat(ONE, TWO, 2, 1, 1))
    ready = raft.step(Propose((bytes(4), bytes(6), bytes(1), bytes(30), b"")))
    forwards = [message for message in ready.messages if isinstance(message, Forward)]
    assert [[len(body) for body in forward.bodies] for forward in forwards] == [[4, 6], [1], [30], [0]]


def test_a_window_is_bounded_in_bytes_too() -> None:
    raft = leader(Options(append_bytes_max=10, inflight_bytes_max=25))
    raft.step(Appended(ONE, TWO, 2, 2))
    ready = raft.step(Propose((bytes(10),) * 9))
    sent = [message for message in ready.messages if isinstance(message, Append) and message.to == TWO]
    assert [append.entries[0].index for append in sent] == [3, 4, 5]


def test_nothing_to_do_gives_nothing_to_store() -> None:
    raft = node()
    raft.step()
    assert raft.step(Tick()) == Ready(2)
    assert raft.step() == Ready(3)


def test_the_commit_index_goes_with_every_record_of_entries() -> None:
    raft = leader(Options())
    ready = raft.step(Propose((b"x",)))
    assert ready.hard_state == HardState(2, ONE, 2)
    assert raft.step(Propose((b"y",))).hard_state is None


def test_an_answer_waits_for_the_disk_only_when_it_must() -> None:
    raft = node()
    append = Append(ONE, TWO, 1, 1, 1, 1, (Entry(2, 1, EntryKind.NORMAL, b"x"),))
    ready = raft.step(append)
    assert ready.promises == (Appended(TWO, ONE, 1, 2),)
    raft.step(Persisted(ready.number))
    assert raft.step(append).messages == (Appended(TWO, ONE, 1, 2),)


def test_a_second_leader_in_a_term_ends_the_process() -> None:
    raft = node()
    raft.step(Heartbeat(ONE, TWO, 2, 1, 1))
    with pytest.raises(AssertionError, match="two leaders in term 2"):
        raft.step(Heartbeat(ONE, THREE, 2, 1, 1))


def test_a_leader_that_contradicts_what_is_committed_ends_the_process() -> None:
    raft = node()
    raft.step(Append(ONE, TWO, 2, 1, 1, 2, (Entry(2, 2, EntryKind.NORMAL, b"x"),)))
    with pytest.raises(AssertionError, match="contradicts committed entry 2"):
        raft._state.log.accept(1, (Entry(2, 3, EntryKind.NORMAL, b"y"),))


def test_a_log_that_lost_what_is_committed_does_not_start() -> None:
    with pytest.raises(AssertionError, match="entry 5 is committed but the log ends at 1"):
        Raft(ONE, Options(), Restored(SnapshotMark(1, 1), hard_state=HardState(1, commit=5), applied=1), lambda _: 0)


def test_a_first_configuration_must_have_a_mark() -> None:
    with pytest.raises(AssertionError, match="needs a mark"):
        Raft(ONE, Options(), Restored(SnapshotMark(0, 0, Config(frozenset({ONE})))), lambda _: 0)


def test_marks_tell_who_took_part_then() -> None:
    raft = leader(Options())
    assert raft.mark_at(2) == SnapshotMark(2, 2, Config(frozenset({ONE, TWO, THREE})))
    raft.step(Compact(2))
    assert (raft.mark.index, raft.first_index, raft.last_index) == (2, 3, 2)
    with pytest.raises(AssertionError, match="no state as of 1"):
        raft.mark_at(1)
