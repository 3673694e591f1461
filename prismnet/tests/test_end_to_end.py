"""The server over mTLS and the agent as a process: from a call to a network, and what each does without the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from agents import inside

from prismnet.agent.shell.agent import COPY_FILE
from prismnet.config import PrismnetSettings
from prismnet.shell.server import assemble
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import (
    HostsClient,
    PortsClient,
    SecurityGroupsClient,
    SubnetsClient,
    VpcsClient,
)
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.servicekit.channels import PeerChannel, connect
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Listen, Tls
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import sample_authority
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process

pytestmark = pytest.mark.usefixtures("own_network")

WAIT_S = 15.0
UDHCPC = ("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-s", "/bin/true")
NETNS = Path("/run/netns")
PRISMNET = service_identity("prismnet")


class StoppedError(Exception):
    """Ends a server."""


class Cloud:
    """A server that can be stopped and started over the same store, its agent, and an operator's clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.material = TlsMaterial(folder)
        self.store = MemoryStore()
        self.socket = folder / "prismnet.sock"
        self.channel = self.connect(self.material.operator())
        self.vpcs, self.subnets = VpcsClient(self.channel), SubnetsClient(self.channel)
        self.groups, self.ports = SecurityGroupsClient(self.channel), PortsClient(self.channel)

    def connect(self, identity: object) -> PeerChannel:
        return connect(f"unix:{self.socket}", identity, PRISMNET)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        identity = self.material.service("prismnet")
        settings = PrismnetSettings(
            state_dir=self.folder,
            listen=Listen(unix=self.socket),
            tls=Tls(certificate=identity.certificate, key=identity.key, ca=identity.ca),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                runtime = Runtime("prismnet", settings, tasks, logging.getLogger("prismnet"))
                await assemble(settings, runtime, self.store, sample_authority())
                await runtime.readiness.wait_ready()
                yield
                for server in runtime.servers:
                    await server.drain(0.1)
                raise StoppedError  # noqa: TRY301 - a task group has no other way to end its tasks
        except* StoppedError:
            pass

    def agent(self, host: str = "node-1") -> Process:
        identity = self.material.agent("prismnet", host)
        config = self.folder / f"{host}.toml"
        peers = f'[peers]\nprismnet = "unix:{self.socket}"\n'
        config.write_text(f'host = "{host}"\nstate_dir = "{self.folder / host}"\n{peers}{self.material.toml(identity)}')
        return Process(
            [sys.executable, "-m", "prismnet.agent", "serve", "--config", str(config)], self.folder / f"{host}.log"
        )

    async def network(self) -> None:
        vpc = pb.VpcSpec(cidr="10.0.0.0/16", egress_nat=True)
        await self.vpcs.create(pb.CreateVpcRequest(project="blue", name="v", spec=vpc))
        subnet = pb.SubnetSpec(vpc="v", cidr="10.0.1.0/24")
        await self.subnets.create(pb.CreateSubnetRequest(project="blue", name="s", spec=subnet))
        icmp = pb.Rule(direction=pb.Rule.INGRESS, protocol=pb.Rule.ICMP)
        await self.groups.create(
            pb.CreateSecurityGroupRequest(project="blue", name="ping", spec=pb.SecurityGroupSpec(rules=[icmp]))
        )

    async def port(self, name: str, *groups: str) -> pb.Port:
        """A port on node-1, once it stands."""
        spec = pb.PortSpec(subnet="s", host="node-1", attachment=pb.PortSpec.NETNS, security_groups=groups)
        made = await self.ports.create(pb.CreatePortRequest(project="blue", name=name, spec=spec))
        return await self.wait_port(made.metadata.id, is_ready)

    async def wait_port(self, ref: str, holds: Callable[[pb.Port], bool]) -> pb.Port:
        async with asyncio.timeout(WAIT_S):
            async for event in self.ports.watch(resource_pb2.WatchRequest(project="blue")):
                if event.object.metadata.id == ref and holds(event.object):
                    return event.object
        raise AssertionError("the watch ended")


def is_ready(port: pb.Port) -> bool:
    return any(one.type == "Ready" and one.status == resource_pb2.Condition.TRUE for one in port.status.conditions)


def run(folder: Path, scenario: Callable[[Cloud], Awaitable[None]]) -> None:
    async def begun() -> None:
        cloud = Cloud(folder)
        try:
            async with asyncio.timeout(60):
                await scenario(cloud)
        finally:
            await cloud.channel.close()

    asyncio.run(begun())


@contextlib.contextmanager
def closing(process: Process):
    try:
        yield process
    finally:
        process.close()


def test_from_a_call_to_a_network_and_back(tmp_path: Path) -> None:
    async def scenario(cloud: Cloud) -> None:
        async with cloud.serving():
            with closing(cloud.agent()):
                await cloud.network()
                one, two = await cloud.port("one", "ping"), await cloud.port("two")
                assert (await inside(two.metadata.id, "ping", "-c1", "-W1", one.status.address))[0] == 0
                assert (await inside(one.metadata.id, "ping", "-c1", "-W0.3", two.status.address))[0] != 0
                code, said = await inside(one.metadata.id, *UDHCPC)
                assert code == 0, said
                await cloud.wait_port(
                    one.metadata.id, lambda port: "Leased" in {c.type for c in port.status.conditions}
                )
                said = (await inside(one.metadata.id, "busybox", "wget", "-qO-", "http://169.254.169.254/"))[1]
                assert "502 Bad Gateway" in said
                vpc = await cloud.vpcs.get(resource_pb2.GetRequest(project="blue", ref="v"))
                egress = next(condition for condition in vpc.status.conditions if condition.type == "Egress")
                assert "no uplink configured" in egress.message
                await cloud.ports.delete(resource_pb2.DeleteRequest(project="blue", ref="two"))
                # The third is built by a plan that came after the second's removal.
                await cloud.port("three")
                assert not NETNS.joinpath(two.metadata.id).exists()

    run(tmp_path, scenario)


def test_each_works_on_without_the_other(tmp_path: Path) -> None:
    async def scenario(cloud: Cloud) -> None:
        with contextlib.ExitStack() as agents:
            async with cloud.serving():
                agent = agents.enter_context(closing(cloud.agent()))
                await cloud.network()
                one, two = await cloud.port("one", "ping"), await cloud.port("two")
            assert (await inside(two.metadata.id, "ping", "-c1", "-W1", one.status.address))[0] == 0
            agent.kill()
            assert (await inside(two.metadata.id, "ping", "-c1", "-W1", one.status.address))[0] == 0
            agents.enter_context(closing(cloud.agent())).wait_ready()
            async with cloud.serving():
                three = await cloud.port("three", "ping")
                assert (await inside(two.metadata.id, "ping", "-c1", "-W1", three.status.address))[0] == 0

    run(tmp_path, scenario)


def test_an_agent_hears_of_no_host_but_its_own(tmp_path: Path) -> None:
    async def scenario(cloud: Cloud) -> None:
        async with cloud.serving():
            channel = cloud.connect(cloud.material.agent("prismnet", "node-2"))
            hosts = HostsClient(channel)
            with pytest.raises(PermissionDeniedError, match="only the prismnet agent of host 'node-1'"):
                await anext(hosts.watch_host(pb.WatchHostRequest(host="node-1")))
            with pytest.raises(PermissionDeniedError):
                await hosts.report_host(pb.ReportHostRequest(host="node-1"))
            await channel.close()

    run(tmp_path, scenario)


def test_the_copy_on_disk_is_what_was_heard_last(tmp_path: Path) -> None:
    async def scenario(cloud: Cloud) -> None:
        async with cloud.serving():
            with closing(cloud.agent()):
                await cloud.network()
                port = await cloud.port("one")
        raw = (tmp_path / "node-1" / COPY_FILE).read_bytes()
        assert port.metadata.id.encode() in raw

    run(tmp_path, scenario)
