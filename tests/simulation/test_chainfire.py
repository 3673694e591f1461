"""Whole clusters from a few hundred seeds in every run, and proof that the simulation finds what is broken."""

from __future__ import annotations

import pytest
from mutants import MUTANTS, RARE_MUTANTS, Break

from sim.chainfire.judge import judge
from ultracloud.testkit.checks import BrokenPromiseError
from ultracloud.testkit.seeds import seeds

CAUGHT_WITHIN = 150
"""Seeds in which each broken member must be found out."""


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_a_cluster_keeps_its_promises(first: int) -> None:
    for seed in seeds(25):
        judge(first + seed)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    for seed in (4, 27):
        assert trace_of(seed) == trace_of(seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_member_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_caught(mutant, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", RARE_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_member_that_is_seldom_broken_is_found_out(mutant: Break, monkeypatch: pytest.MonkeyPatch) -> None:
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
    " reaches m",
    "does not reach",
    "is_transfer=True",
    "MemberAdd(",
    "MemberPromote(",
    "MemberRemove(",
    "space exceeded",
    "has been compacted",
    "Revoke(",
    "ttl_s=0",
)


def test_everything_that_should_go_wrong_does() -> None:
    missing = set(HAPPENS)
    for seed in range(60):
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
