"""What a replica is asked for and gives: work, outcomes, who waits, and the bytes of an entry.

An entry's body begins with its proposer and a number that the proposer never uses twice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chainfire.core import entry
from chainfire.core.commands import Command
from chainfire.core.results import Result
from ultracloud.base.faults import Fault
from ultracloud.raft import config as raft_config
from ultracloud.raft.messages import Message
from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId, SnapshotMark

REQUEST_BYTES_MAX = 1536 * 1024
"""etcd's limit of one request."""
BATCH_BYTES_MAX = 1 << 20
"""Bytes after which a batch takes no more; with one request on top a record stays well below a segment."""
BATCH_COMMANDS_MAX = 2000
"""Commands after which it takes no more, and entries applied in one go: they take about 10 ms."""
WAITING_BYTES_MAX = 64 << 20
"""Bytes that may wait for the log: a second of a slow disk. More are refused rather than held."""
WAITING_COMMANDS_MAX = 50_000
"""Commands that may wait: each takes a kilobyte beside its bytes, and more would outlive their callers' deadlines."""
PENDING_COMMANDS_MAX = 100_000
"""Commands that are logged, or may be, and have no answer yet: twice what may wait."""
READS_MAX = 100_000
"""Reads without an answer: while a disk stands still nothing is applied, and clients give up and ask again."""
READ_ROUNDS_MAX = 2
"""Rounds of reads under way at once: reads that come meanwhile share the next one."""
LINGER_ELECTIONS = 3
"""How long, in election timeouts, a member that was removed goes on: others learn from its votes that it is removed."""
READ_RETRY_MS = 500
"""etcd's: a round whose messages were lost is asked for again after this."""
ELAPSED_MS_MAX = 300
"""What one tick may add to the time of leases: a process that stood still has not seen its clients' renewals."""
TIMEOUT_MS = 7000
"""etcd's with its default settings: five seconds and two elections."""
KEPT_ENTRIES = 10_000
"""Applied entries kept in memory for members that are a little behind; others get a snapshot. etcd keeps 5,000."""
KEPT_BYTES = 64 << 20
"""The same in bytes of bodies."""
COMPACT_STEP = 1024
"""Entries after which memory is given back: rarely enough that it costs nothing."""

IN_DOUBT = -1
"""In place of the term a command was handed over in: whether it happened is not known."""

HEAD = struct.Struct("<QQ")
HEAD_BYTES = HEAD.size

TokenT = TypeVar("TokenT")


@dataclass(frozen=True, slots=True)
class Store:
    """What must be durable before `Replica.persisted(number)`: the mark, if there is one, then entries and state."""

    number: int
    state: HardState
    entries: tuple[Entry, ...] = ()
    mark: SnapshotMark | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done now: messages go at once; one `Store` at a time is asked for."""

    messages: tuple[Message, ...] = ()
    store: Store | None = None


@dataclass(slots=True)
class Outcome(Generic[TokenT]):
    """Who is answered, and with what.

    Attributes:
        answers: Of commands, in the order of the log.
        reads: Reads that may look at the state now, or the reason why not.
        applied: Entries that were applied.
        is_installed: The state was replaced by a leader's snapshot.
        has_more: There is more to apply: call `finish` again soon.
    """

    answers: list[tuple[TokenT, Result | Fault]] = field(default_factory=list)
    reads: list[tuple[TokenT, Fault | None]] = field(default_factory=list)
    applied: int = 0
    is_installed: bool = False
    has_more: bool = False


@dataclass(slots=True)
class Pending(Generic[TokenT]):
    """A command without an answer.

    Attributes:
        led_by: Who led when it came.
        term: In which it was handed to the log; 0 before.
    """

    token: TokenT | None
    command: Command
    body: bytes
    deadline_ms: int
    led_by: NodeId
    term: int = 0


@dataclass(slots=True)
class Round(Generic[TokenT]):
    """Reads that one question to the cluster answers."""

    tokens: list[tuple[TokenT, int]]
    asked_ms: int


def command_of(found: Entry) -> Command | None:
    """What an entry holds for the state; None if it is a leader's beginning, or the end of a joint configuration.

    Raises:
        MalformedEntryError: It cannot be read.
        ultracloud.raft.config.MalformedError: The same.
    """
    body = raft_config.parse(found.body)[1] if found.kind is EntryKind.CONFIG else found.body
    return entry.decode(body[HEAD_BYTES:]) if body else None
