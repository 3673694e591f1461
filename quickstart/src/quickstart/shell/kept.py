"""A cloud that is left running: handed to the person, started again where it was ended by force, and removed."""

from __future__ import annotations

import os

from quickstart.core import cluster as clusters
from quickstart.core.layout import Layout
from quickstart.errors import CommandError, QuickstartError
from quickstart.shell import session, starting, uc
from quickstart.shell.cloud import Cloud
from quickstart.shell.journal import Journal
from quickstart.shell.session import Phase, Session
from quickstart.shell.stack.client import StackClient
from quickstart.shell.steps.identity import Identity
from quickstart.shell.terminal import Terminal


async def keep(journal: Journal, claimed: Session, cloud: Cloud, made: Identity) -> None:
    """Let the stack live on, and give the person's `uc` a context for it."""
    layout = claimed.layout
    _write_secret(layout.token, made.token)
    _write_secret(layout.password, made.password)
    async with journal.step("context written", "writing a context for uc") as step:
        try:
            await uc.enter_for_person(cloud.cluster, made.password)
            step.detail = f"`uc` means this cloud from now on: context {clusters.context_name(layout)}"
        except CommandError as error:
            # The cloud is proved by now; a configuration of `uc` that was broken before is no reason to remove it.
            step.detail = f"no context for `uc` was written: {error.output.strip() or error}"
    claimed.mark(Phase.KEPT)
    await cloud.stack.detach()


async def resume(layout: Layout, journal: Journal) -> None:
    """See that a kept cloud runs: it does already, or is started again from what is on disk.

    Raises:
        StepFailedError: It cannot be started; what is on disk stays.
        asyncio.CancelledError: It was interrupted; the same.
    """
    journal.terminal.heading("The cloud that was kept")
    cluster = session.load_cluster(layout)
    stack = StackClient(cluster.control)
    if stack.is_running():
        async with journal.step("cloud kept", "looking at the kept cloud") as step:
            step.detail = f"it runs, on {layout.state}"
        return
    async with journal.step("state folder", "taking the state folder") as step:
        claimed = session.reclaim(layout)
        # Those that were there may have ended while nobody was there to renew them.
        session.issue_certificates(cluster)
        step.detail = f"{layout.state} is as it was left, and everybody has a fresh certificate"
    try:
        cloud = await starting.start(journal, cluster, claimed.lock)
        await cloud.close()
        await stack.detach()
    except BaseException:
        await stack.power_cut()
        raise


async def stop(layout: Layout, terminal: Terminal) -> None:
    """End a kept cloud and remove it.

    Raises:
        QuickstartError: None is kept in this folder, or it cannot be removed.
    """
    if not session.is_kept(layout):
        raise QuickstartError(
            f"no cloud is kept in {layout.state}",
            remedy="start one with `./dev quickstart --keep`, or name its folder with --state DIR",
        )
    try:
        terminal.begin(stop, "ending the kept cloud")
        await starting.end(StackClient(clusters.control_name(layout.state)))
        await uc.leave_for_person(layout)
        session.claim(layout, is_kept_lost=True).clean()
    finally:
        await terminal.close()
    terminal.line(f"The kept cloud is ended and removed; its logs are in {layout.logs}")


def _write_secret(path: os.PathLike[str], text: str) -> None:
    """Write a file that only its owner can open."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
