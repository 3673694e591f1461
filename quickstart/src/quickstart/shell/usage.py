"""A kept cloud: how to use it, and its consoles."""

from __future__ import annotations

import sys

from quickstart.config import Options
from quickstart.core import cluster as clusters
from quickstart.core.cluster import Cluster
from quickstart.errors import QuickstartError
from quickstart.shell import console as consoles
from quickstart.shell import session
from quickstart.shell.cloud import Cloud
from quickstart.shell.stack.client import StackClient
from quickstart.shell.steps.identity import PROJECT
from quickstart.shell.steps.machine import NAME
from ultracloud.base.faults import Fault


def how_to_use(options: Options) -> str:
    """What a person can do with the cloud that was left running."""
    cluster = session.load_cluster(options.layout)
    layout = cluster.layout
    command = layout.command
    rows = [
        ("token", f"{layout.token} (header: authorization: Bearer ...)"),
        *((f"{service} API", f"{cluster.endpoint(service)} (gRPC with mutual TLS)") for service in clusters.SERVICES),
        ("etcdctl", f"--endpoints {cluster.endpoint('chainfire')} --cacert ca.crt --cert and --key as below"),
        ("certificates", f"{layout.pki}: operator-{clusters.OPERATOR}.crt, its .key, and ca.crt"),
        ("images", f"{layout.images}: files there can be registered as file:// URLs"),
        ("vm console", f"{command} console {NAME}"),
        ("stop it", f"{command} --stop"),
    ]
    width = max(len(title) for title, _ in rows)
    return "\n".join(["The cloud is left running:", *(f"  {title.ljust(width)}  {text}" for title, text in rows)])


async def console(options: Options) -> None:
    """Connect this terminal to a VM of a kept cloud.

    Raises:
        QuickstartError: No cloud is kept there, or it refuses.
    """
    cluster = session.load_cluster(options.layout)
    cloud = Cloud(cluster, StackClient(cluster.control))
    try:
        token = _token(cluster)
        if not cloud.stack.is_running():
            raise QuickstartError(
                f"the cloud kept in {cluster.state} does not run any more; it was killed, or the machine restarted",
                remedy=f"remove what it left with `{cluster.layout.command} --stop`, and start one with --keep",
            )
        sys.stderr.write(f"Console of {options.vm}; Ctrl-] leaves it.\n")
        await consoles.attach(cloud.tenant(token).vms, options.project or PROJECT, options.vm)
    except Fault as error:
        raise QuickstartError(
            f"no console of {options.vm}: {error.public}", remedy=error.hint or "check the name and --project"
        ) from error
    finally:
        await cloud.close()


def _token(cluster: Cluster) -> str:
    try:
        return cluster.layout.token.read_text()
    except FileNotFoundError:
        raise QuickstartError(
            f"the cloud in {cluster.state} is not kept",
            remedy="start one with `./dev quickstart --keep`",
        ) from None
