"""A stack from its start, until everything in it serves, to its end."""

from __future__ import annotations

from contextlib import suppress

from quickstart.core import cluster as clusters
from quickstart.core.cluster import Cluster
from quickstart.core.supervision import Phase
from quickstart.errors import QuickstartError
from quickstart.shell.cloud import Cloud
from quickstart.shell.journal import Journal
from quickstart.shell.stack import client as stacks
from quickstart.shell.stack.client import StackClient, Statuses

READY_SECONDS = 30.0
"""All are ready within four seconds; a loaded machine gets more."""
DEATHS_MAX = 3
"""A service that dies this often while starting will not start; its log says why."""
GRACE_SECONDS = 15.0
"""For services to end in order, which takes half a second; what has not by then is killed with the rest."""


async def start(journal: Journal, cluster: Cluster, lock: int) -> Cloud:
    """Start the stack and wait until every service and agent serves.

    Raises:
        StepFailedError: One does not.
    """
    layout = cluster.layout
    named = f"{', '.join(clusters.SERVICES[:-1])} and {clusters.SERVICES[-1]}"
    async with journal.step("services ready", f"starting {named}", "supervisor") as step:
        stack = await stacks.launch(clusters.stack(cluster), layout.plan, layout.log("supervisor"), (lock,))
        await _wait_ready(journal, stack, clusters.SERVICES)
        step.detail = f"{named} are ready, with mutual TLS from an authority of their own"
    async with journal.step("host ready", "starting libvirtd and the host's agents", "prismnet-agent") as step:
        await _wait_ready(journal, stack, (clusters.HYPERVISOR, *clusters.AGENTS))
        step.detail = "libvirtd and the agents of prismnet and plasmavmc are ready in a network namespace of their own"
    return Cloud(cluster, stack)


async def end(stack: StackClient) -> Statuses:
    """End a stack in order, then whatever is left of it; gives how each process ended."""
    ended: Statuses = {}
    with suppress(ConnectionError, TimeoutError):
        ended = await stack.end(GRACE_SECONDS)
    await stack.power_cut()
    return ended


async def memory(stack: StackClient) -> dict[str, float]:
    """Memory by process; the total is the control plane's and the host's, without guests."""
    measured = await stack.memory_mb()
    guests = measured.pop("guests")
    return {**measured, "total": sum(measured.values()), "guests": guests}


async def _wait_ready(journal: Journal, stack: StackClient, names: tuple[str, ...]) -> None:
    """Wait until all of `names` are ready.

    Raises:
        QuickstartError: One keeps dying, or is not ready in time; says what it last wrote.
    """
    last: Statuses = {}

    def is_decided(statuses: Statuses) -> bool:
        nonlocal last
        last = statuses
        waiting = [statuses[name] for name in names if statuses[name].phase is not Phase.READY]
        return not waiting or any(status.starts > DEATHS_MAX for status in waiting)

    with suppress(TimeoutError):
        await stack.wait_until(is_decided, READY_SECONDS)
    waiting = [last[name] for name in names if last[name].phase is not Phase.READY]
    if waiting:
        # The one that died most often is the cause; the others wait for it.
        worst = max(waiting, key=lambda status: status.starts)
        log = journal.logs / f"{worst.name}.log"
        went = f"died {worst.starts} times" if worst.starts > 1 else "is not ready"
        raise QuickstartError(f"{worst.name} {went}; it last said: {stacks.tail(log)}", remedy=f"read {log}", log=log)
