"""The part of a follower: take what the leader sends, pass on what is asked for, and miss it when it is silent.

Source: the Raft paper, sections 5.2, 5.3 and 7; the dissertation, 3.10.
"""

from __future__ import annotations

from typing import assert_never

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
from ultracloud.raft.reads import FollowerReads
from ultracloud.raft.state import State
from ultracloud.raft.turns import Role, Stand, Turn
from ultracloud.raft.words import NOBODY, NodeId

GONE_TICKS = 3
"""When a leader has ended, all its followers learn of it together; those that draw alike disturb each other."""


class Follower:
    """One term of following, or of waiting for a leader."""

    role = Role.FOLLOWER

    def __init__(self, state: State) -> None:
        self._state = state
        self._timeout_ticks = state.draw_timeout()
        self._silent_ticks = 0
        self._reads = FollowerReads(state)

    @property
    def accepts_proposals(self) -> bool:
        """Whether there is a leader to pass them to."""
        return self._state.leader != NOBODY

    def tick(self) -> Turn:
        """Stand for election when the leader was silent for too long; a learner only forgets it."""
        self._silent_ticks += 1
        self._reads.tick()
        if self._silent_ticks < self._timeout_ticks:
            return None
        self._silent_ticks = 0
        self._reads.lose()
        self._state.leader = NOBODY
        return Stand(self._state.options.pre_vote) if self._state.may_campaign() else None

    def gone(self, peer: NodeId) -> None:
        """The leader's process has ended: stand for election within the next GONE_TICKS ticks."""
        state = self._state
        if peer == state.leader and not state.options.lease_reads:
            state.lose_contact()
            self._silent_ticks = max(self._silent_ticks, self._timeout_ticks - 1 - state.draw(GONE_TICKS))

    def receive(self, message: Message) -> Turn:
        """A message of this term."""
        match message:
            case Append():
                self._contact(message)
                self._append(message)
            case Heartbeat():
                self._contact(message)
                self._heartbeat(message)
            case Install():
                self._contact(message)
                self._install(message)
            case ReadReply():
                self._reads.answered(message)
            case TimeoutNow() if self._state.may_campaign():
                return Stand(is_pre=False, is_transfer=True)
            case Appended() | HeartbeatReply() | Vote() | VoteRequest() | Forward() | ReadRequest() | TimeoutNow():
                pass  # for a part that this node does not play any more
            case _:
                assert_never(message)
        return None

    def _contact(self, message: Append | Heartbeat | Install) -> None:
        """The leader is there."""
        self._state.contact(message.sender)
        self._silent_ticks = 0

    def _append(self, message: Append) -> None:
        """Make the log as the leader's, if they are alike where its entries begin (5.3)."""
        state, log = self._state, self._state.log
        if message.prev_index < log.commit:
            # Overtaken: what is committed here is as the leader has it, and may not be kept any more to compare.
            state.ack(message.sender, log.commit)
        elif log.term(message.prev_index) == message.prev_term:
            last = log.accept(message.prev_index, message.entries)
            log.commit_to(min(message.commit, last))
            state.ack(message.sender, last)
        else:
            state.messages.append(self._rejection(message))

    def _rejection(self, message: Append) -> Appended:
        """Say where the logs can be alike at most, so that the leader skips whole terms at once (5.3, at its end)."""
        state, log = self._state, self._state.log
        hint = log.meeting_point(message.prev_index, message.prev_term)
        return Appended(
            message.sender,
            state.node,
            state.term,
            message.prev_index,
            rejected=True,
            hint_index=hint,
            hint_term=log.term(hint) or 0,
        )

    def _heartbeat(self, message: Heartbeat) -> None:
        """Learn what is committed, and say that this leader is still followed if it asks."""
        state = self._state
        state.log.commit_to(message.commit)
        if message.round:
            state.messages.append(HeartbeatReply(message.sender, state.node, state.term, message.round))

    def _install(self, message: Install) -> None:
        """Take the snapshot if it has more than this node; what its log already has is only committed (7)."""
        state, log, mark = self._state, self._state.log, message.mark
        if mark.index > log.commit:
            if log.term(mark.index) == mark.term:
                log.commit_to(mark.index)
            else:
                state.install(mark)
        state.ack(message.sender, log.commit)

    def propose(self, bodies: tuple[bytes, ...]) -> None:
        """Pass proposals to the leader, in messages of bounded size."""
        state = self._state
        if state.leader == NOBODY:
            return
        start = size = 0
        for place, body in enumerate(bodies):
            if place > start and size + len(body) > state.options.append_bytes_max:
                state.messages.append(Forward(state.leader, state.node, state.term, bodies[start:place]))
                start, size = place, 0
            size += len(body)
        state.messages.append(Forward(state.leader, state.node, state.term, bodies[start:]))

    def read(self, context: int) -> None:
        """A read is asked for here."""
        self._reads.ask(context)

    def persisted(self) -> Turn:
        """Something is durable that was not."""
        return None

    def advance(self) -> Turn:
        """A follower commits what it is told."""
        return None

    def reconfigured(self) -> Turn:
        """Another configuration holds."""
        return None

    def flush(self) -> None:
        """The step ends."""
        self._reads.flush()

    def end(self) -> None:
        """Another part begins."""
        self._reads.lose()
