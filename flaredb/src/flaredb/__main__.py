"""`flaredb serve --config FILE`, `flaredb check-config --config FILE`, and what operators ask: see `--help`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flaredb.config import Config
from flaredb.shell.commands import COMMANDS
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.runtime import Runtime

if TYPE_CHECKING:
    from ultracloud.servicekit.lifecycle import Service


def main() -> int:
    """Run the command line; the exit code."""
    return lifecycle.main("flaredb", Config, _build, commands=COMMANDS)


async def _build(config: Config, runtime: Runtime) -> Service | None:
    """Build the server, which no other command needs."""
    from flaredb.shell.server import build

    return await build(config, runtime)


if __name__ == "__main__":
    sys.exit(main())
