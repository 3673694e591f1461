"""Changes whose answer is lost: they happen once, and the caller is told the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AlreadyExistsError, UnavailableError
from ultracloud.servicekit.resources import Kind, KindServer, Resources, trail
from ultracloud.servicekit.store import Committed, Conflict, MemoryStore
from ultracloud.servicekit.testing import DEVELOPER, FakeCall, SetClock, account_principal, sample_authority

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)
DEV = account_principal(DEVELOPER)


async def nothing() -> None:
    """What happens between a lost answer and the next attempt, unless a test says otherwise."""


class Forgetful(MemoryStore):
    """Loses the answers of the next `losses` transactions, after doing them (or before, if not `does`)."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = 0
        self.does = True
        self.meanwhile: Callable[[], Awaitable[None]] = nothing

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        if not self.losses:
            return await super().txn(comparisons, writes)
        self.losses -= 1
        if self.does:
            await super().txn(comparisons, writes)
            await self.meanwhile()
        raise UnavailableError("the connection is gone")


class World:
    def __init__(self) -> None:
        self.store = Forgetful()
        self.resources = Resources(self.store, sample_authority(), SetClock(), [VPC])
        self.vpcs = KindServer(self.resources, VPC)

    async def make(self, name: str = "web") -> net.Vpc:
        request = net.CreateVpcRequest(project="blue", name=name, spec=net.VpcSpec())
        return await self.vpcs.create(request, FakeCall(principal=DEV))


@pytest.mark.parametrize("does", [True, False])
def test_a_create_happens_once(does: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario() -> None:
        world = World()
        world.store.losses, world.store.does = 1, does
        made = await world.make()
        stored = await world.resources.read(VPC, made.metadata.id)
        assert stored is not None
        assert stored.message == made
        with pytest.raises(AlreadyExistsError):
            await world.make()

    asyncio.run(scenario())


@pytest.mark.parametrize("does", [True, False])
def test_an_update_counts_one_generation(does: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario() -> None:
        world = World()
        await world.make()
        world.store.losses, world.store.does = 1, does
        request = net.UpdateVpcRequest(project="blue", ref="web", spec=net.VpcSpec(cidr="10.0.0.0/8"))
        updated = await world.vpcs.update(request, FakeCall(principal=DEV))
        assert updated.metadata.generation == 2
        stored = await world.resources.read(VPC, updated.metadata.id)
        assert stored is not None
        assert stored.message == updated

    asyncio.run(scenario())


@pytest.mark.parametrize("does", [True, False])
def test_a_delete_and_a_status_are_done(does: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario() -> None:
        world = World()
        vpc_id = (await world.make()).metadata.id
        world.store.losses, world.store.does = 1, does
        written = await world.resources.write_status(VPC, vpc_id, net.VpcStatus(vni=7))
        assert written is not None
        assert written == await world.resources.read(VPC, vpc_id)
        world.store.losses = 1
        await world.vpcs.delete(pb.DeleteRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        assert await world.resources.read(VPC, vpc_id) is None

    asyncio.run(scenario())


def test_a_store_that_stays_away_is_unavailable() -> None:
    async def scenario() -> None:
        world = World()
        world.store.losses, world.store.does = 5, False
        with pytest.raises(UnavailableError):
            await world.make()

    asyncio.run(scenario())


def test_a_change_is_ours_although_somebody_wrote_the_status_meanwhile() -> None:
    async def scenario() -> None:
        world = World()

        async def reconcile() -> None:
            for stored in await world.resources.all(VPC):
                await world.resources.write_status(VPC, stored.metadata.id, net.VpcStatus(vni=7))

        world.store.meanwhile = reconcile
        world.store.losses = 1
        made = await world.make()
        assert (made.metadata.name, made.metadata.generation) == ("web", 1)
        world.store.losses = 1
        request = net.UpdateVpcRequest(project="blue", ref="web", spec=net.VpcSpec(cidr="10.0.0.0/8"))
        updated = await world.vpcs.update(request, FakeCall(principal=DEV))
        assert updated.metadata.generation == 2
        stored = await world.resources.read(VPC, made.metadata.id)
        assert stored is not None
        assert (stored.message.metadata.generation, stored.message.status.vni) == (2, 7)
        assert await recorded(world.resources) == ["create", "update"]

    asyncio.run(scenario())


def test_a_delete_is_ours_although_another_process_went_on_in_the_same_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "LANES", 1)
    monkeypatch.setattr(trail, "AT_ONCE", 1)

    async def scenario() -> None:
        world, other = World(), World()
        other.resources = Resources(world.store, sample_authority(), SetClock(), [VPC])
        other.vpcs = KindServer(other.resources, VPC)

        async def go_on() -> None:
            await other.make("another")

        await world.make()
        world.store.meanwhile = go_on
        world.store.losses = 1
        await world.vpcs.delete(pb.DeleteRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        await world.make()
        assert await recorded(world.resources) == ["create", "create", "create", "delete"]

    asyncio.run(scenario())


async def recorded(resources: Resources) -> list[str]:
    """What the trail says was done, sorted; its chains are whole."""
    found = [record for lane in range(trail.LANES) for record in await resources.trail.read(lane)]
    return sorted(record.permission.rpartition(".")[2] for record in found)
