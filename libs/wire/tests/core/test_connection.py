from __future__ import annotations

import os
from pathlib import Path

import pytest
from conversation import hold

GOLDENS = sorted((Path(__file__).parent.parent / "golden").glob("*.txt"))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_the_machine_answers_as_the_golden_conversation_says(golden: Path) -> None:
    text = golden.read_text()
    held = hold(text)
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(held)
    assert held == text
