"""Where the rows of a benchmark are kept, and what machine they are of."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def machine() -> str:
    """What this runs on, in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def record(rows: Iterable[Mapping[str, object]], path: Path) -> None:
    """Add rows to a file of results, with the commit, the time and the machine."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    when = datetime.now(UTC).isoformat(timespec="seconds")
    kept = {"commit": head.stdout.strip(), "when": when, "machine": machine()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as results:
        for each in rows:
            results.write(json.dumps({**kept, **each}) + "\n")
