"""Regions that are broken on purpose: each breaks one rule that the simulation must find broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flaredb.core.region_entry import Batch
from flaredb.core.region_reads import Reads
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_state import Effect, RegionState
from flaredb.core.region_work import Proposal
from sim.flaredb.storage import Disk
from ultracloud.raft import quorum
from ultracloud.raft.events import Ready
from ultracloud.raft.log import Log

Break = Callable[[pytest.MonkeyPatch], None]


def answers_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """The disk says that it is done at once, and forgets."""

    def begin_sync(disk: Disk, done: Callable[[], None]) -> None:
        life = disk._life
        disk._clock.call_later(0, lambda: done() if disk._life == life else None)

    patch.setattr(Disk, "begin_sync", begin_sync)


def reads_without_asking(patch: pytest.MonkeyPatch) -> None:
    """A read looks at what is here."""

    def next_round(reads: Reads[object], _now: int) -> int:
        reads._readable.append((0, reads._asking))
        reads._asking = []
        return 0

    patch.setattr(Reads, "next_round", next_round)


def the_leader_commits_alone(patch: pytest.MonkeyPatch) -> None:
    """What one replica has stored counts as stored by a quorum."""
    patch.setattr(quorum, "_agreed", lambda voters, reached: max(map(reached, voters), default=0))


def votes_for_whoever_asks(patch: pytest.MonkeyPatch) -> None:
    """A replica votes for one whose log lacks what is committed."""
    patch.setattr(Log, "is_up_to_date", lambda _self, _index, _term: True)


def every_replica_evaluates_at_its_own_time(patch: pytest.MonkeyPatch) -> None:
    """Versions depend on where they are given."""
    whole = RegionState._apply_batch

    def apply_batch(state: RegionState, batch: Batch, effect: Effect) -> None:
        whole(state, replace(batch, now_ms=batch.now_ms + state.me), effect)

    patch.setattr(RegionState, "_apply_batch", apply_batch)


def what_was_routed_before_a_split_is_logged_after_it(patch: pytest.MonkeyPatch) -> None:
    """Found by seeds 72 and 81: what had waited for the log was logged by the epoch of the half that it came out in."""
    whole = RegionReplica._next_proposals

    def next_proposals(replica: RegionReplica[object]) -> list[Proposal[object]]:
        return [replace(each, version=replica.region.epoch.version) for each in whole(replica)]

    patch.setattr(RegionReplica, "_next_proposals", next_proposals)


def batches_of_before_a_split_are_run(patch: pytest.MonkeyPatch) -> None:
    """Keys are written in the left half that belong to the right one."""
    whole = RegionState._apply_batch

    def apply_batch(state: RegionState, batch: Batch, effect: Effect) -> None:
        whole(state, replace(batch, version=state.region.epoch.version), effect)

    patch.setattr(RegionState, "_apply_batch", apply_batch)


def lost_reads_are_answered(patch: pytest.MonkeyPatch) -> None:
    """A leader that lost its quorum answers reads."""
    whole = Reads.note

    def note(reads: Reads[object], ready: Ready) -> None:
        for number in ready.lost_reads:
            asked, _ = reads._rounds.pop(number, ([], 0))
            reads._readable.append((0, asked))
        whole(reads, replace(ready, lost_reads=()))

    patch.setattr(Reads, "note", note)


MUTANTS: tuple[Break, ...] = (
    answers_before_it_is_durable,
    reads_without_asking,
    every_replica_evaluates_at_its_own_time,
    batches_of_before_a_split_are_run,
)
"""Found out within a few seeds."""
RARE_MUTANTS: tuple[Break, ...] = (
    the_leader_commits_alone,
    votes_for_whoever_asks,
    what_was_routed_before_a_split_is_logged_after_it,
    lost_reads_are_answered,
)
"""It takes something like a hundred seeds until it matters that they are broken."""
