"""Eventual namespaces of flaredb from some seeds in every run, and proof that the simulation finds what is broken."""

from __future__ import annotations

import pytest
from eventual_mutants import MUTANTS, RARE_MUTANTS, Break

from sim.eventual.judge import judge
from ultracloud.testkit.checks import BrokenPromiseError
from ultracloud.testkit.seeds import seeds

CAUGHT_WITHIN, CAUGHT_AT_LAST = 30, 400
"""Seeds in which each broken store must be found out."""


def test_stores_keep_their_promises() -> None:
    for seed in seeds(12):
        judge(seed)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    assert trace_of(4) == trace_of(4)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_store_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_caught(mutant, CAUGHT_WITHIN, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", RARE_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_store_that_is_seldom_broken_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_caught(mutant, CAUGHT_AT_LAST, monkeypatch)


def expect_caught(mutant: Break, within: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(BrokenPromiseError):
        run_seeds(within)


def run_seeds(count: int) -> None:
    for seed in range(count):
        judge(seed)


HAPPENS = (
    " dies",
    "stands still",
    "parted",
    "hears nothing",
    "the disk of",
    "is full",
    " ms off",
    "Spread(",
    "Give(",
    "Found(",
    "Declined(",
    "expires_at_ms=1",
)


def test_everything_that_should_go_wrong_does() -> None:
    missing = set(HAPPENS)
    for seed in range(40):
        if not missing:
            return
        trace = trace_of(seed)
        missing = {words for words in missing if words not in trace}
    assert not missing


def trace_of(seed: int) -> str:
    lines: list[str] = []
    judge(seed, lines.append)
    return "\n".join(lines)
