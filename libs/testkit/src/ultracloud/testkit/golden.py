"""Goldens: what a program said once, kept in a file that a person reads and reviews.

`UPDATE_GOLDENS=1 pytest` writes what is said now; read the difference before you commit it. A conversation is a file of
lines that begin with ``>`` and the answers below them:

    # leases.txt
    > grant 10
    lease 1, 10 s
    > keep-alive 1

Source: the datadriven tests of etcd-io/raft.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

UPDATE = "UPDATE_GOLDENS"
PROMPT = "> "

Say = Callable[[str], str]
SayAsync = Callable[[str], Awaitable[str]]


def is_updating() -> bool:
    """Whether goldens are to be written instead of compared."""
    return os.environ.get(UPDATE, "") not in ("", "0")


def check(path: Path, text: str) -> None:
    """Hold `text` against the golden at `path`.

    Raises:
        AssertionError: They differ, or there is no golden yet.
    """
    if is_updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    hint = f"{path} is not what was said; if it should be: {UPDATE}=1 pytest, then read the difference"
    assert path.exists(), f"{path} does not exist; write it with {UPDATE}=1 pytest"
    assert path.read_text() == text, hint


def check_conversation(path: Path, say: Say) -> None:
    """Say every line of the conversation at `path` to `say` and hold its answers against the file's.

    Args:
        path: The file; it must exist, with at least its ``>`` lines.
        say: Gets a line without its prompt, gives the answer, of any number of lines.

    Raises:
        AssertionError: An answer differs.
    """
    kept: list[str] = []
    for line in _lines(path):
        kept += _kept(line, say(line[len(PROMPT) :]) if line.startswith(PROMPT) else "")
    check(path, "\n".join(kept) + "\n")


async def check_conversation_async(path: Path, say: SayAsync) -> None:
    """The same with a `say` that is awaited."""
    kept: list[str] = []
    for line in _lines(path):
        kept += _kept(line, await say(line[len(PROMPT) :]) if line.startswith(PROMPT) else "")
    check(path, "\n".join(kept) + "\n")


def _lines(path: Path) -> list[str]:
    """The lines of a conversation."""
    return path.read_text().splitlines()


def _kept(line: str, answer: str) -> list[str]:
    """What of a line stays: prompts with their new answer, comments and empty lines; old answers go."""
    if line.startswith(PROMPT):
        return [line, *answer.splitlines()]
    return [line] if not line or line.startswith("#") else []
