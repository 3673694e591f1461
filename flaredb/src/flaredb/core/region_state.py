"""What a region's log makes of its rows: one entry after the other, on every replica alike.

It reads the engine as of the entry before, so what one entry changes must be written before the next is applied.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from flaredb.core.commands import Commit, DeleteRange, EncodedKey, Txn
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.evaluate import Evaluation, evaluate, rows
from flaredb.core.keys import bounds, encode
from flaredb.core.records import Mark
from flaredb.core.region import FIRST_INDEX, FIRST_TERM, Applied, Region
from flaredb.core.region_codec import parse
from flaredb.core.region_entry import Batch, Join, Split
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_rows import Stored, applied_row, own_rows, region_row, state_rows
from flaredb.core.region_work import Answer, Incoming
from flaredb.core.visibility import Standing, standing, standings
from ultracloud.raft import config as raft_config
from ultracloud.raft.membership import changed, members
from ultracloud.raft.words import Entry, EntryKind, NodeId

LOGICAL_BITS = 16
"""Of a version: the rest is the leader's time in milliseconds, so that versions of all regions compare."""
TOLD_MAX = 8
"""Right halves that those with an old map are told of: who is further behind reads the map."""


@dataclass(slots=True)
class Effect:
    """What an entry came to.

    Attributes:
        answers: One for each caller whose proposal the entry holds; one alone is for all of them.
        born: The right half of a split.
    """

    rows: list[Row] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    commits: tuple[Commit, ...] = ()
    born: tuple[Region, Applied] | None = None


class RegionState:
    """The state of one replica.

    Attributes:
        region: The region as of `applied`.
        applied: How far the state goes.
        is_removed: This peer is no member any more.
    """

    def __init__(self, stored: Stored, engine: Engine) -> None:
        self.me: NodeId = stored.peer
        self.region = stored.region
        self.applied = stored.applied
        self.is_removed = self.region.is_known and self.me not in members(self.region.config)
        self._engine = engine
        self._cut_off: deque[Region] = deque(maxlen=TOLD_MAX)

    def moved(self) -> RegionMovedError:
        """What those are told who came by an old map."""
        told = (self.region, *reversed(self._cut_off)) if self.region.is_known else ()
        return RegionMovedError(self.region.region, told)

    def covers(self, txn: Txn) -> bool:
        """Whether everything that a transaction names is here."""
        region = self.region
        return all(region.covers(key) for key in _keys(txn)) and all(
            region.covers(lower) and (not region.end or upper <= region.end) for lower, upper in _spans(txn)
        )

    def apply(self, entry: Entry, known: Batch | None = None) -> Effect:
        """Become what the entry makes of it; the rows end with how far the state goes now.

        Args:
            entry: The one after `applied`.
            known: What its body says, where that need not be parsed: the leader rendered it.
        """
        effect = Effect()
        self.applied = Applied(entry.index, entry.term, self.applied.mark)
        if entry.kind is EntryKind.CONFIG:
            self._apply_config(entry.body, effect)
        elif entry.body:
            command = known or parse(entry.body)
            if isinstance(command, Batch):
                self._apply_batch(command, effect)
            else:
                assert isinstance(command, Split), command
                self._apply_split(command, effect)
        effect.rows.append(applied_row(self.region.region, self.applied))
        return effect

    def take_over(self, incoming: Incoming) -> list[Row]:
        """Become what a leader sent."""
        # Rows of its range may be here without it: a region that was cut here left them, and had lost this store since.
        old = itertools.chain(state_rows(self._engine, self.region), state_rows(self._engine, incoming.region))
        gone: list[Row] = [(column, key, None) for column, key, _ in old]
        self.region, self.applied = incoming.region, incoming.applied
        self._cut_off.clear()
        own = [region_row(self.region, self.me), applied_row(self.region.region, self.applied)]
        return [*gone, *incoming.rows, *own]

    def _apply_batch(self, batch: Batch, effect: Effect) -> None:
        """Run transactions, unless the region was cut since they were routed."""
        if batch.version != self.region.epoch.version:
            effect.answers = [self.moved()] * len(batch.groups)
            return
        evaluation = self._evaluate(batch)
        mark = _raised(evaluation.applied, batch.floor, batch.now_ms)
        self.applied = Applied(self.applied.index, self.applied.term, mark)
        effect.rows += own_rows(self.region.region, rows(evaluation))
        effect.commits = evaluation.commits
        place = 0
        for group in batch.groups:
            effect.answers.append(evaluation.outcomes[place : place + len(group)])
            place += len(group)

    def _evaluate(self, batch: Batch) -> Evaluation:
        """What the transactions come to, at versions not below the leader's time and the batch's floor."""
        before = _raised(self.applied.mark, max(batch.now_ms << LOGICAL_BITS, batch.floor) - 1)
        txns = [txn for group in batch.groups for txn in group]
        return evaluate(txns, _View(self._engine), before, batch.now_ms)

    def _apply_split(self, split: Split, effect: Effect) -> None:
        """Become the left half; the right one begins with the rows that are there, and this one's counters."""
        if split.epoch != self.region.epoch or not self.region.may_split(split.at, split.peers):
            effect.answers = [self.moved()]
            return
        self.region, right = self.region.split(split.at, split.right, split.peers)
        self._cut_off.append(right)
        effect.born = (right, Applied(FIRST_INDEX, FIRST_TERM, self.applied.mark))
        effect.rows.append(region_row(self.region, self.me))
        effect.answers = [right]

    def _apply_config(self, body: bytes, effect: Effect) -> None:
        """Change members, or leave the joint configuration."""
        changes, context = raft_config.parse(body)
        join = parse(context) if context else Join(())
        assert isinstance(join, Join), join
        self.region = self.region.changed(changed(self.region.config, changes), join.peers)
        self.is_removed = self.me not in members(self.region.config)
        effect.rows.append(region_row(self.region, self.me))
        effect.answers = [self.region]


def _raised(mark: Mark, version: int, now_ms: int = 0) -> Mark:
    """The counters once nothing at or below `version` is to come, and nothing before `now_ms`."""
    return Mark(max(mark.version, version), max(mark.at_ms, now_ms), mark.changes, mark.bytes)


@dataclass(frozen=True, slots=True)
class _View:
    """The engine's rows, for `evaluate`."""

    engine: Engine

    def standing(self, encoded: EncodedKey, /) -> Standing | None:
        """What a key holds."""
        cursor = self.engine.cursor(Column.DATA)
        found = standing(cursor, encoded)
        self.engine.check(cursor)
        return found

    def standings(self, lower: bytes, upper: bytes, /) -> Iterator[Standing]:
        """What the keys of a range hold."""
        cursor = self.engine.cursor(Column.DATA)
        yield from standings(cursor, lower, upper)
        self.engine.check(cursor)


def _keys(txn: Txn) -> Iterator[EncodedKey]:
    """Every single key that a transaction names."""
    for comparison in txn.comparisons:
        yield encode(txn.namespace, comparison.key)
    for write in txn.writes:
        if not isinstance(write, DeleteRange):
            yield encode(txn.namespace, write.key)


def _spans(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """Every range that a transaction names."""
    for write in txn.writes:
        if isinstance(write, DeleteRange):
            yield bounds(txn.namespace, write.start, write.end)
