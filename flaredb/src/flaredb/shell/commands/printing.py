"""How flaredb's answers are printed, beyond what all services have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ultracloud.servicekit.printing import print_json, say

Told = dict[str, object]
"""What a command found out, by name; a mapping in it is a table of its own."""


def print_one(thing: Told, output: str) -> None:
    """Print one thing: a line a name, or a JSON object."""
    if output == "json":
        print_json(thing)
        return
    width = max(map(len, thing))
    for name, said in thing.items():
        rows = said.items() if isinstance(said, Mapping) else [("", said)]
        for inner, cell in rows:
            cells = cell.items() if isinstance(cell, Mapping) else [("", cell)]
            told = " ".join(f"{each} {one}".strip() for each, one in cells)
            say(f"{name.replace('_', ' '):{width}}  {f'{inner}: ' if inner else ''}{told}".rstrip())


def print_row(cells: Sequence[str], widths: Sequence[int]) -> None:
    """Print a line of a table; a cell that is wider than its column moves the rest of its line."""
    padded = [cell.ljust(width) for cell, width in zip(cells, [*widths, 0], strict=True)]
    say("  ".join(padded).rstrip())
