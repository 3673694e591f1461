"""`uc quota usage`: what a project has, of what it may have, in all services that count."""

from __future__ import annotations

import sys

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import make
from ultracloud.cli.core.tables import render
from ultracloud.cli.core.trees import Json, items_at, table_at, text_at
from ultracloud.cli.shell import index, printer

AWAY = frozenset({501, 503})


@command("usage", short_help="What the project has, of what it may have")
@click.option("--service", metavar="NAME", help="Of this service only.")
@click.pass_context
def usage(ctx: click.Context, service: str | None) -> None:
    """What the project has, of what it may have: in all services that count, or in one."""
    app = app_of(ctx)
    operation = index.noun("quota").operations["usage"]
    known = next((field.accepted for field in operation.path_fields if field.name == "service"), ())
    if service and service not in known:
        raise click.BadParameter(
            f"{service!r} does not count; accepted: {', '.join(known)}", ctx, param_hint="--service"
        )
    found: list[Json] = []
    for name in [service] if service else known:
        try:
            answer = app.send(make(operation, {"service": name, "project": app.project}))
        except Refusal as refused:
            if service or refused.status not in AWAY:
                raise
            app.note(f"warning: {name} is not counted: {refused.sentence}")
            continue
        found += [{"service": name, **table_at(amount)} for amount in items_at(answer, "amounts")]
    if not app.output.tabular:
        printer.print_document(app, {"items": found})
        return
    rows = [
        (text_at(one, "service"), text_at(one, "what"), text_at(one, "used") or "0", text_at(one, "limit") or "none")
        for one in found
    ]
    if rows:
        sys.stdout.write(render(("SERVICE", "WHAT", "USED", "LIMIT"), rows, bare=app.output.bare))
    else:
        app.note(f"nothing is counted in the project {app.project}")
