"""A right that ends, ends everywhere within a second: in every service and at the gateway, from the answer on."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from cloud import Cloud, running_cloud

from iam.testing import Clients
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VmsClient
from ultracloud.api.prismnet.v1.prismnet_rpc import VpcsClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest
from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import PeerChannel, connect

WITHIN_S = 1.0
TRIES_EVERY_S = 0.01
Door = Callable[[str], Awaitable[bool]]
"""Whether a token is let in somewhere."""


async def doors(cloud: Cloud, stack: AsyncExitStack) -> dict[str, Door]:
    """Each service by gRPC, and each of their APIs through the gateway."""
    channels = {}
    for name, address in cloud.addresses.items():
        channels[name] = connect(address, cloud.operator, pki.service_identity(name))
        stack.push_async_callback(channels[name].close)
    trust = ssl.create_default_context(cafile=str(cloud.ca))
    trust.check_hostname = False
    browser = await stack.enter_async_context(httpx.AsyncClient(base_url=cloud.url, verify=trust))

    def by_grpc(ask: Callable[[PeerChannel], Awaitable[object]], channel: PeerChannel) -> Door:
        async def is_open(token: str) -> bool:
            try:
                await ask(channel.with_token(token))
            except (PermissionDeniedError, UnauthenticatedError):
                return False
            return True

        return is_open

    def by_rest(path: str) -> Door:
        async def is_open(token: str) -> bool:
            answer = await browser.get(path, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code in (200, 401, 403), answer.text
            return answer.status_code == 200

        return is_open

    here = ListRequest(project="web")
    return {
        "iam": by_grpc(lambda one: Clients(one).accounts.list(here), channels["iam"]),
        "prismnet": by_grpc(lambda one: VpcsClient(one).list(here), channels["prismnet"]),
        "plasmavmc": by_grpc(lambda one: VmsClient(one).list(here), channels["plasmavmc"]),
        **{f"gateway {kinds}": by_rest(f"/v1/projects/web/{kinds}") for kinds in ("serviceaccounts", "vpcs", "vms")},
    }


async def shut(doors: dict[str, Door], token: str) -> dict[str, float]:
    """Seconds until each door refuses the token."""
    started_s = time.monotonic()

    async def one(is_open: Door) -> float:
        while await is_open(token):
            assert time.monotonic() - started_s < 10 * WITHIN_S
            await asyncio.sleep(TRIES_EVERY_S)
        return time.monotonic() - started_s

    took = await asyncio.gather(*(one(door) for door in doors.values()))
    return dict(zip(doors, took, strict=True))


async def opened(cloud: Cloud, stack: AsyncExitStack) -> tuple[Clients, dict[str, Door], pb.LoginResponse]:
    """An operator's clients, all doors, and a user to whom all of them are open."""
    channel = connect(cloud.addresses["iam"], cloud.operator, pki.service_identity("iam"))
    stack.push_async_callback(channel.close)
    ada = Clients(channel)
    await ada.make_login("acme", "bob")
    await ada.make_binding("acme", "bob", "viewer", "user:bob@acme", "organisations/acme/projects/web")
    bob, all_doors = await ada.login("bob@acme"), await doors(cloud, stack)
    for name, is_open in all_doors.items():
        assert await is_open(bob.access_token), name
    return ada, all_doors, bob


def test_a_session_that_is_ended_is_refused_everywhere_within_a_second(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_cloud(tmp_path) as cloud, AsyncExitStack() as stack:
            ada, all_doors, bob = await opened(cloud, stack)
            request = pb.RevokeSessionRequest(project="acme", ref="bob", session=bob.session)
            await ada.sessions.revoke(request)
            took = await shut(all_doors, bob.access_token)
            assert max(took.values()) < WITHIN_S, took

    asyncio.run(scenario())


def test_a_binding_that_is_removed_gives_nothing_anywhere_within_a_second(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_cloud(tmp_path) as cloud, AsyncExitStack() as stack:
            ada, all_doors, bob = await opened(cloud, stack)
            assert (await ada.bindings.get(GetRequest(project="acme", ref="bob"))).spec.role == "viewer"
            await ada.bindings.delete(DeleteRequest(project="acme", ref="bob"))
            took = await shut(all_doors, bob.access_token)
            assert max(took.values()) < WITHIN_S, took

    asyncio.run(scenario())
