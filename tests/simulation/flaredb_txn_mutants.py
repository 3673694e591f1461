"""Transactions over regions and history that are broken on purpose: the simulation must find each of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flaredb.core.commands import Txn
from flaredb.core.engine import Engine, Row
from flaredb.core.region import Applied, Region
from flaredb.core.region_entry import Decide, Prepare, Settle, TxnId
from flaredb.core.region_locks import Intent, Locks
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_state import Effect, RegionState
from flaredb.core.region_txn import Finisher, Send
from flaredb.core.region_work import Answer, Blocked, Fate, Verdict

Break = Callable[[pytest.MonkeyPatch], None]


def transactions_of_one_region_do_not_wait_for_locks(patch: pytest.MonkeyPatch) -> None:
    """What is locked is written."""
    whole, preparing = RegionState._prepare, list[bool]()

    def prepare(state: RegionState, step: Prepare, effect: Effect) -> Answer | Blocked:
        preparing.append(True)
        found = whole(state, step, effect)
        preparing.pop()
        return found

    blocks = Locks.blocks
    patch.setattr(RegionState, "_prepare", prepare)
    patch.setattr(Locks, "blocks", lambda locks, txn: bool(preparing) and blocks(locks, txn))


def what_is_compared_is_not_locked(patch: pytest.MonkeyPatch) -> None:
    """Two transactions compare what the other one writes, and both succeed."""
    whole = Locks.blocks

    def blocks(locks: Locks, txn: Txn) -> bool:
        compared, locks._compared = locks._compared, {}
        found = whole(locks, txn)
        locks._compared = compared
        return found

    patch.setattr(Locks, "blocks", blocks)


def the_mark_passes_what_is_unresolved(patch: pytest.MonkeyPatch) -> None:
    """Who reads at a version sees a part of a transaction."""

    def unlock(state: RegionState, txn: TxnId, at: int, effect: Effect) -> None:
        kept = state.applied
        state.applied = replace(kept, mark=replace(kept.mark, version=0))
        whole(state, txn, at, effect)
        state.applied = replace(state.applied, mark=replace(state.applied.mark, version=kept.mark.version))

    whole = RegionState._unlock
    patch.setattr(RegionState, "_unlock", unlock)
    patch.setattr(Locks, "lowest", lambda _locks: None)


def reads_do_not_wait_for_what_is_decided(patch: pytest.MonkeyPatch) -> None:
    """A read looks at rows in which something acknowledged is not resolved."""
    whole = RegionReplica.finish

    def finish(replica: RegionReplica[object]) -> object:
        given, replica._state.applied = (
            replica._state.applied,
            replace(replica._state.applied, given=replica._state.applied.mark.version),
        )
        found = whole(replica)
        replica._state.applied = replica.applied = given
        return found

    patch.setattr(RegionReplica, "finish", finish)


def a_decision_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    """Who finds a part of a committed transaction drops it."""
    whole = RegionState._decide

    def decide(state: RegionState, step: Decide, effect: Effect) -> Answer:
        found = whole(state, step, effect)
        state.locks.decisions.pop(step.txn, None)
        return found

    patch.setattr(RegionState, "_decide", decide)


def anybody_drops_a_part(patch: pytest.MonkeyPatch) -> None:
    """A part that is old is dropped without asking the first region."""

    def answered(settler: Finisher, send: Send, answer: Answer) -> list[Send]:
        return whole(settler, send, Fate(Verdict.GONE) if isinstance(send.step, Settle) else answer)

    from flaredb.core.region_txn import Settler

    whole = Settler.answered
    patch.setattr(Settler, "answered", answered)


def a_decision_forgets_what_was_promised(patch: pytest.MonkeyPatch) -> None:
    """A version below what another region has given meanwhile."""
    whole = RegionState._decide
    patch.setattr(RegionState, "_decide", lambda state, step, effect: whole(state, replace(step, floor=0), effect))


def locks_do_not_follow_a_split(patch: pytest.MonkeyPatch) -> None:
    """The right half begins without locks."""
    whole = Intent.within

    def within(intent: Intent, start: bytes, end: bytes) -> Intent | None:
        return None if start else whole(intent, start, end)

    patch.setattr(Intent, "within", within)


def a_decision_is_forgotten_before_all_is_resolved(patch: pytest.MonkeyPatch) -> None:
    """The last part of a transaction that is committed is dropped."""
    whole = Finisher.begin

    def begin(finisher: Finisher) -> list[Send]:
        sends = whole(finisher)
        return finisher._sent(sends[:0] + finisher._forget()) if len(sends) > 1 else sends

    patch.setattr(Finisher, "begin", begin)


def the_right_half_has_no_history(patch: pytest.MonkeyPatch) -> None:
    """Watchers miss what was committed before a split."""

    def copied(_engine: Engine, _left: Region, _right: Region, applied: Applied) -> tuple[list[Row], int]:
        return [], applied.floor

    patch.setattr("flaredb.core.region_state.copied_changes", copied)


def a_sweep_takes_more_than_the_floor_allows(patch: pytest.MonkeyPatch) -> None:
    """What a reader above the floor should see is gone."""
    from flaredb.core import region_state

    whole = region_state.sweep_rows

    def rows(engine: Engine, region: Region, swept: int, through: int) -> Iterator[Row]:
        return whole(engine, region, swept, through + (500 << 16))

    patch.setattr(region_state, "sweep_rows", rows)


TXN_MUTANTS: tuple[Break, ...] = (
    transactions_of_one_region_do_not_wait_for_locks,
    reads_do_not_wait_for_what_is_decided,
    anybody_drops_a_part,
    a_decision_is_not_kept,
    the_right_half_has_no_history,
)
"""Found out within a few seeds."""
RARE_TXN_MUTANTS: tuple[Break, ...] = (
    what_is_compared_is_not_locked,
    the_mark_passes_what_is_unresolved,
    a_decision_forgets_what_was_promised,
    locks_do_not_follow_a_split,
    a_decision_is_forgotten_before_all_is_resolved,
    a_sweep_takes_more_than_the_floor_allows,
)
"""It takes dozens of seeds."""
