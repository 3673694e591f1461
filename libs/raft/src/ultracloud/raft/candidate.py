"""The part of a candidate: ask for votes; before that, as pre-candidate, ask whether it would get them.

The real request goes out, and the own vote counts, only when term, vote and log are durable: a candidate that forgot
them in a crash could collect votes again for the same term, with a shorter log than the votes were given to.

Source: the Raft paper, section 5.2; the dissertation, 9.6.
"""

from __future__ import annotations

from ultracloud.raft import membership, quorum
from ultracloud.raft.messages import Message, Vote, VoteRequest
from ultracloud.raft.state import State
from ultracloud.raft.turns import Follow, Lead, Role, Stand, Turn
from ultracloud.raft.words import NOBODY, NodeId


class Candidate:
    """One election."""

    def __init__(self, state: State, stand: Stand) -> None:
        self._state = state
        self._stand = stand
        self.role = Role.PRE_CANDIDATE if stand.is_pre else Role.CANDIDATE
        self._timeout_ticks = state.draw_timeout()
        self._elapsed_ticks = 0
        self._votes: dict[NodeId, bool] = {}

    @property
    def accepts_proposals(self) -> bool:
        """There is no leader."""
        return False

    def start(self) -> Turn:
        """Ask everybody."""
        state = self._state
        state.leader = NOBODY
        if not self._stand.is_pre:
            state.follow(state.term + 1, NOBODY)
            state.vote = state.node
        said = state.messages if self._stand.is_pre else state.promises
        said += [self._request(node) for node in sorted(membership.deciders(state.config)) if node != state.node]
        if not self._stand.is_pre:
            return None
        self._votes[state.node] = True
        return self._outcome()

    def _request(self, node: NodeId) -> VoteRequest:
        """A request for the vote of `node`."""
        state, log = self._state, self._state.log
        return VoteRequest(
            node,
            state.node,
            self._asked_term(),
            log.last_index,
            log.last_term,
            is_pre=self._stand.is_pre,
            is_transfer=self._stand.is_transfer,
            commit=log.commit,
            commit_term=log.commit_term,
        )

    def _asked_term(self) -> int:
        """The term that it wants to lead."""
        return self._state.term + 1 if self._stand.is_pre else self._state.term

    def tick(self) -> Turn:
        """Stand again when nobody won."""
        self._elapsed_ticks += 1
        if self._elapsed_ticks < self._timeout_ticks:
            return None
        self._elapsed_ticks = 0
        return Stand(self._state.options.pre_vote) if self._state.may_campaign() else None

    def receive(self, message: Message) -> Turn:
        """A message; votes of another election than this one count for nothing."""
        if not isinstance(message, Vote) or message.is_pre != self._stand.is_pre:
            return None
        if message.granted and message.term != self._asked_term():
            return None
        self._votes.setdefault(message.sender, message.granted)
        return self._outcome()

    def _outcome(self) -> Turn:
        """What the votes so far come to."""
        won = quorum.tally(self._state.config, self._votes)
        if won is None:
            return None
        if not won:
            return Follow(self._state.term, NOBODY)
        return Stand(is_pre=False) if self._stand.is_pre else Lead()

    def persisted(self) -> Turn:
        """The own vote counts once it is durable."""
        state = self._state
        if self._stand.is_pre or state.node in self._votes or not state.is_vote_durable():
            return None
        self._votes[state.node] = True
        return self._outcome()

    def propose(self, bodies: tuple[bytes, ...]) -> None:
        """Nobody leads: proposals are dropped."""

    def read(self, context: int) -> None:
        """Nobody leads."""
        self._state.lost_reads.append(context)

    def advance(self) -> Turn:
        """A candidate commits nothing."""
        return None

    def reconfigured(self) -> Turn:
        """Another configuration holds: the votes were asked of the wrong nodes."""
        return Follow(self._state.term, NOBODY)

    def flush(self) -> None:
        """The step ends."""

    def end(self) -> None:
        """Another part begins."""
