"""The random runs are worth something: with any one rule broken they soon show a broken law."""

from __future__ import annotations

import pytest
from laws import BrokenLawError
from mutants import MUTANTS, Mutant
from world import World

SEEDS_MAX = 400
"""Most are caught within twenty."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_rule_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    assert any(is_noticed(seed) for seed in range(SEEDS_MAX))


def is_noticed(seed: int) -> bool:
    """Whether this run shows a broken law, or a node that ends itself over one."""
    try:
        World(seed).run()
    except (BrokenLawError, AssertionError, ValueError):
        return True
    return False
