"""Placement over regions that are cut, moved and broken meanwhile: it brings everything to rest, and keeps promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flaredb.core import placement_plan
from flaredb.core.placement import Step
from flaredb.core.placement_round import Round
from sim.flaredb.judge import judge
from sim.flaredb.placed import PlacedWorld
from ultracloud.testkit.checks import BrokenPromiseError
from ultracloud.testkit.seeds import seeds

CAUGHT_WITHIN = 20
"""Seeds in which a missing rule must be found out."""


@pytest.mark.parametrize("first", range(0, 8, 4))
def test_placement_comes_to_rest_whatever_happened(first: int) -> None:
    for seed in seeds(4):
        judge(first + seed, kind=PlacedWorld)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(8, 128, 30))
def test_placement_comes_to_rest_for_longer(first: int) -> None:
    for seed in seeds(30):
        judge(first + seed, kind=PlacedWorld)


def nothing(_round: Round) -> Iterator[Step]:
    """A rule that is missing."""
    return iter(())


@pytest.mark.parametrize("rule", ["_finish", "_repair"])
def test_a_rule_that_is_missing_is_found_out(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_plan, rule, nothing)
    with pytest.raises(BrokenPromiseError, match="placement does not come to rest"):
        run_seeds(CAUGHT_WITHIN)


def run_seeds(count: int) -> None:
    for seed in range(count):
        judge(seed, kind=PlacedWorld)
