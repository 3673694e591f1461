"""`flaredb serve --config FILE`, `flaredb check-config --config FILE`."""

from __future__ import annotations

import sys

from flaredb.config import Config
from flaredb.shell.server import build
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the command line; the exit code."""
    return lifecycle.main("flaredb", Config, build)


if __name__ == "__main__":
    sys.exit(main())
