"""What can go wrong, always with what to do next."""

from __future__ import annotations

from pathlib import Path


class QuickstartError(Exception):
    """Something a person has to know: what happened, and what to try next.

    Args:
        cause: What happened and why, one sentence or a few lines.
        remedy: The next thing to try, a command where there is one.
        log: The file that says more, if there is one.
    """

    def __init__(self, cause: str, *, remedy: str, log: Path | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy
        self.log = log


class StepFailedError(QuickstartError):
    """A step failed; `step` is its name."""

    def __init__(self, step: str, cause: str, *, remedy: str, log: Path | None = None) -> None:
        super().__init__(cause, remedy=remedy, log=log)
        self.step = step


class UsageError(QuickstartError):
    """The arguments cannot be used; nothing was begun."""


class CommandError(Exception):
    """A program ended with a status other than 0, or did not end in time.

    Args:
        arguments: The program and its arguments.
        status: Its exit status; None if it did not end in time or could not be started.
        output: What it wrote to stdout and stderr.
    """

    def __init__(self, arguments: tuple[str, ...], status: int | None, output: str) -> None:
        ended = "did not end in time" if status is None else f"exit status {status}"
        super().__init__(f"{' '.join(arguments)}: {ended}: {output.strip()[-2000:]}")
        self.arguments = arguments
        self.status = status
        self.output = output
