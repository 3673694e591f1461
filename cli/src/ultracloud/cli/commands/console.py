"""`uc logs` and `uc console`: what a virtual machine's console prints, and a person in front of it.

Logs are a stream of the REST API; a console that is typed into is a WebSocket at the same address.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.commands.names import live_names
from ultracloud.cli.core.failures import Failure
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.shell import index
from ultracloud.cli.shell.app import App

if TYPE_CHECKING:
    from ultracloud.cli.shell.conversation import Conversation

BACKLOG_BYTES = 4096
KEYS_BYTES = 4096
LEAVE = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""
SILENCE_S = 1.0
"""After the end of a pipe: what its last line sets off is shown, and a silence this long ends it."""
UNAUTHORIZED, SWITCHED = 401, 300

vm_name = click.argument("name", shell_complete=lambda ctx, _param, text: live_names(ctx, "vm", text))


@command("logs", short_help="What a virtual machine's console printed")
@vm_name
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints from now on.")
@click.option(
    "--bytes", "count", type=click.IntRange(0, 1 << 30), help="At most so many of the last bytes; all that are kept."
)
@click.pass_context
def logs(ctx: click.Context, name: str, follow: bool, count: int | None) -> None:
    """What a virtual machine's console has printed since it was started."""
    _print(app_of(ctx), name, backlog_bytes=-1 if count is None else count, follow=follow)


@command("console", short_help="A virtual machine's console, to read and to type; Ctrl-] leaves")
@vm_name
@click.option("--read-only", is_flag=True, help="Watch, and type nothing; Ctrl-C leaves.")
@click.pass_context
def console(ctx: click.Context, name: str, read_only: bool) -> None:
    """A virtual machine's serial console, from its last lines on: what you type goes there; Ctrl-] leaves it.

    What comes through a pipe is typed, too: `echo uptime | uc console web` shows what it sets off, until it is
    silent for a second.
    """
    app = app_of(ctx)
    if read_only:
        _print(app, name, backlog_bytes=BACKLOG_BYTES, follow=True)
        return
    query = (("backlog_bytes", str(BACKLOG_BYTES)),)
    request = make(index.noun("vm").operations["console"], _places(app, name), query)
    app.show(request)
    talk = _begin(app, request)
    if sys.stdin.isatty():
        app.note(f"Console of {name}; Ctrl-] leaves it.")
    try:
        with _raw_terminal():
            _converse(talk)
    finally:
        talk.close()
    if sys.stdin.isatty():
        app.note("")


def _places(app: App, name: str) -> dict[str, str]:
    return {"project": app.project, "ref": name.removeprefix("vm/")}


def _begin(app: App, request: Request) -> Conversation:
    """Open it; a token that has just ended is replaced once."""
    from ultracloud.cli.core.problems import refusal
    from ultracloud.cli.shell import conversation
    from ultracloud.cli.shell.link import Answer

    def attempt(header: str) -> Conversation | Answer:
        return conversation.begin(app.link, request, {"Authorization": header} if header else {})

    answer = attempt(app.authorise(False))
    if isinstance(answer, Answer) and answer.status == UNAUTHORIZED and (header := app.authorise(True)):
        answer = attempt(header)
    if not isinstance(answer, Answer):
        return answer
    if answer.status < SWITCHED:
        raise Failure("this gateway has no consoles to type into", hint="--read-only watches it")
    raise refusal(answer.status, answer.title, answer.content, answer.request_id)


def _converse(talk: Conversation) -> None:
    """Pass keys there and text here until one side ends."""
    keyboard: int | None = sys.stdin.fileno()
    while not talk.ended:
        wanted = [talk.fileno(), *([keyboard] if keyboard is not None else [])]
        patience_s = 0.0 if talk.is_waiting else None if keyboard is not None else SILENCE_S
        ready = select.select(wanted, [], [], patience_s)[0]
        if keyboard is not None and keyboard in ready:
            typed = os.read(keyboard, KEYS_BYTES)
            before, leave, _ = typed.partition(LEAVE)
            talk.send(before)
            if leave and sys.stdin.isatty():
                return
            if not typed:
                keyboard = None
        if talk.is_waiting or talk.fileno() in ready:
            # The guest's own bytes: a terminal shows what the guest means.
            sys.stdout.buffer.write(talk.receive())
            sys.stdout.buffer.flush()
        elif not ready and keyboard is None:
            return


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key as it is, Ctrl-C too; afterwards the terminal is as it was."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    saved = termios.tcgetattr(sys.stdin.fileno())
    try:
        # TCSADRAIN: what was typed ahead is typed all the same.
        tty.setraw(sys.stdin.fileno(), termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, saved)


def _print(app: App, name: str, *, backlog_bytes: int, follow: bool) -> None:
    query = [("backlog_bytes", str(backlog_bytes)), ("read_only", "true")]
    if not follow:
        query.append(("no_follow", "true"))
    request = make(index.noun("vm").operations["console"], _places(app, name), tuple(query))
    app.show(request)
    # A console may be silent for hours; the gateway sends signs of life meanwhile.
    app.flags.setdefault("request_timeout", 120.0)
    for message in app.client.stream(request):
        try:
            printed = base64.b64decode(text_at(message, "text"), validate=True)
        except ValueError as error:
            raise Failure("the server's console message is no base64") from error
        # The guest's own bytes: a terminal shows what the guest means.
        sys.stdout.buffer.write(printed)
        sys.stdout.buffer.flush()
