"""`python -m quickstart`, which is `./dev quickstart`: reads the command line, runs, and says how it went."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING

from quickstart import config
from quickstart.config import Action, Options
from quickstart.core import report
from quickstart.errors import QuickstartError, StepFailedError, UsageError

if TYPE_CHECKING:
    from quickstart.shell.run import Outcome

EXIT_FAILED, EXIT_USAGE = 1, 2
EXIT_SIGNAL = 128
"""Shells add the signal's number to this."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and give the exit code."""
    try:
        options = config.parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        _complain(error)
        return EXIT_USAGE
    received: list[int] = []
    try:
        return asyncio.run(_until_signal(_act(options), received))
    except QuickstartError as error:
        _complain(error)
        return EXIT_FAILED
    except asyncio.CancelledError:
        for number in SIGNALS:
            # Whoever presses Ctrl-C twice shall still read that everything is removed.
            signal.signal(number, signal.SIG_IGN)
        sys.stderr.write(f"\nInterrupted by {signal.Signals(received[0]).name}; everything made is removed.\n")
        return EXIT_SIGNAL + received[0]


async def _until_signal(doing: Coroutine[None, None, int], received: list[int]) -> int:
    """Do it; the first signal cancels it, so that it cleans up, and later ones change nothing."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(doing, name="quickstart")

    def interrupt(number: int) -> None:
        if not received:
            task.cancel()
        received.append(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt, number)
    return await task


async def _act(options: Options) -> int:
    """Run, stop, or connect to a console."""
    from quickstart.shell import kept, usage
    from quickstart.shell.run import run
    from quickstart.shell.terminal import Terminal

    match options.action:
        case Action.STOP:
            await kept.stop(options.layout, Terminal(sys.stdout))
        case Action.CONSOLE:
            await usage.console(options)
        case Action.RUN:
            outcome = await run(options, Terminal(io.StringIO() if options.as_json else sys.stdout))
            _tell(options, outcome)
            return EXIT_FAILED if outcome.failure else 0
    return 0


def _tell(options: Options, outcome: Outcome) -> None:
    """Print the end: tables for a person, one object for a program; what failed goes to stderr in both cases."""
    if options.as_json:
        told = report.to_json(outcome.journal.steps, outcome.seconds, outcome.accelerator, outcome.memory_mb)
        sys.stdout.write(json.dumps(told) + "\n")
    elif outcome.failure is None:
        lines = [""]
        if outcome.memory_mb:
            lines += [report.step_table(outcome.journal.steps), "", report.memory_table(outcome.memory_mb), ""]
        lines.append(f"All of it in {outcome.seconds:.1f} s. Logs: {options.layout.logs}")
        if options.keep:
            from quickstart.shell import usage

            lines += ["", usage.how_to_use(options)]
        sys.stdout.write("\n".join(lines) + "\n")
    if outcome.failure is not None:
        _complain(outcome.failure)


def _complain(error: QuickstartError) -> None:
    """Say what failed, why, where to read on and what to try."""
    where = f"Failed: {error.step}\n" if isinstance(error, StepFailedError) else ""
    lines = [f"{where}What happened: {error.cause}"]
    if error.log is not None and error.log.exists():
        lines.append(f"Log:           {error.log}")
    lines.append("Try:           " + error.remedy.replace("\n", "\n               "))
    sys.stderr.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
