"""What a Raft log and its members are made of: entries, hard state, configurations, snapshot marks.

Source: "In Search of an Understandable Consensus Algorithm (Extended Version)", figure 2; "Consensus: Bridging Theory
and Practice", chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

NodeId = NewType("NodeId", int)
NOBODY = NodeId(0)
"""No node has this id: nobody leads, nobody was voted for."""


class EntryKind(IntEnum):
    """What an entry is for. The numbers are on disk and on the wire."""

    NORMAL = 0
    """A body for the state machine. A leader's first entry of a term has an empty body, which means nothing."""
    CONFIG = 1
    """A change of configuration; its body is rendered by `ultracloud.raft.config`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the log."""

    index: int
    term: int
    kind: EntryKind
    body: bytes


@dataclass(frozen=True, slots=True)
class HardState:
    """What a node must not forget before it speaks.

    Attributes:
        vote: Whom it voted for in `term`, NOBODY if it has not.
        commit: Highest index it knows to be committed. It is stored with every record of entries: a node that holds a
            change of configuration must know after a restart that the one before it was committed.
    """

    term: int = 0
    vote: NodeId = NOBODY
    commit: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """Who takes part.

    Attributes:
        voters: Who decides; in a joint configuration, the incoming voters.
        outgoing: The outgoing voters of a joint configuration, empty otherwise. A decision needs a majority of each.
        learners: Who receives the log without deciding.
        learners_next: Outgoing voters that become learners when the joint configuration is left.
        auto_leave: The leader leaves the joint configuration by itself.
    """

    voters: frozenset[NodeId] = frozenset()
    outgoing: frozenset[NodeId] = frozenset()
    learners: frozenset[NodeId] = frozenset()
    learners_next: frozenset[NodeId] = frozenset()
    auto_leave: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotMark:
    """What a snapshot of the state machine stands for: everything up to `index`, and who took part then."""

    index: int = 0
    term: int = 0
    config: Config = Config()


@dataclass(frozen=True, slots=True)
class Restored:
    """What a node starts from.

    The first nodes of a cluster all start from a mark with index 1, term 1 and the first configuration, and no entries;
    a node that joins starts from `Restored()` and is sent a snapshot.

    Attributes:
        mark: The last snapshot.
        entries: The log, without a gap: from the entry after the mark, or from any before it.
        hard_state: What was stored last.
        applied: Index that the state machine has, at least the mark's. What is committed after it is given out again.
    """

    mark: SnapshotMark = SnapshotMark()
    entries: Sequence[Entry] = ()
    hard_state: HardState = HardState()
    applied: int = 0
