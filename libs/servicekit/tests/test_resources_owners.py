"""Owners and what goes with them: order, rings, strangers, races, and a process that ends in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from real_store import flaredb_store

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS, SUBNETS, VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.resources import (
    Collector,
    Context,
    Kind,
    KindServer,
    Reconciler,
    Resources,
    Stored,
    watching,
)
from ultracloud.servicekit.store import MemoryStore, Store
from ultracloud.servicekit.testing import OPERATOR, FakeCall, sample_authority


def refuse_the_stubborn(_context: Context, port: net.Port) -> None:
    if port.spec.hostname == "stubborn":
        raise FailedPreconditionError("port is in use")


VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)
SUBNET = Kind(
    name="Subnet", prefix="subnet", service=SUBNETS, message=net.Subnet, owners=lambda one: one.spec.vpc.split()
)
PORT = Kind(
    name="Port",
    prefix="port",
    service=PORTS,
    message=net.Port,
    owners=lambda port: port.spec.subnet.split(),
    deletable=refuse_the_stubborn,
    finalizers=("wires",),
)


def call() -> FakeCall:
    return FakeCall(principal=OPERATOR)


class Net:
    """The three kinds of a network, each owned by the one above."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.resources = Resources(store, sample_authority(), SystemClock(), [VPC, SUBNET, PORT])
        self.vpcs, self.subnets = KindServer(self.resources, VPC), KindServer(self.resources, SUBNET)
        self.ports = KindServer(self.resources, PORT)

    async def vpc(self, name: str = "v", project: str = "blue") -> str:
        return (await self.vpcs.create(net.CreateVpcRequest(project=project, name=name), call())).metadata.id

    async def subnet(self, name: str, *vpcs: str) -> str:
        spec = net.SubnetSpec(vpc=" ".join(vpcs))
        return (
            await self.subnets.create(net.CreateSubnetRequest(project="blue", name=name, spec=spec), call())
        ).metadata.id

    async def port(self, name: str, subnet: str, hostname: str = "") -> str:
        spec = net.PortSpec(subnet=subnet, hostname=hostname)
        return (
            await self.ports.create(net.CreatePortRequest(project="blue", name=name, spec=spec), call())
        ).metadata.id

    async def delete_vpc(self, name: str = "v") -> net.Vpc:
        return await self.vpcs.delete(pb.DeleteRequest(project="blue", ref=name), call())

    async def left(self) -> list[str]:
        everything = (await self.store.scan(b"", b"", limit=1000)).entries
        return [entry.key.decode() for entry in everything if entry.key[:2] in (b"r/", b"n/", b"o/")]

    async def gone_in_order(self, since: int) -> list[str]:
        """Kinds of the records that went after a version."""
        gone: list[str] = []
        async for changes in self.store.watch(b"r/", b"r0", since):
            gone += [change.key.decode().split("/")[1] for change in changes.changes if change.value is None]
            if "vpc" in gone:
                break
        return gone


def test_what_is_owned_goes_first_and_the_last_finalizer_ends_it() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        port = await world.port("p", await world.subnet("s", await world.vpc()))
        begun = (await world.store.scan(b"", b"", limit=1)).read_version
        marked = await world.delete_vpc()
        assert marked.metadata.HasField("deleted_at")
        for kind in (VPC, SUBNET, PORT):
            (stored,) = await world.resources.all(kind)
            assert stored.metadata.HasField("deleted_at")
        await world.resources.remove_finalizer(PORT, port, "wires")
        assert await world.gone_in_order(begun) == ["port", "subnet", "vpc"]
        assert await world.left() == []

    asyncio.run(scenario())


