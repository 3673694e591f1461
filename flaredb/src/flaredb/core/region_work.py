"""What a replica of a region is asked for and gives: work, outcomes, who waits, and how much may."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from flaredb.core.commands import Commit, Outcome, Txn
from flaredb.core.engine import Row
from flaredb.core.region import Applied, Region
from flaredb.core.region_entry import Batch, Span, Step, Steps
from flaredb.core.region_locks import Named
from ultracloud.base.faults import Fault
from ultracloud.raft.messages import Install, Message

BATCH_BYTES_MAX = 1 << 20
"""Bytes after which one entry takes no more: it is evaluated in one go, and goes to a follower in one message."""
STEPS_MAX = 500
"""The same of steps: each is evaluated alone."""
BATCH_GROUPS_MAX = 2000
"""Callers after which it takes no more: about 10 ms of evaluation, in which the node does nothing else."""
WAITING_BYTES_MAX = 32 << 20
"""Bytes that may wait for one region's log: what one node without regions holds, so that one hot region cannot fill
the memory of all."""
WAITING_MAX = 50_000
"""Proposals that may wait, and again as many that are logged without an answer: more would outlive their callers."""
READS_MAX = 50_000
"""Reads without an answer, for the same reason."""
READ_ROUNDS_MAX = 2
"""Rounds of reads under way: what comes meanwhile shares the next one."""
READ_RETRY_TICKS = 5
"""A round whose messages were lost is asked for again after this."""
REQUEST_TICKS_MAX = 70
"""Ticks until a request is given up: five seconds and two elections, with ticks of 100 ms."""
SEAL_TICKS_MAX = 10
"""The same until a seal is on the disks of all: a write that is refused meanwhile is tried again for longer."""
KEPT_ENTRIES = 2000
"""Applied entries kept for followers that are a little behind; others get the state, which costs about as much from
there on. A store with hundreds of regions holds them in memory too."""
COMPACT_STEP = 256
"""Entries after which they are dropped: rarely enough that it costs nothing."""
CLOCK_AHEAD_MAX_MS = 500
"""How far before the leader's clock a version may be that it is asked to go above: versions never go back, so a clock
that is years ahead would take every region with it."""

TokenT = TypeVar("TokenT")


class Verdict(enum.StrEnum):
    """What became of a transaction over several regions.

    PENDING: It is not decided, and may still be.
    GONE: It was dropped, and will not happen; or it was committed, all its parts are resolved, and that is forgotten.
    """

    PENDING = "PENDING"
    COMMITTED = "COMMITTED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Fate:
    """Answer of the primary region to a `Decide` or a `Settle`.

    Attributes:
        at: The version of one that is committed.
        spans: Where its other parts are.
        deleted: What the primary's part comes to, as in `Outcome`.
        counters: The same.
    """

    verdict: Verdict
    at: int = 0
    spans: tuple[Span, ...] = ()
    deleted: int = 0
    counters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Answer to a `Prepare` whose comparisons hold: what it names is locked.

    Attributes:
        floor: The transaction is to get this version or a later one.
        outcome: What the part comes to.
    """

    floor: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Done:
    """Answer to what nothing is to be said of: it is done, or was done before."""


@dataclass(frozen=True, slots=True)
class Awaits:
    """Answer to an `Await`: what the attempt is called."""

    token: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """Answer to a `Seal`: all stores have it, at `index` of the region's log.

    Attributes:
        region: As it is sealed.
    """

    region: Region
    index: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """It met a lock and nothing was done; its leader tries again. Nobody is answered with it."""


Answer: TypeAlias = tuple[Outcome, ...] | Region | Prepared | Fate | Awaits | Sealed | Done | Fault
"""One outcome a transaction; the right half of a split, or the region after a change or a merge; of a step of a
transaction over several regions, or of a merge, what its class says, or one failed outcome for a `Prepare` that cannot
be; or why nothing was done."""


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done now.

    Attributes:
        rows: To write, in this order and in one batch with those of other regions, before `finish` and before anything
            else is asked of the replica.
        messages: To send at once.
        installs: To send the state for; see `region_snapshot`.
        number: Not 0: once these rows and all before are durable, `persisted(number)` is to be told.
    """

    rows: tuple[Row, ...] = ()
    messages: tuple[Message, ...] = ()
    installs: tuple[Install, ...] = ()
    number: int = 0


@dataclass(slots=True)
class Result(Generic[TokenT]):
    """Who is answered, and with what.

    Attributes:
        answers: Of proposals, in the order of the log.
        reads: Reads that may look at the rows now, as of which version, or the reason why not.
        commits: What changed, for those who watch.
        is_installed: The state was replaced by a leader's.
    """

    answers: list[tuple[TokenT, Answer]] = field(default_factory=list)
    reads: list[tuple[TokenT, Fault | int]] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    is_installed: bool = False


@dataclass(frozen=True, slots=True)
class Proposal(Generic[TokenT]):
    """Transactions that wait for the log.

    Attributes:
        version: The epoch version that they were routed by.
        floor: Their versions are to be at or above this one.
    """

    version: int
    txns: tuple[Txn, ...]
    token: TokenT
    size_bytes: int
    deadline: int
    floor: int = 0


@dataclass(frozen=True, slots=True)
class StepAsked(Generic[TokenT]):
    """A step of a transaction over several regions that waits for the log.

    Attributes:
        version: The epoch version that it was routed by.
        named: What its part names, if it has one to be compared.
    """

    step: Step
    version: int
    token: TokenT
    deadline: int
    named: Named | None = None


@dataclass(frozen=True, slots=True)
class Logged(Generic[TokenT]):
    """An entry that this replica logged as leader of `term`, and who waits for it.

    Attributes:
        known: What it says, if that need not be parsed.
        steps: What it holds, if it is one of steps.
    """

    term: int
    known: Batch | Steps | None
    tokens: tuple[TokenT, ...]
    deadline: int
    steps: tuple[StepAsked[TokenT], ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A leader's state, all of it, as it goes into the engine."""

    region: Region
    applied: Applied
    rows: tuple[Row, ...]
