"""`chainfire serve --config FILE`, `chainfire check-config --config FILE`."""

from __future__ import annotations

import sys

from chainfire.config import Config
from chainfire.shell.server import build
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the command line; the exit code."""
    return lifecycle.main("chainfire", Config, build)


if __name__ == "__main__":
    sys.exit(main())
