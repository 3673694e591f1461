"""A whole control plane in this process: iam, prismnet and plasmavmc over stores in memory, and a gateway before them.

Every connection between them is mutual TLS, as in a real cloud; only the stores are of memory, and there are no hosts.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apigateway.config import GatewaySettings
from apigateway.shell.server import assemble as assemble_gateway
from iam.testing import ADA, RunningIam, running_iam
from plasmavmc.config import PlasmavmcSettings
from plasmavmc.shell.network import Prismnet
from plasmavmc.shell.server import assemble as assemble_plasmavmc
from plasmavmc.shell.workloads import of_iam
from prismnet.config import PrismnetSettings
from prismnet.shell.server import assemble as assemble_prismnet
from ultracloud.servicekit import pki
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Peers, Settings, Tls
from ultracloud.servicekit.store import MemoryStore

PROXY = "127.0.0.2"
"""The one address whose X-Forwarded-For the gateway believes."""
TRAFFIC = f"""[sources]
per_second = 0
[principals]
per_second = 0
[proxies]
trusted = ["{PROXY}"]
"""
PATIENCE_S = 60.0
"""How long a cloud may take to start beside other tests."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud that serves.

    Attributes:
        url: Where the gateway is.
        ca: File with the authority that its certificate is of.
        token: Of a service account that owns the whole cloud.
        tenant: Of one that develops in the project `web` of the organisation `acme` and has no other right.
        addresses: Service -> where it is, for those that do without the gateway.
        operator: The certificate of an operator, who owns the whole cloud.
    """

    url: str
    ca: Path
    token: str
    tenant: str
    addresses: Mapping[str, str]
    operator: pki.TlsIdentity


@asynccontextmanager
async def running_cloud(folder: Path) -> AsyncIterator[Cloud]:
    """A cloud, in the loop that runs this."""
    async with AsyncExitStack() as stack:
        for name in ("iam", "prismnet", "plasmavmc", "apigateway"):
            (folder / name / "state").mkdir(parents=True)
        iam = await stack.enter_async_context(running_iam(folder / "iam", MemoryStore()))

        def tls(name: str) -> Tls:
            files = pki.issue(iam.ca, pki.service_identity(name), folder / name)
            return Tls(certificate=files.certificate, key=files.key, ca=files.ca)

        async def serve(name: str, settings: Settings, build: Callable[[Runtime], Awaitable[object]]) -> str:
            return await stack.enter_async_context(running(name, settings, build))

        peers = Peers(iam=iam.address)
        network = PrismnetSettings(state_dir=folder / "prismnet/state", tls=tls("prismnet"), peers=peers, drain_s=0.2)
        prismnet = await serve(
            "prismnet", network, lambda made: assemble_prismnet(network, made, MemoryStore(), made.authority())
        )
        peers = Peers(iam=iam.address, prismnet=prismnet)
        compute = PlasmavmcSettings(
            state_dir=folder / "plasmavmc/state", tls=tls("plasmavmc"), peers=peers, drain_s=0.2, image_dirs=(folder,)
        )
        plasmavmc = await serve(
            "plasmavmc",
            compute,
            lambda made: assemble_plasmavmc(
                compute,
                made,
                MemoryStore(),
                made.authority(),
                Prismnet(made.peer("prismnet")),
                of_iam(made.peer("iam")),
            ),
        )
        peers = Peers(iam=iam.address, prismnet=prismnet, plasmavmc=plasmavmc)
        (folder / "traffic.toml").write_text(TRAFFIC)
        front = GatewaySettings(
            state_dir=folder / "apigateway/state",
            tls=tls("apigateway"),
            peers=peers,
            drain_s=0.2,
            traffic=folder / "traffic.toml",
        )
        address = await serve("apigateway", front, lambda made: assemble_gateway(front, made, made.authority()))
        token, tenant = await _tokens(iam)
        behind = {"iam": iam.address, "prismnet": prismnet, "plasmavmc": plasmavmc}
        operator = pki.issue(iam.ca, ADA, folder / "operator")
        yield Cloud(f"https://{address}", folder / "iam" / "ca.crt", token, tenant, behind, operator)


@asynccontextmanager
async def running(name: str, settings: Settings, build: Callable[[Runtime], Awaitable[object]]) -> AsyncIterator[str]:
    """A service, once it is ready; its address."""
    served: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def live() -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime(name, settings, tasks, logging.getLogger(name))
            built = await build(runtime)
            await runtime.readiness.wait_ready()
            served.set_result(runtime.addresses[0])
            await ended.wait()
            await runtime.drain()
            if hasattr(built, "stop"):
                await built.stop()
            await runtime.close()
            raise asyncio.CancelledError

    living = asyncio.create_task(live(), name=name)
    either: set[asyncio.Future[str] | asyncio.Task[None]] = {served, living}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not served.done():
            await living
        yield served.result()
    finally:
        ended.set()
        with suppress(asyncio.CancelledError):
            await living


async def _tokens(iam: RunningIam) -> tuple[str, str]:
    """Tokens of an owner of everything, and of a developer in one project."""
    async with iam.clients() as ada:
        organisation = await ada.make_organisation("acme")
        await ada.make_project("acme", "web")
        for name, role, resource in (
            ("owner", "owner", ""),
            ("tenant", "developer", f"organisations/{organisation.metadata.id}"),
        ):
            account = await ada.make_account("web", name)
            principal = f"serviceaccount:{account.metadata.id}"
            await ada.make_binding("" if not resource else "acme", name, role, principal, resource)
        return await ada.make_token("web", "owner", 86_400), await ada.make_token("web", "tenant", 86_400)


@contextmanager
def cloud_beside(folder: Path) -> Iterator[Cloud]:
    """A cloud in a thread of its own, for clients that know no asyncio."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cloud")
    thread.start()
    stack = AsyncExitStack()
    try:
        opening = asyncio.run_coroutine_threadsafe(stack.enter_async_context(running_cloud(folder)), loop)
        yield opening.result(PATIENCE_S)
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
