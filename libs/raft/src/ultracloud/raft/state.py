"""What a node knows whatever part it plays, and what it has to say at the end of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ultracloud.raft import membership
from ultracloud.raft.config import parse
from ultracloud.raft.events import ReadState, Ready
from ultracloud.raft.log import Log
from ultracloud.raft.membership import History
from ultracloud.raft.messages import Appended, Message
from ultracloud.raft.options import Options
from ultracloud.raft.words import NOBODY, Config, Entry, EntryKind, HardState, NodeId, Restored, SnapshotMark

Draw = Callable[[int], int]
"""draw(n) gives one of 0 to n - 1."""


class State:
    """Term, vote, log and configuration of one node; and what the step has made of them."""

    def __init__(self, node: NodeId, options: Options, restored: Restored, draw: Draw) -> None:
        self.node = node
        self.options = options
        self.term = max(restored.hard_state.term, restored.mark.term)
        self.vote = restored.hard_state.vote if self.term == restored.hard_state.term else NOBODY
        self.leader = NOBODY
        self.tick = 0
        self.contact_tick = 0 if options.lease_reads else -options.election_ticks
        """When a leader was last heard of. Under leases a node that starts may have promised before not to vote."""
        self.mark = restored.mark
        self.log = _log(restored)
        self.history = History(restored.mark.index, restored.mark.config)
        for entry in self.log.slice(restored.mark.index, self.log.emitted):
            if entry.kind is EntryKind.CONFIG:
                self.switch_config(entry)
        self._draw = draw
        self.read_batch = draw(1 << 31) << 31
        """Starts anywhere: an answer to an earlier life of this node must not pass for one to this life."""

        self.number = 0
        """Of the last Ready."""
        self._persisted = 0
        self._vote_number = 0
        self._settled = self._settled_number = 0
        """What must be stored as committed before it counts, and the Ready that stores it."""
        self._told = self._synced = HardState(self.term, self.vote, restored.hard_state.commit)
        self._ack: tuple[NodeId, int] | None = None
        self._snapshot: SnapshotMark | None = None
        self.messages: list[Message] = []
        self.promises: list[Message] = []
        self.reads: list[ReadState] = []
        self.lost_reads: list[int] = []
        self.is_change_refused = False

    @property
    def config(self) -> Config:
        """Who takes part."""
        return self.history.config

    def draw(self, ceiling: int) -> int:
        """A random number from 0 to `ceiling` - 1."""
        return self._draw(ceiling)

    def draw_timeout(self) -> int:
        """An election timeout in ticks: drawn anew each time, so that candidates that met do not meet again (5.2)."""
        return self.options.election_ticks + self._draw(self.options.election_ticks)

    def may_campaign(self) -> bool:
        """Whether this node may stand for election.

        One that knows of a committed change but does not live by it yet might win by a majority that is none any more.
        """
        return self.node in membership.deciders(self.config) and not self.log.has_unapplied_config()

    def is_loyal(self) -> bool:
        """Whether a leader was heard so lately that nobody else gets a vote (dissertation, 4.2.3 and 6.4.1)."""
        options = self.options
        if not options.check_quorum or self.tick - self.contact_tick >= options.election_ticks:
            return False
        return self.leader != NOBODY or options.lease_reads

    def contact(self, leader: NodeId) -> None:
        """The leader of this term spoke."""
        assert self.leader in (NOBODY, leader), f"two leaders in term {self.term}: {self.leader} and {leader}"
        self.leader = leader
        self.contact_tick = self.tick

    def lose_contact(self) -> None:
        """The leader has ended: somebody else may have this node's vote."""
        self.contact_tick = self.tick - self.options.election_ticks

    def follow(self, term: int, leader: NodeId) -> None:
        """Go on in `term`, at least the present one."""
        assert term >= self.term, "terms only rise"
        if term > self.term:
            self.term, self.vote = term, NOBODY
            self._ack = None
        self.leader = leader

    def ack(self, leader: NodeId, index: int) -> None:
        """Everything up to `index` is as `leader` has it: say so once it is durable. One answer a step is enough."""
        self._ack = (leader, max(index, self._ack[1] if self._ack else 0))

    def install(self, mark: SnapshotMark) -> None:
        """Replace state machine and log."""
        self.log.restore(mark.index, mark.term, self.number + 1)
        self.mark = self._snapshot = mark
        self.history = History(mark.index, mark.config)

    def mark_at(self, index: int) -> SnapshotMark:
        """What a snapshot of the state machine as of `index` stands for, from the last mark to what was emitted."""
        term = self.log.term(index)
        assert self.mark.index <= index <= self.log.emitted, f"no state as of {index}"
        assert term is not None
        return SnapshotMark(index, term, self.history.at(index))

    def compact(self, index: int) -> None:
        """The state machine has a snapshot as of `index`."""
        if index <= self.mark.index:
            return
        self.mark = self.mark_at(index)
        self.history.forget(index)
        self.log.compact(index - self.options.compact_keep)

    def switch_config(self, entry: Entry) -> None:
        """A change of configuration is committed, and holds."""
        changes, _ = parse(entry.body)
        self.history.switch(entry.index, membership.changed(self.config, changes))

    def persisted(self, number: int) -> None:
        """What was to be stored up to Ready `number` is durable."""
        assert number <= self.number, f"Ready {number} was never given"
        self._persisted = max(self._persisted, number)
        self.log.persisted(number)

    def settle(self, index: int) -> bool:
        """Whether this node's disk says that `index`, which a quorum has, is committed; if not, it will."""
        if index > self._settled:
            self._settled, self._settled_number = index, self.number + 1
            return False
        return self._settled_number <= self._persisted

    def is_vote_durable(self) -> bool:
        """Whether term and vote are on disk."""
        is_told = self._synced.term == self.term and self._synced.vote == self.vote
        return is_told and self._vote_number <= self._persisted

    def take_ready(self, committed: Sequence[Entry]) -> Ready:
        """What this step has come to; the next one begins with nothing to say."""
        self.number += 1
        entries = self.log.take_unstored(self.number)
        snapshot, self._snapshot = self._snapshot, None
        hard_state, must_sync = self._take_hard_state(is_stored=bool(entries) or snapshot is not None)
        self._answer_leader()
        ready = Ready(
            self.number,
            hard_state,
            entries,
            snapshot,
            tuple(self.messages),
            tuple(self.promises),
            tuple(committed),
            tuple(self.reads),
            tuple(self.lost_reads),
            self.is_change_refused,
            bool(entries) or snapshot is not None or must_sync,
        )
        self._say_nothing()
        return ready

    def _take_hard_state(self, *, is_stored: bool) -> tuple[HardState | None, bool]:
        """The hard state if it is to be stored, and whether something waits for that.

        With entries the commit index goes too if any stored record lacks it: see `HardState.commit`.
        """
        term, vote, synced = self.term, self.vote, self._synced
        commit = max(self.log.commit, self._settled)
        is_vote_new = term != synced.term or vote != synced.vote
        is_settling = self._settled_number == self.number
        if is_vote_new or is_settling or is_stored:
            if not is_vote_new and commit == synced.commit:
                return None, is_settling
            self._told = self._synced = HardState(term, vote, commit)
            if is_vote_new:
                self._vote_number = self.number
            return self._told, is_vote_new or is_settling
        if commit == self._told.commit:
            return None, False
        self._told = HardState(term, vote, commit)
        return self._told, False

    def _answer_leader(self) -> None:
        """Acknowledge what came: at once if it is all on disk, together with the term.

        A node that acknowledged in a term it then forgets could let an older leader cut what it acknowledged.
        """
        if self._ack is None:
            return
        leader, index = self._ack
        is_durable = self.log.durable >= index and self.is_vote_durable()
        (self.messages if is_durable else self.promises).append(Appended(leader, self.node, self.term, index))
        self._ack = None

    def _say_nothing(self) -> None:
        """Forget what was said."""
        for said in (self.messages, self.promises, self.reads, self.lost_reads):
            if said:
                said.clear()
        self.is_change_refused = False


def _log(restored: Restored) -> Log:
    """The log after a restart; entries before the snapshot are kept for followers that are behind."""
    mark, entries = restored.mark, restored.entries
    assert mark.index or not mark.config.voters, "a first configuration needs a mark: a joiner would never learn it"
    assert restored.applied >= mark.index, "the state machine is older than its snapshot"
    base_index, base_term = mark.index, mark.term
    if entries and entries[0].index <= mark.index:
        (base_index, base_term), entries = (entries[0].index, entries[0].term), entries[1:]
    commit = max(restored.hard_state.commit, restored.applied, mark.index)
    log = Log(base_index, base_term, entries, commit, restored.applied)
    assert log.term(mark.index) == mark.term, "the log contradicts its snapshot"
    assert commit <= log.last_index, f"entry {commit} is committed but the log ends at {log.last_index}: lost?"
    return log
