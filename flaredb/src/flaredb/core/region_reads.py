"""Reads that wait: all that come while a round is under way share the next one (ReadIndex).

Source: the Raft dissertation, section 6.4.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic

from flaredb.core.region_locks import EVERYTHING, Sought
from flaredb.core.region_work import READ_RETRY_TICKS, READ_ROUNDS_MAX, READS_MAX, REQUEST_TICKS_MAX, TokenT
from ultracloud.raft.events import Ready


@dataclass(frozen=True, slots=True)
class Asked(Generic[TokenT]):
    """A read that waits.

    Attributes:
        version: The epoch version that it was routed by; its keys may be elsewhere once it may look.
        sought: What it will look at.
    """

    token: TokenT
    version: int
    deadline: int
    sought: Sought = EVERYTHING


class Reads(Generic[TokenT]):
    """The reads of one replica that have no answer."""

    def __init__(self) -> None:
        self._asking: list[Asked[TokenT]] = []
        self._rounds: dict[int, tuple[list[Asked[TokenT]], int]] = {}
        self._readable: deque[tuple[int, list[Asked[TokenT]]]] = deque()
        self._next_round = 1
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return self.count >= READS_MAX

    def add(self, token: TokenT, version: int, now: int, sought: Sought) -> None:
        """Let one more wait."""
        self.count += 1
        self._asking.append(Asked(token, version, now + REQUEST_TICKS_MAX, sought))

    def next_round(self, now: int) -> int:
        """Begin a round for all that wait, and give its number; 0 if none is to begin."""
        if not self._asking or len(self._rounds) >= READ_ROUNDS_MAX:
            return 0
        number, self._next_round = self._next_round, self._next_round + 1
        self._rounds[number] = (self._asking, now)
        self._asking = []
        return number

    def note(self, ready: Ready) -> None:
        """Note which rounds are answered, and ask again those that were lost."""
        for each in ready.reads:
            asked, _ = self._rounds.pop(each.context, ([], 0))
            self._readable.append((each.index, asked))
        for number in ready.lost_reads:
            self._again(number)

    def take(self, applied_index: int) -> list[Asked[TokenT]]:
        """Those that may look at a state as of `applied_index`."""
        found: list[Asked[TokenT]] = []
        while self._readable and self._readable[0][0] <= applied_index:
            found += self._readable.popleft()[1]
        self.count -= len(found)
        return found

    def expire(self, now: int) -> list[TokenT]:
        """Ask again what was lost on the way; give up what has waited too long."""
        for number in [number for number, (_, asked) in self._rounds.items() if now - asked >= READ_RETRY_TICKS]:
            self._again(number)
        if not self._asking or self._asking[0].deadline > now:
            return []
        late = [each.token for each in self._asking if each.deadline <= now]
        self._asking = [each for each in self._asking if each.deadline > now]
        self.count -= len(late)
        return late

    def drop(self) -> list[TokenT]:
        """All that wait; nobody will."""
        waiting = [*self._asking, *(each for asked, _ in self._rounds.values() for each in asked)]
        waiting += [each for _, asked in self._readable for each in asked]
        self._asking, self._rounds, self._readable, self.count = [], {}, deque(), 0
        return [each.token for each in waiting]

    def _again(self, number: int) -> None:
        asked, _ = self._rounds.pop(number, ([], 0))
        self._asking = asked + self._asking
