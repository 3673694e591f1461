"""`uc context`: several clouds, each with its server, its login and the project that is meant when none is named."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ultracloud.cli.commands.base import Command, Group, complete_context, pass_app
from ultracloud.cli.core.failures import CONFLICT, Failure, UsageFailure
from ultracloud.cli.core.settings import PROJECT_FILE, Target, check_name, check_server
from ultracloud.cli.core.tables import render
from ultracloud.cli.core.trees import Json
from ultracloud.cli.shell import credentials, places, printer
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.files import write_private

context = Group(
    "context",
    help="Several clouds: each context is a server, a login, and the project that is meant when none is named.",
    other_names={"ls": "list", "delete": "rm", "remove": "rm"},
)
FILES = ("ca", "certificate", "key", "token_file")


def _settings(function: Any) -> Any:
    """Flags of `add` and `set`; -p, --org and --server are the common ones."""
    for option in (
        click.option("--insecure/--secure", default=None, help="Do not verify the gateway's certificate."),
        click.option("--token-file", metavar="FILE", help="File with a token that somebody else keeps fresh."),
        click.option("--key", metavar="FILE", help="Key of an operator's certificate."),
        click.option("--certificate", metavar="FILE", help="An operator's certificate, instead of a login."),
        click.option("--ca", metavar="FILE", help="Authority that signs the gateway's certificate."),
    ):
        function = option(function)
    return function


def _changed(app: App, target: Target, given: dict[str, Any]) -> Target:
    """A target with what was typed."""
    said = {name: value for name, value in given.items() if value is not None}
    for name in FILES:
        if said.get(name):
            path = Path(said[name]).expanduser().absolute()
            if not path.is_file():
                raise UsageFailure(f"--{name.replace('_', '-')}: there is no file {said[name]}")
            said[name] = str(path)
    for name in ("project", "org"):
        if app.text(name):
            said[name] = app.text(name)
    if app.text("server"):
        said["server"] = check_server(app.text("server"))
    return replace(target, **said)


@context.command("add", cls=Command)
@click.argument("name")
@click.option("--use/--no-use", default=True, help="Use it from now on.")
@_settings
@pass_app
def add(app: App, /, name: str, use: bool, **given: Any) -> None:
    """Add a cloud: `uc context add home --server https://10.0.0.1:8443 --ca ca.crt -p blue`."""
    if check_name(name) in app.contexts.all:
        raise Failure(f"there is a context {name!r} already", hint="`uc context set` changes it", exit_code=CONFLICT)
    if not app.text("server"):
        raise UsageFailure("no server is named; accepted: --server https://HOST:PORT")
    contexts = app.contexts.with_target(_changed(app, Target(name=name), given))
    app.save(contexts.using(name) if use else contexts)
    sys.stdout.write(f"context/{name} added\n")


@context.command("set", cls=Command)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_context)
@_settings
@pass_app
def set_(app: App, /, name: str | None, **given: Any) -> None:
    """Change a context, or the current one: `uc context set -p green`; an empty value clears."""
    wanted = name or app.text("context") or app.contexts.current
    if not wanted:
        raise UsageFailure("no context is named, and none is current")
    app.save(app.contexts.with_target(_changed(app, app.contexts.named(wanted), given)))
    sys.stdout.write(f"context/{wanted} changed\n")


@context.command("use", cls=Command)
@click.argument("name", shell_complete=complete_context)
@pass_app
def use_(app: App, name: str) -> None:
    """Use a context from now on."""
    app.save(app.contexts.using(name))
    sys.stdout.write(f"context/{name} is used from now on\n")


@context.command("list", cls=Command)
@pass_app
def list_(app: App) -> None:
    """All contexts; the one that holds here is marked."""
    holds = app.chosen.target.name if app.contexts.all else ""
    targets = [app.contexts.all[name] for name in sorted(app.contexts.all)]
    if app.output.format in ("name", "id"):
        sys.stdout.write("".join(f"{target.name}\n" for target in targets))
    elif app.output.tabular and not targets:
        app.note("no contexts; `uc context add NAME --server https://HOST:PORT` makes one")
    elif app.output.tabular:
        rows = [
            ("*" if t.name == holds else "", t.name, t.server, t.project or "-", t.org or "-", _login(t))
            for t in targets
        ]
        sys.stdout.write(render(("", "NAME", "SERVER", "PROJECT", "ORG", "LOGIN"), rows, bare=app.output.bare))
    else:
        items: list[Json] = [
            {"name": t.name, "server": t.server, "project": t.project, "org": t.org, "current": t.name == holds}
            for t in targets
        ]
        printer.print_document(app, {"items": items})


@context.command("show", cls=Command)
@pass_app
def show(app: App) -> None:
    """What holds here, and where each part of it comes from."""
    chosen = app.chosen
    parts = {
        "context": chosen.target.name,
        "server": chosen.target.server,
        "project": chosen.target.project,
        "org": chosen.target.org,
    }
    if app.output.tabular:
        rows = [
            (name, value or "-", chosen.sources.get(name, "context") if value else "-") for name, value in parts.items()
        ]
        sys.stdout.write(render(("WHAT", "VALUE", "FROM"), rows, bare=app.output.bare))
    else:
        printer.print_document(app, dict(parts))


@context.command("rm", cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_context)
@pass_app
def rm(app: App, names: tuple[str, ...]) -> None:
    """Forget contexts, with their logins."""
    for name in names:
        app.save(app.contexts.without(name))
        credentials.forget(name)
        sys.stdout.write(f"context/{name} removed\n")


@context.command("pin", cls=Command)
@pass_app
def pin(app: App) -> None:
    """Pin -p, --org and --context for this directory, in .ultracloud.toml."""
    import json

    said = {name: app.text(name) for name in ("context", "project", "org") if app.text(name)}
    if not said:
        raise UsageFailure("nothing to pin; accepted: -p PROJECT, --org ORG, --context NAME")
    if "context" in said:
        app.contexts.named(said["context"])
    path = Path.cwd() / PROJECT_FILE
    kept = app.pinned if places.project_file(Path.cwd()) == path else {}
    write_private(path, "".join(f"{name} = {json.dumps(value)}\n" for name, value in {**kept, **said}.items()).encode())
    path.chmod(0o644)
    sys.stdout.write(f"{PROJECT_FILE} pins {', '.join(f'{name} {value}' for name, value in said.items())}\n")


def _login(target: Target) -> str:
    if target.certificate:
        return "certificate"
    if target.token_file:
        return "token file"
    try:
        kept = credentials.load(target.name, target.server)
    except Failure:
        return "unusable"
    return "none" if kept is None else "refreshed" if kept.refresh_token else "token"
