"""What was checked, with what result and in which time; as a table for a person and as one object for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CELL_LENGTH_MAX = 100
"""A row fits a wide terminal; what is longer is in the log."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done or proved.

    Attributes:
        name: A few words a program can match on, e.g. ``http answered``.
        ok: Whether it did what it says.
        seconds: How long it took.
        detail: The same as a sentence for a person, with what was found.
    """

    name: str
    ok: bool
    seconds: float
    detail: str


def to_json(
    steps: Sequence[Step], seconds: float, accelerator: str, memory_mb: Mapping[str, float]
) -> dict[str, object]:
    """The object that `./dev quickstart --json` prints."""
    return {
        "ok": bool(steps) and all(step.ok for step in steps),
        "seconds": round(seconds, 3),
        "accelerator": accelerator,
        "steps": [
            {"name": step.name, "ok": step.ok, "seconds": round(step.seconds, 3), "detail": step.detail}
            for step in steps
        ],
        "memory_mb": {name: round(megabytes, 1) for name, megabytes in memory_mb.items()},
    }


def step_table(steps: Sequence[Step]) -> str:
    """The table of what was checked."""
    rows = [(step.name, "ok" if step.ok else "FAILED", f"{step.seconds:.2f}") for step in steps]
    return render_table(("checked", "result", "seconds"), rows, right=(2,))


def memory_table(memory_mb: Mapping[str, float]) -> str:
    """The table of who uses how much memory."""
    rows = [(name, f"{megabytes:.0f}") for name, megabytes in memory_mb.items()]
    return render_table(("memory", "MB"), rows, right=(1,))


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as their widest cell, two spaces apart; the columns in `right` are aligned right."""
    cut = [[cell[:CELL_LENGTH_MAX] for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cut) for column in range(len(header))]
    cut.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cut
    )
