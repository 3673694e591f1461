"""`uc`: run a command, say in one sentence what went wrong, and end with its exit code."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from ultracloud.cli.commands.root import root
from ultracloud.cli.core.failures import FAILED, INTERRUPTED, OK, USAGE, Failure, render
from ultracloud.cli.shell.app import Printed
from ultracloud.cli.shell.terminal import RED, paint_error

PIPE_CLOSED = 141
"""128 + SIGPIPE, as every program in a pipe whose reader has gone."""


def main() -> None:
    """The entry point of both names."""
    sys.exit(run(sys.argv[1:], "ultracloud" if sys.argv[0].endswith("ultracloud") else "uc"))


def run(arguments: list[str], name: str = "uc") -> int:  # noqa: C901, PLR0911 - a line a way to end
    """Run one command, called by one of its names, and give its exit code."""
    # A program that was started with these closed has None there.
    out, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    sys.stdout = out
    try:
        code = root.main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except Printed:
        return OK
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stdout.write(f"{error.format_message()}\n")
        return OK
    except Failure as failure:
        return fail(failure)
    except click.UsageError as error:
        return wrong_usage(error)
    except click.ClickException as error:
        return fail(Failure(error.format_message()))
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        # Click ends so when completion is done, and for a reader that has gone; then it has wrapped stdout.
        if isinstance(error, SystemExit) and sys.stdout is out:
            raise
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        if error.filename:
            return fail(Failure(f"{error.filename}: {error.strerror}"))
        _drop_output()
        return fail(Failure(f"what is printed cannot be written: {error.strerror or error}"))
    return code if isinstance(code, int) else OK


def _drop_output() -> None:
    """Python would complain again when it writes what is left at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nowhere() -> TextIO:
    return open(os.devnull, "w")  # noqa: PTH123 - for as long as the process lives


def fail(failure: Failure) -> int:
    """Print a failure and give its code."""
    sys.stdout.flush()
    text = render(failure)
    sys.stderr.write(text.replace("error:", paint_error("error:", RED), 1) + "\n")
    return failure.exit_code or FAILED


def wrong_usage(error: click.UsageError) -> int:
    """Print what is wrong with the words, and where help is."""
    sys.stderr.write(f"{paint_error('error:', RED)} {error.format_message()}\n")
    if error.ctx is not None:
        sys.stderr.write(f"hint: `{error.ctx.command_path} --help` shows what is accepted\n")
    return USAGE


if __name__ == "__main__":
    main()
