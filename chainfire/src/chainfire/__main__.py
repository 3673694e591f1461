"""`chainfire serve --config FILE`, `chainfire check-config --config FILE`, and what operators do: see `--help`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chainfire.config import Config
from chainfire.shell.commands import COMMANDS
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.runtime import Runtime

if TYPE_CHECKING:
    from chainfire.shell.server import Chainfire


def main() -> int:
    """Run the command line; the exit code."""
    return lifecycle.main("chainfire", Config, _build, commands=COMMANDS)


async def _build(config: Config, runtime: Runtime) -> Chainfire:
    """Build the server, which no other command needs."""
    from chainfire.shell.server import build

    return await build(config, runtime)


if __name__ == "__main__":
    sys.exit(main())
