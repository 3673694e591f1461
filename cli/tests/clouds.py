"""A cloud for tests: a real gateway before a service of networks and the identity of its callers, in a thread."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apigateway.config import GatewaySettings
from apigateway.shell.server import build
from iam.testing import Clients, RunningIam, running_iam
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.quota.v1.quota_rpc import QUOTAS
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.cli.__main__ import run
from ultracloud.cli.shell.files import write_private
from ultracloud.servicekit import pki
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.resources import (
    Condition,
    Context,
    Key,
    Kind,
    KindServer,
    QuotaServer,
    Reconciler,
    Resources,
    TrailServer,
    Truth,
    World,
)
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Peers, Settings, Tls
from ultracloud.servicekit.store import MemoryStore
from ultracloud.wire import service

TRAFFIC = "[sources]\nper_second = 0\n[principals]\nper_second = 0\n"
ADA, EVE = "ada@acme", "eve@evil"
"""Who may do everything in the project blue of acme, and who is of another organisation."""


async def admit(_context: Context, new: net.Vpc, _old: net.Vpc | None) -> net.Vpc:
    if not new.spec.cidr:
        raise InvalidArgumentError("cidr is empty", hint="give a range", reason="CIDR_INVALID")
    return new


VPC = Kind(
    name="Vpc",
    prefix="vpc",
    service=VPCS,
    message=net.Vpc,
    admit=admit,
    indexed=("spec.cidr",),
    costs=lambda _vpc: {"vpcs": 1},
)


class MakeReady:
    """Makes every network ready but those that are called `stuck`."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def plan(self, world: World, key: Key) -> list[str]:
        vpc = world.get(VPC, key.id)
        wanted = vpc is not None and not vpc.status.conditions and not vpc.metadata.name.startswith("stuck")
        return [key.id] if wanted else []

    async def act(self, action: str) -> None:
        await self.resources.write_status(VPC, action, conditions=[Condition("Ready", Truth.TRUE, "Made")])


@dataclass(frozen=True, slots=True)
class Cloud:
    """A gateway, and what is needed to trust it.

    Attributes:
        url: `https://localhost:port`.
        ca: File of its authority.
        tokens: Login -> access token.
    """

    url: str
    ca: Path
    tokens: Mapping[str, str]


@contextmanager
def serving(folder: Path) -> Iterator[Cloud]:
    """A cloud in a thread of its own, for as long as the block."""
    started, found = threading.Event(), dict[str, Any]()

    async def live() -> None:
        found["loop"], found["ended"] = asyncio.get_running_loop(), asyncio.Event()
        async with running_iam(folder, MemoryStore()) as iam:
            async with iam.clients() as operator:
                await populate(operator)
                found["tokens"] = {login: (await operator.login(login)).access_token for login in (ADA, EVE)}
            networks = await start(iam, "prismnet", Settings, build_networks, Peers(iam=iam.address))
            peers = Peers(iam=iam.address, prismnet=networks.address)
            gateway = await start(iam, "apigateway", GatewaySettings, build, peers)
            found["url"] = f"https://localhost:{gateway.address.rpartition(':')[2]}"
            started.set()
            await found["ended"].wait()
            await gateway.stop()
            await networks.stop()

    thread = threading.Thread(target=asyncio.run, args=(live(),), name="cloud")
    thread.start()
    try:
        assert started.wait(30), "the cloud did not start"
        yield Cloud(found["url"], folder / "ca.crt", found["tokens"])
    finally:
        found["loop"].call_soon_threadsafe(found["ended"].set)
        thread.join(20)


async def populate(operator: Clients) -> None:
    """Two tenants, each with a project and a user who owns it."""
    for organisation, project, user in (("acme", "blue", "ada"), ("evil", "secret", "eve")):
        await operator.make_organisation(organisation)
        await operator.make_project(organisation, project)
        await operator.make_login(organisation, user)
        principal, place = f"user:{user}@{organisation}", f"organisations/{organisation}"
        await operator.make_binding(organisation, f"{user}-owns", "owner", principal, place)


@dataclass(frozen=True, slots=True)
class Started:
    """A service that serves."""

    address: str
    ended: asyncio.Event
    living: asyncio.Task[None]

    async def stop(self) -> None:
        self.ended.set()
        await asyncio.wait([self.living])


async def start(iam: RunningIam, name: str, shape: Any, assemble: Any, peers: Peers) -> Started:
    """A service in this process, with its certificate and its state below iam's folder."""
    folder = iam.folder / name
    files = pki.issue(iam.ca, pki.service_identity(name), folder)
    (folder / "state").mkdir()
    tls = Tls(certificate=files.certificate, key=files.key, ca=files.ca)
    settings = shape(state_dir=folder / "state", tls=tls, peers=peers, drain_s=0.2)
    served: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def live() -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime(name, settings, tasks, logging.getLogger(name))
            await assemble(settings, runtime)
            served.set_result(runtime.addresses[0])
            await ended.wait()
            await runtime.drain()
            await runtime.close()
            raise asyncio.CancelledError

    living = asyncio.create_task(live(), name=name)
    either: set[Any] = {served, living}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not served.done():
        await living
    return Started(served.result(), ended, living)


async def build_networks(_settings: Settings, runtime: Runtime) -> None:
    """A service of networks over the resource kit."""
    authority = runtime.authority()
    resources = Resources(MemoryStore(), authority, runtime.clock, [VPC])
    runtime.tasks.create_task(Reconciler(resources, [VPC], MakeReady(resources)).run())
    services = [
        service(VPCS, KindServer(resources, VPC)),
        service(QUOTAS, QuotaServer(resources, "prismnet")),
        service(TRAIL, TrailServer(resources, "prismnet")),
    ]
    await runtime.serve(services, [Authenticator(authority, runtime.clock)])


@dataclass(slots=True)
class Said:
    """What a command has done."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Person:
    """Somebody who types."""

    home: Path
    capture: pytest.CaptureFixture[bytes]

    def types(self, *words: str) -> Said:
        self.capture.readouterr()
        code = run(list(words))
        out, err = self.capture.readouterr()
        return Said(code, out.decode(), err.decode())

    def ok(self, *words: str) -> Said:
        said = self.types(*words)
        assert said.code == 0, said
        return said

    def logs_in(self, cloud: Cloud, login: str, *words: str) -> None:
        """A context for the cloud, and a login with a token of iam."""
        write_private(self.home / "token", cloud.tokens[login].encode())
        name = login.partition("@")[0]
        self.ok("context", "add", name, "--server", cloud.url, "--ca", str(cloud.ca), *words)
        self.ok("login", "--token", f"@{self.home / 'token'}")

    def fails(self, code: int, *words: str) -> str:
        said = self.types(*words)
        assert said.code == code, said
        return said.err
