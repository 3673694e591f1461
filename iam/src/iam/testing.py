"""For tests of iam and of what is built on it: small worlds of two tenants, and a whole iam in the test's process."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import argon2

from iam.config import IamSettings, Upstream
from iam.shell.server import assemble
from iam.shell.source import Source
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1 import iam_rpc as rpc
from ultracloud.api.iam.v1 import identity_pb2, identity_rpc
from ultracloud.base.faults import Fault
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
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import PeerChannel, connect
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.readiness import Readiness
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Tls
from ultracloud.servicekit.store import Store

ULID_LENGTH = 26
CHEAP = argon2.Parameters(
    type=argon2.Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=64, parallelism=1
)
"""Digests that cost no time; what they cost is tested where they are made."""
PASSWORD = "correct horse battery"  # noqa: S105 - of users in tests


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


@dataclass(frozen=True, slots=True)
class RunningIam:
    """An iam that serves, and what is needed to call it.

    Attributes:
        address: ``host:port``.
        ca: Signs certificates for callers.
        folder: Where certificates are written.
        source: Its policy.
        readiness: What it waits for.
        living: Ends when it does.
        store: What it stands on.
    """

    address: str
    ca: pki.Ca
    folder: Path
    source: Source
    readiness: Readiness
    living: asyncio.Task[None]
    store: Store

    async def until(self, is_true: Callable[[Policy], bool]) -> None:
        """Wait until the policy is as `is_true` says."""
        async with asyncio.timeout(5):
            while not is_true(self.source.snapshot.policy):
                await self.source.wait_moved()

    @asynccontextmanager
    async def clients(self, identity: str = ADA) -> AsyncIterator[Clients]:
        """Clients with a certificate of `identity`."""
        files = pki.issue(self.ca, identity, self.folder / "callers")
        channel = connect(self.address, files, pki.service_identity("iam"))
        try:
            yield Clients(channel)
        finally:
            await channel.close()


class Clients:
    """All of iam's clients over one channel, and the usual requests in one line each."""

    def __init__(self, channel: PeerChannel) -> None:
        self.channel = channel
        self.organisations = rpc.OrganisationsClient(channel)
        self.projects = rpc.ProjectsClient(channel)
        self.environments = rpc.EnvironmentsClient(channel)
        self.accounts = rpc.ServiceAccountsClient(channel)
        self.users = rpc.UsersClient(channel)
        self.groups = rpc.GroupsClient(channel)
        self.roles = rpc.RolesClient(channel)
        self.bindings = rpc.BindingsClient(channel)
        self.tokens = rpc.TokensClient(channel)
        self.policy = rpc.PolicyClient(channel)
        self.credentials = identity_rpc.CredentialsClient(channel)
        self.sessions = identity_rpc.SessionsClient(channel)
        self.personal_tokens = identity_rpc.PersonalTokensClient(channel)
        self.oidc_clients = identity_rpc.OidcClientsClient(channel)

    def with_token(self, token: str) -> Clients:
        """The same connection, speaking for the holder of a token."""
        return Clients(self.channel.with_token(token))

    async def make_organisation(self, name: str) -> pb.Organisation:
        """Make an organisation."""
        return await self.organisations.create(pb.CreateOrganisationRequest(name=name))

    async def make_project(self, organisation: str, name: str) -> pb.Project:
        """Make a project."""
        return await self.projects.create(pb.CreateProjectRequest(project=organisation, name=name))

    async def make_account(self, project: str, name: str) -> pb.ServiceAccount:
        """Make a service account."""
        return await self.accounts.create(pb.CreateServiceAccountRequest(project=project, name=name))

    async def make_user(self, organisation: str, name: str, email: str = "") -> pb.User:
        """Make a user."""
        spec = pb.UserSpec(email=email)
        return await self.users.create(pb.CreateUserRequest(project=organisation, name=name, spec=spec))

    async def make_login(self, organisation: str, name: str, email: str = "") -> pb.User:
        """Make a user who can log in with PASSWORD."""
        user = await self.make_user(organisation, name, email)
        invite = await self.credentials.invite(identity_pb2.InviteRequest(project=organisation, ref=name))
        accept = identity_pb2.AcceptInviteRequest(token=invite.token, password=PASSWORD)
        await self.credentials.accept_invite(accept)
        return user

    async def login(self, login: str, password: str = "", code: str = "") -> identity_pb2.LoginResponse:
        """Log in; without a password, with PASSWORD."""
        request = identity_pb2.LoginRequest(login=login, password=password or PASSWORD, code=code)
        return await self.sessions.login(request)

    async def make_group(self, organisation: str, name: str, *members: str) -> pb.Group:
        """Make a group."""
        spec = pb.GroupSpec(members=members)
        return await self.groups.create(pb.CreateGroupRequest(project=organisation, name=name, spec=spec))

    async def make_role(self, organisation: str, name: str, *permissions: str) -> pb.Role:
        """Make a custom role."""
        spec = pb.RoleSpec(permissions=permissions)
        return await self.roles.create(pb.CreateRoleRequest(project=organisation, name=name, spec=spec))

    async def make_binding(
        self,
        organisation: str,
        name: str,
        role: str,
        principal: str,
        resource: str,
        *,
        deny: bool = False,
        condition: str = "",
    ) -> pb.Binding:
        """Bind a role."""
        spec = pb.BindingSpec(role=role, principals=[principal], resource=resource, deny=deny, condition=condition)
        return await self.bindings.create(pb.CreateBindingRequest(project=organisation, name=name, spec=spec))

    async def make_token(self, project: str, account: str, ttl_s: int = 0) -> str:
        """Issue a token."""
        request = pb.IssueTokenRequest(project=project, service_account=account, ttl_s=ttl_s)
        return (await self.tokens.issue(request)).token

    async def who_am_i(self) -> pb.WhoAmIResponse:
        """Ask who this is."""
        return await self.tokens.who_am_i(pb.WhoAmIRequest())


