"""What a node is told (events), and what it then wants done (`Ready`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ultracloud.raft.messages import Message
from ultracloud.raft.words import Entry, HardState, NodeId, SnapshotMark


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of time has passed."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Log these bodies. A leader appends them; a follower forwards them; without a leader they are dropped."""

    bodies: tuple[bytes, ...]


class ChangeKind(IntEnum):
    """How a node's part changes. The numbers are on disk and on the wire."""

    ADD_VOTER = 0
    ADD_LEARNER = 1
    REMOVE = 2


class NodeChange(NamedTuple):
    """One node's part in a change; adding a learner as voter promotes it."""

    kind: ChangeKind
    node: NodeId


@dataclass(frozen=True, slots=True)
class ProposeConfig:
    """Log a change of who takes part; on the leader only, dropped anywhere else (`Ready.is_change_refused`).

    One change goes at once, several go through a joint configuration that is left by itself. While another one is not
    yet applied it is refused.

    Attributes:
        context: Bytes for the state machine, carried in the entry.
    """

    changes: tuple[NodeChange, ...]
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Read:
    """A linearizable read is asked for; `context` comes back in `Ready.reads` or `Ready.lost_reads`."""

    context: int


@dataclass(frozen=True, slots=True)
class Persisted:
    """What all `Ready` up to `number` wanted stored is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class Compact:
    """The state machine has a snapshot as of `index` or later: forget entries up to it."""

    index: int


@dataclass(frozen=True, slots=True)
class TransferLeader:
    """Let `target` lead."""

    target: NodeId


@dataclass(frozen=True, slots=True)
class Campaign:
    """Stand for election now: the only voter of a new cluster need not wait for its timeout."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Messages to `peer` do not arrive: send it nothing in advance."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Gone:
    """The process of `peer` has ended, as its machine says: who follows it need not wait for its silence.

    A wrong one costs a pre-vote that is refused. With `Options.lease_reads` it means nothing: a lease counts on it that
    nobody else is voted for.
    """

    peer: NodeId


@dataclass(frozen=True, slots=True)
class SnapshotSent:
    """The stream that an `Install` asked for has ended; `mark` is the state that was really sent."""

    peer: NodeId
    ok: bool
    mark: SnapshotMark


Event: TypeAlias = (
    Message
    | Tick
    | Propose
    | ProposeConfig
    | Read
    | Persisted
    | Compact
    | TransferLeader
    | Campaign
    | Unreachable
    | Gone
    | SnapshotSent
)


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read may be answered once the state machine has applied `index`."""

    context: int
    index: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What must be done now.

    Attributes:
        number: Rises by one with each Ready; `Persisted(number)` answers it, also when nothing is to be stored.
        hard_state: To store, if it changed.
        entries: To store. The first may lie at or before the end of the log: everything from it on is replaced.
        snapshot: The snapshot of an `Install` that was accepted: state machine and log are replaced by it, before
            `entries`.
        messages: To send now.
        promises: To send once everything up to `number` is durable.
        committed: To apply, in this order. They are durable here.
        reads: Reads that may be answered; `lost_reads` may be asked again.
        is_change_refused: A `ProposeConfig` was not logged.
        must_sync: Something in it must be durable before `Persisted`; a mere rise of the commit index need not be.
    """

    number: int
    hard_state: HardState | None = None
    entries: tuple[Entry, ...] = ()
    snapshot: SnapshotMark | None = None
    messages: tuple[Message, ...] = ()
    promises: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    reads: tuple[ReadState, ...] = ()
    lost_reads: tuple[int, ...] = ()
    is_change_refused: bool = False
    must_sync: bool = False
