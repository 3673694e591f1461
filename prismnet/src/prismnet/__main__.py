"""`python -m prismnet serve --config FILE`: prismnet's server."""

from __future__ import annotations

import sys

from prismnet.config import PrismnetSettings
from prismnet.shell.server import build
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the command line and give its exit code."""
    return lifecycle.main("prismnet", PrismnetSettings, build)


if __name__ == "__main__":
    sys.exit(main())
