"""`cluster list` names the lanes; `cluster LANE` plays one on machines of the flake.

Machines are hosts in network namespaces (`--backend namespaces`, root). They live in namespaces of this process, which
vanish with it however it ends; files stay below --folder if the lane fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from test_cluster import fresh_smoke, vm_image
from test_cluster.machines import machines_of
from test_cluster.namespaces import cluster

LANES = {"fresh-smoke": fresh_smoke}
OWN_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def main() -> int:
    """Play a lane; 0 if all of it holds."""
    arguments = parsed()
    if arguments.lane == "list":
        for name, lane in LANES.items():
            sys.stdout.write(f"{name}  {(lane.__doc__ or '').partition(': ')[2].partition(chr(10))[0]}\n")
        return 0
    if arguments.backend == "guests":
        sys.stderr.write("NixOS guests take a NixOS that can be built and a KVM that works; use --backend namespaces\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("network namespaces take root: run it with sudo\n")
        return 2
    if not arguments.inside:
        # Inside there is no network to get it over.
        vm_image.obtain()
        os.execvp(OWN_NAMESPACES[0], [*OWN_NAMESPACES, sys.executable, "-m", "test_cluster", "--inside", *sys.argv[1:]])  # noqa: S606
    return play(arguments.lane, arguments.machines)


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="cluster", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--machines", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--backend", choices=("namespaces", "guests"), default="namespaces", help="what machines are")
    parser.add_argument("lane", choices=("list", *LANES), help="what to play; `list` names them")
    return parser.parse_args()


def play(name: str, path: Path) -> int:
    """Play a lane on new machines and say each step with its time."""
    lane = LANES[name]
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    started = time.monotonic()

    def tell(step: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:7.1f} s  {step}\n")
        sys.stdout.flush()

    try:
        with cluster(machines_of(path, lane.PROFILE), folder) as made:
            asyncio.run(lane.play(made, tell))
    except BaseException:
        sys.stderr.write(f"{name} failed; configurations, certificates and logs: {folder}\n")
        raise
    shutil.rmtree(folder)
    tell(f"{name}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
