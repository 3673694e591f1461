"""The shape of all commands: common flags at every level, lazy loading, and the nearest known word for a wrong one.

People write `uc -p blue vm list` and `uc vm list -p blue`; both mean the same, so every group and command takes the
common flags, and what stands last holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.shell.app import App

HELP_NAMES = ["-h", "--help"]
SETTINGS: dict[str, Any] = {"help_option_names": HELP_NAMES, "max_content_width": 110}


class Lazy(NamedTuple):
    """Where a command is, and what `--help` says of it without loading it."""

    module: str
    attribute: str
    summary: str
    section: str = "Commands"


def keep(ctx: click.Context, param: click.Parameter, value: object) -> object:
    """Note a common flag's value for the whole command."""
    app = ctx.ensure_object(App)
    if value is not None and value is not False and param.name:
        app.flags[param.name] = value
    return value


def span(_ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A flag's text as seconds."""
    from ultracloud.cli.core.ages import parse_span

    return None if value is None else parse_span(value, param.opts[0])


def keep_span(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    """Note a common flag's span of time."""
    return keep(ctx, param, span(ctx, param, value))


def complete_output(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Forms of output."""
    from ultracloud.cli.core.outputs import FORMATS

    return [form for form in FORMATS if form.startswith(incomplete)]


def complete_context(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of contexts."""
    return [name for name in ctx.ensure_object(App).contexts.all if name.startswith(incomplete)]


def complete_place(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of projects or organisations."""
    from ultracloud.cli.commands.names import live_names

    return live_names(ctx, "organisation" if param.name == "org" else "project", incomplete)


def common_options() -> list[click.Option]:
    """The flags that every command takes."""

    def option(*names: str, **rest: Any) -> click.Option:
        rest.setdefault("callback", keep)
        return click.Option(list(names), expose_value=False, **rest)

    return [
        option("-p", "--project", metavar="PROJECT", help="Project, by name or id.", shell_complete=complete_place),
        option("--org", metavar="ORG", help="Organisation, by name or id.", shell_complete=complete_place),
        option(
            "--context", metavar="NAME", help="Which cloud: one of `uc context list`.", shell_complete=complete_context
        ),
        option("--server", metavar="URL", help="Gateway instead of the context's."),
        option(
            "-o",
            "--output",
            metavar="FORM",
            help="table, wide, json, yaml, name, id or jsonpath=TEMPLATE.",
            shell_complete=complete_output,
        ),
        option("--no-headers", is_flag=True, default=None, help="No headings above tables."),
        option("--sort-by", metavar="PATH", help="Sort a list by a jsonpath: .metadata.created_at."),
        option("--dry-run", is_flag=True, default=None, help="Print what would be sent, and change nothing."),
        option(
            "--curl", is_flag=True, default=None, help="Print the request as a curl line, with the token as $TOKEN."
        ),
        option("--debug", is_flag=True, default=None, help="Log requests and answers to stderr, without secrets."),
        option("-q", "--quiet", is_flag=True, default=None, help="Only ids, and no progress."),
        option("--request-timeout", metavar="SPAN", callback=keep_span, help="For each wait for the server; 30s."),
    ]


COMMON_NAMES = frozenset(name for option in common_options() for name in (*option.opts, *option.secondary_opts))
"""Flags that no field may take."""


class Command(click.Command):
    """A command that takes the common flags."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **kwargs)
        self.common = common_options()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Own parameters, then the common flags."""
        return [*super().get_params(ctx), *self.common]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own flags in full; of the common ones, where to find them."""
        own = [record for param in super().get_params(ctx) if (record := param.get_help_record(ctx))]
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        formatter.write_paragraph()
        formatter.write_text("Common flags (-p, --org, -o, --curl, --dry-run, ...): `uc options` explains them.")


class Group(click.Group):
    """A group that takes the common flags and loads its commands when they are named.

    Args:
        lazy: Name -> where the command is.
        other_names: Alias -> name.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, Lazy] | None = None,
        other_names: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **kwargs)
        self.common = common_options()
        self.lazy = dict(lazy or {})
        self.other_names = dict(other_names or {})

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Own parameters, then the common flags."""
        return [*super().get_params(ctx), *self.common]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names that `--help` shows."""
        return sorted({*super().list_commands(ctx), *self.lazy})

    def known_words(self, ctx: click.Context) -> list[str]:
        """All that may be typed, for a suggestion."""
        return [*self.list_commands(ctx), *self.other_names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, loaded now."""
        name = self.other_names.get(cmd_name, cmd_name)
        if name in self.lazy:
            return load(self.lazy[name])
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click does it, with the nearest known word where there is no such command."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is not None:
            return self.other_names.get(name, name), command, args[1:]
        if ctx.resilient_parsing:
            return None, None, args[1:]
        if name.startswith("-"):
            return super().resolve_command(ctx, args)
        suggestion = did_you_mean(name, self.known_words(ctx))
        raise click.UsageError(
            f"there is no command {name[:60]!r} in `{ctx.command_path}`" + (f"; {suggestion}" if suggestion else ""),
            ctx,
        )

    def has_command(self, ctx: click.Context, name: str) -> bool:
        """Whether this is a command, by any of its names."""
        return name in self.other_names or name in self.list_commands(ctx)

    def summary_of(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """(section, summary) of a command, without loading it."""
        if name in self.lazy:
            return self.lazy[name].section, self.lazy[name].summary
        command = super().get_command(ctx, name)
        return "Commands", command.get_short_help_str(90) if command is not None else ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands by section; flags are listed at the root only."""
        self.format_commands(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(
            f"`{ctx.command_path} COMMAND --help` says more; `uc options` has the flags of all commands."
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their summaries, in the order of their sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            section, summary = self.summary_of(ctx, name)
            sections.setdefault(section, []).append((name, summary))
        for section in sorted(sections, key=self.section_rank):
            with formatter.section(section):
                formatter.write_dl(sections[section])

    def section_rank(self, _section: str) -> int:
        """Where a section stands in `--help`."""
        return 0


def load(lazy: Lazy) -> click.Command:
    """Import a command."""
    command = getattr(importlib.import_module(lazy.module), lazy.attribute)
    if not isinstance(command, click.Command):
        command = command()
    assert isinstance(command, click.Command)
    return command


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Decorator: a function as a command with the common flags; it gets the App first."""
    return click.command(name, cls=Command, **attributes)


def app_of(ctx: click.Context) -> App:
    """The surroundings of a command."""
    return ctx.ensure_object(App)


pass_app = click.make_pass_decorator(App, ensure=True)
