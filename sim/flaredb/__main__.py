"""The command line: ./dev sim flaredb; see `sim.command`."""

from __future__ import annotations

import sys

from sim.command import Simulation
from sim.flaredb.judge import judge

FIGURES = ("calls", "doubts", "writes", "regions", "sums", "messages", "wide", "snapshots")
SUMMARY = (
    "{calls} calls ({doubts} in doubt), {writes} writes, {wide} of several keys, "
    "{snapshots} reads of everything at a version, {regions} regions, {sums} states compared, {messages} messages"
)

if __name__ == "__main__":
    sys.exit(Simulation("flaredb", "Regions of flaredb from one seed.", judge, FIGURES, SUMMARY).main(sys.argv[1:]))
