"""`uc completion SHELL`: the script that a shell reads once; it asks this program for words at each press of tab."""

from __future__ import annotations

import sys

import click

from ultracloud.cli.commands.base import command

SHELLS = ("bash", "fish", "zsh")
NAMES = ("uc", "ultracloud")


@command("completion", short_help="Completion for bash, zsh or fish")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell: commands, flags, and names of what there is.

    In bash: `eval "$(uc completion bash)"` in ~/.bashrc. In zsh: `eval "$(uc completion zsh)"` in ~/.zshrc. In fish:
    `uc completion fish > ~/.config/fish/completions/uc.fish`.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = ctx.find_root().command
    sys.stdout.write("".join(made(root, {}, name, f"_{name.upper()}_COMPLETE").source() for name in NAMES))
