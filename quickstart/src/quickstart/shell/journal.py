"""Walks through steps: shows and times each, and turns what went wrong into one clear failure."""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quickstart.core.report import Step
from quickstart.errors import CommandError, QuickstartError, StepFailedError
from quickstart.shell.terminal import Terminal
from ultracloud.base.faults import Fault


@dataclass(slots=True)
class Doing:
    """A step while it is under way.

    Attributes:
        detail: The sentence it ends as; a step sets it to what it found.
        seconds: Set this to report another time than the step's own.
    """

    detail: str
    seconds: float | None = None
    _terminal: Terminal | None = None

    def say(self, text: str) -> None:
        """Tell what is going on right now."""
        if self._terminal is not None:
            self._terminal.begin(self, text)

    def __hash__(self) -> int:
        """Each step is itself: the terminal keeps them apart."""
        return id(self)


@dataclass(slots=True)
class Journal:
    """All steps so far."""

    terminal: Terminal
    logs: Path
    steps: list[Step] = field(default_factory=list)

    @asynccontextmanager
    async def step(self, name: str, doing: str, log: str = "") -> AsyncIterator[Doing]:
        """Do one step inside this context.

        Args:
            name: A few words that name it in the table and in JSON.
            doing: What is shown while it is under way; also the default of its closing sentence.
            log: Name of the log, below the folder of logs, that says more if it fails.

        Raises:
            StepFailedError: The step did not do what it should.
        """
        begun = time.monotonic()
        state = Doing(doing, _terminal=self.terminal)
        state.say(doing)
        try:
            yield state
        except (QuickstartError, Fault, CommandError, OSError, TimeoutError) as error:
            failure = self._failure(name, error, log)
            self._end(name, state, begun, failure.cause, ok=False)
            raise failure from error
        except BaseException:
            self.terminal.finish(state)
            raise
        self._end(name, state, begun, state.detail, ok=True)

    def _end(self, name: str, state: Doing, begun: float, detail: str, *, ok: bool) -> None:
        seconds = time.monotonic() - begun if state.seconds is None else state.seconds
        self.terminal.finish(state)
        self.terminal.result(detail if ok else name, seconds, ok=ok)
        self.steps.append(Step(name, ok, seconds, detail))

    def _failure(self, name: str, error: Exception, log: str) -> StepFailedError:
        """Say what went wrong in a person's words."""
        file = self.logs / f"{log}.log" if log else None
        remedy = f"read {file}" if file else f"read the logs in {self.logs}"
        match error:
            case StepFailedError():
                return error
            case QuickstartError():
                return StepFailedError(name, error.cause, remedy=error.remedy, log=error.log or file)
            case Fault():
                return StepFailedError(name, f"{error.code_name}: {error}", remedy=error.hint or remedy, log=file)
            case TimeoutError():
                return StepFailedError(name, f"it took too long {error}".strip(), remedy=remedy, log=file)
            case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                return StepFailedError(name, str(error), remedy="make room, or choose another folder with --state DIR")
            case _:
                return StepFailedError(name, str(error), remedy=remedy, log=file)
