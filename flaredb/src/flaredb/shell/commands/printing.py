"""How answers are printed: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence


def add_output_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Let the caller choose."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default=default, help=f"how it is printed (default: {default})"
    )


def print_json(thing: object) -> None:
    """Print anything JSON can hold, on one line."""
    say(json.dumps(thing, ensure_ascii=False))


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
