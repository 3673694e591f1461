"""`./dev bench nix`: how long Nix takes to evaluate each profile's guard, whole, over the stand-in for nixpkgs.

A row is the best run of a new Nix each. Nothing else does this work, so there is no peer beside it; the aim is 10 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time

from bench._results import ROOT, machine, record

RESULTS = ROOT / "bench" / "results" / "nix.jsonl"
NIX = ROOT / ".cache" / "nix" / "bin" / "nix"
RUNS = 3
AIM_S = 10.0
WHOLE = 'guards: builtins.all (one: guards.machine one.modules) (builtins.attrValues guards.clouds."{profile}")'


def main() -> int:
    """Run all, print what came out, keep it with the commit."""
    parser = argparse.ArgumentParser(prog="./dev bench nix", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object for machines")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each profile (default: {RUNS})")
    parser.add_argument("--no-record", action="store_true", help="do not add to bench/results")
    arguments = parser.parse_args()
    profiles = json.loads(evaluated("guards: builtins.attrNames guards.clouds"))
    rows = []
    for profile in profiles:
        seconds = min(timed(WHOLE.format(profile=profile)) for _ in range(arguments.runs))
        rows.append({"what": f"guard of {profile}", "ours": round(seconds, 2), "unit": "s"})
    if arguments.json:
        print(json.dumps({"bench": "nix", "machine": machine(), "rows": rows}))
    else:
        for each in rows:
            print(f"{each['what']:30} {each['ours']:>8} {each['unit']}   aim: below {AIM_S:g}")
    if not arguments.no_record:
        record(rows, RESULTS)
    return 0


def timed(function: str) -> float:
    """Seconds that a Nix takes to apply a function to the guards, which must hold."""
    began = time.monotonic()
    assert evaluated(function) == "true\n"
    return time.monotonic() - began


def evaluated(function: str) -> str:
    """What a new Nix, with an empty store, makes of the guards."""
    guards = ("--file", ROOT / "nix/guards/offline.nix", "guards")
    command = [NIX, "eval", "--offline", "--json", *guards, "--apply", function]
    with tempfile.TemporaryDirectory(prefix="nix-") as home:
        done = subprocess.run(command, env={**os.environ, "NIX_HOME": home}, capture_output=True, text=True, check=True)
        subprocess.run(["chmod", "-R", "u+w", home], check=False)
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
