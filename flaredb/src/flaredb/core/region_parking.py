"""Who waits in one replica until a transaction over several regions unlocks what it holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic

from flaredb.core.region_reads import Asked
from flaredb.core.region_work import Proposal, StepAsked, TokenT


@dataclass(frozen=True, slots=True)
class Close(Generic[TokenT]):
    """A caller that is to be answered once the mark is at `version`."""

    version: int
    token: TokenT
    deadline: int


@dataclass(slots=True)
class Parked(Generic[TokenT]):
    """All of them, each kind about in the order of coming.

    Attributes:
        proposals: Met a lock, and are logged when one goes.
        steps: The same.
        closes: Wait for the mark.
        reads: The same, each with the version that it waits for.
    """

    proposals: deque[Proposal[TokenT]] = field(default_factory=deque)
    steps: deque[StepAsked[TokenT]] = field(default_factory=deque)
    closes: list[Close[TokenT]] = field(default_factory=list)
    reads: list[tuple[int, Asked[TokenT]]] = field(default_factory=list)

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

    def take_reads(self, mark: int) -> Iterator[Asked[TokenT]]:
        """The same of reads."""
        if self.reads:
            due = [asked for version, asked in self.reads if version <= mark]
            self.reads = [(version, asked) for version, asked in self.reads if version > mark]
            yield from due

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
        reads = [asked.token for _, asked in self.reads if asked.deadline <= now]
        if late:
            self.proposals = deque(each for each in self.proposals if each.deadline > now)
            self.steps = deque(each for each in self.steps if each.deadline > now)
            self.closes = [each for each in self.closes if each.deadline > now]
        if reads:
            self.reads = [each for each in self.reads if each[1].deadline > now]
        return late, reads
