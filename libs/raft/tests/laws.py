"""What must hold in every run: the Raft paper's figure 3, and that reads see what was committed before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ultracloud.raft.events import Ready
from ultracloud.raft.raft import Raft
from ultracloud.raft.turns import Role
from ultracloud.raft.words import Config, Entry, NodeId, SnapshotMark


class BrokenLawError(AssertionError):
    """A run showed what must never be."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An entry that some leader committed."""

    entry: Entry
    leader_term: int


class Laws:
    """Watches all nodes of one run."""

    def __init__(self) -> None:
        self.committed: dict[int, Committed] = {}
        self.commit_max = 1
        self._leaders: dict[int, tuple[NodeId, int]] = {}
        self._entries: dict[tuple[int, int], tuple[Entry, int]] = {}
        self._configs: dict[int, Config] = {}

    def watch(self, raft: Raft, life: int, ready: Ready, *, did_lead: bool) -> None:
        """One node has made a step, before which it led or did not."""
        if ready.entries:
            self._log_matching(raft, ready.entries)
        if raft.role is Role.LEADER:
            self._lead(raft, life, ready)
        if did_lead or raft.role is Role.LEADER:
            self._commit(raft, max(raft.commit, ready.hard_state.commit if ready.hard_state else 0))
        self.commit_max = max(self.commit_max, raft.commit)
        for entry in ready.committed:
            self._state_machine_safety(entry)
        if ready.snapshot is not None:
            self.snapshot(ready.snapshot)
        if ready.committed or ready.snapshot is not None or ready.number == 1:
            self._same_config(raft.emitted, raft.config)

    def read(self, floor: int, index: int) -> None:
        """A read that was asked for when `floor` was committed may be answered with the state as of `index`."""
        if index < floor:
            raise BrokenLawError(f"a read sees only {index}, though {floor} was committed before it was asked for")
        if index > self.commit_max:
            raise BrokenLawError(f"a read waits for {index}, which nobody committed")

    def snapshot(self, mark: SnapshotMark) -> None:
        """A snapshot is taken or installed."""
        if mark.index in self.committed and self.committed[mark.index].entry.term != mark.term:
            raise BrokenLawError(f"a snapshot of another history: {mark}")
        self._same_config(mark.index, mark.config)

    def _log_matching(self, raft: Raft, entries: Sequence[Entry]) -> None:
        """Entries with the same index and term are the same, and so are all before them."""
        term = raft._state.log.term(entries[0].index - 1)
        if term is None:
            raise BrokenLawError("a log with a gap")
        for entry in entries:
            known = self._entries.setdefault((entry.index, entry.term), (entry, term))
            if known != (entry, term):
                raise BrokenLawError(f"log matching: {entry} after term {term}, and {known}")
            term = entry.term

    def _lead(self, raft: Raft, life: int, ready: Ready) -> None:
        """Election safety, leader append-only, leader completeness."""
        log = raft._state.log
        is_new = raft.term not in self._leaders
        known = self._leaders.setdefault(raft.term, (raft.node, life))
        if known != (raft.node, life):
            raise BrokenLawError(f"two leaders in term {raft.term}: {known} and {raft.node, life}")
        if not is_new and any(entry.term != raft.term for entry in ready.entries):
            raise BrokenLawError(f"leader {raft.node} rewrites its log: {ready.entries}")
        for index, old in self.committed.items() if is_new else ():
            if index > log.base_index and old.leader_term < raft.term and log.term(index) != old.entry.term:
                raise BrokenLawError(f"leader {raft.node} of term {raft.term} lacks {old}")

    def _commit(self, raft: Raft, commit: int) -> None:
        """What a leader commits, or stores as committed, is committed for good."""
        log = raft._state.log
        for index in range(commit, log.base_index, -1):
            if index in self.committed:
                break
            (entry,) = log.slice(index - 1, index)
            self.committed[index] = Committed(entry, raft.term)

    def _state_machine_safety(self, entry: Entry) -> None:
        """All apply the same entries, and nothing that no leader committed."""
        known = self.committed.get(entry.index)
        if known is None or known.entry != entry:
            raise BrokenLawError(f"state machine safety: {entry} is applied, {known} is committed")

    def _same_config(self, index: int, config: Config) -> None:
        """Nodes that have emitted the same have the same configuration."""
        known = self._configs.setdefault(index, config)
        if known != config:
            raise BrokenLawError(f"configurations differ at {index}: {known} and {config}")

    def each_body_once(self) -> None:
        """No proposal is committed twice."""
        bodies = [old.entry.body for old in self.committed.values() if old.entry.body.startswith(b"p")]
        if len(bodies) != len(set(bodies)):
            raise BrokenLawError("a proposal is committed twice")
