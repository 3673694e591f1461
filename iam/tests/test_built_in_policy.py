"""The whole built-in policy as one table: what each role, service and agent may do, over every RPC there is.

A new RPC changes the table: look at who may call it. Write it anew with GOLDEN=write.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import ultracloud.api
from iam.testing import BLUE_PATH, WEB, bind, who, world
from ultracloud.api.rpc import ServiceDescriptor
from ultracloud.base.policy import BUILT_IN_ROLES, Policy, decide

SERVICES = ("iam", "plasmavmc", "prismnet")
"""chainfire and flaredb stand below iam and decide by certificate."""
GOLDEN = Path(__file__).parent / "golden" / "built_in_policy.txt"
PRINCIPALS = {
    "service": "service/prismnet",
    "plasmavmc": "service/plasmavmc",
    "p-agent": "agent/prismnet/node-1",
    "v-agent": "agent/plasmavmc/node-1",
    "operator": "operator/nobody",
}
HOST_KINDS = ("hosts", "hostconsole")
OPEN = {
    *("iam.tokens.whoami", "iam.ca.watchtrust", "iam.ca.acknowledge", "iam.auditheads.sign"),
    *("iam.credentials.acceptinvite", "iam.sessions.login", "iam.sessions.refresh", "iam.personaltokens.exchange"),
    *(f"iam.credentials.{deed}" for deed in ("setpassword", "enroltotp", "confirmtotp", "removetotp")),
    *(f"iam.credentials.{deed}securitykey" for deed in ("begin", "finish", "remove")),
    *("iam.personaltokens.create", "iam.personaltokens.list", "iam.sessions.list"),
}
"""Everybody may ask who they are and whom to trust, say which certificate they use, prove who they are, and change how
they themselves do that. To list sessions and personal tokens of others takes the right to end them."""


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("_rpc") and found.name.split(".")[2] in SERVICES:
            yield importlib.import_module(found.name)


def permissions() -> list[str]:
    """Every permission that an RPC of ours can need."""
    found = set()
    for module in modules(ultracloud.api):
        for descriptor in vars(module).values():
            if isinstance(descriptor, ServiceDescriptor):
                service, kinds = descriptor.name.split(".")[1], descriptor.name.rpartition(".")[2].lower()
                found |= {f"{service}.{kinds}.{method.name.lower()}" for method in descriptor.methods}
    return sorted(found - OPEN)


def table() -> str:
    on_project = {role: world(bind(role, WEB, BLUE_PATH)) for role in BUILT_IN_ROLES}
    at_root = {role: world(bind(role, WEB, "")) for role in BUILT_IN_ROLES}
    lines = [
        "# What each role allows: P bound on a project, on what is in it; R only bound at the root, on hosts and such.",
        "# Then what our own certificates allow without any binding: any project, own host, the root.",
        "# Write anew with GOLDEN=write, then read the difference.",
        "",
        row("", [*BUILT_IN_ROLES, *PRINCIPALS]),
    ]
    for permission in permissions():
        place = "hosts/node-1" if permission.split(".")[1] in HOST_KINDS else BLUE_PATH
        cells = [reach(on_project[role], at_root[role], permission, place) for role in BUILT_IN_ROLES]
        for path in PRINCIPALS.values():
            principal = who(f"spiffe://ultracloud.local/{path}")
            allowed = any(decide(world(), principal, permission, where).allowed for where in (place, ""))
            cells.append("yes" if allowed else "-")
        lines.append(row(permission, cells))
    return "\n".join(lines) + "\n"


def reach(on_project: Policy, at_root: Policy, permission: str, place: str) -> str:
    if decide(on_project, who(WEB), permission, place).allowed:
        return "P"
    return "R" if decide(at_root, who(WEB), permission, place).allowed else "-"


def row(head: str, cells: list[str]) -> str:
    return (f"{head:36}" + "".join(f"{cell:11}" for cell in cells)).rstrip()


def test_the_built_in_policy_is_what_the_table_says():
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(table())
    assert table() == GOLDEN.read_text()


def test_each_role_holds_what_the_one_before_it_holds():
    names = list(BUILT_IN_ROLES)
    for permission in permissions():
        held = [decide(world(bind(role, WEB, BLUE_PATH)), who(WEB), permission, BLUE_PATH).allowed for role in names]
        assert held == sorted(held), permission
