"""What a region's log makes of its rows: one entry after the other, on every replica alike.

It reads the engine as of the entry before, so what one entry changes must be written before the next is applied.

Parts of transactions over several regions are committed at versions that were promised earlier, below what others got
meanwhile. So the mark, below which nothing is to come, waits for them, and commits come out as the mark passes them.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import assert_never

from flaredb.core.commands import Commit, DeleteRange, EncodedKey, Txn
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.evaluate import Evaluation, evaluate, rows
from flaredb.core.keys import bounds, encode
from flaredb.core.records import Mark, change_record, parse_change
from flaredb.core.region import FIRST_INDEX, FIRST_TERM, LOGICAL_BITS, Applied, Region, RegionId
from flaredb.core.region_codec import parse
from flaredb.core.region_entry import (
    NOT_MERGING,
    Absorb,
    Await,
    Batch,
    Clear,
    Command,
    Decide,
    Forget,
    Join,
    MergeStep,
    Prepare,
    RaiseFloor,
    Release,
    Resolve,
    Seal,
    Settle,
    Split,
    Step,
    Steps,
    Sweep,
    TxnId,
    Unseal,
    began_ms_of,
)
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_history import copied_changes, stored_commits, sweep_rows
from flaredb.core.region_locks import LOCKS_MAX, Decision, Locks, intent_of, named_by
from flaredb.core.region_merge import absorbed, awaiting, may_absorb, sealed, unsealed
from flaredb.core.region_rows import (
    Stored,
    applied_row,
    decision_row,
    intent_row,
    lock_rows,
    locks_of,
    merging_of,
    merging_row,
    no_decision_row,
    no_intent_row,
    own_rows,
    region_row,
    state_rows,
    stored_applied,
)
from flaredb.core.region_work import Answer, Awaits, Blocked, Done, Fate, Incoming, Prepared, Sealed, Verdict
from flaredb.core.visibility import Standing, standing, standings
from flaredb.errors import overloaded
from ultracloud.raft import config as raft_config
from ultracloud.raft.membership import changed, members
from ultracloud.raft.words import Entry, EntryKind, NodeId

__all__ = ["LOGICAL_BITS", "SILENT_MS_MAX", "Born", "Effect", "RegionState"]

TOLD_MAX = 8
"""Right halves that those with an old map are told of: who is further behind reads the map."""
SILENT_MS_MAX = 5000
"""After this a transaction is not decided any more: who asks then knows that it was dropped. Its coordinator gives up
earlier, so that it is seldom dropped under one that lives."""


@dataclass(slots=True)
class Effect:
    """What an entry came to.

    Attributes:
        answers: One for each caller whose proposal the entry holds; one alone is for all of them.
        commits: What may be told to watchers now, by rising version.
        born: The right half of a split.
        has_unlocked: Who waited for a lock may try again.
        changed: Keys that steps of this entry have changed; the engine has what they were.
        told: Rows of commits that it has added to, by key.
    """

    rows: list[Row] = field(default_factory=list)
    answers: list[Answer | Blocked] = field(default_factory=list)
    commits: tuple[Commit, ...] = ()
    born: Born | None = None
    has_unlocked: bool = False
    changed: set[EncodedKey] = field(default_factory=set)
    told: dict[bytes, tuple[EncodedKey, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Born:
    """The right half of a split.

    Attributes:
        rows: Its own; its data is there already.
    """

    region: Region
    applied: Applied
    locks: Locks
    held: tuple[Commit, ...]
    rows: tuple[Row, ...]


class RegionState:
    """The state of one replica.

    Attributes:
        region: The region as of `applied`.
        applied: How far the state goes.
        locks: What transactions over several regions hold here.
        merging: How far it is in becoming one with a neighbour.
        is_removed: This peer is no member any more.
    """

    def __init__(self, stored: Stored, engine: Engine) -> None:
        self.me: NodeId = stored.peer
        self.region = stored.region
        self.applied = stored.applied
        self.locks = stored.locks
        self.merging = stored.merging
        self.is_removed = self.region.is_known and self.me not in members(self.region.config)
        self._engine = engine
        self._cut_off: deque[Region] = deque(maxlen=TOLD_MAX)
        self._held = None if stored.held is None else list(stored.held)

    @property
    def given(self) -> int:
        """The highest version that anything here has."""
        return max(self.applied.given, self.applied.mark.version)

    def moved(self) -> RegionMovedError:
        """What those are told who came by an old map."""
        told = (self.region, *reversed(self._cut_off)) if self.region.is_known else ()
        return RegionMovedError(self.region.region, told)

    def covers(self, txn: Txn) -> bool:
        """Whether everything that a transaction names is here."""
        end = self.region.end
        return all(map(self.region.covers, _keys(txn))) and (
            not end or all(bounds(txn.namespace, b"", write.end)[1] <= end for write in _ranges(txn))
        )

    def waits_for(self, entry: Entry) -> tuple[RegionId, int] | None:
        """Whose state must first come how far on this store before an entry can be applied; mostly nobody's."""
        if not self.merging.right or entry.kind is EntryKind.CONFIG or not entry.body:
            return None
        command = parse(entry.body)
        if not isinstance(command, Absorb) or not may_absorb(self.region, self.merging, command):
            return None
        right = command.right.region
        return None if stored_applied(self._engine, right).index >= command.index else (right, command.index)

    def apply(self, entry: Entry, known: Batch | Steps | None = None) -> Effect:
        """Become what the entry makes of it; the rows end with how far the state goes now.

        Args:
            entry: The one after `applied`.
            known: What its body says, where that need not be parsed: the leader rendered it.
        """
        effect = Effect()
        if self._held is None:
            self._held = self._stored_above()
        self.applied = replace(self.applied, index=entry.index, term=entry.term)
        if entry.kind is EntryKind.CONFIG:
            self._apply_config(entry.body, effect)
        elif entry.body:
            command = known or parse(entry.body)
            assert isinstance(command, Command), command
            self._apply(command, effect)
        self._raise_mark()
        self._release(effect)
        effect.rows.append(applied_row(self.region.region, self.applied))
        return effect

    def take_over(self, incoming: Incoming) -> list[Row]:
        """Become what a leader sent."""
        # Rows of its range may be here without it: a region that was cut here left them, and had lost this store since.
        old = itertools.chain(state_rows(self._engine, self.region), state_rows(self._engine, incoming.region))
        gone: list[Row] = [(column, key, None) for column, key, _ in old]
        self.region, self.applied = incoming.region, incoming.applied
        self.locks = locks_of(incoming.rows)
        self.merging = merging_of(incoming.rows)
        self._held = None
        self._cut_off.clear()
        own = [region_row(self.region, self.me), applied_row(self.region.region, self.applied)]
        return [*gone, *incoming.rows, *own]

    def _apply(self, command: Command, effect: Effect) -> None:
        if self.merging.sealed and not isinstance(command, Batch | Steps | Seal | Unseal):
            # What it holds is the left neighbour's as of the seal: on every store the same.
            effect.answers = [self.moved()]
            return
        match command:
            case Batch():
                self._apply_batch(command, effect)
            case Split():
                self._apply_split(command, effect)
            case RaiseFloor():
                floor = max(self.applied.floor, min(command.floor, self.applied.mark.version))
                self.applied = replace(self.applied, floor=floor)
                effect.answers = [Done()]
            case Sweep():
                self._apply_sweep(command, effect)
            case Await() | Seal() | Absorb() | Release() | Unseal() | Clear():
                effect.answers = [self._apply_merge(command, effect)]
                effect.rows.append(merging_row(self.region.region, self.merging))
            case Steps():
                self._apply_steps(command, effect)
            case _:
                assert_never(command)

    def _apply_batch(self, batch: Batch, effect: Effect) -> None:
        """Run transactions, unless the region was cut since they were routed; not those that meet a lock."""
        if batch.version != self.region.epoch.version:
            effect.answers = [self.moved()] * len(batch.groups)
            return
        waits = self._waiting_groups(batch)
        txns = [txn for place, group in enumerate(batch.groups) if place not in waits for txn in group]
        evaluation = self._evaluate(txns, batch.now_ms, batch.floor)
        self._count(max(evaluation.applied.version, batch.floor), evaluation.applied, batch.now_ms)
        effect.rows += own_rows(self.region.region, rows(evaluation))
        self._hold(evaluation.commits)
        done = 0
        for place, group in enumerate(batch.groups):
            if place in waits:
                effect.answers.append(Blocked())
                continue
            effect.answers.append(evaluation.outcomes[done : done + len(group)])
            done += len(group)

    def _waiting_groups(self, batch: Batch) -> frozenset[int]:
        """Places of those that meet a lock."""
        if not self.locks.intents:
            return frozenset()
        return frozenset(place for place, group in enumerate(batch.groups) if any(map(self.locks.blocks, group)))

    def _evaluate(self, txns: list[Txn], now_ms: int, floor: int) -> Evaluation:
        """What transactions come to, at versions not below the leader's time and the floor."""
        mark = self.applied.mark
        version = max(self.given, (now_ms << LOGICAL_BITS) - 1, floor - 1)
        return evaluate(txns, _View(self._engine), Mark(version, mark.at_ms, mark.changes, mark.bytes), now_ms)

    def _count(self, given: int, counted: Mark, now_ms: int) -> None:
        """Go on from `counted`; `given` is the highest version that was given."""
        mark = Mark(self.applied.mark.version, max(counted.at_ms, now_ms), counted.changes, counted.bytes)
        self._advance(mark, max(self.given, given))

    def _advance(self, mark: Mark, given: int) -> None:
        # Each step does this some times, and `replace` costs twice as much.
        old = self.applied
        self.applied = Applied(old.index, old.term, mark, given, old.floor, old.swept)

    def _raise_mark(self) -> None:
        """Close what nothing can be committed at any more."""
        lowest = self.locks.lowest()
        closed = self.given if lowest is None else min(self.given, lowest - 1)
        mark = self.applied.mark
        if closed > mark.version:
            self._advance(Mark(closed, mark.at_ms, mark.changes, mark.bytes), self.applied.given)

    def _release(self, effect: Effect) -> None:
        """Let out what the mark has passed, in the order of versions."""
        held = self._held
        if held:
            held.sort(key=lambda commit: commit.version)
            count = bisect_right(held, self.applied.mark.version, key=lambda commit: commit.version)
            effect.commits = tuple(held[:count])
            del held[:count]

    def _hold(self, commits: tuple[Commit, ...]) -> None:
        """Keep commits until the mark has passed them."""
        assert self._held is not None
        self._held += commits

    def _stored_above(self) -> list[Commit]:
        """What was committed above the mark, as the rows have it."""
        mark = self.applied.mark.version
        if not self.region.is_known or self.given == mark:
            return []
        return list(stored_commits(self._engine, self.region, mark, self.given))

    def _apply_sweep(self, sweep: Sweep, effect: Effect) -> None:
        through = min(sweep.through, self.applied.floor)
        if through > self.applied.swept:
            effect.rows += sweep_rows(self._engine, self.region, self.applied.swept, through)
            self.applied = replace(self.applied, swept=through)
        effect.answers = [Done()]

    def _apply_steps(self, steps: Steps, effect: Effect) -> None:
        """Do steps one after the other, unless the region was cut since they were routed."""
        if steps.version != self.region.epoch.version:
            effect.answers = [self.moved()] * len(steps.steps)
            return
        # The region's time never goes back: what is too late by it once is so for good.
        mark = self.applied.mark
        self._count(self.applied.given, mark, steps.now_ms)
        effect.answers += (self._apply_step(step, steps.now_ms, effect) for step in steps.steps)

    def _apply_step(self, step: Step, now_ms: int, effect: Effect) -> Answer | Blocked:
        """Do one step of a transaction over several regions."""
        match step:
            case Prepare():
                return self._prepare(step, now_ms, effect)
            case Decide():
                return self._decide(step, now_ms, effect)
            case Settle():
                return self._settle(step)
            case Resolve():
                self._unlock(step.txn, step.at, effect)
            case Forget():
                known = [txn for txn in step.txns if self.locks.decisions.pop(txn, None) is not None]
                effect.rows += (no_decision_row(self.region.region, txn) for txn in known)
            case _:
                assert_never(step)
        return Done()

    def _prepare(self, step: Prepare, now_ms: int, effect: Effect) -> Answer | Blocked:
        """Compare and lock."""
        if not self.covers(step.part):
            return self.moved()
        if step.txn in self.locks.intents or self._must_wait(step.part, effect):
            return Blocked()
        if self._is_full():
            return overloaded(len(self.locks.intents), 0)
        evaluation = self._evaluate([step.part], now_ms, step.floor)
        (outcome,) = evaluation.outcomes
        if not outcome.succeeded:
            return (outcome,)
        changes = tuple(change for commit in evaluation.commits for change in commit.changes)
        # The version that it would have here alone, so nothing here is at it or above.
        floor = evaluation.applied.version + (not evaluation.commits)
        intent = intent_of(step.txn, step.primary, step.part, changes, (floor, now_ms))
        self._count(floor, self.applied.mark, now_ms)
        self.locks.add(intent)
        effect.rows.append(intent_row(self.region.region, intent))
        return Prepared(floor, outcome)

    def _decide(self, step: Decide, now_ms: int, effect: Effect) -> Answer | Blocked:
        """Compare, and commit, unless it is too late for that."""
        if not self.region.covers(step.primary) or not self.covers(step.part):
            return self.moved()
        known = self.locks.decisions.get(step.txn)
        if known is not None or self._is_late(step.txn):
            return _fate(known)
        if self._must_wait(step.part, effect):
            return Blocked()
        if step.spans and self._is_full():
            return overloaded(len(self.locks.intents), 0)
        evaluation = self._evaluate([step.part], now_ms, step.floor)
        (outcome,) = evaluation.outcomes
        if not outcome.succeeded:
            return (outcome,)
        at = evaluation.applied.version + (not evaluation.commits)
        self._commit(evaluation.commits, effect)
        self._count(at, evaluation.applied, now_ms)
        decision = Decision(step.txn, step.primary, at, step.spans, now_ms, outcome.deleted, outcome.counters)
        if step.spans:
            self.locks.decisions[step.txn] = decision
            effect.rows.append(decision_row(self.region.region, decision))
        return _fate(decision)

    def _settle(self, step: Settle) -> Answer:
        """Say what became of it."""
        if not self.region.covers(step.primary):
            return self.moved()
        known = self.locks.decisions.get(step.txn)
        return _fate(known) if known is not None or self._is_late(step.txn) else Fate(Verdict.PENDING)

    def _is_late(self, txn: TxnId) -> bool:
        """Whether it is not decided any more, if it was not."""
        return self.applied.mark.at_ms - began_ms_of(txn) >= SILENT_MS_MAX

    def _is_full(self) -> bool:
        return len(self.locks.intents) + len(self.locks.decisions) >= LOCKS_MAX

    def _must_wait(self, part: Txn, effect: Effect) -> bool:
        """Whether it meets a lock, or what an earlier step of this entry has changed, which cannot be read yet."""
        if not self.locks.intents and not effect.changed:
            return False
        named, changed = named_by(part), effect.changed
        if self.locks.meets(named):
            return True
        is_changed = not changed.isdisjoint(named.keys) or any(
            low <= key < high for low, high in named.ranges for key in changed
        )
        effect.has_unlocked |= is_changed
        return is_changed

    def _unlock(self, txn: TxnId, at: int, effect: Effect) -> None:
        """Do what a part was to do at version `at`, or drop it if that is 0; nothing if it is resolved already."""
        intent = self.locks.remove(txn)
        if intent is None:
            return
        effect.has_unlocked = True
        effect.rows.append(no_intent_row(self.region.region, intent.txn))
        if not at:
            return
        assert at >= intent.floor > self.applied.mark.version, (at, intent, self.applied)
        mark = self.applied.mark
        if intent.changes:
            commit = Commit(at, intent.namespace, intent.changes)
            self._commit((commit,), effect)
            changes, size = mark.changes + len(commit.changes), mark.bytes + commit.size_bytes
            mark = Mark(mark.version, mark.at_ms, changes, size)
        self._advance(mark, max(self.given, at))

    def _commit(self, commits: tuple[Commit, ...], effect: Effect) -> None:
        """Do what steps were to do, at versions that others may have here too; `given` is as of before."""
        given = self.given
        for column, key, value in own_rows(self.region.region, rows(Evaluation((), commits, self.applied.mark))):
            if column is Column.CHANGES:
                before = effect.told.get(key)
                if before is None and commits[-1].version <= given:
                    before = parse_change(self._engine.get(column, key) or b"")
                effect.told[key] = own = (*(before or ()), *parse_change(value or b""))
                effect.rows.append((column, key, change_record(own)))
            else:
                effect.rows.append((column, key, value))
        for commit in commits:
            effect.changed.update(change.encoded for change in commit.changes)
        self._hold(commits)

    def _apply_split(self, split: Split, effect: Effect) -> None:
        """Become the left half; the right one begins with the rows that are there, and this one's counters."""
        is_planned = split.epoch == self.region.epoch and not self.merging.right
        if not is_planned or not self.region.may_split(split.at, split.peers):
            effect.answers = [self.moved()]
            return
        left, right = self.region.split(split.at, split.right, split.peers)
        changes, floor = copied_changes(self._engine, self.region, right, self.applied)
        for intent in self.locks.intents.values():
            if intent.within(left.start, left.end) is None:
                effect.rows.append(no_intent_row(left.region, intent.txn))
        for decision in self.locks.decisions.values():
            effect.rows.append(no_decision_row(left.region, decision.txn))
        ours, theirs = (self.locks.within(half.start, half.end) for half in (left, right))
        effect.rows += lock_rows(left.region, ours)
        applied = replace(self.applied, index=FIRST_INDEX, term=FIRST_TERM, floor=floor)
        held = self._held or []
        effect.born = Born(
            right, applied, theirs, tuple(_held_within(held, right)), (*changes, *lock_rows(right.region, theirs))
        )
        self.region, self.locks, self._held = left, ours, list(_held_within(held, left))
        self._cut_off.append(right)
        effect.has_unlocked = True
        effect.rows.append(region_row(self.region, self.me))
        effect.answers = [right]

    def _apply_merge(self, step: MergeStep, effect: Effect) -> Answer:
        """Do one step of becoming one with a neighbour; see `region_merge`."""
        region, merging, index = self.region, self.merging, self.applied.index
        match step:
            case Await():
                begun = awaiting(region, merging, step, index)
                self.merging = begun or merging
                return self.moved() if begun is None else Awaits(index)
            case Seal():
                after = sealed(region, merging, self.locks, step, index)
                self.region, self.merging = after or (region, merging)
                effect.rows.append(region_row(self.region, self.me))
                return self.moved() if after is None else Sealed(self.region, index)
            case Unseal():
                self.region, self.merging = unsealed(region, merging, step)
                effect.rows.append(region_row(self.region, self.me))
                return Done()
            case Absorb():
                return self._absorb(step, effect)
            case Release():
                if merging.token == step.token:
                    self.merging = replace(merging, is_released=True)
                return Done() if merging.token == step.token else self.moved()
            case Clear():
                if merging.token == step.token and merging.is_released:
                    self.merging = NOT_MERGING
                return Done()
            case _:
                assert_never(step)

    def _absorb(self, step: Absorb, effect: Effect) -> Answer:
        """Take over the right neighbour. Its replica here goes with this batch."""
        if not may_absorb(self.region, self.merging, step):
            return self.moved()
        self.region, self.applied, changes = absorbed(self._engine, self.region, self.applied, step)
        self.merging = NOT_MERGING
        self._cut_off.clear()
        effect.rows += [*changes, region_row(self.region, self.me)]
        return self.region

    def _apply_config(self, body: bytes, effect: Effect) -> None:
        """Change members, or leave the joint configuration."""
        changes, context = raft_config.parse(body)
        join = parse(context) if context else Join(())
        assert isinstance(join, Join), join
        self.region = self.region.changed(changed(self.region.config, changes), join.peers)
        self.is_removed = self.me not in members(self.region.config)
        effect.rows.append(region_row(self.region, self.me))
        effect.answers = [self.region]


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


def _fate(decision: Decision | None) -> Fate:
    """What became of a transaction that is decided, or is not and will not be."""
    if decision is None:
        return Fate(Verdict.GONE)
    return Fate(Verdict.COMMITTED, decision.at, decision.spans, decision.deleted, decision.counters)


def _held_within(held: list[Commit], region: Region) -> Iterator[Commit]:
    """Commits with those of their changes that belong to a region."""
    for commit in held:
        changes = tuple(change for change in commit.changes if region.covers(change.encoded))
        if changes:
            yield replace(commit, changes=changes)


def _keys(txn: Txn) -> Iterator[EncodedKey]:
    """Every single key that a transaction names, and the first that each of its ranges can hold."""
    for comparison in txn.comparisons:
        yield encode(txn.namespace, comparison.key)
    for write in txn.writes:
        yield encode(txn.namespace, write.start if isinstance(write, DeleteRange) else write.key)


def _ranges(txn: Txn) -> Iterator[DeleteRange]:
    return (write for write in txn.writes if isinstance(write, DeleteRange))
