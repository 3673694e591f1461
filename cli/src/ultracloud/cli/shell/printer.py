"""Answers on stdout in the form that was asked for."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable, Sequence

from ultracloud.cli.core import outputs, tables
from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.cells import Column, chosen, columns_of, short
from ultracloud.cli.core.trees import Json, items_at, table_at, text_at
from ultracloud.cli.shell.app import App

BESIDES = {
    "role": "; built in are viewer, developer, operator, admin and owner",
    "binding": "; those of the whole cloud are shown with --root",
}
"""What there is all the same where a list of a kind is empty."""


def print_items(app: App, noun: Noun, items: list[Json]) -> None:
    """A list."""
    output = app.output
    items = outputs.sort(items, output.sort_by)
    if output.tabular:
        if not items:
            app.note(f"no {noun.plural}{BESIDES.get(noun.name, '')}") if not app.on("quiet") else None
            return
        print_table(columns_of(noun, wide=output.format == "wide"), items, bare=output.bare)
        return
    print_document(app, {"items": [with_kind(noun, item) for item in items]}, noun.name)


def print_one(app: App, noun: Noun, resource: Json) -> None:
    """A resource."""
    if app.output.tabular:
        print_table(columns_of(noun, wide=app.output.format == "wide"), [resource], bare=app.output.bare)
    else:
        print_document(app, with_kind(noun, resource), noun.name)


def with_kind(noun: Noun, resource: Json) -> Json:
    """A resource that says what it is, so that what is printed can be applied."""
    return {"kind": noun.kind, **resource} if noun.kind and isinstance(resource, dict) else resource


def print_done(app: App, noun: Noun, resource: Json, done: str) -> None:
    """What has happened to a resource: a line for people, the resource for programs."""
    told = [(field.name, text_at(resource, field.name)) for field in noun.fields(noun.kind) if field.kind == "string"]
    once = [f"{name.replace('_', '-')}: {text}" for name, text in told if text]
    if app.output.tabular:
        sys.stdout.write(f"{noun.name}/{text_at(resource, 'metadata', 'name')} {done}\n")
        sys.stdout.write("".join(f"{line}\n" for line in once))
        return
    print_document(app, with_kind(noun, resource), noun.name)
    if app.output.format in ("name", "id"):
        # The text of a token is in this answer and in no other.
        for line in once:
            app.note(line)


def print_answer(app: App, noun: Noun, schema: str, answer: Json) -> None:
    """An answer that is no resource: its one list as a table, or a line a member."""
    if not app.output.tabular:
        print_document(app, answer, noun.name)
        return
    lists = [field for field in noun.fields(schema) if field.shape == "many" and field.kind == "message"]
    if len(lists) == 1 and items_at(answer, lists[0].name):
        guessed = [_column(field) for field in noun.fields(lists[0].message) if field.kind not in ("message", "any")]
        columns = chosen(noun, wide=app.output.format == "wide") if lists[0].name == "items" else ()
        columns = columns or tuple(guessed)
        print_table(columns, items_at(answer, lists[0].name), bare=app.output.bare)
        return
    kinds = {field.name: field.kind for field in noun.fields(schema)}
    lines: list[tuple[str, str]] = []
    for key, value in table_at(answer).items():
        # A resource within an answer is told member by member.
        members = {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
        lines += [
            (name.replace("_", "-"), _said(kinds.get(name, ""), one))
            for name, one in members.items()
            if one or not isinstance(value, dict)
        ]
    sys.stdout.write(tables.render(("", ""), lines, bare=True))


def print_table(columns: Sequence[Column], items: Iterable[Json], *, bare: bool) -> list[int]:
    """A table; gives the widths of its columns, for lines that come later."""
    now_s = time.time()
    rows = [[column.cell(item, now_s) for column in columns] for item in items]
    headings = [column.heading for column in columns]
    sys.stdout.write(tables.render(headings, rows, bare=bare))
    sys.stdout.flush()
    return [max(tables.width(row[at]) for row in [headings, *rows]) for at in range(len(headings))]


def print_document(app: App, document: Json, noun: str = "") -> None:
    """A document in a form for programs; as YAML where a table was asked for."""
    from ultracloud.cli.shell.documents import to_yaml

    if app.output.format in ("yaml", "table", "wide"):
        sys.stdout.write(to_yaml(document))
        return
    text = outputs.render(app.output, document, noun)
    # A template without a newline at its end would leave the prompt behind its last word.
    sys.stdout.write(text if text.endswith("\n") or not text or not sys.stdout.isatty() else text + "\n")


def print_events(app: App, noun: Noun, events: Iterable[Json]) -> None:
    """A watch: what exists as a table, then a line for every change; for programs a line of JSON each."""
    columns = (
        Column("EVENT", lambda event, _now: text_at(event, "type")),
        *_of_object(columns_of(noun, wide=app.output.format == "wide")),
    )
    waiting: list[Json] = []
    seen: set[str] = set()
    widths: list[int] = []
    for event in events:
        kind, ident = text_at(event, "type"), text_at(event, "object", "metadata", "id")
        if not app.output.tabular:
            if kind != "BOOKMARK":
                sys.stdout.write(_line(app, noun, event))
                sys.stdout.flush()
            continue
        if kind == "BOOKMARK":
            widths = widths or print_table(columns, waiting, bare=app.output.bare)
            continue
        said = "DELETED" if kind == "DELETED" else "EXISTS" if not widths else "CHANGED" if ident in seen else "ADDED"
        seen = seen - {ident} if kind == "DELETED" else seen | {ident}
        shown: Json = {"type": said, "object": table_at(event, "object")}
        if not widths:
            waiting.append(shown)
        else:
            sys.stdout.write(tables.line_of([column.cell(shown, time.time()) for column in columns], widths))
            sys.stdout.flush()


def _of_object(columns: Sequence[Column]) -> list[Column]:
    return [
        Column(column.heading, lambda event, now_s, column=column: column.cell(table_at(event, "object"), now_s))  # type: ignore[misc]
        for column in columns
    ]


def _line(app: App, noun: Noun, event: Json) -> str:
    if app.output.format == "json":
        return json.dumps(event, ensure_ascii=False) + "\n"
    if app.output.format == "yaml":
        from ultracloud.cli.shell.documents import to_yaml

        return to_yaml(event) + "---\n"
    text = outputs.render(app.output, table_at(event, "object"), noun.name)
    return text if text.endswith("\n") else text + "\n"


def _column(field: Field) -> Column:
    return Column(
        field.name.upper().replace("_", "-"),
        lambda item, _now: short(_shown(table_at({"i": item}, "i").get(field.name))),
    )


def _said(kind: str, value: Json) -> str:
    """A value for people: bytes that are text as text."""
    if kind != "bytes" or not isinstance(value, str):
        return _shown(value)
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError:
        return value


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
