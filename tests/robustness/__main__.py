"""`python -m tests.robustness`: rounds of a cluster under load and faults, until the time is up or a promise is broken.

It needs root: it enters network and mount namespaces of its own, in which hosts, cables and small disks are made.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.robustness import servers
from tests.robustness.bed import BedError
from tests.robustness.faults import FAULTS, NEEDS_SMALL_DISK
from tests.robustness.rounds import Outcome, Plan, draw, play
from tests.robustness.servers import ROOT, Server, Stores
from tests.robustness.store_faults import STORE_FAULTS
from tests.robustness.store_rounds import StoreOutcome, play_stores
from ultracloud.testkit.checks.history import BrokenPromiseError
from ultracloud.testkit.checks.order import UndecidedError
from ultracloud.testkit.namespaces import is_possible

INSIDE = "ULTRACLOUD_ROBUSTNESS_INSIDE"
"""Set once we are in namespaces of our own."""
FAULTS_A_ROUND = 6
EXIT_BROKEN, EXIT_USAGE = 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run rounds; 0 if every promise was kept."""
    options = _parser().parse_args(arguments)
    known = _faults(options.server)
    unknown = [name for name in options.faults if name not in known]
    if unknown:
        sys.stderr.write(f"no fault '{unknown[0]}'; there are: {', '.join(known)}\n")
        return EXIT_USAGE
    server = servers.find(options.server)
    if server is None:
        sys.stderr.write(f"{options.server} is not installed here; `./dev test` unpacks the etcds\n")
        return EXIT_USAGE
    if not is_possible():
        sys.stderr.write("this needs root: members live in network namespaces\n")
        return EXIT_USAGE
    if INSIDE not in os.environ:
        return _enter(arguments)
    return _run(options, server)


def _faults(server: str) -> Mapping[str, object]:
    """What may strike this server."""
    return STORE_FAULTS if server.startswith("flaredb") else FAULTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--server", choices=servers.SERVERS, default="chainfire", help="what is tested")
    parser.add_argument("--minutes", type=float, default=0.0, metavar="N", help="go on for so long (default: a round)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first round (default: 0)")
    parser.add_argument(
        "--members", type=int, choices=(1, 3, 5), help="of the cluster (default: 3; 5 stores of flaredb)"
    )
    parser.add_argument("--clients", type=int, default=6, metavar="N", help="that ask at once (default: 6)")
    parser.add_argument("--count", type=int, default=FAULTS_A_ROUND, metavar="N", help="faults a round (default: 6)")
    parser.add_argument("--faults", nargs="*", default=[], metavar="FAULT", help="only these, drawn from the seed")
    parser.add_argument("--in-order", action="store_true", help="exactly the given faults, one after the other")
    parser.add_argument("--small-disks", action="store_true", help="on small disks in memory, which can be filled")
    parser.add_argument("--stale-reads", action="store_true", help="read stale on purpose: the round must be found out")
    parser.add_argument("--keep-all", action="store_true", help="keep those of rounds that succeed too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where rounds that fail leave history and logs")
    return parser


def _enter(arguments: Sequence[str]) -> int:
    """Run this again in namespaces of its own."""
    command = ["unshare", "--net", "--mount", "--", sys.executable, "-m", "tests.robustness", *arguments]
    os.chdir(ROOT)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, INSIDE: "1", "PYTHONPATH": path}
    os.execvpe("unshare", command, environment)  # noqa: S606 - no shell


def _run(options: argparse.Namespace, server: Server) -> int:
    logging.getLogger("ultracloud").setLevel(logging.ERROR)  # that members are away is no news here
    ends_at = time.monotonic() + options.minutes * 60
    seed = options.seed
    while True:
        if not _round(options, server, seed):
            return EXIT_BROKEN
        seed += 1
        if time.monotonic() >= ends_at:
            return 0


def _round(options: argparse.Namespace, server: Server, seed: int) -> bool:
    """One round; whether every promise was kept."""
    known = _faults(options.server)
    chosen = tuple(options.faults)
    faults = chosen if options.in_order else draw(seed, options.count, chosen or tuple(known))
    members = options.members or (5 if isinstance(server, Stores) else 3)
    is_small = options.small_disks or (options.in_order and bool(NEEDS_SMALL_DISK & set(faults)))
    plan = Plan(server, seed, faults, members, options.clients, is_small=is_small, reads_stale=options.stale_reads)
    folder = Path(tempfile.mkdtemp(prefix=f"robustness-{server.name}-{seed}-"))
    began = time.monotonic()
    try:
        outcome = asyncio.run(_play(plan, folder))
    except (BrokenPromiseError, UndecidedError, BedError, TimeoutError) as broken:
        kept = _keep(folder, options.keep)
        sys.stdout.write(f"seed {seed} ({', '.join(faults)}): {type(broken).__name__}: {broken}\n")
        sys.stdout.write(f"history, notes and logs: {kept}\nagain: {_reproducer(options, seed)}\n")
        sys.stdout.flush()
        return False
    if options.keep_all:
        sys.stdout.write(f"history, notes and logs: {_keep(folder, options.keep)}\n")
    else:
        shutil.rmtree(folder)
    _tell(seed, outcome, time.monotonic() - began)
    return True


async def _play(plan: Plan, folder: Path) -> Outcome | StoreOutcome:
    return await (play_stores(plan, folder) if isinstance(plan.server, Stores) else play(plan, folder))


def _keep(folder: Path, wanted: Path | None) -> Path:
    """Put what is left of a round where it was asked for."""
    if wanted is None:
        return folder
    wanted.mkdir(parents=True, exist_ok=True)
    return Path(shutil.move(folder, wanted / folder.name))


def _reproducer(options: argparse.Namespace, seed: int) -> str:
    """The command that plays this round again; processes and their timing it cannot repeat."""
    words = ["python -m tests.robustness", f"--server {options.server}", f"--seed {seed}"]
    words += [f"--members {options.members}"] if options.members else []
    words += [f"--count {options.count}"] if options.count != FAULTS_A_ROUND else []
    words += [f"--faults {' '.join(options.faults)}"] if options.faults else []
    words += ["--in-order"] if options.in_order else []
    words += ["--stale-reads"] if options.stale_reads else []
    words += ["--small-disks"] if options.small_disks else []
    return " ".join(words)


def _tell(seed: int, outcome: Outcome | StoreOutcome, seconds: float) -> None:
    """One round in a few lines."""
    recoveries = ", ".join(f"{name} {after_ms:.0f}" for name, after_ms in outcome.recoveries_ms)
    sys.stdout.write(f"seed {seed}: kept, {seconds:.1f} s; {outcome.summary}\n")
    sys.stdout.write(f"  next accepted write, ms after each fault was over: {recoveries}\n")
    if outcome.failovers_ms:
        failovers = ", ".join(f"{after_ms:.0f}" for after_ms in outcome.failovers_ms)
        sys.stdout.write(f"  next accepted write, ms after a leader was killed: {failovers}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
