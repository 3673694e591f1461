"""Tables as terminals like them: columns as wide as they must be, three spaces between, nothing behind the last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from unicodedata import category, east_asian_width

GAP = "   "
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def render(headings: Sequence[str], rows: Iterable[Sequence[str]], *, bare: bool = False) -> str:
    """Lines with a newline each; `bare` leaves the headings out."""
    lines = [list(row) for row in rows]
    if not bare:
        lines.insert(0, list(headings))
    if not lines:
        return ""
    widths = [max(width(line[at]) for line in lines) for at in range(len(headings))]
    return "".join(line_of(line, widths) for line in lines)


def line_of(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line; a cell wider than its column shifts what follows, as when a watch prints what comes."""
    padded = (cell + " " * (wanted - width(cell)) for cell, wanted in zip(cells, widths, strict=True))
    return GAP.join(padded).rstrip() + "\n"


def width(text: str) -> int:
    """Cells of a terminal that a text takes: East Asian wide letters take two, accents of their own none."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def natural(text: str) -> list[tuple[int, float, str]]:
    """For sorting as people do: `web-2` before `web-10`, numbers by value, nothing last."""
    parts = re.split(r"(\d+)", text)
    return [(0, float(part[:300]), "") if part.isdigit() else (1, 0.0, part) for part in parts if part] or [
        (2, 0.0, "")
    ]
