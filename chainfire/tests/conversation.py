"""Runs golden conversations: each `> line` is said to the thing under test, and what it answers must be what follows.

`GOLDEN_UPDATE=1 pytest` writes the answers into the file; read the difference before you commit it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
Say = Callable[[list[str]], str]


def check_conversation(name: str, say: Say) -> None:
    """Hold the conversation in `golden/<name>.txt` with `say`, which gets the words of a line and gives the answer."""
    path = GOLDEN / f"{name}.txt"
    expected = path.read_text()
    actual = held(expected, say)
    if os.environ.get("GOLDEN_UPDATE"):
        path.write_text(actual)
    assert actual == expected


def held(text: str, say: Say) -> str:
    """The conversation with the answers that `say` gives. Comments and empty lines stay; old answers go."""
    kept: list[str] = []
    for line in text.splitlines():
        if line.startswith("> "):
            kept.append(line)
            answer = say(shlex.split(line[2:]))
            kept += answer.splitlines()
        elif line.startswith("#") or not line:
            kept.append(line)
    return "\n".join(kept) + "\n"
