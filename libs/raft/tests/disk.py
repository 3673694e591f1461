"""A disk in memory: what is durable, apart from what was only asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ultracloud.raft.events import Ready
from ultracloud.raft.words import Entry, HardState, Restored, SnapshotMark


@dataclass(slots=True)
class Disk:
    """What one node has stored."""

    mark: SnapshotMark
    entries: list[Entry] = field(default_factory=list)
    hard_state: HardState = field(default_factory=HardState)
    queue: deque[Ready] = field(default_factory=deque)

    def write(self, ready: Ready, *, keeps_unsynced_commit: bool) -> None:
        """What `ready` wants stored is durable."""
        if ready.snapshot is not None:
            self.mark, self.entries = ready.snapshot, []
        if ready.entries:
            first = ready.entries[0].index
            self.entries = [entry for entry in self.entries if entry.index < first] + list(ready.entries)
        if ready.hard_state is not None and (ready.must_sync or keeps_unsynced_commit):
            self.hard_state = ready.hard_state

    def compact(self, mark: SnapshotMark, keep: int) -> None:
        """The state machine is stored as of `mark`."""
        self.mark = mark
        self.entries = [entry for entry in self.entries if entry.index > mark.index - keep]

    def restored(self) -> Restored:
        """What a node starts from. The state machine is as old as its snapshot."""
        hard_state = self.hard_state
        return Restored(self.mark, tuple(self.entries), hard_state, self.mark.index)
