"""The supervisor's process: prepares the place, runs the stack, ends when told.

It is started by `quickstart.shell.stack.client` as the first process of new process and mount namespaces.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

from quickstart.core.stack import Stack
from quickstart.errors import CommandError
from quickstart.shell.stack import control, place
from quickstart.shell.stack.supervisor import Supervisor
from ultracloud.servicekit import config
from ultracloud.servicekit.errors import ConfigError

STDERR = 2


def main() -> int:
    """Run a stack to its end."""
    parser = argparse.ArgumentParser(prog="python -m quickstart.shell.stack", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="TOML file that describes the stack")
    arguments = parser.parse_args()
    if os.getpid() != 1:
        sys.stderr.write("supervisor: must be the first process of its own namespaces; `quickstart` starts it so\n")
        return 2
    for descriptor in map(int, (entry.name for entry in Path("/proc/self/fd").iterdir())):
        # What we hold for as long as we live, such as the lock of the state folder, is not for our children.
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, descriptor <= STDERR)
    try:
        stack = config.load(Stack, arguments.plan, {}, "stack")
        place.prepare(stack)
    except (ConfigError, CommandError, OSError) as error:
        sys.stderr.write(f"supervisor: {error}\n")
        return 1
    asyncio.run(_supervise(stack))
    return 0


async def _supervise(stack: Stack) -> None:
    """Serve the control socket and the programs until told to end."""
    supervisor = Supervisor(stack)
    server = control.ControlServer(supervisor)
    await server.listen(stack.control)
    supervisor.start()
    await supervisor.ended.wait()
    await server.close()


if __name__ == "__main__":
    sys.exit(main())
