"""Who waits in one replica until a transaction over several regions unlocks what it holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic

from flaredb.core.region_entry import TxnId
from flaredb.core.region_locks import Locks
from flaredb.core.region_reads import Asked
from flaredb.core.region_work import Proposal, StepAsked, TokenT


@dataclass(frozen=True, slots=True)
class Close(Generic[TokenT]):
    """A caller that is to be answered once the mark is at `version`."""

    version: int
    token: TokenT
    deadline: int


@dataclass(slots=True)
class Look(Generic[TokenT]):
    """A read that must not look yet.

    First it waits for those parts that were there when it came: of one of them its caller may know that it is
    committed. Then it knows the version at which it sees them all, and waits for what may still change that.

    Attributes:
        awaited: The parts that were there.
        version: What it will look at, 0 while that is not known.
    """

    asked: Asked[TokenT]
    awaited: set[TxnId]
    version: int = 0

    def is_over(self, locks: Locks, given: int) -> bool:
        """Whether it may look at `version`, where `given` is the highest that anything has."""
        if not self.version:
            self.awaited &= locks.intents.keys()
            if self.awaited:
                return False
            self.version = given
        return all(intent.floor > self.version for intent in locks.changing(self.asked.sought))


@dataclass(slots=True)
class Parked(Generic[TokenT]):
    """All of them, each kind about in the order of coming.

    Attributes:
        proposals: Met a lock, and are logged when one goes.
        steps: The same.
        closes: Wait for the mark.
        reads: Wait for parts of what they look at.
    """

    proposals: deque[Proposal[TokenT]] = field(default_factory=deque)
    steps: deque[StepAsked[TokenT]] = field(default_factory=deque)
    closes: list[Close[TokenT]] = field(default_factory=list)
    reads: list[Look[TokenT]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many proposals and steps wait."""
        return len(self.proposals) + len(self.steps)

    @property
    def size_bytes(self) -> int:
        """Bytes of the proposals."""
        return sum(each.size_bytes for each in self.proposals)

    def take_closes(self, mark: int) -> Iterator[TokenT]:
        """Those that the mark has come to."""
        if self.closes:
            due = [each.token for each in self.closes if each.version <= mark]
            self.closes = [each for each in self.closes if each.version > mark]
            yield from due

    def take_reads(self, locks: Locks, given: int) -> Iterator[Look[TokenT]]:
        """Reads that may look."""
        if self.reads:
            waiting, self.reads = self.reads, []
            for look in waiting:
                if look.is_over(locks, given):
                    yield look
                else:
                    self.reads.append(look)

    def take_proposers(self) -> list[TokenT]:
        """Everybody who waits for the log."""
        tokens = [each.token for each in self.proposals] + [each.token for each in self.steps]
        self.proposals.clear()
        self.steps.clear()
        return tokens

    def expire(self, now: int) -> tuple[list[TokenT], list[TokenT]]:
        """Those who have waited too long: for the log or the mark, and to read."""
        late = [each.token for each in self.proposals if each.deadline <= now]
        late += [each.token for each in self.steps if each.deadline <= now]
        late += [each.token for each in self.closes if each.deadline <= now]
        reads = [each.asked.token for each in self.reads if each.asked.deadline <= now]
        if late:
            self.proposals = deque(each for each in self.proposals if each.deadline > now)
            self.steps = deque(each for each in self.steps if each.deadline > now)
            self.closes = [each for each in self.closes if each.deadline > now]
        if reads:
            self.reads = [each for each in self.reads if each.asked.deadline > now]
        return late, reads
