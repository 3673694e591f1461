"""The fakes keep the promises of the real things: one battery each, run against both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from clouds import AGENT, ROOMY, Cloud, reconciling

from plasmavmc.shell.network import Network, NicWish, PortWish, Prismnet
from plasmavmc.testing import FakeHosts, MemoryNetwork
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import SecurityGroupsClient, SubnetsClient, VpcsClient
from ultracloud.base.faults import NotFoundError
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Listen, Tls
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import BLUE, OPERATOR, FakeCall, sample_authority

VM = "vm-01jd0000000000000000000001"


@asynccontextmanager
async def real_network(folder: Path) -> AsyncIterator[Network]:
    """prismnet's own server with a subnet ``s`` and a group ``web``, and our client of it, as this service."""
    server = pytest.importorskip("prismnet.shell.server")
    config = pytest.importorskip("prismnet.config")
    ca = pki.make_ca(folder)
    identity = pki.issue(ca, pki.service_identity("prismnet"), folder)
    socket = folder / "n.sock"
    tls = Tls(certificate=identity.certificate, key=identity.key, ca=identity.ca)
    settings = config.PrismnetSettings(state_dir=folder / "state", listen=Listen(unix=socket), tls=tls)
    opened = []

    def connect(who: str) -> channels.PeerChannel:
        made = channels.connect(f"unix:{socket}", pki.issue(ca, who, folder), pki.service_identity("prismnet"))
        opened.append(made)
        return made

    async def serve(ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime("prismnet", settings, tasks, logging.getLogger("prismnet"))
            await server.assemble(settings, runtime, MemoryStore(), sample_authority())
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                for one in runtime.servers:
                    await one.drain(0)

    ready = asyncio.Event()
    task = asyncio.create_task(serve(ready))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        await _furnish(connect(OPERATOR.id))
        yield Prismnet(connect(pki.service_identity("plasmavmc")))
    finally:
        for one in opened:
            await one.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _furnish(channel: channels.PeerChannel) -> None:
    vpc = net.VpcSpec(cidr="10.0.0.0/16")
    await VpcsClient(channel).create(net.CreateVpcRequest(project="blue", name="v", spec=vpc))
    subnet = net.SubnetSpec(vpc="v", cidr="10.0.0.0/24")
    await SubnetsClient(channel).create(net.CreateSubnetRequest(project="blue", name="s", spec=subnet))
    await SecurityGroupsClient(channel).create(net.CreateSecurityGroupRequest(project="blue", name="web"))


@asynccontextmanager
async def fake_network(_folder: Path) -> AsyncIterator[Network]:
    yield MemoryNetwork("s", "web")


def on_network(which: Callable[[Path], object], folder: Path, story: Callable[[Network], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with which(folder) as network:  # type: ignore[attr-defined]
            await story(network)

    asyncio.run(tell())


both_networks = pytest.mark.parametrize("which", [real_network, fake_network], ids=["prismnet", "fake"])


def wish(name: str, nic: NicWish) -> PortWish:
    return PortWish(BLUE.id, name, nic, "node1", VM, "web")


@both_networks
def test_network_resolves_names_once_and_for_all(which: Callable[[Path], object], short_path: Path) -> None:
    async def story(network: Network) -> None:
        resolved = await network.resolve(BLUE.id, NicWish("s", ("web",), "10.0.0.9"))
        assert resolved.subnet != "s"
        assert resolved.address == "10.0.0.9"
        assert await network.resolve(BLUE.id, resolved) == resolved
        for nic in (NicWish("none", (), ""), NicWish("s", ("none",), "")):
            with pytest.raises(NotFoundError):
                await network.resolve(BLUE.id, nic)

    on_network(which, short_path, story)


@both_networks
def test_network_makes_one_port_for_one_wish(which: Callable[[Path], object], short_path: Path) -> None:
    async def story(network: Network) -> None:
        nic = await network.resolve(BLUE.id, NicWish("s", ("web",), ""))
        first = await network.make_port(wish(f"{VM}-0", nic))
        again = await network.make_port(wish(f"{VM}-0", nic))
        other = await network.make_port(wish(f"{VM}-1", nic))
        assert first == again
        assert first.id != other.id
        assert len({first.address, other.address, ""}) == 3
        assert first.mac.count(":") == 5
        assert 0 < len(first.device_name) <= 15

    on_network(which, short_path, story)


@both_networks
def test_network_removes_ports_by_id_and_name_and_twice(which: Callable[[Path], object], short_path: Path) -> None:
    async def story(network: Network) -> None:
        nic = await network.resolve(BLUE.id, NicWish("s", (), "10.0.0.7"))
        made = await network.make_port(wish(f"{VM}-0", nic))
        assert made.address == "10.0.0.7"
        for _ in range(2):
            await network.remove_port(BLUE.id, made.id)
        await network.make_port(wish(f"{VM}-0", nic))
        for _ in range(2):
            await network.remove_port(BLUE.id, f"{VM}-0")
        await network.make_port(wish(f"{VM}-1", nic))

    on_network(which, short_path, story)


# ---- what an agent talks to ------------------------------------------------------------------------------------------


async def fake_hosts(_folder: Path, story: Callable[..., Awaitable[None]]) -> None:
    hosts = FakeHosts()
    hosts.want(pb.HostIntent(host="node1", generation=1))

    async def change() -> None:
        hosts.want(pb.HostIntent(host="node1", generation=2, vms=[pb.HostVm(id=VM, name="web")]))

    await story(hosts, change)


async def real_hosts(folder: Path, story: Callable[..., Awaitable[None]]) -> None:
    cloud = Cloud(folder)

    async def change() -> None:
        await cloud.vm()

    async with reconciling(cloud):
        await cloud.report()
        await cloud.image()
        await story(cloud.hosts, change)


@pytest.mark.parametrize("which", [fake_hosts, real_hosts], ids=["fake", "plasmavmc"])
def test_agent_is_given_what_it_does_not_know(which: Callable[..., Awaitable[None]], tmp_path: Path) -> None:
    async def story(hosts: FakeHosts, change: Callable[[], Awaitable[None]]) -> None:
        call = FakeCall(principal=AGENT)
        request = pb.ReportHostRequest(host="node1", capacity=ROOMY)
        reported = hosts.report_host(request, call)
        assert (await reported if asyncio.iscoroutine(reported) else reported) == pb.ReportHostResponse()
        async with aclosing(hosts.watch_host(pb.WatchHostRequest(host="node1"), call)) as intents:  # type: ignore[type-var]
            first = await anext(intents)
            await change()
            second = await anext(intents)
        assert (len(first.vms), [vm.name for vm in second.vms]) == (0, ["web"])
        assert second.generation > first.generation
        known = pb.WatchHostRequest(host="node1", known_generation=first.generation)
        async with aclosing(hosts.watch_host(known, call)) as intents:  # type: ignore[type-var]
            assert (await anext(intents)).generation >= second.generation

    asyncio.run(which(tmp_path, story))
