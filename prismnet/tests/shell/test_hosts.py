"""What agents hear and say, over the memory store and the real reconciler."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from clouds import DEV, PLASMAVMC, Cloud

from prismnet.shell.hosts import HostsServer
from prismnet.shell.kinds import KINDS, PORT, SUBNET, VPC
from prismnet.shell.planner import Action, HostPlanner, affected
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2 as resource
from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.pki import agent_identity
from ultracloud.servicekit.resources import HostFeed, Key, Reconciler
from ultracloud.servicekit.testing import FakeCall

AGENT = spiffe_principal(agent_identity("prismnet", "node-1"))
OTHER_AGENT = spiffe_principal(agent_identity("prismnet", "node-2"))
WRONG_AGENT = spiffe_principal(agent_identity("plasmavmc", "node-1"))
WAIT_S = 5.0


class Hosted(Cloud):
    """A cloud whose hosts are planned."""

    def __init__(self) -> None:
        super().__init__()
        self.feed: HostFeed[pb.HostIntent] = HostFeed()
        planner = HostPlanner(self.resources, self.feed, self.touch)
        self.reconciler: Reconciler[Action] = Reconciler(self.resources, KINDS, planner, affected=affected)
        self.hosts = HostsServer(self.resources, self.reconciler.world, self.touch, self.feed)

    def touch(self, key: Key) -> None:
        self.reconciler.touch(key)

    @contextlib.asynccontextmanager
    async def watched(self, host: str = "node-1", known: int = 0) -> AsyncIterator[AsyncIterator[pb.HostIntent]]:
        request = pb.WatchHostRequest(host=host, known_generation=known)
        stream = self.hosts.watch_host(request, FakeCall(principal=AGENT if host == "node-1" else OTHER_AGENT))
        try:
            yield stream
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def say(self, *reports: pb.PortReport, vpcs: tuple[pb.VpcReport, ...] = (), host: str = "node-1") -> None:
        request = pb.ReportHostRequest(host=host, generation=1, ports=reports, vpcs=vpcs)
        await self.hosts.report_host(request, FakeCall(principal=AGENT if host == "node-1" else OTHER_AGENT))


def run(scenario: Callable[[Hosted], Awaitable[None]]) -> None:
    async def begun() -> None:
        cloud = Hosted()
        task = asyncio.create_task(cloud.reconciler.run())
        try:
            async with asyncio.timeout(WAIT_S):
                await scenario(cloud)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(begun())


async def until(stream: AsyncIterator[pb.HostIntent], holds: Callable[[pb.HostIntent], bool]) -> pb.HostIntent:
    async for intent in stream:
        if holds(intent):
            return intent
    raise AssertionError("the stream ended")


def names(intent: pb.HostIntent) -> list[str]:
    return [port.name for vpc in intent.vpcs for port in vpc.ports]


def test_a_placed_port_reaches_its_host_with_resolved_rules() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        await cloud.group("clients")
        await cloud.group("web", pb.Rule(direction=pb.Rule.INGRESS, protocol=pb.Rule.TCP, remote_group="clients"))
        await cloud.port("c", groups=["clients"], host="node-2")
        await cloud.port("w", groups=["web"], host="node-1")
        async with cloud.watched() as stream:
            intent = await until(stream, lambda one: names(one) == ["w"])
            port = intent.vpcs[0].ports[0]
            assert (port.address, list(port.rules[0].remote_cidrs)) == ("10.0.1.3", ["10.0.1.2/32"])
            await cloud.port("c2", groups=["clients"], host="node-2")
            again = await until(stream, lambda one: len(one.vpcs[0].ports[0].rules[0].remote_cidrs) == 2)
            assert again.generation > intent.generation

    run(scenario)


def test_a_host_that_lost_its_last_port_hears_so_even_after_a_restart_of_the_server() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        await cloud.port("w", host="node-1")
        async with cloud.watched() as stream:
            first = await until(stream, lambda one: names(one) == ["w"])
        await cloud.delete(cloud.ports, "w")
        restarted = Hosted()
        restarted.resources.store = cloud.resources.store
        task = asyncio.create_task(restarted.reconciler.run())
        async with restarted.watched(known=first.generation) as stream:
            assert (await until(stream, lambda _one: True)).vpcs == []
        task.cancel()

    run(scenario)


def test_a_hundred_changes_are_few_intents() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        heard: list[pb.HostIntent] = []
        async with cloud.watched() as stream:
            await asyncio.gather(*(cloud.port(f"p{number:03}", host="node-1") for number in range(100)))
            await until(stream, lambda one: heard.append(one) is None and len(names(one)) == 100)
        assert len(heard) < 50
        assert [one.generation for one in heard] == sorted({one.generation for one in heard})

    run(scenario)


@pytest.mark.parametrize("caller", [OTHER_AGENT, WRONG_AGENT, DEV, PLASMAVMC])
def test_nobody_but_its_agent_hears_or_speaks_for_a_host(caller: object) -> None:
    async def scenario(cloud: Hosted) -> None:
        call = FakeCall(principal=caller)  # type: ignore[arg-type]
        with pytest.raises(PermissionDeniedError):
            await anext(aiter(cloud.hosts.watch_host(pb.WatchHostRequest(host="node-1"), call)))
        with pytest.raises(PermissionDeniedError):
            await cloud.hosts.report_host(pb.ReportHostRequest(host="node-1"), call)

    run(scenario)


def test_a_caller_without_identity_is_refused() -> None:
    async def scenario(cloud: Hosted) -> None:
        with pytest.raises(UnauthenticatedError):
            await cloud.hosts.report_host(pb.ReportHostRequest(host="node-1"), FakeCall())

    run(scenario)


async def conditions(cloud: Hosted, port: pb.Port) -> dict[str, tuple[int, str, str]]:
    stored = await cloud.resources.read(PORT, port.metadata.id)
    assert stored is not None
    return {one.type: (one.status, one.reason, one.message) for one in stored.message.status.conditions}


def test_a_report_becomes_conditions() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        port = await cloud.port("w", host="node-1")
        async with cloud.watched() as stream:
            await until(stream, lambda one: bool(one.vpcs))
        await cloud.say(pb.PortReport(id=port.metadata.id, generation=1, message="no tap"))
        assert (await conditions(cloud, port))["Ready"] == (2, "BuildFailed", "no tap")
        await cloud.say(
            pb.PortReport(id=port.metadata.id, generation=1, ready=True, leased_at_ms=5),
            vpcs=(pb.VpcReport(id=port.status.vpc, message="this host has no uplink"),),
        )
        assert (await conditions(cloud, port))["Ready"] == (1, "Built", "")
        assert (await conditions(cloud, port))["Leased"] == (1, "Leased", "")
        vpc = await cloud.resources.read(VPC, port.status.vpc)
        assert vpc is not None
        egress = next(one for one in vpc.message.status.conditions if one.type == "Egress")
        assert (egress.reason, egress.message) == ("NoEgress", "this host has no uplink")

    run(scenario)


def test_a_host_cannot_speak_for_ports_and_vpcs_of_others() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        port = await cloud.port("w", host="node-1")
        async with cloud.watched() as stream:
            await until(stream, lambda one: bool(one.vpcs))
        lie = pb.PortReport(id=port.metadata.id, generation=1, ready=True)
        await cloud.say(lie, vpcs=(pb.VpcReport(id=port.status.vpc, egress=True),), host="node-2")
        assert (await conditions(cloud, port))["Ready"][1] == "Pending"
        vpc = await cloud.resources.read(VPC, port.status.vpc)
        assert vpc is not None
        assert [one.type for one in vpc.message.status.conditions] == ["Ready"]

    run(scenario)


def test_a_report_that_says_nothing_new_writes_nothing() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        port = await cloud.port("w", host="node-1")
        async with cloud.watched() as stream:
            await until(stream, lambda one: bool(one.vpcs))
        said = pb.PortReport(id=port.metadata.id, generation=1, ready=True)
        await cloud.say(said)
        first = await cloud.resources.read(PORT, port.metadata.id)
        await cloud.say(said)
        second = await cloud.resources.read(PORT, port.metadata.id)
        assert first is not None
        assert second is not None
        assert first.version == second.version

    run(scenario)


def test_what_a_host_takes_back_before_the_service_has_seen_what_it_said_is_written() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        port = await cloud.port("w", host="node-1")
        async with cloud.watched() as stream:
            await until(stream, lambda one: bool(one.vpcs))
        built = pb.PortReport(id=port.metadata.id, generation=1, ready=True)
        await cloud.say(built)
        while not any(one.type == "Ready" and one.reason == "Built" for one in known(cloud, port)):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        # No turn of the loop goes by between the two.
        await cloud.say(pb.PortReport(id=port.metadata.id, generation=1, message="no tap"))
        await cloud.say(built)
        assert (await conditions(cloud, port))["Ready"] == (1, "Built", "")

    run(scenario)


def known(cloud: Hosted, port: pb.Port) -> list[resource.Condition]:
    """What the service has seen of a port's status."""
    seen = cloud.reconciler.world.get(PORT, port.metadata.id)
    return [] if seen is None else list(seen.status.conditions)


def test_a_subnet_counts_its_addresses() -> None:
    async def scenario(cloud: Hosted) -> None:
        await cloud.network()
        for number in range(3):
            await cloud.port(f"p{number}")
        await cloud.delete(cloud.ports, "p1")
        async with contextlib.aclosing(cloud.resources.store.watch(b"r/subnet/", b"r/subnet0", 1)) as changes:
            async for _ in changes:
                subnet = (await cloud.resources.all(SUBNET))[0].message
                if subnet.status.addresses_used == 2:
                    return

    run(scenario)
