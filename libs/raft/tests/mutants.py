"""Raft with one rule broken at a time: a random run or a golden must notice each, or they prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import weather
from disk import Disk
from weather import Theme

from ultracloud.raft import quorum
from ultracloud.raft.candidate import Candidate
from ultracloud.raft.leader import Leader
from ultracloud.raft.log import Log
from ultracloud.raft.messages import Append, Appended, Install
from ultracloud.raft.reads import LeaderReads
from ultracloud.raft.replication import Replication
from ultracloud.raft.state import State
from ultracloud.raft.turns import Lead, Turn
from ultracloud.raft.words import NOBODY, Config, Entry, HardState, NodeId

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def old_terms_are_counted(patch: Patch) -> None:
    """A leader commits an entry of an earlier term because a majority has it (5.4.2, figure 8)."""

    def advance(leader: Leader) -> Turn:
        leader._state.log.commit_to(quorum.agreed(leader._state.config, leader._replication.stored))
        return None

    patch.setattr(Leader, "advance", advance)


def votes_are_forgotten(patch: Patch) -> None:
    """A node votes again in the same term after a restart (5.2)."""
    restored = Disk.restored

    def forgetful(disk: Disk) -> object:
        kept = disk.hard_state
        disk.hard_state = HardState(kept.term, NOBODY, kept.commit)
        return restored(disk)

    patch.setattr(Disk, "restored", forgetful)


def terms_are_forgotten(patch: Patch) -> None:
    """A node does not know after a restart in which term it acknowledged."""
    restored = Disk.restored

    def forgetful(disk: Disk) -> object:
        disk.hard_state = HardState(disk.mark.term, NOBODY, disk.hard_state.commit)
        return restored(disk)

    patch.setattr(Disk, "restored", forgetful)


def reads_need_no_quorum(patch: Patch) -> None:
    """A leader that may have been deposed answers reads (dissertation, 6.4)."""
    patch.setattr(Leader, "_has_lease", lambda _: True)


def reads_need_no_own_entry(patch: Patch) -> None:
    """A new leader answers reads before it knows what is committed (dissertation, 6.4, step 1)."""

    def flush(leader: Leader) -> None:
        if leader._reads.is_waiting:
            leader._replication.heartbeat()
            leader._reads.begin(leader._replication.round)
        if leader._leads_surely():
            leader._leave_joint()
        leader._replication.flush()

    patch.setattr(Leader, "flush", flush)


def reads_join_an_older_round(patch: Patch) -> None:
    """An answer to a heartbeat that was sent before a read was asked for confirms it (dissertation, 6.4, step 3)."""
    confirmed = LeaderReads.confirmed
    patch.setattr(LeaderReads, "confirmed", lambda reads, _: confirmed(reads, 1 << 60))


def answers_outlive_a_restart(patch: Patch) -> None:
    """A follower numbers its questions from zero again after a restart."""
    init = State.__init__

    def counted(state: State, *args: object) -> None:
        init(state, *args)  # type: ignore[arg-type]
        state.read_batch = 0

    patch.setattr(State, "__init__", counted)


def leases_last_too_long(patch: Patch) -> None:
    """A lease is longer than the promise it stands on (dissertation, 6.4.1)."""

    keeps = Leader._has_lease

    def has_lease(leader: Leader) -> bool:
        options = leader._state.options
        return keeps(leader) or (
            options.lease_reads and leader._state.tick - leader._lease_tick < 3 * options.election_ticks
        )

    patch.setattr(Leader, "_has_lease", has_lease)


def leases_survive_transfers(patch: Patch) -> None:
    """A leader reads by lease although it told another to campaign."""
    tell = Leader._tell_to_campaign

    def reckless(leader: Leader, target: NodeId) -> None:
        tell(leader, target)
        leader._is_lease_void = False

    patch.setattr(Leader, "_tell_to_campaign", reckless)


def short_logs_win(patch: Patch) -> None:
    """A vote is given without comparing logs (5.4.1)."""
    patch.setattr(Log, "is_up_to_date", lambda *_: True)


def leaders_count_what_they_did_not_store(patch: Patch) -> None:
    """A leader counts itself before its own disk has the entry."""
    stored = Replication.stored

    def hasty(replication: Replication, node: NodeId) -> int:
        state = replication._state
        return state.log.last_index if node == state.node else stored(replication, node)

    patch.setattr(Replication, "stored", hasty)


def followers_answer_before_they_stored(patch: Patch) -> None:
    """An acknowledgement goes out before the entries are durable."""

    def answer(state: State) -> None:
        if state._ack is not None:
            state.messages.append(Appended(state._ack[0], state.node, state.term, state._ack[1]))
            state._ack = None

    patch.setattr(State, "_answer_leader", answer)


def votes_are_given_before_they_are_stored(patch: Patch) -> None:
    """A vote goes out before it is durable."""
    take = State.take_ready

    def hasty(state: State, committed: Sequence[Entry]) -> object:
        state.messages += state.promises
        state.promises.clear()
        return take(state, committed)

    patch.setattr(State, "take_ready", hasty)


def overtaken_appends_cut_the_log(patch: Patch) -> None:
    """An older Append removes entries that a later one brought (5.3)."""

    def accept(log: Log, prev_index: int, entries: Sequence[Entry]) -> int:
        log._cut(prev_index)
        log._entries += entries
        return prev_index + len(entries)

    patch.setattr(Log, "accept", accept)


def logs_are_not_compared(patch: Patch) -> None:
    """An Append is taken without looking at the entry before it (5.3)."""
    term = Log.term

    def anything(log: Log, index: int) -> int | None:
        return log.last_term if index > log.commit else term(log, index)

    patch.setattr(Log, "term", anything)


def half_is_a_majority(patch: Patch) -> None:
    """Two of four decide."""

    def agreed(voters: frozenset[NodeId], reached: Callable[[NodeId], int]) -> int:
        return sorted(map(reached, voters))[len(voters) // 2] if voters else 0

    patch.setattr(quorum, "_agreed", agreed)


def joint_is_only_the_new(patch: Patch) -> None:
    """In a joint configuration the outgoing voters are not asked (6)."""
    agreed, tally = quorum.agreed, quorum.tally
    patch.setattr(quorum, "agreed", lambda config, reached: agreed(Config(config.voters), reached))
    patch.setattr(quorum, "tally", lambda config, votes: tally(Config(config.voters), votes))


def changes_overlap(patch: Patch) -> None:
    """A change is logged while another one is not yet applied (dissertation, 4.1)."""
    propose = Leader.propose_config

    def reckless(leader: Leader, event: object) -> None:
        log = leader._state.log
        log.config_indexes, kept = [], log.config_indexes
        propose(leader, event)  # type: ignore[arg-type]
        log.config_indexes = kept + log.config_indexes

    patch.setattr(Leader, "propose_config", reckless)


def candidates_do_not_count(patch: Patch) -> None:
    """One vote is enough."""
    patch.setattr(Candidate, "_outcome", lambda candidate: Lead() if candidate._votes else None)


def snapshots_cut_what_is_known(patch: Patch) -> None:
    """A late snapshot replaces a log that has more (7)."""
    from ultracloud.raft.follower import Follower

    def install(follower: Follower, message: Install) -> None:
        state = follower._state
        if message.mark.index > state.mark.index:
            state.install(message.mark)
        state.ack(message.sender, state.log.commit)

    patch.setattr(Follower, "_install", install)


def commit_goes_too_far(patch: Patch) -> None:
    """A follower commits what the leader has committed, even where its own log differs yet (figure 2, step 5)."""
    from ultracloud.raft.follower import Follower

    def append(follower: Follower, message: Append) -> None:
        state, log = follower._state, follower._state.log
        if message.prev_index >= log.commit and log.term(message.prev_index) == message.prev_term:
            last = log.accept(message.prev_index, message.entries)
            log.commit_to(min(message.commit, log.last_index))
            state.ack(message.sender, last)
        elif message.prev_index >= log.commit:
            state.messages.append(follower._rejection(message))
        else:
            state.ack(message.sender, log.commit)

    patch.setattr(Follower, "_append", append)


def applied_before_stored(patch: Patch) -> None:
    """A follower applies what is committed before its own disk has it."""
    emit = Log.emit

    def hasty(log: Log) -> object:
        durable, log.durable = log.durable, log.last_index
        entries = emit(log)
        log.durable = durable
        return entries

    patch.setattr(Log, "emit", hasty)


def campaigns_by_an_old_configuration(patch: Patch) -> None:
    """A node stands for election although it knows of a committed change that it does not live by yet."""
    patch.setattr(Log, "has_unapplied_config", lambda _: False)


def commit_is_not_stored(patch: Patch) -> None:
    """A node that has a change does not know after a restart that the one before it was committed."""
    restored = Disk.restored

    def forgetful(disk: Disk) -> object:
        kept = disk.hard_state
        disk.hard_state = HardState(kept.term, kept.vote, 0)
        return restored(disk)

    patch.setattr(Disk, "restored", forgetful)


def requests_go_before_they_are_stored(patch: Patch) -> None:
    """A candidate asks for votes that it may ask for again after a crash, with a shorter log."""
    start = Candidate.start

    def hasty(candidate: Candidate) -> Turn:
        turn = start(candidate)
        state = candidate._state
        state.messages += state.promises
        state.promises.clear()
        return turn

    patch.setattr(Candidate, "start", hasty)


@dataclass(frozen=True, slots=True)
class Golden:
    """The conversation tests/golden/`name`.txt shows it: `wrong` is said, where the golden does not say it."""

    name: str
    wrong: str


Found = Theme | Golden
"""What shows a mutant: random runs of one theme, or a conversation where those would be too rare."""

MUTANTS: tuple[tuple[Mutant, Found], ...] = (
    (old_terms_are_counted, Golden("paper-5.4.2-figure-8", "  1 applies 2/2 2")),
    (votes_are_forgotten, Golden("paper-5.2-one-vote", "  3 is leader in term 2")),
    (terms_are_forgotten, weather.disks),
    (reads_need_no_quorum, weather.isolation),
    (reads_need_no_own_entry, weather.isolation),
    (reads_join_an_older_round, weather.isolation),
    (answers_outlive_a_restart, weather.overtaking),
    (leases_last_too_long, weather.leases),
    (leases_survive_transfers, Golden("dissertation-6.4.1-leases", "1 may answer read 19 as of 2")),
    (short_logs_win, weather.figure_8),
    (leaders_count_what_they_did_not_store, weather.disks),
    (followers_answer_before_they_stored, weather.disks),
    (votes_are_given_before_they_are_stored, Golden("paper-5.5-crashes", "  1 is leader in term 2")),
    (overtaken_appends_cut_the_log, weather.handover),
    (logs_are_not_compared, weather.figure_8),
    (half_is_a_majority, weather.members),
    (joint_is_only_the_new, Golden("dissertation-4.3-joint", "  2 is leader in term 3")),
    (changes_overlap, weather.members),
    (candidates_do_not_count, weather.figure_8),
    (snapshots_cut_what_is_known, weather.catching_up),
    (commit_goes_too_far, Golden("paper-5.3-commit-in-step", "  3 applies 2/2 2, 3/3 3, 4/3 4")),
    (applied_before_stored, weather.figure_8),
    (campaigns_by_an_old_configuration, Golden("not-by-an-old-configuration", "2 is pre-candidate in term 2")),
    (commit_is_not_stored, weather.members),
    (requests_go_before_they_are_stored, Golden("paper-5.5-request-lost", "  1 is leader in term 3")),
)
