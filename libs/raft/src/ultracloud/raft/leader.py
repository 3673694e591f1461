"""The part of a leader: log what is proposed, commit what a quorum has, answer reads, and step down in time.

Source: the Raft paper, sections 5.3, 5.4.2 and 6; the dissertation, 3.10, 4.2, 6.4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import repeat
from typing import assert_never

from ultracloud.raft import config as config_body
from ultracloud.raft import membership, quorum
from ultracloud.raft.events import ProposeConfig, SnapshotSent
from ultracloud.raft.messages import (
    Append,
    Appended,
    Forward,
    Heartbeat,
    HeartbeatReply,
    Install,
    Message,
    ReadReply,
    ReadRequest,
    TimeoutNow,
    Vote,
    VoteRequest,
)
from ultracloud.raft.progress import Progress
from ultracloud.raft.reads import Asked, LeaderReads
from ultracloud.raft.replication import Replication
from ultracloud.raft.state import State
from ultracloud.raft.turns import Follow, Role, Turn
from ultracloud.raft.words import NOBODY, Entry, EntryKind, NodeId


class Leader:
    """One term of leading."""

    role = Role.LEADER

    def __init__(self, state: State) -> None:
        self._state = state
        self._replication = Replication(state)
        self._reads = LeaderReads(state)
        self._heartbeat_ticks = 0
        self._quorum_ticks = 0
        self._transfer_ticks = 0
        self.transfer_target = NOBODY
        self._is_lease_void = False
        """A TimeoutNow may still be on its way: its receiver is voted for in spite of all leases."""
        self._lease_tick = -state.options.election_ticks
        """When the last round was begun that a quorum answered."""
        self._rounds: deque[tuple[int, int]] = deque()
        """Rounds that no quorum has answered yet, and when they began."""
        self._proposed_bytes = 0
        self._committed_bytes = 0
        self._proposed: deque[tuple[int, int]] = deque()
        """Last index of what was proposed at once, and all bytes proposed by then."""
        self._may_commit = True
        self._first_index = state.log.last_index + 1
        self._farewell_index = 0
        """The last entry of a leader that is no voter any more; 0 as long as it is one."""

    def start(self) -> None:
        """Begin the term with an entry that commits all before it (5.4.2; 8)."""
        self._state.leader = self._state.node
        self._log((b"",))

    @property
    def accepts_proposals(self) -> bool:
        """Whether a proposal would be logged."""
        log = self._state.log
        # What the others have committed stays in this node's memory until its own disk has it.
        done = min(log.commit, log.durable)
        while self._proposed and self._proposed[0][0] <= done:
            self._committed_bytes = self._proposed.popleft()[1]
        is_full = self._proposed_bytes - self._committed_bytes >= self._state.options.uncommitted_bytes_max
        return self.transfer_target == NOBODY and not self._farewell_index and not is_full

    def progress(self) -> Mapping[NodeId, Progress]:
        """What is known of each peer."""
        return self._replication.progress()

    def propose(self, bodies: tuple[bytes, ...]) -> None:
        """Log proposals, unless too much is uncommitted or another node is to lead."""
        if bodies and self.accepts_proposals:
            self._log(bodies)

    def _log(self, bodies: tuple[bytes, ...], kind: EntryKind = EntryKind.NORMAL) -> None:
        """Append to the log."""
        log = self._state.log
        first = log.last_index + 1
        indexes = range(first, first + len(bodies))
        log.append(list(map(Entry, indexes, repeat(self._state.term), repeat(kind), bodies)))
        if kind is EntryKind.CONFIG:
            log.config_indexes.append(first)
        self._proposed_bytes += sum(map(len, bodies))
        self._proposed.append((log.last_index, self._proposed_bytes))

    def propose_config(self, event: ProposeConfig) -> None:
        """Log a change of configuration.

        Only one may be under way (4.1), and none before an entry of this term is committed: a change that an older
        leader made might be unknown here until then.
        """
        state = self._state
        if not self.accepts_proposals or not self._leads_surely() or state.log.config_indexes:
            state.is_change_refused = True
            return
        try:
            membership.changed(state.config, event.changes)
        except membership.InvalidChangeError:
            state.is_change_refused = True
        else:
            self._log((config_body.render(event.changes, event.context),), EntryKind.CONFIG)

    def _leads_surely(self) -> bool:
        """Whether an entry of this term is committed: only then is this node's commit index the newest there is."""
        return self._state.log.commit >= self._first_index

    def receive(self, message: Message) -> Turn:
        """A message of this term."""
        match message:
            case Appended():
                if self._replication.appended(message):
                    self._may_commit = True
                    self._hand_over_if_ready()
            case HeartbeatReply():
                if self._replication.beaten(message):
                    self._confirm()
            case Forward():
                self.propose(message.bodies)
            case ReadRequest():
                self._reads.ask(Asked(message.sender, message.context))
            case Append() | Heartbeat() | Install():
                raise AssertionError(f"{message.sender} also leads in term {message.term}")
            case Vote() | VoteRequest() | ReadReply() | TimeoutNow():
                pass  # what other parts wait for
            case _:
                assert_never(message)
        return None

    def _confirm(self) -> None:
        """A peer answered a round: perhaps a quorum has."""
        number = quorum.agreed(self._state.config, self._replication.answered)
        while self._rounds and self._rounds[0][0] <= number:
            self._lease_tick = self._rounds.popleft()[1]
        self._reads.confirmed(number)

    def read(self, context: int) -> None:
        """A read is asked for here."""
        self._reads.ask(Asked(self._state.node, context))

    def _has_lease(self) -> bool:
        """Whether reads need no round: no other node can lead, or a quorum promised not to vote for one yet."""
        state = self._state
        config, options = state.config, state.options
        if config.voters == {state.node} and not config.outgoing:
            return True
        if not options.lease_reads or self._is_lease_void:
            return False
        return state.tick - self._lease_tick < options.election_ticks - options.lease_margin_ticks

    def _heartbeat(self) -> None:
        """Begin a round."""
        self._heartbeat_ticks = 0
        self._replication.heartbeat()
        if self._state.options.lease_reads:
            self._rounds.append((self._replication.round, self._state.tick))
        if self._reads.is_waiting and self._leads_surely():
            self._reads.begin(self._replication.round)

    def tick(self) -> Turn:
        """Beat, give up a transfer that takes too long, and step down without a quorum."""
        state = self._state
        self._heartbeat_ticks += 1
        self._quorum_ticks += 1
        self._transfer_ticks += 1
        if self._transfer_ticks >= state.options.election_ticks:
            self.transfer_target = NOBODY
        if self._quorum_ticks >= state.options.election_ticks:
            self._quorum_ticks = 0
            if not quorum.is_quorum(state.config, self._replication.take_active()) and state.options.check_quorum:
                return Follow(state.term, NOBODY)
        if self._heartbeat_ticks >= state.options.heartbeat_ticks:
            self._heartbeat()
        return None

    def transfer(self, target: NodeId) -> None:
        """Stop logging, bring `target` up to date, then have it campaign (3.10)."""
        state = self._state
        if target != state.node and target in state.config.voters:
            self.transfer_target = target
            self._transfer_ticks = 0
            self._hand_over_if_ready()

    def _hand_over_if_ready(self) -> None:
        """Tell the target of a transfer to campaign once it has everything."""
        target = self.transfer_target
        if target == NOBODY or target not in self._state.config.voters:
            return
        if self._replication.stored(target) == self._state.log.last_index:
            self._tell_to_campaign(target)

    def _tell_to_campaign(self, target: NodeId) -> None:
        """Have `target` stand for election now."""
        self._is_lease_void = True
        self._state.messages.append(TimeoutNow(target, self._state.node, self._state.term))

    def unreachable(self, node: NodeId) -> None:
        """Messages to a peer do not arrive."""
        self._replication.unreachable(node)

    def snapshot_sent(self, event: SnapshotSent) -> None:
        """A stream has ended."""
        self._replication.snapshot_sent(event)

    def persisted(self) -> Turn:
        """This node may have more on its disk."""
        self._may_commit = True
        return None

    def advance(self) -> Turn:
        """Commit what a quorum has: only an entry of this term is counted, and takes those before it along (5.4.2)."""
        if not self._may_commit:
            return None
        self._may_commit = False
        state = self._state
        index = quorum.agreed(state.config, self._replication.stored)
        if index > state.log.commit and state.log.term(index) == state.term:
            state.log.commit_to(self._settled(index))
        if not 0 < self._farewell_index <= state.log.commit:
            return None
        self._replication.flush()
        successor = self._replication.best_voter()
        if successor is not None:
            self._tell_to_campaign(successor)
        return Follow(state.term, NOBODY)

    def _settled(self, index: int) -> int:
        """What may count as committed of what a quorum has.

        A change of members does once this node's disk says so, and nobody hears of it before: whoever leaves by it
        may be gone for good, and this node, if it came back without knowing, would wait for its vote.
        """
        log = self._state.log
        for change in log.config_indexes:
            if log.commit < change <= index and not self._state.settle(change):
                return change - 1
        return index

    def tell_commit(self) -> None:
        """Before another configuration holds: who leaves by it hears that it is committed."""
        self._replication.flush()

    def reconfigured(self) -> Turn:
        """Another configuration holds. A leader that it leaves out leads no longer than it must (4.2.2).

        Configurations hold once they are committed, so those who stay must know that this one is, or they would wait
        for the vote of a node that is gone. One more entry goes to them. Whoever has stored it has stored with it what
        was committed before; once a quorum has, one of them may lead.
        """
        state = self._state
        self._replication.reconfigure()
        self._may_commit = True
        self._confirm()
        if state.node not in membership.deciders(state.config) and not self._farewell_index:
            self._log((b"",))
            self._farewell_index = state.log.last_index
        return None

    def flush(self) -> None:
        """The step ends: answer or begin a round for reads, then send entries."""
        if self._leads_surely():
            self._leave_joint()
            if self._reads.is_waiting:
                if self._has_lease():
                    self._reads.answer_waiting()
                else:
                    self._heartbeat()
        self._replication.flush()

    def _leave_joint(self) -> None:
        """Leave a joint configuration once it holds (6)."""
        state = self._state
        if state.config.auto_leave and not state.log.config_indexes:
            self._log((config_body.render(()),), EntryKind.CONFIG)

    def end(self) -> None:
        """Another part begins."""
        self._reads.lose()
