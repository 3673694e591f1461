"""For `bench/iam.py`: how long a right that has ended still opens a door, of real services in processes of their own.

Doors are iam, prismnet and plasmavmc by gRPC, and each of their APIs through the gateway. Each is tried again and again
from the answer that ends the right on, until it is shut; what counts is when it let somebody in for the last time, and
when it first said no (a refusal for want of a binding is held back for a moment, in case a newer policy allows it).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench._iam_world import World
from iam.testing import Clients, RunningIam
from ultracloud.api.iam.v1 import identity_pb2
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VmsClient
from ultracloud.api.prismnet.v1.prismnet_rpc import VpcsClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, ListRequest
from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import PeerChannel, connect

ROOT = Path(__file__).resolve().parent.parent
TRIES_EVERY_S = 0.002
PATIENCE_S = 60.0
ENDING_S = 5.0
ENDS = 50
Door = Callable[[str, str], Awaitable[bool]]
"""Whether a token is let in to a project."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Milliseconds from the answer until the last door let in for the last time, and had said no."""

    last_in: float
    refused: float


@asynccontextmanager
async def doors(iam: RunningIam, folder: Path) -> AsyncIterator[list[Door]]:
    """The doors of a cloud around a running iam."""
    async with AsyncExitStack() as stack:
        addresses = {"iam": iam.address}
        for name in ("prismnet", "plasmavmc", "apigateway"):
            addresses[name] = await stack.enter_async_context(_process(iam, name, folder / name, addresses))
        identity = pki.issue(iam.ca, pki.operator_identity("ada"), folder / "caller")
        channels = {}
        for name in ("iam", "prismnet", "plasmavmc"):
            channels[name] = connect(addresses[name], identity, pki.service_identity(name))
            stack.push_async_callback(channels[name].close)
        browser = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"https://{addresses['apigateway']}", verify=False)  # noqa: S501 - loopback
        )
        yield [
            *(_rest(browser, kinds) for kinds in ("serviceaccounts", "vpcs", "vms")),
            _grpc(channels["iam"], lambda channel, here: Clients(channel).accounts.list(here)),
            _grpc(channels["prismnet"], lambda channel, here: VpcsClient(channel).list(here)),
            _grpc(channels["plasmavmc"], lambda channel, here: VmsClient(channel).list(here)),
        ]


@asynccontextmanager
async def _process(iam: RunningIam, name: str, folder: Path, peers: dict[str, str]) -> AsyncIterator[str]:
    """A service in a process of its own; its address."""
    pki.issue(iam.ca, pki.service_identity(name), folder)
    (folder / "ca.crt").write_bytes((iam.folder / "ca.crt").read_bytes())
    command = [sys.executable, "-m", "bench._iam_doors", name, str(folder)]
    command += [word for peer, address in peers.items() for word in (f"--{peer}", address)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            address = await process.stdout.readline()
        assert address, f"{name} did not start"
        yield address.decode().strip()
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDING_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _grpc(channel: PeerChannel, ask: Callable[[PeerChannel, ListRequest], Awaitable[object]]) -> Door:
    async def is_open(token: str, project: str) -> bool:
        try:
            await ask(channel.with_token(token), ListRequest(project=project))
        except (PermissionDeniedError, UnauthenticatedError):
            return False
        return True

    return is_open


def _rest(browser: httpx.AsyncClient, kinds: str) -> Door:
    async def is_open(token: str, project: str) -> bool:
        answer = await browser.get(f"/v1/projects/{project}/{kinds}", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code in (200, 401, 403), answer.text
        return answer.status_code == httpx.codes.OK

    return is_open


async def shut(all_doors: list[Door], token: str, project: str) -> Ended:
    """Try all doors until each is shut."""
    started_s = time.perf_counter()

    async def one(is_open: Door) -> tuple[float, float]:
        last_in_s = 0.0
        while await is_open(token, project):
            last_in_s = time.perf_counter() - started_s
            assert last_in_s < PATIENCE_S
            await asyncio.sleep(TRIES_EVERY_S)
        return last_in_s, time.perf_counter() - started_s

    took = await asyncio.gather(*(one(door) for door in all_doors))
    return Ended(*(1000 * max(column) for column in zip(*took, strict=True)))


async def ends(world: World, iam: RunningIam, ada: Clients, folder: Path) -> dict[str, list[Ended]]:
    """What ends, and how long it took each time: sessions, and bindings."""
    organisation = world.organisations[0]
    projects = [one.id for one in world.projects if one.organisation == organisation.id]
    await ada.make_login(organisation.id, "bob")
    sessions, bindings = [], []
    async with doors(iam, folder) as all_doors:
        for number in range(ENDS):
            project, name = projects[number % len(projects)], f"bob-{number}"
            where = f"organisations/{organisation.id}/projects/{project}"
            await ada.make_binding(organisation.id, name, "viewer", f"user:bob@{organisation.name}", where)
            token = (login := await ada.login(f"bob@{organisation.name}")).access_token
            await _all_open(all_doors, token, project)
            await ada.bindings.delete(DeleteRequest(project=organisation.id, ref=name))
            bindings.append(await shut(all_doors, token, project))
            await ada.make_binding(organisation.id, name, "viewer", f"user:bob@{organisation.name}", where)
            await _all_open(all_doors, token, project)
            revoke = identity_pb2.RevokeSessionRequest(project=organisation.id, ref="bob", session=login.session)
            await ada.sessions.revoke(revoke)
            sessions.append(await shut(all_doors, token, project))
            await ada.bindings.delete(DeleteRequest(project=organisation.id, ref=name))
    return {"a session revoked": sessions, "a binding removed": bindings}


async def _all_open(all_doors: list[Door], token: str, project: str) -> None:
    for door in all_doors:
        while not await door(token, project):  # noqa: ASYNC110 - other processes have no event of ours
            await asyncio.sleep(TRIES_EVERY_S)


def percentiles(values: list[float]) -> tuple[float, float]:
    """The median, and the 99th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=100, method="inclusive")[98]
