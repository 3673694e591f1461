"""The command line of a simulation: ./dev sim NAME [--seeds N] [--first SEED] [--jobs N] [--trace] [--json]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from ultracloud.testkit.checks import BrokenPromiseError

CHUNK = 20
"""Seeds that a process gets at once."""
Judge: TypeAlias = Callable[[int, Callable[[str], None] | None], object]
"""Runs one seed, tells a trace if it is to, and gives a verdict with figures; raises BrokenPromiseError."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is run from seeds.

    Attributes:
        name: As `./dev sim` has it.
        about: One line for `--help`.
        figures: Attributes of a verdict that are added up, in the order of `--json`.
        summary: How they are told to people; `{calls}` is what the figure of that name comes to.
    """

    name: str
    about: str
    judge: Judge
    figures: tuple[str, ...]
    summary: str

    def main(self, arguments: Sequence[str]) -> int:
        """Run seeds; print what failed. Gives the exit code."""
        options = self._parser().parse_args(arguments)
        started, failed = time.monotonic(), list[int]()
        totals = Counter(dict.fromkeys(self.figures, 0))
        seeds = range(options.first, options.first + options.seeds)
        for seed, came in self._run(seeds, options.jobs, is_traced=options.trace):
            if isinstance(came, str):
                failed.append(seed)
                again = f"./dev sim {self.name} --first {seed} --seeds 1 --trace"
                sys.stderr.write(f"seed {seed}: {came}\n  again: {again}\n")
            else:
                totals.update({name: getattr(came, name) for name in self.figures})
        seconds = round(time.monotonic() - started, 1)
        if options.json:
            found = {"seeds": options.seeds, "seconds": seconds, "failed": sorted(failed)}
            sys.stdout.write(json.dumps(found | totals) + "\n")
        else:
            told = self.summary.format_map(totals)
            sys.stdout.write(f"{options.seeds} seeds, {len(failed)} failed, {seconds} s: {told}\n")
        return 1 if failed else 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=f"./dev sim {self.name}", description=self.about)
        parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds to run (default: 200)")
        parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
        parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to run them in (default: 1)")
        parser.add_argument("--trace", action="store_true", help="print everything that happens")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        return parser

    def _run(self, seeds: range, jobs: int, *, is_traced: bool) -> Iterator[tuple[int, object]]:
        """Run seeds, in this process or in several; give what came of each."""
        if jobs == 1 or is_traced:
            for seed in seeds:
                yield seed, _one(self.judge, seed, is_traced=is_traced)
            return
        with ProcessPoolExecutor(jobs) as pool:
            yield from zip(seeds, pool.map(partial(_one, self.judge), seeds, chunksize=CHUNK), strict=True)


def _one(judge: Judge, seed: int, *, is_traced: bool = False) -> object:
    """Run one seed; the sentence of a broken promise stands for it."""
    try:
        return judge(seed, _print if is_traced else None)
    except BrokenPromiseError as broken:
        return str(broken)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
