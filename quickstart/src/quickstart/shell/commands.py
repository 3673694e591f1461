"""Runs programs of the machine: never through a shell, always under a deadline, ended when the caller is."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path

from quickstart.errors import CommandError

COMMAND_SECONDS = 30.0
"""What a command of the quickstart may take unless its caller says otherwise: most take milliseconds."""


async def run(
    *arguments: str,
    timeout_s: float = COMMAND_SECONDS,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program and give what it wrote to stdout.

    Raises:
        CommandError: It could not be started, ended with a status other than 0, or ran out of time and was killed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
        )
    except OSError as error:
        raise CommandError(arguments, None, str(error)) from error
    try:
        async with asyncio.timeout(timeout_s):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise CommandError(arguments, None, f"still running after {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandError(arguments, process.returncode, (complaint + output).decode(errors="replace"))
    return output
