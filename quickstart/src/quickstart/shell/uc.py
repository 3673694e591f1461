"""`uc` as somebody types it: the command line of the proofs, and the contexts of the person who runs the quickstart."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quickstart.core.cluster import Cluster, context_name
from quickstart.core.layout import Layout
from quickstart.errors import CommandError
from quickstart.shell.commands import run
from quickstart.shell.steps.identity import LOGIN, ORGANISATION, PROJECT

COMMAND_SECONDS = 120.0
"""A VM that is waited for is emulated, and the machine may be busy."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TERM")
"""Variables that say nothing of a cloud; those that do, such as ULTRACLOUD_PROJECT, mean another one."""
OF_HOME = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`uc`, with a home of its own.

    Attributes:
        environment: All variables that it gets.
        folder: Where it is typed.
        before: What runs it.
    """

    environment: Mapping[str, str]
    folder: Path
    before: tuple[str, ...] = ()

    async def types(self, *words: str, given: bytes = b"") -> str:
        """Type a command and give what it printed.

        Raises:
            CommandError: It ended with another exit code than 0.
        """
        command = (*self.before, sys.executable, "-m", "ultracloud.cli", *words)
        said = await run(
            *command, timeout_s=COMMAND_SECONDS, folder=self.folder, environment=self.environment, given=given
        )
        return said.decode(errors="replace")


def of_proofs(cluster: Cluster) -> CommandLine:
    """The one that nobody else uses: all that it keeps is in the state folder."""
    home = cluster.layout.command_line
    home.mkdir(exist_ok=True)
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return CommandLine({**variables, **dict.fromkeys(OF_HOME, str(home))}, home)


def of_person() -> CommandLine:
    """That of whoever runs the quickstart; below sudo, of whoever typed sudo."""
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and caller.isdigit() and caller != "0":
        person = pwd.getpwuid(int(caller))
        before = ("setpriv", "--reuid", caller, "--regid", str(person.pw_gid), "--init-groups", "--")
        return CommandLine({**variables, "HOME": person.pw_dir}, Path("/"), before)
    return CommandLine(variables | {name: os.environ[name] for name in OF_HOME if name in os.environ}, Path("/"))


async def enter(uc: CommandLine, cluster: Cluster, password: str) -> None:
    """Make the context of a cloud, and log in there.

    Raises:
        CommandError: `uc` refused.
    """
    name, authority = context_name(cluster.layout), str(cluster.layout.authority)
    await uc.types(
        "context", "add", name, "--server", cluster.gateway, "--ca", authority, "-p", PROJECT, "--org", ORGANISATION
    )
    await uc.types("login", "--context", name, "--user", LOGIN, "--password", "@-", given=password.encode())


async def enter_for_person(cluster: Cluster, password: str) -> None:
    """The same for the person, whose other contexts stay; what was current is noted, to be current again.

    Raises:
        CommandError: `uc` refused.
    """
    uc, name = of_person(), context_name(cluster.layout)
    listed = json.loads(await uc.types("context", "list", "-o", "json"))["items"]
    before = next((one["name"] for one in listed if one["current"] and one["name"] != name), "")
    if any(one["name"] == name for one in listed):
        await uc.types("context", "rm", name)
    cluster.layout.context.write_text(json.dumps({"name": name, "before": before}) + "\n")
    await enter(uc, cluster, password)


async def leave_for_person(layout: Layout) -> None:
    """Take a cloud's context from the person's again; one that the person has removed is no loss."""
    said = _noted(layout)
    if said is None:
        return
    uc = of_person()
    try:
        await uc.types("context", "rm", said["name"])
        if said["before"]:
            await uc.types("context", "use", said["before"])
    except CommandError:
        return


def _noted(layout: Layout) -> dict[str, str] | None:
    """What was done to the person's contexts; None if nothing was."""
    try:
        said: dict[str, str] = json.loads(layout.context.read_text())
    except (OSError, ValueError):
        return None
    return said


def program(python: Path) -> str:
    """How `uc` is called: by its path beside the interpreter, where it is installed there."""
    installed = python.parent / "uc"
    return str(installed) if installed.exists() else f"{python} -m ultracloud.cli"
