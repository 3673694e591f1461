"""A kept cloud: how to use it, and its consoles."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from quickstart.config import Options
from quickstart.core import cluster as clusters
from quickstart.core.cluster import Cluster
from quickstart.errors import QuickstartError
from quickstart.shell import console as consoles
from quickstart.shell import session, uc
from quickstart.shell.cloud import Cloud
from quickstart.shell.stack.client import StackClient
from quickstart.shell.steps.identity import LOGIN, PROJECT
from quickstart.shell.steps.machine import FLAVOUR, IMAGE, NAME
from quickstart.shell.steps.network import SUBNET
from ultracloud.base.faults import Fault


def how_to_use(options: Options) -> str:
    """What a person can do with the cloud that was left running."""
    cluster = session.load_cluster(options.layout)
    layout = cluster.layout
    rows = [
        (
            f"uc run {IMAGE} -n mine -s {FLAVOUR} --network {SUBNET}",
            "a VM of your own; `uc ps`, `uc logs mine`, `uc rm mine`",
        ),
        (f"uc console {NAME}", "its serial console; Ctrl-] leaves it"),
        ("uc doctor", "looks at everything, and says what to do"),
        (f"{layout.command} --stop", "ends the cloud and removes it"),
    ]
    facts = [
        ("in a browser", f"{cluster.gateway}/login as {LOGIN}, password {_read(layout.password)} ({layout.password})"),
        ("REST", f"{cluster.gateway}/openapi.json, authority {layout.authority}"),
        ("gRPC", ", ".join(f"{service} {cluster.endpoint(service)}" for service in clusters.SERVICES)),
        (
            "certificate",
            f"{layout.pki}: operator-{clusters.OPERATOR}.crt, .key, ca.crt: may do everything, with etcdctl too",
        ),
        ("images", f"{layout.images}: files there can be registered as file:// URLs"),
    ]
    return "\n".join(
        [
            f"The cloud is left running, and `uc` means it (context {clusters.context_name(layout)}). Next:",
            f"  alias uc={shlex.quote(uc.program(cluster.python))}",
            *_columns(rows),
            "And for other programs:",
            *_columns(facts),
        ]
    )


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(title) for title, _ in rows)
    return [f"  {title.ljust(width)}  {text}" for title, text in rows]


def _read(path: Path) -> str:
    """A secret that was kept for its owner."""
    return path.read_text() if path.exists() else "?"


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
                remedy=session.remedy_of_ended(cluster.layout),
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
