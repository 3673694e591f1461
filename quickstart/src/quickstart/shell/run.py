"""The run from first to last: what the person asked for, in order, and everything removed whatever happens."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from quickstart.config import Options
from quickstart.core import cluster as clusters
from quickstart.core.cluster import Cluster
from quickstart.core.supervision import Phase as ProcessPhase
from quickstart.errors import QuickstartError, StepFailedError
from quickstart.shell import preflight, session
from quickstart.shell.cloud import Cloud
from quickstart.shell.guest import image
from quickstart.shell.guest.image import GuestImage
from quickstart.shell.http import OutsideServer
from quickstart.shell.journal import Journal
from quickstart.shell.session import Phase, Session
from quickstart.shell.stack import client as stacks
from quickstart.shell.stack.client import StackClient, Statuses
from quickstart.shell.steps import identity, machine, network, proofs, resilience
from quickstart.shell.steps.identity import Identity
from quickstart.shell.terminal import Terminal

READY_SECONDS = 30.0
"""All are ready within four seconds; a loaded machine gets more."""
DEATHS_MAX = 3
"""A service that dies this often while starting will not start; its log says why."""
GRACE_SECONDS = 15.0
"""For services to end in order, which takes half a second; what has not by then is killed with the rest."""


@dataclass(slots=True)
class Outcome:
    """What a run comes to.

    Attributes:
        seconds: From the first step to the last, removal included.
        memory_mb: By process, and the total of what is not a guest.
    """

    journal: Journal
    accelerator: str = ""
    seconds: float = 0.0
    memory_mb: dict[str, float] = field(default_factory=dict)
    failure: QuickstartError | None = None


async def run(options: Options, terminal: Terminal) -> Outcome:
    """Do all steps; what a step fails with is left in the outcome.

    Raises:
        asyncio.CancelledError: It was interrupted; everything has been removed.
    """
    begun = time.monotonic()
    outcome = Outcome(Journal(terminal, options.layout.logs))
    try:
        await _run(options, outcome)
    except QuickstartError as error:
        outcome.failure = error
    finally:
        await terminal.close()
        outcome.seconds = time.monotonic() - begun
    return outcome


async def _run(options: Options, outcome: Outcome) -> None:
    """Claim the folder, do the steps, remove what was made."""
    journal = outcome.journal
    journal.terminal.heading("1. This machine")
    async with journal.step("state folder", "looking at the state folder") as step:
        preflight.require_root()
        claimed = session.claim(options.layout)
        leftovers = "; what a killed run had left is removed" if claimed.had_leftovers else ""
        step.detail = f"state goes to {options.layout.state}{leftovers}"
    is_whole = False
    try:
        await _examine(options, outcome)
        await _steps(options, outcome, claimed)
        is_whole = True
    finally:
        if not (options.keep and is_whole):
            await _remove(claimed, journal if is_whole else None)


async def _examine(options: Options, outcome: Outcome) -> None:
    """Step 1."""
    async with outcome.journal.step("preflight", "trying out what this machine can do") as step:
        found = await preflight.examine(options)
        step.detail = found.summary
    async with outcome.journal.step("accelerator", "choosing the accelerator") as step:
        outcome.accelerator = found.accelerator
        step.seconds = found.probe_seconds
        step.detail = f"guests run on {found.accelerator}: {found.why}"


async def _steps(options: Options, outcome: Outcome, claimed: Session) -> None:
    """Steps 2 to 8."""
    journal, layout = outcome.journal, options.layout
    guest = asyncio.create_task(_obtain_guest(journal, options), name="guest image")
    cloud: Cloud | None = None
    outside = OutsideServer()
    try:
        journal.terminal.heading("2. Control plane, and the guest image meanwhile")
        cluster = session.make_cluster(layout, preflight.ports(options), outcome.accelerator, Path(sys.executable))
        cloud = await _start(journal, cluster, claimed)
        journal.terminal.heading("3. Identity")
        made = await identity.make(journal, cloud)
        journal.terminal.heading("4. Network")
        net = await network.make(journal, cloud, made)
        await outside.start(cloud.namespace(clusters.OUTSIDE_NAMESPACE), str(clusters.OUTSIDE_SERVER))
        journal.terminal.heading("5. Machine")
        ready_guest = await guest
        vm = await machine.boot(journal, cloud, made, net, ready_guest)
        journal.terminal.heading("6. Proof")
        await machine.boot_twin(made, ready_guest, vm)
        await proofs.prove(proofs.Scene(journal, made, net, vm, outside))
        journal.terminal.heading("7. Resilience")
        await outside.close()
        await resilience.prove(resilience.Scene(journal, cloud, made, net, vm, claimed.lock))
        outcome.memory_mb = await _memory(cloud.stack)
        if options.keep:
            await _keep(claimed, cloud, made)
    except StepFailedError as error:
        if cloud is not None and isinstance(error.__cause__, OSError) and not cloud.stack.is_running():
            raise _killed(error, layout.log("supervisor")) from error
        raise
    finally:
        guest.cancel()
        with suppress(asyncio.CancelledError, StepFailedError):
            await guest
        await outside.close()
        if cloud is not None:
            await cloud.close()


def _killed(error: StepFailedError, log: Path) -> StepFailedError:
    """What a step that met nobody means: whoever kills the supervisor ends everything."""
    return StepFailedError(
        error.step,
        f"the supervisor was killed, and with it everything ({error.cause})",
        remedy="if nobody did, the machine ran out of memory; `dmesg | tail` tells. Then run it again",
        log=log,
    )


async def _obtain_guest(journal: Journal, options: Options) -> GuestImage:
    """Build the guest image, or take the one built before; a step of its own only if it takes time."""
    async with journal.step("guest image", "building the guest image") as step:
        guest = await image.obtain(options.layout.guest, step.say)
        step.detail = f"guest image of {guest.size_bytes // 1_000_000} MB, from {len(guest.packages)} Debian packages"
    return guest


async def _start(journal: Journal, cluster: Cluster, claimed: Session) -> Cloud:
    """Start the stack and wait until every service and agent serves."""
    layout = cluster.layout
    async with journal.step(
        "services ready", "starting chainfire, flaredb, iam, prismnet and plasmavmc", "supervisor"
    ) as step:
        stack = await stacks.launch(clusters.stack(cluster), layout.plan, layout.log("supervisor"), (claimed.lock,))
        await _wait_ready(journal, stack, clusters.SERVICES)
        step.detail = f"{', '.join(clusters.SERVICES)} are ready, with mutual TLS from a fresh authority"
    async with journal.step("host ready", "starting libvirtd and the host's agents", "prismnet-agent") as step:
        await _wait_ready(journal, stack, (clusters.HYPERVISOR, *clusters.AGENTS))
        step.detail = "libvirtd and the agents of prismnet and plasmavmc are ready in a network namespace of their own"
    return Cloud(cluster, stack)


async def _wait_ready(journal: Journal, stack: StackClient, names: tuple[str, ...]) -> None:
    """Wait until all of `names` are ready.

    Raises:
        QuickstartError: One keeps dying, or is not ready in time; says what it last wrote.
    """
    last: Statuses = {}

    def is_decided(statuses: Statuses) -> bool:
        nonlocal last
        last = statuses
        waiting = [statuses[name] for name in names if statuses[name].phase is not ProcessPhase.READY]
        return not waiting or any(status.starts > DEATHS_MAX for status in waiting)

    with suppress(TimeoutError):
        await stack.wait_until(is_decided, READY_SECONDS)
    waiting = [last[name] for name in names if last[name].phase is not ProcessPhase.READY]
    if waiting:
        # The one that died most often is the cause; the others wait for it.
        worst = max(waiting, key=lambda status: status.starts)
        log = journal.logs / f"{worst.name}.log"
        went = f"died {worst.starts} times" if worst.starts > 1 else "is not ready"
        raise QuickstartError(f"{worst.name} {went}; it last said: {stacks.tail(log)}", remedy=f"read {log}", log=log)


async def _memory(stack: StackClient) -> dict[str, float]:
    """Memory by process; the total is the control plane's and the host's, without guests."""
    measured = await stack.memory_mb()
    guests = measured.pop("guests")
    return {**measured, "total": sum(measured.values()), "guests": guests}


async def _keep(claimed: Session, cloud: Cloud, made: Identity) -> None:
    """Let the stack live on."""
    layout = claimed.layout
    with os.fdopen(os.open(layout.token, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made.token)
    claimed.mark(Phase.KEPT)
    await cloud.stack.detach()


async def _remove(claimed: Session, journal: Journal | None) -> None:
    """End the stack and remove all that was made; a step of its own when the run went well."""
    stack = StackClient(clusters.control_name(claimed.layout.state))
    if journal is None:
        await stack.power_cut()
        claimed.clean()
        return
    async with journal.step("removed", "ending and removing everything") as step:
        ended = await end(stack)
        claimed.clean()
        _require_clean(ended, journal.logs)
        step.detail = f"all {len(ended)} processes ended in order; only the logs stay, in {claimed.layout.logs}"


async def end(stack: StackClient) -> Statuses:
    """End a stack in order, then whatever is left of it; gives how each process ended."""
    ended: Statuses = {}
    with suppress(ConnectionError, TimeoutError):
        ended = await stack.end(GRACE_SECONDS)
    await stack.power_cut()
    return ended


def _require_clean(ended: Statuses, logs: Path) -> None:
    """Return if every process ended well.

    Raises:
        QuickstartError: One failed while it ended, or had to be killed.
    """
    for name, status in ended.items():
        if status.status != 0:
            log = logs / f"{name}.log"
            raise QuickstartError(
                f"{name} did not end in order (status {status.status}): {stacks.tail(log)}",
                remedy="this is a defect; please report it with the log",
                log=log,
            )


async def stop(options: Options, terminal: Terminal) -> None:
    """End a kept cloud and remove it.

    Raises:
        QuickstartError: None is kept in this folder, or it cannot be removed.
    """
    stack = StackClient(clusters.control_name(options.layout.state))
    if not session.is_kept(options.layout):
        raise QuickstartError(
            f"no cloud is kept in {options.layout.state}",
            remedy="start one with `./dev quickstart --keep`, or name its folder with --state DIR",
        )
    try:
        terminal.begin(stop, "ending the kept cloud")
        await end(stack)
        session.claim(options.layout).clean()
    finally:
        await terminal.close()
    terminal.line(f"The kept cloud is ended and removed; its logs are in {options.layout.logs}")
