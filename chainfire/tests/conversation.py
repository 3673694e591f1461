"""Golden conversations of chainfire: `testkit`'s, with each line split into words as a shell would."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent / "golden"
Say = Callable[[list[str]], str]


def check_conversation(name: str, say: Say) -> None:
    """Hold the conversation in `golden/<name>.txt` with `say`, which gets the words of a line and gives the answer."""
    golden.check_conversation(GOLDEN / f"{name}.txt", lambda line: say(shlex.split(line)))
