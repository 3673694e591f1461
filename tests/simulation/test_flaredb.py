"""Regions of flaredb from some dozen seeds in every run, and proof that the simulation finds what is broken."""

from __future__ import annotations

import pytest
from flaredb_merge_mutants import MERGE_MUTANTS
from flaredb_mutants import MUTANTS, RARE_MUTANTS, Break
from flaredb_txn_mutants import RARE_TXN_MUTANTS, TXN_MUTANTS

from sim.flaredb.judge import judge
from ultracloud.testkit.checks import BrokenPromiseError
from ultracloud.testkit.seeds import seeds

CAUGHT_WITHIN = 200
"""Seeds in which each broken region must be found out."""


@pytest.mark.parametrize("first", range(0, 12, 6))
def test_regions_keep_their_promises(first: int) -> None:
    for seed in seeds(6):
        judge(first + seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(20, 220, 40))
def test_regions_keep_their_promises_for_longer(first: int) -> None:
    for seed in seeds(40):
        judge(first + seed)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    assert trace_of(4) == trace_of(4)


@pytest.mark.parametrize("mutant", [*MUTANTS, *TXN_MUTANTS], ids=lambda mutant: mutant.__name__)
def test_a_broken_region_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_caught(mutant, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "mutant", [*RARE_MUTANTS, *RARE_TXN_MUTANTS, *MERGE_MUTANTS], ids=lambda mutant: mutant.__name__
)
def test_a_region_that_is_seldom_broken_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_caught(mutant, monkeypatch)


def expect_caught(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(BrokenPromiseError):
        run_seeds(CAUGHT_WITHIN)


HAPPENS = (
    " dies",
    "stands still",
    "parted",
    "hears nothing",
    "the disk of",
    "is full",
    " reaches s",
    "does not reach",
    "is_transfer=True",
    "is not as the request's map has it",
    "this store has no replica",
    "does not lead",
    "no quorum",
    "outgoing=frozenset({",
    "Inquiry",
    "Farewell",
    " settles ",
    "was dropped before it was decided",
    "RaiseFloor(",
    "Sweep(",
    "Absorb(",
    "Unseal(",
)


def test_everything_that_should_go_wrong_does() -> None:
    missing = set(HAPPENS)
    for seed in range(60):
        if not missing:
            return
        trace = trace_of(seed)
        missing = {words for words in missing if words not in trace}
    assert not missing


def run_seeds(count: int) -> None:
    for seed in range(count):
        judge(seed)


def trace_of(seed: int) -> str:
    lines: list[str] = []
    judge(seed, lines.append)
    return "\n".join(lines)