async def refusal_of(deed: Awaitable[object]) -> Fault:
    """The fault that `deed` ends in."""
    try:
        await deed
    except Fault as fault:
        return fault
    raise AssertionError("the deed was not refused")


Scenario: TypeAlias = Callable[[RunningIam, Clients], Coroutine[None, None, None]]
Live: TypeAlias = Callable[[Scenario], None]
"""Plays a scenario against a running iam, as an operator who owns everything."""


@asynccontextmanager
async def running_iam(
    folder: Path,
    store: Store,
    *,
    clock: Clock | None = None,
    admins: tuple[str, ...] = (ADA,),
    signing_key_days: int = 30,
    upstreams: tuple[Upstream, ...] = (),
    passwords: argon2.Parameters = CHEAP,
) -> AsyncIterator[RunningIam]:
    """A whole iam in this process over `store`, with mTLS on a free port; state and certificates are in `folder`."""
    ca = pki.load_ca(folder) if (folder / "ca.key").exists() else pki.make_ca(folder)
    files = pki.issue(ca, pki.service_identity("iam"), folder / "iam")
    state_dir = folder / "state"
    state_dir.mkdir(exist_ok=True)
    settings = IamSettings(
        state_dir=state_dir,
        tls=Tls(certificate=files.certificate, key=files.key, ca=files.ca),
        root_key_file=folder / "root.key",
        create_root_key=True,
        admins=admins,
        signing_key_days=signing_key_days,
        upstreams=upstreams,
        drain_s=0.5,
    )
    served: asyncio.Future[RunningIam] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def live() -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime("iam", settings, tasks, logging.getLogger("iam"))
            runtime.clock = clock or runtime.clock
            source = await assemble(settings, runtime, store, passwords)
            running = RunningIam(runtime.addresses[0], ca, folder, source, runtime.readiness, living, store)
            served.set_result(running)
            await ended.wait()
            for server in runtime.servers:
                await server.drain(settings.drain_s)
            await runtime.close()
            raise _EndedError

    # In a task of its own, so that what a test raises reaches pytest as it is and not inside a group.
    living = asyncio.create_task(live(), name="iam")
    served_or_failed: set[asyncio.Future[RunningIam] | asyncio.Task[None]] = {served, living}
    await asyncio.wait(served_or_failed, return_when=asyncio.FIRST_COMPLETED)
    try:
        if served.done():
            yield served.result()
        else:
            await living
    finally:
        ended.set()
        try:
            await living
        except* _EndedError:
            pass


class _EndedError(Exception):
    """Ends the task group; never leaves this module."""
