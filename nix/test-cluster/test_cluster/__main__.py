"""`cluster list` names the lanes; `cluster LANE` plays one on machines of the flake.

Machines are hosts in network namespaces (`--backend namespaces`) or guests of QEMU with a systemd (`--backend guests`);
a lane is for one of them. Both take root, and live in namespaces of this process, which vanish with it however it ends;
files stay if the lane fails.
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

from quickstart.errors import QuickstartError
from test_cluster import fresh_smoke, guest_image, guests, namespaces, single_node, vm_image
from test_cluster.machines import machines_of

LANES = {"fresh-smoke": fresh_smoke, "single-node": single_node}
BACKENDS = {"fresh-smoke": "namespaces", "single-node": "guests"}
WHY_NOT = {"guests": "guests are not on one network", "namespaces": "no systemd runs in a namespace"}
OWN_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def main() -> int:
    """Play a lane; 0 if all of it holds."""
    arguments = parsed()
    if arguments.lane == "list":
        for name, lane in LANES.items():
            sys.stdout.write(f"{name}  {(lane.__doc__ or '').partition(': ')[2].partition(chr(10))[0]}\n")
        return 0
    why_not = refusal(arguments)
    if why_not:
        sys.stderr.write(f"{why_not}\n")
        return 2
    if not arguments.inside:
        os.execvp(OWN_NAMESPACES[0], [*OWN_NAMESPACES, sys.executable, "-m", "test_cluster", "--inside", *sys.argv[1:]])  # noqa: S606
    return play(arguments.lane, arguments.machines)


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="cluster", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--machines", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--backend", choices=("namespaces", "guests"), help="what machines are")
    parser.add_argument("lane", choices=("list", *LANES), help="what to play; `list` names them")
    return parser.parse_args()


def refusal(arguments: argparse.Namespace) -> str:
    """Why a lane cannot be played so; empty if it can, and then there is all that takes a network to get."""
    backend = BACKENDS[arguments.lane]
    if arguments.backend not in (None, backend):
        return f"{arguments.lane}: {WHY_NOT[arguments.backend]}; use --backend {backend}"
    if os.geteuid() != 0:
        return "network namespaces take root: run it with sudo"
    if arguments.inside:
        return ""
    if backend == "namespaces":
        vm_image.obtain()
        return ""
    why_not = guests.refusal(arguments.machines.parent)
    if not why_not:
        try:
            guest_image.obtain(guest_image.cache())
        except QuickstartError as error:
            return f"{error.cause}; {error.remedy}"
    return why_not


def play(name: str, path: Path) -> int:
    """Play a lane on new machines and say each step with its time."""
    lane = LANES[name]
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    started = time.monotonic()

    def tell(step: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:7.1f} s  {step}\n")
        sys.stdout.flush()

    try:
        machines = machines_of(path, lane.PROFILE)
        if lane is single_node:
            with guests.cluster(machines, folder, path.parent) as guest:
                asyncio.run(single_node.play(guest, tell))
        else:
            with namespaces.cluster(machines, folder) as made:
                asyncio.run(fresh_smoke.play(made, tell))
    except BaseException:
        sys.stderr.write(f"{name} failed; configurations, certificates and logs: {folder}\n")
        raise
    shutil.rmtree(folder)
    tell(f"{name}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
