"""What simulated clusters found wrong in a member, each in the fewest steps that show it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import wal
from chainfire.core.commands import LeaseGrant, Put
from chainfire.core.keyvalue import LeaseId
from chainfire.core.machine import Machine
from chainfire.core.replica import ELAPSED_MS_MAX, Replica, Work
from chainfire.errors import TooManyRequestsError
from ultracloud.raft import events
from ultracloud.raft.messages import Append, Forward, Heartbeat, Install
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.words import Config, Entry, EntryKind, HardState, NodeId, Restored, SnapshotMark

ME, OTHER = NodeId(1), NodeId(2)
TICK_MS = 100


def machine_at(index: int) -> Machine:
    machine = Machine()
    machine.applied_index = index
    return machine


def member(*voters: NodeId) -> Replica[str]:
    mark = SnapshotMark(1, 1, Config(frozenset(voters)))
    raft = Raft(ME, Options(), Restored(mark, (), HardState(), 1), lambda ceiling: ceiling - 1)
    return Replica(ME, machine_at(1), raft, 1, 1 << 32)


def settle(replica: Replica[str]) -> list[Work]:
    """Store at once whatever is to be stored, until there is nothing more."""
    turns: list[Work] = []
    while True:
        work = replica.begin()
        turns.append(work)
        replica.finish()
        if work.store is None:
            return turns
        replica.persisted(work.store.number)


def alone() -> Replica[str]:
    replica = member(ME)
    replica.tell(events.Campaign())
    settle(replica)
    assert replica.is_leader
    return replica


def test_a_lease_granted_after_a_long_pause_has_its_whole_time() -> None:
    replica = alone()
    replica.tick(TICK_MS)
    replica.propose(LeaseGrant(LeaseId(7), 2), "granted")
    settle(replica)
    replica.tick(10_000)
    started_ms = replica.clock_ms
    while replica.machine.leases.find(LeaseId(7)) is not None:
        replica.tick(TICK_MS)
        settle(replica)
    assert replica.clock_ms - started_ms == 2000


def test_a_pause_counts_for_no_more_than_its_bound() -> None:
    replica = alone()
    replica.tick(3_600_000)
    assert replica.clock_ms == ELAPSED_MS_MAX


def test_two_snapshots_in_one_turn_are_told_apart() -> None:
    replica = member(ME, OTHER)
    for index in (10, 20):
        install = Install(ME, OTHER, 2, SnapshotMark(index, 2, Config(frozenset({ME, OTHER}))))
        replica.receive_snapshot(install, machine_at(index))
    settle(replica)
    assert (replica.machine.applied_index, replica.raft.last_index) == (20, 20)


def test_a_command_that_a_snapshot_may_hold_is_not_proposed_again() -> None:
    replica = member(ME, OTHER)
    replica.receive([Heartbeat(ME, OTHER, 2, 1)])
    replica.propose(Put(b"k", b"v"), "asked")
    assert forwarded(settle(replica)) == 1
    install = Install(ME, OTHER, 2, SnapshotMark(10, 2, Config(frozenset({ME, OTHER}))))
    replica.receive_snapshot(install, machine_at(10))
    replica.receive([Append(ME, OTHER, 3, 10, 2, 11, (Entry(11, 3, EntryKind.NORMAL, b""),))])
    assert forwarded(settle(replica)) == 0
    assert replica.machine.applied_index == 11
    assert replica.pending == 1


def forwarded(turns: list[Work]) -> int:
    return sum(len(m.bodies) for work in turns for m in work.messages if isinstance(m, Forward))


@given(sizes=st.lists(st.integers(0, 300), max_size=20), commit=st.integers(0, 30), is_installed=st.booleans())
def test_no_record_says_that_more_is_committed_than_is_durable_with_it(
    sizes: list[int], commit: int, *, is_installed: bool
) -> None:
    mark = SnapshotMark(10, 2, Config()) if is_installed else None
    entries = [Entry(index, 3, EntryKind.NORMAL, bytes(size)) for index, size in enumerate(sizes, 11)]
    state = HardState(3, ME, min(commit, 10 + len(entries)))
    payloads = list(wal.payloads(state, entries, mark, 500))
    durable = 10
    for payload in payloads:
        if isinstance(payload, wal.Batch) and payload.entries:
            durable = payload.entries[-1].index
        assert payload.state.commit <= durable
    assert durable == 10 + len(entries)
    assert payloads[-1].state.commit in (state.commit, 10)


def test_a_renewal_waits_until_no_leader_counts_from_a_checkpoint() -> None:
    replica = alone()
    replica.expiry.checkpoint_interval_ms = 1000
    replica.propose(LeaseGrant(LeaseId(7), 60), "granted")
    settle(replica)
    assert replica.before_renewal(LeaseId(7)) is None
    for _ in range(11):
        replica.tick(TICK_MS)
    clearing = replica.before_renewal(LeaseId(7))
    assert clearing is not None
    settle(replica)
    assert replica.before_renewal(LeaseId(7)) == clearing
    replica.propose(clearing, "cleared")
    settle(replica)
    assert replica.before_renewal(LeaseId(7)) is None
    assert replica.renew(LeaseId(7)) == 60


def test_a_vote_outlives_restarts_in_which_it_does_not_change() -> None:
    mark = SnapshotMark(1, 1, Config(frozenset({ME, OTHER})))
    raft = Raft(ME, Options(), Restored(mark, (), HardState(5, OTHER, 1), 1), lambda ceiling: ceiling - 1)
    replica: Replica[str] = Replica(ME, machine_at(1), raft, 1, 1 << 32)
    assert replica.state == HardState(5, OTHER, 1)
    replica.receive([Append(ME, OTHER, 5, 1, 1, 1, (Entry(2, 5, EntryKind.NORMAL, b""),))])
    stored = [work.store.state for work in settle(replica) if work.store is not None]
    assert stored == [HardState(5, OTHER, 1)]


def test_reads_that_nobody_answers_are_bounded_and_make_room_when_they_are_given_up() -> None:
    replica = member(ME, OTHER)
    replica.reads_max = 2
    for token in ("a", "b"):
        replica.read(token)
    with pytest.raises(TooManyRequestsError):
        replica.read("c")
    while replica.clock_ms < replica.timeout_ms:
        replica.tick(TICK_MS)
    assert [token for token, _ in replica.finish().reads] == ["a", "b"]
    replica.read("c")
