"""`uc apply -f`: make what files describe where it is not there, and change what is there and differs.

A document names its kind, `kind: Vm`, as `get -o yaml` prints it; a list of them may stand in `items`. Documents are
applied in the order of the files; what a document does not name is left as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.commands.kinds import get_request_places
from ultracloud.cli.commands.waiting import get_request, wait_for
from ultracloud.cli.core import bodies
from ultracloud.cli.core.api import Noun
from ultracloud.cli.core.conditions import AsWanted
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import make
from ultracloud.cli.core.trees import Json, at, items_at, table_at, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App

FILES_MAX = 500
SUFFIXES = (".yaml", ".yml", ".json")
NOT_FOUND_STATUS = 404
WAIT_S = 600.0


@command("apply", short_help="Make or change what files describe")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="YAML or JSON, a folder of them, or - for stdin. May be given several times.",
)
@click.option("--wait", "waits", is_flag=True, help="Until all of it is ready.")
@click.pass_context
def apply(ctx: click.Context, files: tuple[str, ...], waits: bool) -> None:
    """Make what files describe, or change what is there and differs: documents have `kind`, `metadata.name`, `spec`."""
    from ultracloud.cli.shell.documents import read_documents

    app = app_of(ctx)
    documents = [
        (source, one) for source in sources(files) for document in read_documents(source) for one in expanded(document)
    ]
    # All of it is checked before any of it is sent.
    wanted = [_parse(source, document) for source, document in documents]
    app.check_output()
    for noun, body in wanted:
        resource, done = _apply_one(app, noun, body)
        if waits:
            resource = wait_for(app, noun, resource, AsWanted(), WAIT_S)
        printer.print_done(app, noun, resource, done)


def sources(files: tuple[str, ...]) -> list[str]:
    """The files, with folders opened one level deep, in the order of their names.

    Raises:
        UsageFailure: A folder has none, or there are too many.
    """
    found: list[str] = []
    for name in files:
        path = Path(name).expanduser()
        if name == "-" or not path.is_dir():
            found.append(name)
            continue
        inside = sorted(str(child) for child in path.iterdir() if child.suffix in SUFFIXES)
        if not inside:
            raise UsageFailure(f"the folder {name} has no file that ends in {', '.join(SUFFIXES)}")
        found += inside
    if len(found) > FILES_MAX:
        raise UsageFailure(f"{len(found)} files; at most {FILES_MAX} are accepted at once")
    return found


def expanded(document: Json) -> list[Json]:
    """The documents of a list as `get -o yaml` prints one; any other document is itself."""
    is_list = isinstance(document, dict) and isinstance(document.get("items"), list) and "spec" not in document
    return items_at(document, "items") if is_list else [document]


def _parse(source: str, document: Json) -> tuple[Noun, dict[str, Json]]:
    kind = text_at(document, "kind")
    if not kind or not isinstance(document, dict):
        raise UsageFailure(f"{source}: a document names no kind; accepted: kind: Vm, or another of `uc explain`")
    try:
        noun = index.noun(kind.lower())
        body = bodies.from_document(
            {key: value for key, value in document.items() if key not in ("kind", "apiVersion")},
            noun,
            noun.operations["create"].body,
        )
    except Failure as failure:
        raise UsageFailure(f"{source}: {failure.sentence}", hint=failure.hint) from failure
    if not text_at(body, "name"):
        raise UsageFailure(f"{source}: a {noun.name} has no name; accepted: metadata.name, or name")
    return noun, body


def _apply_one(app: App, noun: Noun, body: dict[str, Json]) -> tuple[Json, str]:
    """The resource as it is then, and what was done."""
    read = get_request(app, noun, text_at(body, "name"))
    if app.on("curl"):
        app.show(read)
    try:
        present = app.client.call(read)
    except Refusal as refused:
        if refused.status != NOT_FOUND_STATUS:
            raise
        create = noun.operations["create"]
        places = get_request_places(app, noun, "")
        at_root = "organisation" not in places and bool(create.root_path)
        request = make(create, places, (), body, {"Idempotency-Key": os.urandom(16).hex()}, at_root=at_root)
        if app.on("dry_run"):
            return {"metadata": {"name": body["name"]}}, "would be created"
        return app.client.call(request), "created"
    patch = _difference(present, body)
    if not patch:
        return present, "is so already"
    if app.on("dry_run"):
        from ultracloud.cli.shell.documents import to_yaml

        sys.stdout.write(to_yaml(patch))
        return present, "would be changed"
    update = noun.operations["update"]
    places = get_request_places(app, noun, text_at(present, "metadata", "id"))
    at_root = "organisation" not in places and bool(update.root_path)
    headers = {"If-Match": f'"{text_at(present, "metadata", "etag")}"'}
    after = app.client.call(make(update, places, (), patch, headers, at_root=at_root))
    # What is named by name is kept by id, so only the server knows whether a spec says something new.
    is_new = text_at(after, "metadata", "etag") != text_at(present, "metadata", "etag")
    return after, "changed" if is_new else "is so already"


def _difference(present: Json, body: dict[str, Json]) -> dict[str, Json]:
    """What of a body differs from what is there, as a merge patch; what the body does not name is none of it."""
    there: dict[str, Json] = {"spec": table_at(present, "spec"), "labels": table_at(present, "metadata", "labels")}
    patch: dict[str, Json] = {}
    for name in ("spec", "labels"):
        if below := _differs(table_at(there, name), table_at(body, name)):
            patch[name] = below
    return patch


def _differs(there: dict[str, Json], wanted: dict[str, Json]) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for name, value in wanted.items():
        present = at(there, name)
        if isinstance(value, dict) and isinstance(present, dict):
            if below := _differs(present, value):
                made[name] = below
        elif present != value:
            made[name] = value
    return made
