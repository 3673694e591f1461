"""`python -m apigateway serve --config FILE`: the front door."""

from __future__ import annotations

import sys

from apigateway.config import GatewaySettings
from apigateway.shell.server import build
from apigateway.shell.versions import COMMANDS
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the command line and give its exit code."""
    return lifecycle.main("apigateway", GatewaySettings, build, commands=COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
