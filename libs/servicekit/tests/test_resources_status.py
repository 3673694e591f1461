"""Status, conditions and the feed of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import cast

import pytest
from google.protobuf.message import Message

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError, PermissionDeniedError
from ultracloud.servicekit.policy import PolicyCopy
from ultracloud.servicekit.resources import Condition, Kind, KindServer, Resources, Truth
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    DEVELOPER,
    FakeCall,
    SetClock,
    account_principal,
    nobody_may,
    sample_authority,
)

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, reasons=frozenset({"Made", "Waiting"}))
DEV = account_principal(DEVELOPER)


class World:
    """One kind over a store, with its parts in reach."""

    def __init__(self, history_max: int = 1000) -> None:
        self.authority: PolicyCopy = sample_authority()
        self.clock = SetClock()
        self.resources = Resources(MemoryStore(history_max), self.authority, self.clock, [VPC])
        self.vpcs = KindServer(self.resources, VPC)

    async def make(self, name: str = "web", **labels: str) -> net.Vpc:
        request = net.CreateVpcRequest(project="blue", name=name, spec=net.VpcSpec(cidr="10.0.0.0/8"), labels=labels)
        return await self.vpcs.create(request, FakeCall(principal=DEV))

    async def label(self, name: str, **labels: str) -> net.Vpc:
        request = net.UpdateVpcRequest(project="blue", ref=name, update_mask=["labels"], labels=labels)
        return await self.vpcs.update(request, FakeCall(principal=DEV))

    def watch(self, from_version: int = 0, **labels: str) -> AsyncGenerator[net.VpcEvent, None]:
        request = pb.WatchRequest(project="blue", from_version=from_version, label_selector=labels)
        stream: AsyncIterator[Message] = self.vpcs.watch(request, FakeCall(principal=DEV))
        return cast("AsyncGenerator[net.VpcEvent, None]", stream)


async def told(watch: AsyncGenerator[net.VpcEvent, None], count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(5):
        events = [await anext(watch) for _ in range(count)]
    return [(pb.EventType.Name(event.type), event.object.metadata.name) for event in events]


def ready(truth: Truth, reason: str = "Made", message: str = "") -> Condition:
    return Condition("Ready", truth, reason, message, observed_generation=1)


def test_status_is_written_without_touching_spec_or_generation() -> None:
    async def scenario() -> None:
        world = World()
        vpc = await world.make()
        written = await world.resources.write_status(VPC, vpc.metadata.id, net.VpcStatus(vni=7), [ready(Truth.TRUE)])
        assert written is not None
        new = written.message
        assert (new.status.vni, new.status.conditions[0].type, new.spec) == (7, "Ready", vpc.spec)
        assert new.metadata.generation == 1
        assert new.metadata.etag != vpc.metadata.etag
        read = await world.resources.read(VPC, vpc.metadata.id)
        assert read == written

    asyncio.run(scenario())


def test_the_time_of_transition_moves_only_with_the_status() -> None:
    async def scenario() -> None:
        world = World()
        vpc_id = (await world.make()).metadata.id
        times = []
        for truth, message in ((Truth.FALSE, "a"), (Truth.FALSE, "b"), (Truth.TRUE, "c")):
            world.clock.time_ms += 1000
            written = await world.resources.write_status(VPC, vpc_id, conditions=[ready(truth, message=message)])
            assert written is not None
            condition = written.message.status.conditions[0]
            times.append((condition.message, condition.last_transition_time.seconds - 1_700_000_000))
        assert times == [("a", 1), ("b", 1), ("c", 3)]

    asyncio.run(scenario())


def test_what_was_decided_on_an_older_generation_replaces_nothing() -> None:
    async def scenario() -> None:
        world = World()
        made = await world.make()
        for generation, reason in ((2, "Made"), (1, "Waiting")):
            condition = Condition("Ready", Truth.TRUE, reason, observed_generation=generation)
            await world.resources.write_status(VPC, made.metadata.id, conditions=[condition])
        stored = await world.resources.read(VPC, made.metadata.id)
        assert stored is not None
        assert [one.reason for one in stored.message.status.conditions] == ["Made"]

    asyncio.run(scenario())


def test_what_changes_nothing_is_not_written() -> None:
    async def scenario() -> None:
        world = World()
        vpc_id = (await world.make()).metadata.id
        first = await world.resources.write_status(VPC, vpc_id, net.VpcStatus(vni=7), [ready(Truth.TRUE)])
        world.clock.time_ms += 1000
        again = await world.resources.write_status(VPC, vpc_id, net.VpcStatus(vni=7), [ready(Truth.TRUE)])
        assert again == first
        assert await world.resources.write_status(VPC, "vpc-01jd0000000000000000000009") is None

    asyncio.run(scenario())


def test_a_reason_outside_the_closed_list_is_a_defect() -> None:
    async def scenario() -> None:
        world = World()
        vpc = await world.make()
        with pytest.raises(AssertionError, match="Surprise is not in the reasons of Vpc"):
            await world.resources.write_status(VPC, vpc.metadata.id, conditions=[ready(Truth.TRUE, "Surprise")])

    asyncio.run(scenario())


def test_status_writers_that_race_all_succeed() -> None:
    async def scenario() -> None:
        world = World()
        vpc_id = (await world.make()).metadata.id

        def count(vpc: net.Vpc) -> None:
            vpc.status.vni += 1
            vpc.spec.cidr = "dropped"

        await asyncio.gather(*(world.resources.change_status(VPC, vpc_id, count) for _ in range(30)))
        stored = await world.resources.read(VPC, vpc_id)
        assert stored is not None
        assert (stored.message.status.vni, stored.message.spec.cidr) == (30, "10.0.0.0/8")

    asyncio.run(scenario())


def test_a_watch_follows_labels_in_and_out() -> None:
    async def scenario() -> None:
        world = World()
        await world.make("a", tier="web")
        await world.make("b")
        watch = world.watch(tier="web")
        assert await told(watch, 2) == [("PUT", "a"), ("BOOKMARK", "")]
        await world.label("b", tier="web")
        await world.label("a", tier="db")
        await world.label("a", tier="other")
        await world.label("b", tier="web", more="x")
        assert await told(watch, 3) == [("PUT", "b"), ("DELETED", "a"), ("PUT", "b")]
        await watch.aclose()

    asyncio.run(scenario())


def test_a_watch_resumes_after_a_version_without_a_gap() -> None:
    async def scenario() -> None:
        world = World()
        await world.make("a")
        watch = world.watch()
        await anext(watch)
        bookmark = await anext(watch)
        await watch.aclose()
        await world.vpcs.delete(pb.DeleteRequest(project="blue", ref="a"), FakeCall(principal=DEV))
        await world.make("b")
        resumed = world.watch(bookmark.version)
        assert await told(resumed, 2) == [("DELETED", "a"), ("PUT", "b")]
        await resumed.aclose()

    asyncio.run(scenario())


def test_a_version_too_old_to_resume_says_to_begin_anew() -> None:
    async def scenario() -> None:
        world = World(history_max=2)
        for name in "abcdef":
            await world.make(name)
        for version in (2, 1_000_000):
            with pytest.raises(OutOfRangeError, match=f"a watch cannot go on from version {version}: ") as refused:
                await anext(world.watch(version))
            assert refused.value.hint == "watch from version 0"
        with pytest.raises(InvalidArgumentError, match="from_version is -1"):
            await anext(world.watch(-1))

    asyncio.run(scenario())


@pytest.mark.parametrize("is_idle", [True, False])
def test_a_watch_ends_with_the_right_to_it(is_idle: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario() -> None:
        world = World()
        watch = world.watch()
        await anext(watch)
        await world.make("a")
        assert await told(watch, 1) == [("PUT", "a")]
        stored = (await world.resources.all(VPC))[0]
        world.authority.replace(nobody_may())
        if not is_idle:
            await world.resources.write_status(VPC, stored.metadata.id, net.VpcStatus(vni=9))
        with pytest.raises(PermissionDeniedError):
            await asyncio.wait_for(anext(watch), 5)

    asyncio.run(scenario())
