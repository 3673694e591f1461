"""The command line: ./dev sim eventual [--seeds N] [--first SEED] [--jobs N] [--trace] [--json]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from sim.eventual.judge import Verdict, judge
from ultracloud.testkit.checks import BrokenPromiseError

FIGURES = ("writes", "doubts", "reads", "changes", "rereads", "repairs", "messages")
CHUNK = 20
"""Seeds that a process gets at once."""


@dataclass(slots=True)
class Totals:
    """What all seeds came to."""

    failed: dict[int, str] = field(default_factory=dict)
    writes: int = 0
    doubts: int = 0
    reads: int = 0
    changes: int = 0
    rereads: int = 0
    repairs: int = 0
    messages: int = 0

    def add(self, seed: int, came: Verdict | str) -> None:
        """Count one seed in."""
        if isinstance(came, str):
            self.failed[seed] = came
            sys.stderr.write(f"seed {seed}: {came}\n  again: ./dev sim eventual --first {seed} --seeds 1 --trace\n")
            return
        for name in FIGURES:
            setattr(self, name, getattr(self, name) + getattr(came, name))


def main(arguments: Sequence[str]) -> int:
    """Run seeds; print what failed."""
    parser = argparse.ArgumentParser(
        prog="./dev sim eventual", description="Eventual namespaces of flaredb from one seed."
    )
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds to run (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to run them in (default: 1)")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    started, totals = time.monotonic(), Totals()
    for seed, came in run(range(options.first, options.first + options.seeds), options.jobs, is_traced=options.trace):
        totals.add(seed, came)
    seconds = round(time.monotonic() - started, 1)
    if options.json:
        found = {"seeds": options.seeds, "seconds": seconds, "failed": sorted(totals.failed)}
        sys.stdout.write(json.dumps(found | {name: getattr(totals, name) for name in FIGURES}) + "\n")
    else:
        sys.stdout.write(
            f"{options.seeds} seeds, {len(totals.failed)} failed, {seconds} s: "
            f"{totals.writes} writes ({totals.doubts} in doubt), {totals.reads} reads, {totals.changes} changes "
            f"followed ({totals.rereads} read again), {totals.repairs} repairs, {totals.messages} messages\n"
        )
    return 1 if totals.failed else 0


def run(seeds: range, jobs: int, *, is_traced: bool = False) -> Iterator[tuple[int, Verdict | str]]:
    """Run seeds, in this process or in several; give what came of each."""
    if jobs == 1 or is_traced:
        for seed in seeds:
            yield seed, one(seed, is_traced=is_traced)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(seeds, pool.map(one, seeds, chunksize=CHUNK), strict=True)


def one(seed: int, *, is_traced: bool = False) -> Verdict | str:
    """Run one seed; the sentence of a broken promise stands for it."""
    try:
        return judge(seed, _print if is_traced else None)
    except BrokenPromiseError as broken:
        return str(broken)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
