"""The command line: ./dev sim chainfire; see `sim.command`."""

from __future__ import annotations

import sys

from sim.chainfire.judge import judge
from sim.command import Simulation

FIGURES = ("calls", "doubts", "revisions", "events", "messages")
SUMMARY = "{calls} calls ({doubts} in doubt), {revisions} revisions, {events} watch events, {messages} messages"

if __name__ == "__main__":
    sys.exit(Simulation("chainfire", "A chainfire cluster from one seed.", judge, FIGURES, SUMMARY).main(sys.argv[1:]))
