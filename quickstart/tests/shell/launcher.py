"""Starts a stack and waits, so that a test can see what happens when its starter ends: FOLDER WORD [detach]."""

import asyncio
import sys
from pathlib import Path

from quickstart.core.stack import Stack
from quickstart.core.supervision import Phase
from quickstart.shell.stack import client
from quickstart.testing import script_program

SCRIPT = "setsid sh -c 'sleep 1000; :' $0 & echo ready; sleep 1000"


async def main(folder: Path, word: str, *, detach: bool) -> None:
    stack = Stack(control=word, programs=(script_program(folder, word, SCRIPT),), private=("/run",))
    running = await client.launch(stack, folder / "stack.toml", folder / "supervisor.log")
    await running.wait_until(lambda now: now[word].phase is Phase.READY, 10)
    if detach:
        await running.detach()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    if not detach:
        await asyncio.sleep(1000)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], detach=len(sys.argv) > 3))
