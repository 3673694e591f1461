"""`uc logs` and `uc console`: what a virtual machine's console prints.

The gateway gives a console as a stream of messages with the printed bytes; keys cannot be sent that way.
"""

from __future__ import annotations

import base64
import sys

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.commands.names import live_names
from ultracloud.cli.core.failures import Failure
from ultracloud.cli.core.requests import make
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.shell import index
from ultracloud.cli.shell.app import App

BACKLOG_BYTES = 4096

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


@command("console", short_help="Watch a virtual machine's console")
@vm_name
@click.pass_context
def console(ctx: click.Context, name: str) -> None:
    """Watch a virtual machine's console as it prints, from its last lines on; Ctrl-C leaves. Keys are not sent."""
    _print(app_of(ctx), name, backlog_bytes=BACKLOG_BYTES, follow=True)


def _print(app: App, name: str, *, backlog_bytes: int, follow: bool) -> None:
    operation = index.noun("vm").operations["console"]
    query = [("backlog_bytes", str(backlog_bytes)), ("read_only", "true")]
    if not follow:
        query.append(("no_follow", "true"))
    request = make(operation, {"project": app.project, "ref": name.removeprefix("vm/")}, tuple(query))
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
