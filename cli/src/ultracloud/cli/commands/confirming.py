"""A question before what takes much with it: organisations and projects are not deleted by a slip of the finger."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from ultracloud.cli.core.api import Noun
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.shell.app import App

PRECIOUS = frozenset({"organisation", "project"})
"""Who has these deleted loses names, bindings and members that nobody can bring back."""


def confirm_delete(app: App, noun: Noun, refs: Iterable[str], *, yes: bool) -> None:
    """Return if these may be deleted: they are of no precious kind, or somebody says so.

    Raises:
        UsageFailure: Nobody can be asked.
        Failure: Somebody was asked, and does not want it.
    """
    if noun.name not in PRECIOUS or yes or app.on("dry_run") or app.on("curl"):
        return
    named = ", ".join(f"{noun.name}/{ref}" for ref in refs)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageFailure(f"deleting {named} needs a yes, and nobody can be asked", hint="--yes says it")
    if not click.confirm(f"Delete {named} at {app.target.server}?", err=True):
        raise Failure("nothing was deleted")
