"""The whole tree of commands. Nothing is loaded before it is named; `--help` reads this table and the list of nouns."""

from __future__ import annotations

import click

from ultracloud.cli import __version__
from ultracloud.cli.commands.base import SETTINGS, Group, Lazy
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.shell import index

HERE = "ultracloud.cli.commands"
EVERY_DAY, NOUNS, LOGIN, TOOLS = "Every day", "Kinds", "Clouds and login", "Tools"
SECTIONS = (EVERY_DAY, NOUNS, LOGIN, TOOLS)
COMMANDS = {
    "ps": Lazy(f"{HERE}.daily", "ps", "Virtual machines that run; -a for all", EVERY_DAY),
    "ls": Lazy(f"{HERE}.daily", "ls", "What is in the project, or all of a kind", EVERY_DAY),
    "run": Lazy(f"{HERE}.daily", "run", "Make a virtual machine from an image and start it", EVERY_DAY),
    "start": Lazy(f"{HERE}.daily", "start", "Start virtual machines", EVERY_DAY),
    "stop": Lazy(f"{HERE}.daily", "stop", "Stop virtual machines", EVERY_DAY),
    "restart": Lazy(f"{HERE}.daily", "restart", "Reboot virtual machines", EVERY_DAY),
    "rm": Lazy(f"{HERE}.daily", "rm", "Delete: virtual machines, or KIND/NAME", EVERY_DAY),
    "inspect": Lazy(f"{HERE}.daily", "inspect", "All of one thing, as YAML", EVERY_DAY),
    "logs": Lazy(f"{HERE}.console", "logs", "What a virtual machine's console printed", EVERY_DAY),
    "console": Lazy(f"{HERE}.console", "console", "A virtual machine's console, to read and to type", EVERY_DAY),
    "get": Lazy(f"{HERE}.daily", "get", "Read or list: `get vms`, `get vm web`, `get vm/web`", EVERY_DAY),
    "apply": Lazy(f"{HERE}.apply", "apply", "Make or change what files describe", EVERY_DAY),
    "wait": Lazy(f"{HERE}.kinds", "wait_any", "Wait for a condition of KIND/NAME", EVERY_DAY),
    "login": Lazy(f"{HERE}.login", "login", "Log in, in the browser or with a token", LOGIN),
    "logout": Lazy(f"{HERE}.login", "logout", "End the session and forget it", LOGIN),
    "whoami": Lazy(f"{HERE}.login", "whoami", "Who you are, and what holds for your commands", LOGIN),
    "context": Lazy(f"{HERE}.context", "context", "Several clouds: add, use, list, set, rm", LOGIN),
    "iam": Lazy(f"{HERE}.iam", "iam", "Identity: users, roles, bindings, tokens; explain", NOUNS),
    "explain": Lazy(f"{HERE}.explain", "explain", "What fields a kind has: `explain vm.spec.nics`", TOOLS),
    "doctor": Lazy(f"{HERE}.doctor", "doctor", "Look at the installation end to end, and say what to do", TOOLS),
    "api": Lazy(f"{HERE}.api", "api", "Send any request: `api GET /v1/whoami`", TOOLS),
    "completion": Lazy(f"{HERE}.completion", "completion", "Completion for bash, zsh or fish", TOOLS),
    "man": Lazy(f"{HERE}.man", "man", "Write the manual pages", TOOLS),
    "options": Lazy(f"{HERE}.tools", "options", "Flags that every command takes", TOOLS),
    "version": Lazy(f"{HERE}.tools", "version", "Versions of this program and of the server", TOOLS),
}
ALIASES = {
    "contexts": "context",
    "ctx": "context",
    "reboot": "restart",
    "delete": "rm",
    "describe": "inspect",
    "list": "ls",
    "attach": "console",
    "man-pages": "man",
}
VERBS_FIRST = frozenset(
    {"create", "new", "update", "set", "edit", "label", "describe", "delete", "rm", "remove", "watch", "events", "list"}
)
"""`uc create vpc net`, in kubectl's order of words, is `uc vpc create net`."""
ELSEWHERE = {
    "exec": "`uc console NAME` is the virtual machine's own terminal",
    "ssh": "`uc console NAME` is the virtual machine's terminal; `ssh` takes the address that `uc ps` shows",
    "diff": "`uc apply --dry-run -f FILE` shows what would be changed",
    "config": "contexts are `uc context`",
    "auth": "`uc iam explain` says who may do what, `uc whoami` who you are",
    "create": "write `uc KIND create NAME`, such as `uc vpc create net --cidr 10.0.0.0/16`",
    "kill": "`uc stop --force NAME` pulls the plug",
    "launch": "`uc run IMAGE` makes a virtual machine",
    "top": "`uc ps` shows virtual machines, `uc quota usage` what they take",
}
"""What other programs call things that are here under another name."""


class Root(Group):
    """Commands by hand, and a group for each noun."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's shape
        """Commands and nouns."""
        return sorted({*self.lazy, *index.listing()})

    def known_words(self, ctx: click.Context) -> list[str]:
        """Also the other words for nouns."""
        return [*super().known_words(ctx), *index.words()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by hand, or a noun's group."""
        if cmd_name in self.lazy:
            return super().get_command(ctx, cmd_name)
        noun = index.words().get(cmd_name)
        if noun is not None:
            from ultracloud.cli.commands.nouns import noun_group

            return noun_group(noun)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As every group does it; a verb before a kind is the kind's."""
        if len(args) > 1 and args[0] in VERBS_FIRST and args[1] in index.words():
            return super().resolve_command(ctx, [args[1], args[0], *args[2:]])
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0] not in ELSEWHERE:
                raise
            raise click.UsageError(f"there is no command {args[0]!r}; {ELSEWHERE[args[0]]}", ctx) from error

    def summary_of(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """From the tables."""
        if name in self.lazy:
            return super().summary_of(ctx, name)
        return NOUNS, text_at(index.listing()[name], "summary")

    def section_rank(self, section: str) -> int:
        """The order of SECTIONS."""
        return SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)


def show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """`--version`."""
    if value and not ctx.resilient_parsing:
        click.echo(f"ultracloud {__version__}")
        ctx.exit()


root = Root(
    "uc",
    lazy=COMMANDS,
    other_names=ALIASES,
    context_settings=SETTINGS,
    help="Everything of your cloud: virtual machines, networks, identity, and what runs them.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=show_version,
            help="Print the version.",
        )
    ],
)
