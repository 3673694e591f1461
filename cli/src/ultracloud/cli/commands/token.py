"""`uc token narrow` and `uc token show`: what a holder may do with a token without asking anybody."""

from __future__ import annotations

import base64
import json
import os
import sys
import time

import click

from ultracloud.cli.commands.base import app_of, command, span
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.trees import Json, number_at, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.credentials import check_token

DOTS_OF_JWT = 2
ULID_LENGTH = 26
"""An id ends in one, behind its prefix."""

token_source = click.option("--token", metavar="@FILE|@-", help="Token from a file or stdin, instead of the login's.")


@command("narrow", short_help="Narrow a token, without asking the server")
@token_source
@click.option("--to-project", metavar="PROJECT", help="Good for this project only, by id; a name is looked up.")
@click.option("--place", metavar="PATH", help="Good for this path only: projects/<id>/vms/<id>.")
@click.option(
    "--allow",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Good for this only: '*.get', 'plasmavmc.vms.*'. May be given several times.",
)
@click.option("--read-only", is_flag=True, help="The same as --allow '*.get' --allow '*.list' --allow '*.watch'.")
@click.option("--for", "lasts", callback=span, metavar="SPAN", help="Good for so long at most: 1h.")
@click.pass_context
def narrow(
    ctx: click.Context,
    token: str | None,
    to_project: str | None,
    place: str | None,
    patterns: tuple[str, ...],
    read_only: bool,
    lasts: float | None,
) -> None:
    """Print a weaker token, which can be handed on: for one project, some verbs, a time.

    The server is not asked, and what was narrowed cannot be widened again.
    """
    from ultracloud.base.attenuation import KEY_BYTES
    from ultracloud.base.attenuation import narrow as narrowed
    from ultracloud.base.ed25519 import Ed25519
    from ultracloud.base.faults import Fault
    from ultracloud.base.narrowing import make_narrowing

    app = app_of(ctx)
    allowed = [*patterns, *(("*.get", "*.list", "*.watch") if read_only else ())]
    if to_project and place:
        raise UsageFailure("--to-project and --place exclude each other")
    if not (allowed or to_project or place or lasts):
        raise UsageFailure("nothing is narrowed; accepted: --to-project, --place, --allow, --read-only, --for")
    where = f"projects/{_project_id(app, to_project)}" if to_project else place or ""
    given = _token(app, token)
    try:
        narrowing = make_narrowing(where, allowed)
        ends_at_s = int(time.time() + lasts) if lasts else None
        made = narrowed(given, narrowing, ends_at_s, os.urandom(KEY_BYTES), Ed25519())
    except Fault as fault:
        raise UsageFailure(fault.public, hint=fault.hint) from fault
    sys.stdout.write(made + "\n")


@command("show", short_help="What a token says, without asking the server")
@token_source
@click.pass_context
def show(ctx: click.Context, token: str | None) -> None:
    """What a token says of itself: whose it is, until when, and to what it was narrowed.

    Its signature is not checked.
    """
    app = app_of(ctx)
    jwt, *rest = _token(app, token).split("~")
    claims = _part(jwt.split(".")[1] if jwt.count(".") == DOTS_OF_JWT else "")
    blocks: list[Json] = [_part(block.split(".")[1]) for block in rest[:-1] if "." in block]
    said: dict[str, Json] = {"claims": claims, "narrowed": blocks}
    if ends := number_at(claims, "exp"):
        said["expires_in_s"] = ends - int(time.time())
    printer.print_document(app, said)


def _token(app: App, given: str | None) -> str:
    from ultracloud.cli.shell.documents import read_text

    if given is None:
        return app.authorise(False).removeprefix("Bearer ")
    if not given.startswith("@"):
        raise UsageFailure("a token does not belong in arguments; accepted: --token @FILE, or --token @- for stdin")
    return check_token(read_text(given[1:]).strip(), given[1:])


def _project_id(app: App, name: str) -> str:
    if len(name) > ULID_LENGTH and "-" in name:
        return name
    who = app.client.call(Request("GET", "/v1/whoami", repeatable=True))
    organisation = app.chosen.target.org or text_at(who, "organisation")
    operation = index.noun("project").operations["get"]
    found = app.client.call(make(operation, {"organisation": organisation, "ref": name}))
    return text_at(found, "metadata", "id")


def _part(text: str) -> Json:
    try:
        made: Json = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise Failure("this is no token of ours: its parts are no JSON") from error
    return made
