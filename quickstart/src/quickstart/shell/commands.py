"""Runs programs of the machine: never through a shell, always under a deadline, ended when the caller is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from quickstart.errors import CommandError

LAST_WORDS_SECONDS = 1.0
COMMAND_SECONDS = 30.0
"""What a command of the quickstart may take unless its caller says otherwise: most take milliseconds."""


async def run(
    *arguments: str,
    timeout_s: float = COMMAND_SECONDS,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
) -> bytes:
    """Run a program, with `given` as its stdin, and give what it wrote to stdout.

    Raises:
        CommandError: It could not be started, ended with a status other than 0, or ran out of time and was killed.
    """
    try:
        process = await _start(arguments, folder, environment, subprocess.PIPE if given else subprocess.DEVNULL)
    except OSError as error:
        raise CommandError(arguments, None, str(error)) from error
    try:
        async with asyncio.timeout(timeout_s):
            output, complaint = await process.communicate(given or None)
    except TimeoutError as error:
        raise CommandError(arguments, None, f"still running after {timeout_s:g} s") from error
    finally:
        await _end(process)
    if process.returncode:
        raise CommandError(arguments, process.returncode, (complaint + output).decode(errors="replace"))
    return output


async def _start(
    arguments: tuple[str, ...], folder: Path | None, environment: Mapping[str, str] | None, stdin: int
) -> asyncio.subprocess.Process:
    """Start a program; if its caller is cancelled meanwhile, it is ended as soon as it has begun."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *arguments,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            # A group of its own, so that what the program starts can be ended with it.
            start_new_session=True,
        ),
        name=f"start {arguments[0]}",
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the program and what it started, and close its pipes, which else complain when the loop is closed."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Whoever left the group may hold the pipes open, and is not waited for.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            await process.communicate()
