"""The serial console of a VM: for a person at a terminal, and for proofs that read and type."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from quickstart.errors import QuickstartError
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleInput, ConsoleOutput
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VmsClient

ALL = -1
"""Backlog: everything that is kept."""
LEAVE = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""
KEYS_BYTES_MAX = 4096
SHOWN_CHARACTERS = 400


async def read_until(vms: VmsClient, project: str, ref: str, wanted: str, timeout_s: float) -> str:
    """Read a console from its boot on, until `wanted` has been printed, and give all of it.

    Raises:
        TimeoutError: It was not printed within `timeout_s`; the sentence ends with what was.
        Fault: The console was refused.
    """
    first = ConsoleInput(project=project, ref=ref, backlog_bytes=ALL, read_only=True)
    return await _expect(vms, first, (), wanted, timeout_s)


async def run_command(vms: VmsClient, project: str, ref: str, command: str, wanted: str, timeout_s: float) -> str:
    """Type a command into the shell on a console and wait for `wanted` in what it prints; gives that line.

    Raises:
        TimeoutError: It was not printed within `timeout_s`.
        Fault: The console was refused.
    """
    first = ConsoleInput(project=project, ref=ref, backlog_bytes=0)
    text = await _expect(vms, first, (b"\n", f"{command}\n".encode()), wanted, timeout_s)
    return next(line.strip() for line in text.splitlines() if wanted in line)


async def _expect(vms: VmsClient, first: ConsoleInput, keys: tuple[bytes, ...], wanted: str, timeout_s: float) -> str:
    """Open a console, type, and read until `wanted`."""
    text = ""
    seen = asyncio.Event()

    async def inputs() -> AsyncIterator[ConsoleInput]:
        yield first
        for typed in keys:
            yield ConsoleInput(keys=typed)
        # The call lasts as long as its requests do.
        await seen.wait()

    try:
        async with asyncio.timeout(timeout_s):
            outputs = cast("AsyncGenerator[ConsoleOutput, None]", vms.console(inputs()))
            async with aclosing(outputs):
                async for output in outputs:
                    text += output.text.decode(errors="replace")
                    if wanted in text:
                        return text
    except TimeoutError:
        raise TimeoutError(
            f"the console did not print '{wanted}' within {timeout_s:g} s; it ends with {text[-SHOWN_CHARACTERS:]!r}"
        ) from None
    finally:
        seen.set()
    raise QuickstartError(
        f"the console ended before '{wanted}'; it ends with {text[-SHOWN_CHARACTERS:]!r}",
        remedy="the VM may have stopped; the log of plasmavmc-agent says why",
    )


async def attach(vms: VmsClient, project: str, ref: str) -> None:
    """Connect this terminal to a console until Ctrl-] is typed or the VM ends.

    Raises:
        Fault: There is no such VM, or no right to its console.
    """
    keyboard = Keyboard()
    _listen(keyboard)
    saved = _raw_terminal()
    first = ConsoleInput(project=project, ref=ref, backlog_bytes=ALL)
    show = asyncio.create_task(_show(vms.console(keyboard.inputs(first))), name="show console")
    leave = asyncio.create_task(keyboard.left.wait(), name="wait for Ctrl-]")
    try:
        await asyncio.wait([show, leave], return_when=asyncio.FIRST_COMPLETED)
        if show.done():
            show.result()
    finally:
        for task in (show, leave):
            task.cancel()
        await asyncio.gather(show, leave, return_exceptions=True)
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        if saved is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, saved)
        sys.stdout.write("\n")


def _listen(keyboard: Keyboard) -> None:
    """Read what comes from stdin.

    Raises:
        QuickstartError: It is a file, of which nobody can tell when there is more.
    """
    try:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), keyboard.read)
    except (PermissionError, ValueError) as error:
        raise QuickstartError(
            "the console reads keys from a terminal or a pipe, and stdin is neither",
            remedy="run it in a terminal, or feed it through a pipe: `(echo uptime; sleep 2) | ...`",
        ) from error


class Keyboard:
    """What a person types, until Ctrl-] or the end of stdin.

    Attributes:
        left: Set when the person has left.
    """

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self._keys: asyncio.Queue[bytes] = asyncio.Queue()

    def read(self) -> None:
        """Take what has been typed; called when there is something."""
        typed = os.read(sys.stdin.fileno(), KEYS_BYTES_MAX)
        before, leave, _ = typed.partition(LEAVE)
        if before:
            self._keys.put_nowait(before)
        if leave or not typed:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.left.set()

    async def inputs(self, first: ConsoleInput) -> AsyncIterator[ConsoleInput]:
        """The requests of a console call."""
        yield first
        while True:
            yield ConsoleInput(keys=await self._keys.get())


async def _show(outputs: AsyncIterator[ConsoleOutput]) -> None:
    async for output in outputs:
        sys.stdout.buffer.write(output.text)
        sys.stdout.buffer.flush()


def _raw_terminal() -> list[Any] | None:
    """Hand every key through; gives what to restore, None if stdin is no terminal."""
    if not sys.stdin.isatty():
        return None
    saved = termios.tcgetattr(sys.stdin.fileno())
    tty.setraw(sys.stdin.fileno())
    return saved
