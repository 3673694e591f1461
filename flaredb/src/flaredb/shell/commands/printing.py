"""How answers are printed: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence

Told = dict[str, object]
"""What a command found out, by name; a mapping in it is a table of its own."""


def add_output_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Let the caller choose."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default=default, help=f"how it is printed (default: {default})"
    )


def print_json(thing: object) -> None:
    """Print anything JSON can hold, on one line."""
    say(json.dumps(thing, ensure_ascii=False))


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


def say(line: str) -> None:
    """Print a line of the answer."""
    sys.stdout.write(f"{line}\n")


def remark(line: str) -> None:
    """Print a line beside the answer."""
    sys.stderr.write(f"{line}\n")
