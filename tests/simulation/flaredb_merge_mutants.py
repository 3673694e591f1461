"""Merges of regions that are broken on purpose: the simulation must find each of them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flaredb.core import region_merge, region_state
from flaredb.core.engine import Engine, Row
from flaredb.core.region import Region
from flaredb.core.region_entry import Absorb, Merging
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_work import Sealed

Break = Callable[[pytest.MonkeyPatch], None]


def a_seal_is_told_before_all_have_it(patch: pytest.MonkeyPatch) -> None:
    """A store is to take over what it does not have."""

    def answer_sealed(replica: RegionReplica[object]) -> None:
        if replica._sealing and replica.merging.sealed:
            replica._answer(
                tuple(token for token, _ in replica._sealing), Sealed(replica.region, replica.merging.sealed_at)
            )
            replica._sealing.clear()

    patch.setattr(RegionReplica, "_answer_sealed", answer_sealed)


def what_is_taken_over_has_no_history(patch: pytest.MonkeyPatch) -> None:
    """Watchers miss what was committed in the right one."""

    def changes(_engine: Engine, _region: Region, _right: Region) -> list[Row]:
        return []

    patch.setattr(region_merge, "_changes", changes)


def who_awaits_is_cut(patch: pytest.MonkeyPatch) -> None:
    """The left one is cut, so that it is no neighbour any more, and takes over all the same."""
    whole = region_merge.may_absorb

    def may_absorb(region: Region, merging: Merging, step: Absorb) -> bool:
        return whole(replace(region, end=step.right.start), merging, step)

    def apply_split(state: region_state.RegionState, *arguments: object) -> None:
        merging, state.merging = state.merging, region_state.NOT_MERGING
        split(state, *arguments)  # type: ignore[arg-type]
        state.merging = merging

    split = region_state.RegionState._apply_split
    patch.setattr(region_state, "may_absorb", may_absorb)
    patch.setattr(region_state.RegionState, "_apply_split", apply_split)


MERGE_MUTANTS: tuple[Break, ...] = (
    a_seal_is_told_before_all_have_it,
    what_is_taken_over_has_no_history,
    who_awaits_is_cut,
)
"""It takes dozens of seeds."""
