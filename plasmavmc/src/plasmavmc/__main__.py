"""`python -m plasmavmc`: serve, check-config."""

from __future__ import annotations

import sys

from plasmavmc.config import PlasmavmcSettings
from plasmavmc.shell.server import build
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the server's command line and give the exit code."""
    return lifecycle.main("plasmavmc", PlasmavmcSettings, build)


if __name__ == "__main__":
    sys.exit(main())
