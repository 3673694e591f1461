"""What every kind has besides its operations: describe, edit, label, wait, events."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from ultracloud.cli.commands.base import app_of, command, span
from ultracloud.cli.commands.names import live_names
from ultracloud.cli.commands.waiting import get_request, wait_for
from ultracloud.cli.core import bodies
from ultracloud.cli.core.ages import parse_moment, render_span
from ultracloud.cli.core.api import Noun
from ultracloud.cli.core.conditions import Gone, parse_goal
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.tables import render
from ultracloud.cli.core.trees import Json, items_at, table_at, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App

EDIT_ROUNDS_MAX = 20
NOT_FOUND_STATUS = 404


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    noun = ctx.meta.get("noun")
    return live_names(ctx, noun.name, incomplete) if isinstance(noun, Noun) else []


def noun_of(ctx: click.Context) -> Noun:
    """The noun of the group that the command stands in."""
    noun = ctx.meta["noun"]
    assert isinstance(noun, Noun)
    return noun


name_argument = click.argument("name", shell_complete=_complete)


@command("describe", short_help="All of one for people, with its events")
@name_argument
@click.pass_context
def describe(ctx: click.Context, name: str) -> None:
    """Everything of one resource, and what happened to it."""
    app, noun = app_of(ctx), noun_of(ctx)
    resource = app.send(get_request(app, noun, name))
    printer.print_document(app, resource, noun.name)
    if app.output.tabular:
        try:
            happened = app.client.call(events_request(app, noun, text_at(resource, "metadata", "id")))
        except Failure:
            return  # who may read it may not always read its events
        if items_at(happened, "events"):
            sys.stdout.write("events:\n")
            _print_events(happened)


@command("events", short_help="What happened to one")
@name_argument
@click.pass_context
def events(ctx: click.Context, name: str) -> None:
    """What happened to a resource, oldest first."""
    app, noun = app_of(ctx), noun_of(ctx)
    answer = app.send(events_request(app, noun, name))
    if app.output.tabular:
        _print_events(answer)
    else:
        printer.print_document(app, answer)


@command("edit", short_help="Change one in your editor")
@name_argument
@click.pass_context
def edit(ctx: click.Context, name: str) -> None:
    """Read a resource, open it in $EDITOR, and send what you changed, unless somebody else has changed it meanwhile."""
    from ultracloud.cli.shell.documents import read_one, to_yaml

    app, noun = app_of(ctx), noun_of(ctx)
    update = noun.operations["update"]
    resource = app.client.call(get_request(app, noun, name))
    before: dict[str, Json] = {"labels": table_at(resource, "metadata", "labels"), "spec": table_at(resource, "spec")}
    with tempfile.TemporaryDirectory(prefix="uc-edit-") as folder:
        path = Path(folder) / f"{noun.name}-{text_at(resource, 'metadata', 'name')}.yaml"
        path.write_text(to_yaml(before))
        for _ in range(EDIT_ROUNDS_MAX):
            _open_editor(path)
            try:
                after = bodies.from_document(read_one(str(path)), noun, update.body)
                break
            except UsageFailure as wrong:
                app.note(f"error: {wrong.sentence}")
                if not click.confirm("Open the editor again?", default=True, err=True):
                    raise
        else:
            raise UsageFailure(f"the file was wrong {EDIT_ROUNDS_MAX} times")
    patch = merge_patch(before, after)
    if not patch:
        app.note("nothing was changed")
        return
    headers = {"If-Match": f'"{text_at(resource, "metadata", "etag")}"'}
    places = get_request_places(app, noun, text_at(resource, "metadata", "id"))
    at_root = bool(update.root_path) and not app.chosen.target.org
    printer.print_done(app, noun, app.send(make(update, places, (), patch, headers, at_root=at_root)), "changed")


@command("label", short_help="Set and remove labels")
@name_argument
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE | KEY- ...")
@click.pass_context
def label(ctx: click.Context, name: str, changes: tuple[str, ...]) -> None:
    """Set labels, and remove those with a trailing hyphen: `uc vm label web tier=db canary-`."""
    app, noun = app_of(ctx), noun_of(ctx)
    labels: dict[str, Json] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals and not (change.endswith("-") and len(change) > 1):
            raise UsageFailure(f"{change!r} changes no label; accepted: KEY=VALUE, or KEY- to remove it")
        labels[key if equals else change[:-1]] = value if equals else None
    update = noun.operations["update"]
    at_root = bool(update.root_path) and not app.chosen.target.org
    request = make(update, get_request_places(app, noun, name), (), {"labels": labels}, at_root=at_root)
    printer.print_done(app, noun, app.send(request), "labelled")


def _wait_options(function: Any) -> Any:
    for option in (
        click.option("--timeout", callback=span, default="10m", metavar="SPAN", help="How long; 10m."),
        click.option(
            "--for",
            "goal",
            default="condition=Ready",
            metavar="GOAL",
            help="condition=Ready, condition=Ready=false, deleted, jsonpath={.status.power}=RUNNING.",
        ),
    ):
        function = option(function)
    return function


@command("wait", short_help="Wait for a condition")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_complete)
@_wait_options
@click.pass_context
def wait(ctx: click.Context, names: tuple[str, ...], goal: str, timeout: float) -> None:
    """Wait until resources are where --for says; exit code 6 if that takes too long."""
    for name in names:
        _wait_one(app_of(ctx), noun_of(ctx), name, goal, timeout)


@command("wait", short_help="Wait for a condition of KIND/NAME")
@click.argument("names", nargs=-1, required=True, metavar="KIND/NAME...")
@_wait_options
@click.pass_context
def wait_any(ctx: click.Context, names: tuple[str, ...], goal: str, timeout: float) -> None:
    """Wait until resources are where --for says: `uc wait vm/web --for condition=Ready --timeout 1m`."""
    for name in names:
        kind, slash, ref = name.partition("/")
        if not slash or not ref:
            raise UsageFailure(f"{name!r} names no resource; accepted: KIND/NAME, such as vm/web")
        _wait_one(app_of(ctx), index.noun(kind), ref, goal, timeout)


def _wait_one(app: App, noun: Noun, name: str, text: str, timeout_s: float) -> None:
    goal = parse_goal(text)
    request = get_request(app, noun, name)
    app.show(request)
    try:
        resource = app.client.call(request)
    except Refusal as refused:
        if not (isinstance(goal, Gone) and refused.status == NOT_FOUND_STATUS):
            raise
        sys.stdout.write(f"{noun.name}/{name} is deleted\n")
        return
    resource = wait_for(app, noun, resource, goal, timeout_s)
    printer.print_done(app, noun, resource, f"has {text}")


def events_request(app: App, noun: Noun, ref: str) -> Request:
    """The request for a resource's events."""
    operation = index.noun("trail").operations["events"]
    service = text_at(index.listing()[noun.name], "service")
    project = app.chosen.target.project if "project" in noun.operations["get"].places else app.chosen.target.org
    return make(operation, {"service": service, "project": project or "-", "kind": noun.name, "ref": ref})


