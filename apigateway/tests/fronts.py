"""A gateway before one service of the resource kit, with tokens that it verifies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apigateway.testing import RunningGateway, running_gateway
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.quota.v1.quota_rpc import QUOTAS
from ultracloud.api.rpc import Call
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.base.faults import InvalidArgumentError, NotFoundError
from ultracloud.base.policy import ServiceAccount
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit.authn import Authenticator, principal_of
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import PolicyCopy, Snapshot
from ultracloud.servicekit.resources import Context, Kind, KindServer, QuotaServer, Resources, TrailServer
from ultracloud.servicekit.settings import Peers
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import ACME, DEVELOPER, RIVAL, STRANGER, sample_policy
from ultracloud.wire import Interceptor, Server, service

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
CLOCK = SystemClock()
VPCS_PATH = "/v1/projects/blue/vpcs"
TRAFFIC = "[sources]\nper_second = 0\n[principals]\nper_second = 0\n"


async def admit(_context: Context, new: net.Vpc, _old: net.Vpc | None) -> net.Vpc:
    if not new.spec.cidr:
        raise InvalidArgumentError("cidr is empty", hint="give a range", reason="CIDR_INVALID")
    return new


VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, admit=admit, indexed=("spec.cidr",))


class Terminal:
    """A console of VMs that are not there: it says who they are and where from, and repeats what is typed."""

    def __init__(self) -> None:
        self.open_count = 0

    async def console(self, requests: AsyncIterator[vmc.ConsoleInput], call: Call) -> AsyncIterator[vmc.ConsoleOutput]:
        first = await anext(requests)
        if first.ref == "none":
            raise NotFoundError("there is no VM 'none'", reason="RESOURCE_NOT_FOUND")
        self.open_count += 1
        try:
            told = f"{first.project}/{first.ref} {first.backlog_bytes} {principal_of(call).id}"
            yield vmc.ConsoleOutput(text=told.encode())
            async for message in requests:
                if message.keys == b"exit":
                    return
                for _ in range(1000 if message.keys == b"flood" else 1):
                    yield vmc.ConsoleOutput(
                        text=message.keys.ljust(65_536) if message.keys == b"flood" else message.keys
                    )
        finally:
            self.open_count -= 1


def authority() -> PolicyCopy:
    return PolicyCopy(Snapshot(sample_policy(), {"k1": KEY.public_key().public_bytes_raw()}))


def token(account: ServiceAccount = DEVELOPER, ttl_s: int = 600) -> str:
    now_s = CLOCK.now_ms() // 1000
    organisation = ACME if account is DEVELOPER else RIVAL
    claims = Claims(account.id, organisation.id, account.project, now_s - 10, now_s + ttl_s, "jti", 1)
    return jwt.encode(dict(render_claims(claims)), KEY, "EdDSA", headers={"kid": "k1"})


def bearer(account: ServiceAccount = DEVELOPER, **fields: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return {"authorization": f"Bearer {token(account)}", **named}


class Cut(Interceptor):
    """Ends the connections of the service when it is called, as often as it is told to."""

    left, called = 0, 0

    def __init__(self) -> None:
        self.server: Server | None = None

    def admit(self, _call: Call, /) -> None:
        self.called += 1
        if self.left and self.server is not None:
            self.left -= 1
            for member in self.server._members.all():
                member.abort()


@dataclass(frozen=True, slots=True)
class Front:
    """A gateway, and a client of it that speaks for the developer."""

    gateway: RunningGateway
    client: httpx.AsyncClient
    resources: Resources
    terminal: Terminal
    policy: PolicyCopy
    cut: Cut

    async def make(self, name: str = "web", **spec: Any) -> dict[str, Any]:
        found = await self.client.post(VPCS_PATH, json={"name": name, "spec": {"cidr": "10.0.0.0/16", **spec}})
        assert found.status_code == 201, found.text
        made: dict[str, Any] = found.json()
        return made

    async def raw(self, sent: bytes) -> bytes:
        """What comes back for bytes on a connection of their own, until it is closed or nothing comes for a while."""
        host, _, port = self.gateway.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        received, patience_s = b"", 2.0
        with suppress(TimeoutError):
            while part := await asyncio.wait_for(reader.read(65536), patience_s):
                received, patience_s = received + part, 0.25
        writer.close()
        return received


@asynccontextmanager
async def front(folder: Path, traffic: str = TRAFFIC) -> AsyncIterator[Front]:
    """A service of VPCs, and a gateway before it."""
    shared = authority()
    resources = Resources(MemoryStore(), shared, CLOCK, [VPC])
    terminal = Terminal()
    services = [
        service(VPCS, KindServer(resources, VPC)),
        service(QUOTAS, QuotaServer(resources, "prismnet")),
        service(TRAIL, TrailServer(resources, "prismnet")),
        service(VMS, terminal),
    ]
    cut = Cut()
    server = cut.server = Server(services, interceptors=[Authenticator(shared, CLOCK), cut])
    host, port = await server.listen("127.0.0.1", 0)
    file = folder / "traffic.toml"
    file.write_text(traffic)
    peers = Peers(prismnet=f"{host}:{port}", plasmavmc=f"{host}:{port}")
    async with (
        running_gateway(folder / "gateway", peers, shared, file) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=bearer(), timeout=5) as client,
    ):
        yield Front(gateway, client, resources, terminal, shared, cut)
    await server.drain(0.1)


def play(folder: Path, scenario: Callable[[Front], Awaitable[None]], traffic: str = TRAFFIC) -> None:
    """Run a scenario against a front."""

    async def run() -> None:
        async with front(folder, traffic) as made:
            await scenario(made)

    asyncio.run(run())


def problem(found: httpx.Response) -> Mapping[str, Any]:
    assert found.headers["content-type"] == "application/problem+json", found.text
    said: Mapping[str, Any] = found.json()
    assert said["status"] == found.status_code
    assert said["request_id"] == found.headers["x-request-id"]
    return said


__all__ = ["ACME", "STRANGER", "VPCS_PATH", "Front", "bearer", "front", "play", "problem", "token"]
