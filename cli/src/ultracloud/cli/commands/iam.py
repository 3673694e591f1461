"""`uc iam`: the nouns of iam under one roof, and `explain`: why somebody may do something or may not."""

from __future__ import annotations

import sys

import click

from ultracloud.cli.commands.base import Group, app_of, command
from ultracloud.cli.core.failures import DENIED, UsageFailure
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.trees import Json, at, items_at, table_at, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.terminal import GREEN, RED, paint

WORDS_OF_ASKING = 3


class Iam(Group):
    """Nouns of iam, and explain."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its nouns."""
        return sorted(
            {
                *super().list_commands(ctx),
                *(name for name, entry in index.listing().items() if text_at(entry, "service") == "iam"),
            }
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """`explain`, or the group of a noun."""
        found = super().get_command(ctx, cmd_name)
        noun = index.words().get(cmd_name)
        if found is not None or noun is None:
            return found
        from ultracloud.cli.commands.nouns import noun_group

        return noun_group(noun)

    def summary_of(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """From the index."""
        return (
            ("Commands", text_at(index.listing()[name], "summary"))
            if name in index.listing()
            else super().summary_of(ctx, name)
        )


iam = Iam(
    "iam", help="Identity: organisations, users, groups, roles, bindings, tokens; and why somebody may do something."
)


@command("explain", short_help="Why somebody may do something, or may not")
@click.argument("words", nargs=-1, required=True, metavar="[PRINCIPAL] PERMISSION [RESOURCE]")
@click.option("--check", is_flag=True, help="Exit with 4 if it is denied, for scripts.")
@click.pass_context
def explain(ctx: click.Context, words: tuple[str, ...], check: bool) -> None:
    """Why somebody may do something or may not, which binding decides it, and what would change it.

    Without a principal it is about you; without a resource about the project that holds:
    `uc iam explain plasmavmc.vms.create`, `uc iam explain user:ada@acme prismnet.vpcs.delete projects/blue`.
    """
    app = app_of(ctx)
    principal, permission, resource = _asked(app, words)
    body: dict[str, Json] = {"principal": principal, "permission": permission, "resource": resource}
    operation = index.noun("policy").operations["explain"]
    answer = app.send(make(operation, {}, (), body))
    allowed = at(answer, "allowed") is True
    if app.output.tabular:
        _print(answer, allowed=allowed)
    else:
        printer.print_document(app, answer)
    if check and not allowed:
        ctx.exit(DENIED)


iam.add_command(explain)


def _asked(app: App, words: tuple[str, ...]) -> tuple[str, str, str]:
    """(principal, permission, resource) of what was typed."""
    if len(words) > WORDS_OF_ASKING:
        raise UsageFailure(f"{len(words)} words; accepted: [PRINCIPAL] PERMISSION [RESOURCE]")
    given = list(words)
    # Principals have a scheme, permissions have dots and no colon.
    principal = given.pop(0) if ":" in given[0] else ""
    if not given:
        raise UsageFailure("no permission is named; accepted: <service>.<kinds>.<verb>, such as prismnet.vpcs.create")
    permission = given.pop(0)
    project = app.chosen.target.project
    resource = given.pop(0) if given else f"projects/{project}" if project else ""
    if not principal:
        principal = text_at(app.client.call(Request("GET", "/v1/whoami", repeatable=True)), "principal")
    return principal, permission, resource


def _print(answer: Json, *, allowed: bool) -> None:
    sys.stdout.write(f"{paint('allowed', GREEN) if allowed else paint('denied', RED)}: {text_at(answer, 'reason')}\n")
    for name, value in table_at({"a": answer}, "a").items():
        if isinstance(value, list) and value:
            sys.stdout.write(f"{name.replace('_', ' ')}:\n")
            for item in items_at(answer, name):
                words = [
                    f"{key} {shown}"
                    for key, shown in table_at({"i": item}, "i").items()
                    if isinstance(shown, str) and shown
                ]
                sys.stdout.write(f"  - {item if isinstance(item, str) else ', '.join(words)}\n")
