"""With any one rule broken the tests show a broken law, or a sentence that must not be said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conversation import Stage
from laws import BrokenLawError
from mutants import MUTANTS, Found, Golden, Mutant
from weather import Theme
from world import World

from ultracloud.testkit.golden import PROMPT

GOLDEN = Path(__file__).parent / "golden"
SEEDS_MAX = 400
"""Most are caught within twenty."""


@pytest.mark.parametrize(("mutant", "found"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_a_broken_rule_is_noticed(mutant: Mutant, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    if isinstance(found, Golden):
        assert says_wrong(found)
    else:
        assert any(breaks_a_law(seed, found) for seed in range(SEEDS_MAX))


def says_wrong(golden: Golden) -> bool:
    """Whether the sentence is said more often than the golden has it. What comes after it does not matter."""
    lines = (GOLDEN / f"{golden.name}.txt").read_text().splitlines()
    stage, said = Stage(), Counter[str]()
    for line in lines:
        if line.startswith(PROMPT):
            said.update(stage.say(line[len(PROMPT) :]).splitlines())
        if said[golden.wrong] > lines.count(golden.wrong):
            return True
    return False


def breaks_a_law(seed: int, theme: Theme) -> bool:
    """Whether this run shows a broken law, or a node that ends itself over one."""
    try:
        World(seed, theme).run()
    except (BrokenLawError, AssertionError, ValueError):
        return True
    return False
