"""How commands of services print answers: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None


def add_output_argument(parser: argparse.ArgumentParser, default: str = "table") -> None:
    """Let the caller choose."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default=default, help=f"how it is printed (default: {default})"
    )


def print_rows(rows: Sequence[Mapping[str, Cell | Sequence[str]]], output: str) -> None:
    """Print things of one kind: a line each below their common keys, or a JSON list."""
    if output == "json":
        print_json(rows)
        return
    if not rows:
        return
    table = [[key.upper().replace("_", " ") for key in rows[0]], *([_cell(row[key]) for key in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def print_one(thing: Mapping[str, Cell | Sequence[str]], output: str) -> None:
    """Print one thing: a line a key, or a JSON object."""
    if output == "json":
        print_json(thing)
        return
    width = max(map(len, thing))
    for key, value in thing.items():
        say(f"{key.replace('_', ' '):{width}}  {_cell(value)}".rstrip())


def print_json(thing: object) -> None:
    """Print anything JSON can hold, on one line."""
    say(json.dumps(thing, ensure_ascii=False))


def say(line: str) -> None:
    """Print a line of the answer."""
    sys.stdout.write(f"{line}\n")


def remark(line: str) -> None:
    """Print a line beside the answer."""
    sys.stderr.write(f"{line}\n")


def _cell(value: Cell | Sequence[str]) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case _:
            return ",".join(value) or "-"
