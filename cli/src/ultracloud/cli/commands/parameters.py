"""Arguments and flags of an operation's command: its places, its query, its request's fields, and its verb's own."""

from __future__ import annotations

from typing import Any

import click

from ultracloud.cli.commands.base import COMMON_NAMES, span
from ultracloud.cli.commands.confirming import PRECIOUS
from ultracloud.cli.commands.names import live_names
from ultracloud.cli.core import flags
from ultracloud.cli.core.api import Field, Noun, Operation

OF_CONTEXT = frozenset({"project", "organisation"})
"""Places that flags and the context fill."""
NEVER_FLAGS = frozenset({"idempotency_key", "etag", "update_mask"})
"""Fields of requests that are said by headers, or not at all."""
OF_LISTS = frozenset({"page_size", "page_token", "label_selector", "selector", "filter", "from_version"})
OWN_NAMES = COMMON_NAMES | {
    "--help", "-h", "-f", "--file", "-w", "--watch", "--wait", "--timeout", "-l", "--selector", "--filter",
    "--field-selector", "--limit", "-A", "--all-projects", "--if-match", "--root", "--ignore-not-found", "--service",
    "-y", "--yes",
}  # fmt: skip
SECRET_WORDS = ("password", "passphrase", "private_key", "secret")
NAMES_A_SECRET = "secret"  # noqa: S105 - a word
"""The field of a `SecretRef`, which says which of iam's secrets is meant; what holds one says whose: client_secret."""


def flags_of(noun: Noun, operation: Operation) -> list[flags.Flag]:
    """Fields of an operation's request as flags."""
    omitted = NEVER_FLAGS | ({"name"} if operation.verb in ("create", "update") else frozenset())
    return flags.flags_of(noun, operation.body, frozenset(omitted), OWN_NAMES) if operation.body else []


def arguments_of(noun: Noun, operation: Operation) -> list[click.Parameter]:
    """What stands without a flag: names, and the words of an update."""
    made: list[click.Parameter] = []
    positional = [field for field in operation.path_fields if field.name not in OF_CONTEXT | {"service"}]
    for field in positional:
        several = (
            field.name == "ref" and len(positional) == 1 and operation.verb != "update" and operation.stream == "json"
        )
        kind = noun.name if field.name == "ref" else field.name.replace("_", "")
        made.append(
            click.Argument(
                [field.name],
                nargs=-1 if several else 1,
                required=True,
                metavar=("NAME..." if several else "NAME") if field.name == "ref" else field.name.upper(),
                shell_complete=_completes(kind),
            )
        )
    if operation.verb == "create":
        made.append(click.Argument(["name"], required=False, metavar="[NAME]"))
    if operation.verb == "update":
        made.append(click.Argument(["changes"], nargs=-1, metavar="[FIELD=VALUE | FIELD-]..."))
    return made


def _completes(kind: str) -> Any:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        return live_names(ctx, kind, incomplete)

    return complete


def options_of(noun: Noun, operation: Operation) -> list[click.Option]:
    """Flags that follow from the verb."""
    made: list[click.Option] = []
    made += [_service_option(field) for field in operation.path_fields if field.name == "service"]
    if operation.root_path:
        made.append(click.Option(["--root"], is_flag=True, help="At the root of the cloud, not in an organisation."))
    if operation.verb in ("list", "watch"):
        made += _list_options(noun, operation)
    made += [
        click.Option(
            ["--" + field.name.replace("_", "-"), "query_" + field.name], help=field.doc or None, metavar=metavar(field)
        )
        for field in operation.query
        if field.name not in OF_LISTS | NEVER_FLAGS
    ]
    if operation.body:
        made.append(
            click.Option(
                ["-f", "--file"],
                metavar="FILE",
                help="Request or resource as YAML or JSON; - is stdin.",
                type=click.Path(allow_dash=True),
            )
        )
    if operation.idempotent:
        made.append(
            click.Option(
                ["--idempotency-key"], metavar="KEY", help="The same key makes it once, however often it is sent."
            )
        )
    if operation.verb in ("update", "delete") or any(f.name == "etag" for f in noun.fields(operation.body)):
        made.append(click.Option(["--if-match"], metavar="ETAG", help="Only while it is as it was read."))
    if operation.verb == "delete":
        made.append(click.Option(["--ignore-not-found"], is_flag=True, help="What is not there is deleted."))
        if noun.name in PRECIOUS:
            made.append(click.Option(["-y", "--yes"], is_flag=True, help="Do not ask."))
    if operation.answer == noun.kind and noun.kind and operation.method != "GET" and "get" in noun.operations:
        made.append(
            click.Option(
                ["--wait"],
                is_flag=True,
                help="Until it is gone." if operation.verb == "delete" else "Until it is ready.",
            )
        )
        made.append(click.Option(["--timeout"], callback=span, metavar="SPAN", help="How long to wait; 10m."))
    return made


