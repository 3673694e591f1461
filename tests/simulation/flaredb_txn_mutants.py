"""Transactions over regions and history that are broken on purpose: the simulation must find each of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flaredb.core import region_state, region_txn
from flaredb.core.engine import Engine, Row
from flaredb.core.region import Applied, Region
from flaredb.core.region_entry import Decide, Settle, Steps, TxnId
from flaredb.core.region_locks import Intent, Locks, Named
from flaredb.core.region_parking import Look
from flaredb.core.region_state import Effect, RegionState
from flaredb.core.region_txn import Finisher, Send
from flaredb.core.region_work import Answer, Blocked, Fate, Verdict

Break = Callable[[pytest.MonkeyPatch], None]


def transactions_of_one_region_do_not_wait_for_locks(patch: pytest.MonkeyPatch) -> None:
    """What is locked is written."""
    whole, stepping = RegionState._apply_steps, list[bool]()

    def apply(state: RegionState, steps: Steps, effect: Effect) -> None:
        stepping.append(True)
        whole(state, steps, effect)
        stepping.pop()

    blocks = Locks.blocks
    patch.setattr(RegionState, "_apply_steps", apply)
    patch.setattr(Locks, "blocks", lambda locks, txn: bool(stepping) and blocks(locks, txn))


def what_is_compared_is_not_locked(patch: pytest.MonkeyPatch) -> None:
    """Two transactions compare what the other one writes, and both succeed."""
    whole = Locks.meets

    def meets(locks: Locks, named: Named) -> bool:
        compared, locks._compared = locks._compared, {}
        found = whole(locks, named)
        locks._compared = compared
        return found

    patch.setattr(Locks, "meets", meets)


def a_step_looks_at_what_stood_before_the_entry(patch: pytest.MonkeyPatch) -> None:
    """Two steps of one entry change a key, and the second one does not see what the first one wrote."""
    patch.setattr(RegionState, "_must_wait", lambda state, part, _effect: state.locks.blocks(part))
    patch.setattr("flaredb.core.region_requests.named_by", lambda _part: None)


def what_is_not_decided_is_said_to_be_gone(patch: pytest.MonkeyPatch) -> None:
    """A part is dropped, and the decision comes later."""
    whole = RegionState._settle

    def settle(state: RegionState, step: Settle) -> Answer:
        fate = whole(state, step)
        return Fate(Verdict.GONE) if fate == Fate(Verdict.PENDING) else fate

    patch.setattr(RegionState, "_settle", settle)
    patch.setattr(region_txn, "ASK_AFTER_MS", 20)


def a_late_decision_is_made(patch: pytest.MonkeyPatch) -> None:
    """Somebody was told that it was not, and never will be."""
    whole = RegionState._decide

    def decide(state: RegionState, step: Decide, now_ms: int, effect: Effect) -> Answer | Blocked:
        is_late = RegionState._is_late
        patch.setattr(RegionState, "_is_late", lambda _state, _txn: False)
        found = whole(state, step, now_ms, effect)
        patch.setattr(RegionState, "_is_late", is_late)
        return found

    patch.setattr(RegionState, "_decide", decide)
    patch.setattr(region_state, "SILENT_MS_MAX", 100)
    patch.setattr(region_txn, "ASK_AFTER_MS", 20)


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
    patch.setattr(Locks, "changing", lambda _locks, _sought: [])


def reads_look_at_what_is_not_final(patch: pytest.MonkeyPatch) -> None:
    """A read that has waited for a part looks as of a version at which another one may still change it."""

    def is_over(look: Look[object], locks: Locks, given: int) -> bool:
        look.awaited &= locks.intents.keys()
        look.version = locks.lowest() or given + 1
        look.version -= 1
        return not look.awaited

    patch.setattr(Look, "is_over", is_over)


def a_decision_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    """Who finds a part of a committed transaction drops it."""
    whole = RegionState._decide

    def decide(state: RegionState, step: Decide, now_ms: int, effect: Effect) -> Answer | Blocked:
        found = whole(state, step, now_ms, effect)
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

    def decide(state: RegionState, step: Decide, now_ms: int, effect: Effect) -> Answer | Blocked:
        return whole(state, replace(step, floor=0), now_ms, effect)

    patch.setattr(RegionState, "_decide", decide)


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
    whole = region_state.sweep_rows

    def rows(engine: Engine, region: Region, swept: int, through: int) -> Iterator[Row]:
        return whole(engine, region, swept, through + (500 << 16))

    patch.setattr(region_state, "sweep_rows", rows)


TXN_MUTANTS: tuple[Break, ...] = (
    transactions_of_one_region_do_not_wait_for_locks,
    reads_do_not_wait_for_what_is_decided,
    anybody_drops_a_part,
    a_decision_is_not_kept,
    a_step_looks_at_what_stood_before_the_entry,
    the_right_half_has_no_history,
)
"""Found out within a few seeds."""
RARE_TXN_MUTANTS: tuple[Break, ...] = (
    what_is_compared_is_not_locked,
    the_mark_passes_what_is_unresolved,
    a_decision_forgets_what_was_promised,
    reads_look_at_what_is_not_final,
    what_is_not_decided_is_said_to_be_gone,
    a_late_decision_is_made,
    locks_do_not_follow_a_split,
    a_decision_is_forgotten_before_all_is_resolved,
    a_sweep_takes_more_than_the_floor_allows,
)
"""It takes dozens of seeds."""
