"""`uc man --dir DIR`: a manual page for every command, made of the same words as `--help`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ultracloud.cli import __version__
from ultracloud.cli.commands.base import Group, command
from ultracloud.cli.core.manpages import Page, render

DEPTH_MAX = 4
"""`uc iam NOUN VERB` is the deepest."""


@command("man", short_help="Write the manual pages")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for them; made if it is not there.",
)
@click.argument("words", nargs=-1, metavar="[COMMAND...]")
@click.pass_context
def man(ctx: click.Context, folder: Path | None, words: tuple[str, ...]) -> None:
    """Write all manual pages to a folder, or print that of one command: `uc man vm create | man -l -`."""
    root = ctx.find_root().command
    pages = {page.name: page for page in walk(root, ("uc",), None)}
    if folder is None:
        name = "-".join(("uc", *words))
        if name not in pages:
            raise click.UsageError(f"there is no command `{' '.join(('uc', *words))}`", ctx)
        sys.stdout.write(render(pages[name], __version__))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages.values():
        (folder / f"{page.name}.1").write_text(render(page, __version__))
    sys.stdout.write(f"{len(pages)} pages written to {folder}\n")


def walk(node: click.Command, path: tuple[str, ...], parent: click.Context | None) -> Iterator[Page]:
    """Pages of a command and all below it."""
    ctx = click.Context(node, parent=parent, info_name=path[-1])
    below = node.list_commands(ctx) if isinstance(node, Group) else []
    yield page_of(node, path, ctx, below)
    for name in below:
        assert isinstance(node, Group)
        child = node.get_command(ctx, name)
        if child is not None and len(path) < DEPTH_MAX:
            yield from walk(child, (*path, name), ctx)


def page_of(node: click.Command, path: tuple[str, ...], ctx: click.Context, below: list[str]) -> Page:
    """One command's page."""
    records = [param.get_help_record(ctx) for param in node.params]
    children = []
    if isinstance(node, Group):
        children = [(name, node.summary_of(ctx, name)[1]) for name in below]
    return Page(
        name="-".join(path),
        summary=node.get_short_help_str(200),
        synopsis=" ".join((*path, *node.collect_usage_pieces(ctx))),
        description=(node.help or "").replace("\b", ""),
        options=tuple(record for record in records if record is not None),
        commands=tuple(children),
    )
