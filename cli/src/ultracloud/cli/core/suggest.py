"""The nearest known word, for what was mistyped.

Damerau's distance without overlaps: one wrong, missing, extra or swapped letter counts one. difflib would do it too and
costs 10 ms to import.

Source: F. J. Damerau, "A technique for computer detection and correction of spelling errors", CACM 7(3), 1964.
"""

from __future__ import annotations

from collections.abc import Iterable

DISTANCE_MAX = 3
WORD_LENGTH_MAX = 40
"""Longer words are no slips of the finger, and the distance costs the square of it."""
SUGGESTIONS_MAX = 3
PREFIX_LENGTH_MIN = 3
"""Fewer letters are too little to go by."""


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Known words that `word` was probably meant to be, best first, at most SUGGESTIONS_MAX."""
    if not word or len(word) > WORD_LENGTH_MAX:
        return []
    limit = min(DISTANCE_MAX, max(1, len(word) // 3))
    scored: list[tuple[int, str]] = []
    for candidate in sorted(set(known)):
        if len(word) >= PREFIX_LENGTH_MIN and candidate.startswith(word):
            scored.append((0, candidate))
        elif abs(len(candidate) - len(word)) <= limit and (found := distance(word, candidate)) <= limit:
            scored.append((found, candidate))
    return [candidate for _, candidate in sorted(scored)[:SUGGESTIONS_MAX]]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'list'?`; empty if nothing is near."""
    found = nearest(word, known)
    if not found:
        return ""
    return f"did you mean {' or '.join(repr(candidate) for candidate in found)}?"


def distance(first: str, second: str) -> int:
    """Edits that make one word the other."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