def test_the_same_in_flaredb(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with flaredb_store(tmp_path) as store:
            world = Net(store)
            port = await world.port("p", await world.subnet("s", await world.vpc()))
            await world.delete_vpc()
            await world.resources.remove_finalizer(PORT, port, "wires")
            assert await world.left() == []

    asyncio.run(scenario())


def test_a_reference_tells_kind_id_and_name_of_the_owner() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        vpc = await world.vpc()
        subnet = await world.resources.read(SUBNET, await world.subnet("s", vpc))
        assert subnet is not None
        assert list(subnet.metadata.owners) == [pb.OwnerReference(kind="Vpc", id=vpc, name="v")]

    asyncio.run(scenario())


def test_an_owner_elsewhere_unknown_or_going_is_refused() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        foreign = await world.vpc(project="acme/green")
        for owner in (foreign, "vpc-01jd0000000000000000000009", "nonsense"):
            with pytest.raises(InvalidArgumentError, match=f"owner '{owner}' is none in the same project"):
                await world.subnet("s", owner)
        vpc = await world.vpc()
        await world.port("p", await world.subnet("s", vpc))
        await world.delete_vpc()
        with pytest.raises(FailedPreconditionError, match="vpc 'v' is being deleted; it cannot own anything"):
            await world.subnet("t", vpc)

    asyncio.run(scenario())


def test_a_ring_is_refused_at_any_length_and_a_chain_has_an_end() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        chain = [await world.vpc("v0")]
        for number in range(1, 16):
            chain.append(await world.vpc(f"v{number}"))
            await world.resources.set_owners(VPC, chain[-1], [chain[-2]])
        for last in (0, 3, 15):
            with pytest.raises(InvalidArgumentError, match="vpc 'v0' would own itself") as refused:
                await world.resources.set_owners(VPC, chain[0], [chain[last]])
            assert refused.value.reason == "OWNER_CYCLE"
        last_but_one, beyond = await world.vpc("w0"), await world.vpc("w1")
        await world.resources.set_owners(VPC, last_but_one, [chain[-1]])
        with pytest.raises(InvalidArgumentError, match="more than 16 owners above each other"):
            await world.resources.set_owners(VPC, beyond, [last_but_one])

    asyncio.run(scenario())


def test_of_changes_that_would_make_a_ring_together_one_is_refused() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        a, b, c = [await world.vpc(name) for name in "abc"]
        await world.resources.set_owners(VPC, b, [c])
        both = (world.resources.set_owners(VPC, a, [b]), world.resources.set_owners(VPC, c, [a]))
        done = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["InvalidArgumentError", "Stored"]

    asyncio.run(scenario())


def test_what_others_own_too_stays_and_loses_the_owner_that_goes() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        v, w = await world.vpc("v"), await world.vpc("w")
        subnet = await world.subnet("s", v, w)
        await world.delete_vpc("v")
        stored = await world.resources.read(SUBNET, subnet)
        assert stored is not None
        assert [owner.id for owner in stored.metadata.owners] == [w]
        await world.delete_vpc("w")
        assert await world.left() == []

    asyncio.run(scenario())


def test_an_owner_of_many_goes_after_all_of_them() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        vpc = await world.vpc()
        for number in range(130):
            await world.subnet(f"s{number}", vpc)
        assert (await world.delete_vpc()).metadata.finalizers == ["dependants"]
        assert len(await world.resources.all(SUBNET)) == 30
        await world.delete_vpc()
        assert await world.left() == []

    asyncio.run(scenario())


async def wait_until(world: Net, holds: Callable[[list[Stored[net.Port]]], bool]) -> None:
    """Wait until something holds of all ports."""
    async with asyncio.timeout(10), aclosing(watching.events(world.resources, PORT, None, from_version=0)) as events:
        async for _ in events:
            if holds(list(await world.resources.all(PORT))):
                return


def test_a_collector_goes_on_where_a_process_ended_and_where_one_refused() -> None:
    async def scenario() -> None:
        world = Net(MemoryStore())
        subnet = await world.subnet("s", await world.vpc())
        port = await world.port("p", subnet, hostname="stubborn")
        await world.delete_vpc()
        collector = Reconciler(world.resources, [VPC, SUBNET, PORT], Collector(world.resources, OPERATOR))
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(0)
        mask = net.UpdatePortRequest(project="blue", ref="p", update_mask=["hostname"])
        await world.ports.update(mask, call())
        await wait_until(world, lambda ports: ports[0].metadata.HasField("deleted_at"))
        await world.resources.remove_finalizer(PORT, port, "wires")
        assert await world.left() == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
