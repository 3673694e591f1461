"""Reads that see everything that was acknowledged before they were asked for.

A leader notes its commit index, asks in a heartbeat round whether it still leads, and answers when a quorum says so.
One round is out at a time: reads that come meanwhile share the next. A follower asks the leader for the index, also
one request at a time.

Source: the dissertation, section 6.4.
"""

from __future__ import annotations

from typing import NamedTuple

from ultracloud.raft.events import ReadState
from ultracloud.raft.messages import ReadReply, ReadRequest
from ultracloud.raft.state import State
from ultracloud.raft.words import NOBODY, NodeId


class Asked(NamedTuple):
    """A read: who asked for it, and by what number."""

    node: NodeId
    context: int


class LeaderReads:
    """The reads that a leader was asked for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: dict[Asked, None] = {}
        """In order, and each once: a follower repeats its request."""
        self._round = 0
        self._round_index = 0
        self._in_round: tuple[Asked, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Whether reads wait for a round of their own, and none is out."""
        return bool(self._waiting) and not self._in_round

    def ask(self, asked: Asked) -> None:
        """A read is asked for."""
        if len(self._waiting) < self._state.options.reads_max:
            self._waiting[asked] = None
        elif asked.node == self._state.node:
            self._state.lost_reads.append(asked.context)

    def begin(self, number: int) -> None:
        """Heartbeat round `number` goes out for all that wait; what is committed now is what they must see."""
        self._round, self._round_index = number, self._state.log.commit
        self._in_round = tuple(self._waiting)
        self._waiting.clear()

    def confirmed(self, number: int) -> None:
        """A quorum answered round `number`."""
        if self._in_round and number >= self._round:
            self._answer(self._in_round, self._round_index)
            self._in_round = ()

    def answer_waiting(self) -> None:
        """Answer without a round."""
        self._answer(tuple(self._waiting), self._state.log.commit)
        self._waiting.clear()

    def _answer(self, reads: tuple[Asked, ...], index: int) -> None:
        """These reads must see `index`."""
        state = self._state
        for node, context in reads:
            if node == state.node:
                state.reads.append(ReadState(context, index))
            else:
                state.messages.append(ReadReply(node, state.node, state.term, context, index))

    def lose(self) -> None:
        """This node leads no more. Followers notice by themselves."""
        own = [read.context for read in (*self._in_round, *self._waiting) if read.node == self._state.node]
        self._state.lost_reads += own


class FollowerReads:
    """The reads for which a follower asks its leader."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: list[int] = []
        self._asked: list[int] = []
        self._age_ticks = 0

    def ask(self, context: int) -> None:
        """A read is asked for."""
        if self._state.leader == NOBODY or len(self._waiting) >= self._state.options.reads_max:
            self._state.lost_reads.append(context)
        else:
            self._waiting.append(context)

    def flush(self) -> None:
        """Ask for all that wait, unless an answer is still to come."""
        if self._waiting and not self._asked:
            self._asked, self._waiting = self._waiting, []
            self._state.read_batch += 1
            self._send()

    def tick(self) -> None:
        """Ask again when request or answer must have been lost."""
        self._age_ticks += 1
        if self._asked and self._age_ticks > self._state.options.heartbeat_ticks:
            self._send()

    def _send(self) -> None:
        """Ask the leader."""
        state = self._state
        self._age_ticks = 0
        state.messages.append(ReadRequest(state.leader, state.node, state.term, state.read_batch))

    def answered(self, reply: ReadReply) -> None:
        """The leader says which index they must see."""
        if reply.context == self._state.read_batch:
            self._state.reads += [ReadState(context, reply.index) for context in self._asked]
            self._asked = []

    def lose(self) -> None:
        """The leader they were asked of is not followed any more."""
        self._state.lost_reads += self._asked + self._waiting
        self._asked, self._waiting = [], []
