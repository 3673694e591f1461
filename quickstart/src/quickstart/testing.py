"""Dummy programs and stacks of them: what a supervisor runs where the real services would be too much."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from quickstart.core.stack import Program
from quickstart.shell.stack.client import StackClient

ENDLESS = "echo ready $0; exec sleep 1000"
"""A script that is ready at once and runs until it is ended."""


class Launch(Protocol):
    """Starts a stack of programs; whoever provides it ends the stack."""

    async def __call__(self, *programs: Program, held: Iterable[int] = (), **settings: Any) -> StackClient:
        """Start it with these settings of `Stack`."""
        ...


class MakeProgram(Protocol):
    """Makes a program that runs a shell script."""

    def __call__(self, name: str, script: str = ENDLESS, **settings: Any) -> Program:
        """Make it with these settings of `Program`; it is ready when the script prints so."""
        ...


def script_program(folder: Path, name: str, script: str, **settings: Any) -> Program:
    """A program that runs a shell script, with its name as $0 and its log in `folder`."""
    return Program(name=name, arguments=("sh", "-c", script, name), log=str(folder / f"{name}.log"), **settings)
