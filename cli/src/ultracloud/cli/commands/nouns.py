"""A noun as a group of commands: its operations, what is added to every kind, and what was made by hand for it."""

from __future__ import annotations

import click

from ultracloud.cli.commands.base import HELP_NAMES, Group, Lazy
from ultracloud.cli.commands.operations import OperationCommand
from ultracloud.cli.core.api import Noun
from ultracloud.cli.shell import index

HERE = "ultracloud.cli.commands"
VERB_ALIASES = {"ls": "list", "rm": "delete", "show": "get", "set": "update", "new": "create", "remove": "delete"}
OF_KINDS = {
    "describe": Lazy(f"{HERE}.kinds", "describe", "All of one for people, with its events"),
    "edit": Lazy(f"{HERE}.kinds", "edit", "Change one in your editor"),
    "label": Lazy(f"{HERE}.kinds", "label", "Set and remove labels"),
    "wait": Lazy(f"{HERE}.kinds", "wait", "Wait for a condition"),
    "events": Lazy(f"{HERE}.kinds", "events", "What happened to one"),
}
BY_HAND: dict[str, dict[str, Lazy]] = {
    "vm": {
        "console": Lazy(f"{HERE}.console", "console", "Its console, to read and to type"),
        "logs": Lazy(f"{HERE}.console", "logs", "What its console printed"),
    },
    "quota": {"usage": Lazy(f"{HERE}.quota", "usage", "What the project has, of what it may have")},
    "token": {
        "narrow": Lazy(f"{HERE}.token", "narrow", "Narrow a token, without asking the server"),
        "show": Lazy(f"{HERE}.token", "show", "What a token says, without asking the server"),
    },
}


class NounGroup(Group):
    """The commands of a noun."""

    def __init__(self, noun: Noun) -> None:
        self.noun = noun
        lazy = dict(BY_HAND.get(noun.name, {}))
        if noun.kind and "get" in noun.operations:
            lazy |= {
                name: entry
                for name, entry in OF_KINDS.items()
                if name not in ("edit", "label") or "update" in noun.operations
            }
        aliases = {
            alias: verb
            for alias, verb in VERB_ALIASES.items()
            if verb in noun.operations and alias not in noun.operations and alias not in lazy
        }
        super().__init__(noun.name, help=noun.summary, lazy=lazy, other_names=aliases)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`uc vms`, without a verb, lists them, as docker's `images` does."""
        is_plural = ctx.info_name == self.noun.plural and "list" in self.noun.operations
        # Completion asks what may follow, and that is still any verb.
        is_asked = ctx.resilient_parsing or any(word in HELP_NAMES for word in args)
        if is_plural and not is_asked and not any(self.has_command(ctx, word) for word in args):
            first = args[0] if args else ""
            if not first or first.startswith("-"):
                args = ["list", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's shape
        """Operations and what is added to them."""
        return sorted({*self.noun.operations, *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What is made by hand comes first."""
        name = self.other_names.get(cmd_name, cmd_name)
        if name in self.lazy:
            ctx.meta["noun"] = self.noun
            return super().get_command(ctx, name)
        operation = self.noun.operations.get(name)
        return OperationCommand(self.noun, operation) if operation is not None else None

    def summary_of(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """From the index."""
        if name in self.lazy:
            return super().summary_of(ctx, name)
        return "Commands", self.noun.operations[name].summary


def noun_group(name: str) -> NounGroup:
    """The group of a noun."""
    return NounGroup(index.noun(name))
