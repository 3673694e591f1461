"""Small worlds for tests of iam and of what is built on it: two tenants, and bindings in one line."""

from __future__ import annotations

import zlib

from ultracloud.base.policy import (
    Binding,
    Organisation,
    Policy,
    Principal,
    Project,
    Role,
    ServiceAccount,
    project_path,
)
from ultracloud.base.principals import service_account_principal, spiffe_principal

ULID_LENGTH = 26


def account_id(letter: str) -> str:
    """An id of a service account that a reader can tell from others."""
    return f"sa-{letter * ULID_LENGTH}"


ACME, EVIL = Organisation("org-acme", "acme"), Organisation("org-evil", "evil")
BLUE, RED = Project("project-blue", "blue", ACME.id), Project("project-red", "red", ACME.id)
SECRET = Project("project-secret", "secret", EVIL.id)
ACME_PATH = f"organisations/{ACME.id}"
BLUE_PATH, RED_PATH = project_path(BLUE), project_path(RED)
NETADMIN = Role("role-net", "netadmin", ACME.id, ("prismnet.*", "*.get"))
WEB = ServiceAccount(account_id("a"), "web", BLUE.id)
CI = ServiceAccount(account_id("b"), "ci", RED.id)
BOSS = ServiceAccount(account_id("c"), "boss", BLUE.id)
OLD = ServiceAccount(account_id("d"), "old", BLUE.id, disabled=True)
MALLORY = ServiceAccount(account_id("e"), "mallory", SECRET.id)
ADA = "spiffe://ultracloud.local/operator/ada"
_ORGANISATION_OF = {BLUE.id: ACME.id, RED.id: ACME.id, SECRET.id: EVIL.id}


def who(account: ServiceAccount | str) -> Principal:
    """The principal of an account, or of a SPIFFE URI."""
    if isinstance(account, str):
        return spiffe_principal(account)
    return service_account_principal(account.id, _ORGANISATION_OF[account.project], account.project)


def bind(role: str, account: ServiceAccount | str, resource: str, *, deny: bool = False) -> Binding:
    """A binding with a name and an id that follow from what it says."""
    principal = who(account)
    name = f"{principal.id.rpartition('/')[2][-3:]}-{role}{'-deny' if deny else ''}"
    number = zlib.crc32(repr((role, principal.id, resource, deny)).encode())
    return Binding(f"binding-{number:026d}", role, (principal.id,), resource, deny, name)


def world(*bindings: Binding, version: int = 1) -> Policy:
    """Two tenants, three projects, five accounts, one custom role, and these bindings."""
    return Policy(
        version=version,
        organisations=(ACME, EVIL),
        projects=(BLUE, RED, SECRET),
        service_accounts=(WEB, CI, BOSS, OLD, MALLORY),
        roles=(NETADMIN,),
        bindings=bindings,
    )
