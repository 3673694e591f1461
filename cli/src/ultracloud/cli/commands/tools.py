"""Small commands: `options` and `version`."""

from __future__ import annotations

import sys

import click

from ultracloud.cli import __version__
from ultracloud.cli.commands.base import command, common_options, pass_app
from ultracloud.cli.core.failures import Failure
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.trees import Json, text_at
from ultracloud.cli.core.versions import skew
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App

ENVIRONMENT = (
    ("ULTRACLOUD_CONTEXT", "Which context, as --context."),
    ("ULTRACLOUD_SERVER", "Gateway, as --server."),
    ("ULTRACLOUD_TOKEN", "Token, instead of a login."),
    ("ULTRACLOUD_TOKEN_FILE", "File with a token that somebody else keeps fresh."),
    ("ULTRACLOUD_CA", "File of the authority that signs the gateway's certificate."),
    ("ULTRACLOUD_PROJECT", "Project, as -p."),
    ("ULTRACLOUD_ORG", "Organisation, as --org."),
    ("ULTRACLOUD_OUTPUT", "Form of output, as -o."),
    ("NO_COLOR", "No colours."),
    ("EDITOR", "For `edit`."),
)


@command("options", short_help="Flags that every command takes")
@click.pass_context
def options(ctx: click.Context) -> None:
    """Flags that every command takes, before or behind its name; and environment variables."""
    formatter = ctx.make_formatter()
    with formatter.section("Flags of every command"):
        formatter.write_dl([record for option in common_options() if (record := option.get_help_record(ctx))])
    with formatter.section("Environment"):
        formatter.write_dl(list(ENVIRONMENT))
    formatter.write_paragraph()
    formatter.write_text(
        "A flag beats the environment, which beats .ultracloud.toml of the directory, which beats the context."
    )
    click.echo(formatter.getvalue(), nl=False)


@command("version", short_help="Versions of this program and of the server")
@click.option("--client", is_flag=True, help="Only of this program; no server is asked.")
@pass_app
def version(app: App, client: bool) -> None:
    """Versions of this program and of the server, with a warning where they are too far apart."""
    found: dict[str, Json] = {"client": __version__, "api": index.api_version()}
    if not client and app.chosen.target.server:
        request = Request("GET", "/openapi.json", repeatable=True)
        app.show(request)
        try:
            found["server_api"] = text_at(app.stranger.call(request), "info", "version") or "unknown"
        except Failure as failure:
            app.note(f"warning: the server's version is not known: {failure.sentence}")
        else:
            if warning := skew(index.api_version(), str(found["server_api"])):
                app.note(f"warning: {warning}")
    if app.output.tabular:
        sys.stdout.write("".join(f"{name.replace('_', ' '):<12} {value}\n" for name, value in found.items()))
    else:
        printer.print_document(app, found)
