"""One node of a Raft cluster: `step` takes what happened and gives what is to be done about it.

It has no clock, socket, disk or thread. The caller stores what a `Ready` wants stored, in order, and says `Persisted`;
sends `messages` at once and `promises` once that is durable; applies `committed`.

Source: "In Search of an Understandable Consensus Algorithm (Extended Version)"; "Consensus: Bridging Theory and
Practice". Where they leave a choice, etcd's raft was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from ultracloud.raft.candidate import Candidate
from ultracloud.raft.events import (
    Campaign,
    Compact,
    Event,
    Gone,
    Persisted,
    Propose,
    ProposeConfig,
    Read,
    Ready,
    SnapshotSent,
    Tick,
    TransferLeader,
    Unreachable,
)
from ultracloud.raft.follower import Follower
from ultracloud.raft.leader import Leader
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
from ultracloud.raft.options import Options
from ultracloud.raft.progress import Progress
from ultracloud.raft.state import Draw, State
from ultracloud.raft.turns import Follow, Lead, Role, Stand, Turn
from ultracloud.raft.words import NOBODY, Config, Entry, NodeId, Restored, SnapshotMark

_Part: TypeAlias = Follower | Candidate | Leader


class Raft:
    """One node.

    Args:
        node: Its id, not NOBODY, and never again given to another node.
        options: See `Options`.
        restored: What it had when it stopped, or what a new one begins with.
        draw: draw(n) gives a random number from 0 to n - 1.
    """

    def __init__(self, node: NodeId, options: Options, restored: Restored, draw: Draw) -> None:
        assert node != NOBODY, "node 0 is nobody"
        self._state = State(node, options, restored, draw)
        self._part: _Part = Follower(self._state)

    @property
    def node(self) -> NodeId:
        """Its id."""
        return self._state.node

    @property
    def role(self) -> Role:
        """The part it plays."""
        return self._part.role

    @property
    def leader(self) -> NodeId:
        """Who leads in `term`, as far as this node knows; NOBODY otherwise."""
        return self._state.leader

    @property
    def term(self) -> int:
        """The newest term it knows of."""
        return self._state.term

    @property
    def vote(self) -> NodeId:
        """Whom it voted for in `term`."""
        return self._state.vote

    @property
    def commit(self) -> int:
        """Highest index it knows to be committed."""
        return self._state.log.commit

    @property
    def emitted(self) -> int:
        """Highest index that was given out to be applied."""
        return self._state.log.emitted

    @property
    def first_index(self) -> int:
        """Index of the first entry that is kept."""
        return self._state.log.base_index + 1

    @property
    def last_index(self) -> int:
        """Index of the last entry, stored or not."""
        return self._state.log.last_index

    @property
    def config(self) -> Config:
        """Who takes part, once all that was emitted is applied."""
        return self._state.config

    @property
    def mark(self) -> SnapshotMark:
        """The last snapshot it was told of."""
        return self._state.mark

    @property
    def accepts_proposals(self) -> bool:
        """Whether a `Propose` now would be logged here or passed to a leader; otherwise it is dropped."""
        return self._part.accepts_proposals

    @property
    def transfer_target(self) -> NodeId:
        """Whom a leader is handing over to; NOBODY otherwise."""
        return self._part.transfer_target if isinstance(self._part, Leader) else NOBODY

    def progress(self) -> Mapping[NodeId, Progress]:
        """What a leader knows of its peers; nothing on any other node."""
        return self._part.progress() if isinstance(self._part, Leader) else {}

    def mark_at(self, index: int) -> SnapshotMark:
        """What a snapshot of the state machine as of `index` stands for; `mark.index` to `emitted`."""
        return self._state.mark_at(index)

    def step(self, *events: Event) -> Ready:
        """Take what happened, in order, and say what is to be done.

        With no event at all: what is to be done after a restart, or nothing.
        """
        for event in events:
            self._take(event)
        committed = self._commit()
        self._part.flush()
        return self._state.take_ready(committed)

    def _commit(self) -> tuple[Entry, ...]:
        """Commit, and live by what is committed, which may commit more."""
        committed: tuple[Entry, ...] = ()
        while True:
            self._turn(self._part.advance())
            entries = self._state.log.emit()
            if not entries:
                return committed
            committed = committed + entries if committed else entries
            for change in self._state.log.emitted_configs():
                if isinstance(self._part, Leader):
                    self._part.tell_commit()
                self._state.switch_config(change)
                self._turn(self._part.reconfigured())

    def _take(self, event: Event) -> None:
        """One event."""
        match event:
            case Propose():
                self._part.propose(event.bodies)
            case Persisted():
                self._state.persisted(event.number)
                self._turn(self._part.persisted())
            case VoteRequest():
                self._asked_for_vote(event)
            case (
                Append()
                | Appended()
                | Heartbeat()
                | HeartbeatReply()
                | Forward()
                | Vote()
                | Install()
                | TimeoutNow()
                | ReadRequest()
                | ReadReply()
            ):
                self._receive(event)
            case Tick():
                self._state.tick += 1
                self._turn(self._part.tick())
            case Read():
                self._part.read(event.context)
            case Compact():
                self._state.compact(event.index)
            case Campaign():
                self._campaign()
            case ProposeConfig() | TransferLeader() | Unreachable() | Gone() | SnapshotSent():
                self._take_as_leader(event)
            case _:
                assert_never(event)

    def _take_as_leader(self, event: ProposeConfig | TransferLeader | Unreachable | Gone | SnapshotSent) -> None:
        """One event that means nothing to most other parts."""
        part = self._part
        if not isinstance(part, Leader):
            self._state.is_change_refused |= isinstance(event, ProposeConfig)
            if isinstance(event, Gone) and isinstance(part, Follower):
                part.gone(event.peer)
            return
        match event:
            case ProposeConfig():
                part.propose_config(event)
            case TransferLeader():
                part.transfer(event.target)
            case Unreachable() | Gone():
                part.unreachable(event.peer)
            case SnapshotSent():
                part.snapshot_sent(event)
            case _:
                assert_never(event)

    def _receive(self, message: Message) -> None:
        """A message that is no request for a vote: first its term counts (5.1)."""
        state = self._state
        assert message.to == state.node, f"a message to {message.to} came to {state.node}"
        is_from_leader = isinstance(message, Append | Heartbeat | Install)
        if isinstance(message, Vote):
            self._learn_commit(message)
        if message.term < state.term:
            self._receive_stale(message, is_from_leader=is_from_leader)
            return
        # Whoever would vote names the term that the vote would be for, not its own.
        is_own_term = message.term == state.term or (isinstance(message, Vote) and message.is_pre and message.granted)
        if not is_own_term or (is_from_leader and isinstance(self._part, Candidate)):
            self._turn(Follow(message.term, message.sender if is_from_leader else NOBODY))
        self._turn(self._part.receive(message))

    def _receive_stale(self, message: Message, *, is_from_leader: bool) -> None:
        """A message of an earlier term means nothing; but a leader of such a term must hear of the newer one.

        With pre-votes or loyal voters this node cannot make it known by standing for election. Proposals of an earlier
        term are dropped too: so whoever forwarded some in a term knows, once an entry of a later one is applied, that
        they are in the log by then or never will be, and may propose them again.
        """
        state = self._state
        if is_from_leader:
            state.messages.append(Appended(message.sender, state.node, state.term, 0, rejected=True))

    def _learn_commit(self, message: VoteRequest | Vote) -> None:
        """What another node knows to be committed, whatever becomes of the vote.

        Configurations hold once they are committed. So a voter whose log is long enough to win, but which does not know
        that the nodes it would ask are gone, could wait for them for ever, while those who know have shorter logs.
        """
        if not isinstance(self._part, Leader):
            self._state.log.learn_commit(message.commit, message.commit_term)

    def _asked_for_vote(self, request: VoteRequest) -> None:
        """Somebody wants to lead (5.2, 5.4.1)."""
        state, log = self._state, self._state.log
        self._learn_commit(request)
        if request.term > state.term:
            if not request.is_transfer and self._is_loyal():
                return
            if not request.is_pre:
                self._turn(Follow(request.term, NOBODY))
        is_free = state.vote == request.sender or (state.vote == NOBODY and state.leader == NOBODY)
        may_vote = request.term > state.term or (request.term == state.term and is_free)
        granted = may_vote and log.is_up_to_date(request.last_index, request.last_term)
        term = request.term if granted else state.term
        vote = Vote(request.sender, state.node, term, granted, request.is_pre, log.commit, log.commit_term)
        if granted and not request.is_pre:
            state.vote = request.sender
            self._turn(Follow(state.term, NOBODY))
            state.promises.append(vote)
        else:
            state.messages.append(vote)

    def _is_loyal(self) -> bool:
        """Whether another leader is not wanted; one that leads without a quorum steps down by itself."""
        if isinstance(self._part, Leader):
            return self._state.options.check_quorum
        return self._state.is_loyal()

    def _campaign(self) -> None:
        """Stand for election now, but not against a lease that this node granted."""
        state = self._state
        is_bound = state.options.lease_reads and self._is_loyal() and state.config.voters != {state.node}
        if isinstance(self._part, Leader) or is_bound or not state.may_campaign():
            return
        self._turn(Stand(state.options.pre_vote))

    def _turn(self, turn: Turn) -> None:
        """Take another part, and perhaps the next one at once."""
        state = self._state
        while turn is not None:
            self._part.end()
            match turn:
                case Follow():
                    state.follow(turn.term, turn.leader)
                    self._part = Follower(state)
                    turn = None
                case Stand():
                    self._part = candidate = Candidate(state, turn)
                    turn = candidate.start()
                case Lead():
                    self._part = leader = Leader(state)
                    leader.start()
                    turn = None
                case _:
                    assert_never(turn)
