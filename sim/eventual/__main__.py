"""The command line: ./dev sim eventual; see `sim.command`."""

from __future__ import annotations

import sys

from sim.command import Simulation
from sim.eventual.judge import judge

FIGURES = ("writes", "doubts", "reads", "changes", "rereads", "repairs", "messages")
SUMMARY = (
    "{writes} writes ({doubts} in doubt), {reads} reads, {changes} changes followed ({rereads} read again), "
    "{repairs} repairs, {messages} messages"
)

if __name__ == "__main__":
    sys.exit(
        Simulation("eventual", "Eventual namespaces of flaredb from one seed.", judge, FIGURES, SUMMARY).main(
            sys.argv[1:]
        )
    )
