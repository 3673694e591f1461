"""`uc explain KIND[.field]`: from the index, without asking a server."""

from __future__ import annotations

import sys

import click

from ultracloud.cli.commands.base import command
from ultracloud.cli.core.explain import explain as explained
from ultracloud.cli.core.failures import NOT_FOUND, Failure
from ultracloud.cli.core.tables import render
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.shell import index


def complete_kind(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds and their fields."""
    kind, dot, rest = incomplete.partition(".")
    if not dot:
        return [
            name for name, entry in index.listing().items() if text_at(entry, "kind") and name.startswith(incomplete)
        ]
    try:
        noun = index.noun(kind)
    except Failure:
        return []
    fields, path = noun.fields(noun.kind), [kind]
    for name in rest.split(".")[:-1]:
        path.append(name)
        fields = noun.fields(next((field.message for field in fields if field.name == name), ""))
    last = rest.rpartition(".")[2]
    return [".".join([*path, field.name]) for field in fields if field.name.startswith(last)]


@command("explain", short_help="What fields a kind has")
@click.argument("path", required=False, metavar="[KIND[.FIELD]...]", shell_complete=complete_kind)
def explain(path: str | None) -> None:
    """What a kind or one of its fields is: `uc explain vm.spec.nics`. Without a kind: all kinds."""
    if not path:
        rows = [
            (name, text_at(entry, "plural"), text_at(entry, "service"), text_at(entry, "kind"))
            for name, entry in sorted(index.listing().items())
            if text_at(entry, "kind")
        ]
        sys.stdout.write(render(("KIND", "PLURAL", "SERVICE", "SCHEMA"), rows))
        return
    kind, *fields = path.split(".")
    noun = index.noun(kind)
    if not noun.kind:
        raise Failure(
            f"{kind} is a group of calls and has no fields; `uc {kind} --help` lists them", exit_code=NOT_FOUND
        )
    sys.stdout.write(explained(noun, tuple(fields)))