def _service_option(field: Field) -> click.Option:
    known = click.Choice(list(field.accepted))
    return click.Option(["--service"], type=known, required=True, help="Which service is asked.")


def _list_options(noun: Noun, operation: Operation) -> list[click.Option]:
    made = [
        click.Option(["-l", "--selector"], help="Labels: tier=web,env in (a,b),!old."),
        click.Option(
            ["--field-selector", "--filter", "filter"],
            metavar="FIELDS",
            help="Fields in the same syntax: status.host=n1.",
        ),
    ]
    if "project" in operation.places:
        made.append(click.Option(["-A", "--all-projects"], is_flag=True, help="In every project that you may see."))
    if operation.verb == "list":
        made.append(click.Option(["--limit"], type=click.IntRange(1, 1_000_000), help="At most so many; all."))
        if "watch" in noun.operations:
            made.append(click.Option(["-w", "--watch"], is_flag=True, help="Then every change as it comes."))
    return made


class FieldOption(click.Option):
    """A field's flag: `--help` shows its best name, the others are accepted too."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The record, with one name."""
        record = super().get_help_record(ctx)
        if record is None or len(self.opts) == 1:
            return record
        return f"{self.opts[0]} {self.make_metavar(ctx)}", record[1]


def option_of(flag: flags.Flag) -> click.Option:
    """A field's flag as Click wants it."""
    field = flag.field
    hidden = [name for name in flag.names if name.startswith("--spec.")]
    names = [name for name in flag.names if name not in hidden] or hidden
    if field.kind == "boolean" and not flag.repeated:
        return click.Option(
            [*(f"{name}/--no-{name[2:]}" for name in names[:1]), flag.key], default=None, help=_help(field)
        )
    return FieldOption(
        [*flag.names, flag.key],
        multiple=flag.repeated,
        metavar=metavar(field),
        help=_help(field),
        shell_complete=_values(field),
    )


def _values(field: Field) -> Any:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        if field.kind == "enum":
            return [
                word.lower()
                for word in field.accepted
                if word.lower().startswith(incomplete.lower()) and "UNSPECIFIED" not in word
            ]
        from ultracloud.cli.shell import index

        kind = index.words().get(field.name.replace("_", ""))
        return live_names(ctx, kind, incomplete) if kind else []

    return complete


def metavar(field: Field) -> str:
    """What stands for a value in `--help`."""
    if field.shape == "map":
        return "KEY=VALUE"
    if field.kind == "message":
        return "KEY=VALUE,..."
    name = field.name if field.shape == "one" else flags.singular(field.name)
    return {
        "integer": "N",
        "number": "N",
        "boolean": "true|false",
        "time": "TIME",
        "bytes": "TEXT|@FILE",
        "enum": "|".join(w.lower() for w in field.accepted if "UNSPECIFIED" not in w)[:40],
    }.get(field.kind, name.upper().replace("_", "-"))


def _help(field: Field) -> str:
    several = " May be given several times." if field.shape != "one" else ""
    return (field.doc + several).strip()


def is_secret(field: Field) -> bool:
    """Whether a field's value may not stand in arguments."""
    is_token = field.name == "token" or field.name.endswith("_token")
    is_named = field.name != NAMES_A_SECRET and any(word in field.name for word in SECRET_WORDS)
    return field.secret or is_token or is_named