def get_request_places(app: App, noun: Noun, ref: str) -> dict[str, str]:
    """What stands in the path of a resource of this noun."""
    places = {"ref": ref}
    operation = noun.operations["get"]
    if "project" in operation.places:
        places["project"] = app.project
    if "organisation" in operation.places and (app.chosen.target.org or not operation.root_path):
        places["organisation"] = app.organisation
    return places


def merge_patch(before: dict[str, Json], after: dict[str, Json]) -> dict[str, Json]:
    """What makes one object the other; empty if they are the same.

    Source: RFC 7396.
    """
    patch: dict[str, Json] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if below := merge_patch(old, new):
                patch[name] = below
        elif old != new:
            patch[name] = new
    return patch


def _open_editor(path: Path) -> None:
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        status = subprocess.run([*editor, str(path)], check=False).returncode
    except OSError as error:
        raise Failure(f"the editor {editor[0]!r} cannot be started: {error.strerror}", hint="set EDITOR") from error
    if status:
        raise Failure(f"the editor {editor[0]!r} ended with {status}; nothing was sent")


def _print_events(answer: Json) -> None:
    import time

    now_s = time.time()
    rows = []
    for event in items_at(answer, "events"):
        moment = parse_moment(text_at(event, "last_time"))
        age = "-" if moment is None else render_span(now_s - moment)
        rows.append((age, text_at(event, "count") or "1", text_at(event, "reason"), text_at(event, "message")))
    sys.stdout.write(render(("LAST", "COUNT", "REASON", "MESSAGE"), rows))
