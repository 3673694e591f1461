"""The run from first to last: what the person asked for, in order, and everything removed whatever happens."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quickstart.config import Options
from quickstart.core import cluster as clusters
from quickstart.errors import QuickstartError, StepFailedError
from quickstart.shell import kept, preflight, session, starting, uc
from quickstart.shell.cloud import Cloud
from quickstart.shell.guest import image
from quickstart.shell.guest.image import GuestImage
from quickstart.shell.http import OutsideServer
from quickstart.shell.journal import Journal
from quickstart.shell.session import Session
from quickstart.shell.stack import client as stacks
from quickstart.shell.stack.client import StackClient, Statuses
from quickstart.shell.steps import command_line, identity, machine, network, proofs, resilience
from quickstart.shell.terminal import Terminal


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
    if options.keep and session.is_kept(options.layout):
        await kept.resume(options.layout, outcome.journal)
        return
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
    """Steps 2 to 8, and what is kept."""
    journal, layout = outcome.journal, options.layout
    guest = asyncio.create_task(_obtain_guest(journal, options), name="guest image")
    meanwhile: list[asyncio.Task[Any]] = [guest]
    cloud: Cloud | None = None
    outside = OutsideServer()
    try:
        journal.terminal.heading("2. Control plane, and the guest image meanwhile")
        cluster = session.make_cluster(layout, preflight.ports(options), outcome.accelerator, Path(sys.executable))
        cloud = await starting.start(journal, cluster, claimed.lock)
        handed = asyncio.create_task(command_line.hand_over_authority(cluster), name="hand over the authority")
        meanwhile.append(handed)
        journal.terminal.heading("3. Identity")
        made = await identity.make(journal, cloud)
        journal.terminal.heading("4. Network")
        net = await network.make(journal, cloud, made)
        await outside.start(cloud.namespace(clusters.OUTSIDE_NAMESPACE), str(clusters.OUTSIDE_SERVER))
        journal.terminal.heading("5. Machine")
        ready_guest = await guest
        vm = await machine.boot(journal, cloud, made, net, ready_guest)
        await machine.boot_twin(made, ready_guest, vm)
        journal.terminal.heading("6. Command line, through the gateway")
        await command_line.prove(journal, cloud, made)
        await command_line.prove_renewal(journal, cloud, handed)
        journal.terminal.heading("7. Proof")
        await proofs.prove(proofs.Scene(journal, made, net, vm, outside))
        journal.terminal.heading("8. Resilience")
        await outside.close()
        await resilience.prove(resilience.Scene(journal, cloud, made, net, vm, claimed.lock))
        outcome.memory_mb = await starting.memory(cloud.stack)
        if options.keep:
            await kept.keep(journal, claimed, cloud, made)
    except StepFailedError as error:
        if cloud is not None and isinstance(error.__cause__, OSError) and not cloud.stack.is_running():
            raise _killed(error, layout.log("supervisor")) from error
        raise
    finally:
        for task in meanwhile:
            task.cancel()
        await asyncio.gather(*meanwhile, return_exceptions=True)
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


async def _remove(claimed: Session, journal: Journal | None) -> None:
    """End the stack and remove all that was made; a step of its own when the run went well."""
    stack = StackClient(clusters.control_name(claimed.layout.state))
    await uc.leave_for_person(claimed.layout)
    if journal is None:
        await stack.power_cut()
        claimed.clean()
        return
    async with journal.step("removed", "ending and removing everything") as step:
        ended = await starting.end(stack)
        claimed.clean()
        _require_clean(ended, journal.logs)
        step.detail = f"all {len(ended)} processes ended in order; only the logs stay, in {claimed.layout.logs}"


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
