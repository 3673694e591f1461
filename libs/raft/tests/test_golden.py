"""Each file in tests/golden is a scenario of the Raft paper or of the dissertation, under its section's number."""

from __future__ import annotations

from pathlib import Path

import pytest
from conversation import Stage

from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.txt")))
def test_nodes_say_what_they_said(name: str) -> None:
    golden.check_conversation(GOLDEN / f"{name}.txt", Stage().say)
