"""Events of a resource: counted, bounded, and gone with it."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources import Condition, Context, Kind, KindServer, Resources, Truth
from ultracloud.servicekit.resources.conditions import put
from ultracloud.servicekit.resources.happenings import EVENTS_MAX, happened
from ultracloud.servicekit.resources.records import milliseconds
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import OPERATOR, FakeCall, SetClock, sample_authority

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)


@given(st.lists(st.sampled_from(["Placed", "Failed", "Moved"]), max_size=40))
def test_the_same_again_counts_and_keeps_when_it_began(reasons: list[str]) -> None:
    events: list[pb.ObjectEvent] = []
    for now_ms, reason in enumerate(reasons, 1):
        events = happened(events, reason, "why", now_ms)
    assert {one.reason: one.count for one in events} == {one: reasons.count(one) for one in set(reasons)}
    for one in events:
        assert milliseconds(one.first_time) == reasons.index(one.reason) + 1
        assert milliseconds(one.last_time) == len(reasons) - reasons[::-1].index(one.reason)
    assert events == sorted(events, key=lambda one: milliseconds(one.last_time))


def test_of_many_the_newest_are_kept() -> None:
    events: list[pb.ObjectEvent] = []
    for number in range(EVENTS_MAX + 5):
        events = happened(events, "Failed", f"attempt {number}", number)
    assert [one.message for one in events] == [f"attempt {number}" for number in range(5, EVENTS_MAX + 5)]


def test_events_of_a_resource_are_read_back_and_go_with_it() -> None:
    async def scenario() -> None:
        vpcs = KindServer(Resources(MemoryStore(), sample_authority(), SetClock(), [VPC]), VPC)
        call, resources = FakeCall(principal=OPERATOR), vpcs.resources
        made = await vpcs.create(net.CreateVpcRequest(project="blue", name="v"), call)
        writers = (resources.record_event(VPC, made.metadata.id, "Failed", "no room") for _ in range(8))
        await asyncio.gather(*writers)
        (event,) = await resources.events(VPC, made.metadata.id)
        assert (event.reason, event.message, event.count) == ("Failed", "no room", 8)
        unchanged = await resources.read(VPC, made.metadata.id)
        assert unchanged is not None
        assert unchanged.message == made
        await vpcs.delete(pb.DeleteRequest(project="blue", ref="v"), call)
        await resources.record_event(VPC, made.metadata.id, "Failed", "too late")
        assert await resources.events(VPC, made.metadata.id) == ()

    asyncio.run(scenario())


def test_conditions_that_turn_are_events_without_anybody_s_doing() -> None:
    async def scenario() -> None:
        vpcs = KindServer(Resources(MemoryStore(), sample_authority(), SetClock(), [VPC]), VPC)
        resources = vpcs.resources
        made = await vpcs.create(net.CreateVpcRequest(project="blue", name="v"), FakeCall(principal=OPERATOR))
        assert await resources.events(VPC, made.metadata.id) == ()
        for truth, reason, message in (
            (Truth.FALSE, "Pending", "waiting for its host"),
            (Truth.FALSE, "Pending", "still waiting for its host"),
            (Truth.TRUE, "Built", ""),
            (Truth.TRUE, "Built", ""),
            (Truth.FALSE, "Pending", "waiting for its host"),
        ):
            await resources.write_status(VPC, made.metadata.id, None, [Condition("Ready", truth, reason, message)])
        events = await resources.events(VPC, made.metadata.id)
        told = [(one.reason, one.message, one.count) for one in events]
        assert told == [("Built", "Ready is true", 1), ("Pending", "waiting for its host", 2)]

    asyncio.run(scenario())


def test_what_admission_says_is_an_event_of_the_change_it_admits() -> None:
    def admit(context: Context, new: net.Vpc, _old: net.Vpc | None) -> net.Vpc:
        put(new, context.clock.now_ms(), [Condition("Placed", Truth.TRUE, "Placed", f"in {new.spec.cidr}")])
        return new

    async def scenario() -> None:
        kind = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, admit=admit)
        vpcs = KindServer(Resources(MemoryStore(), sample_authority(), SetClock(), [kind]), kind)
        spec = net.VpcSpec(cidr="10.0.0.0/8")
        made = await vpcs.create(
            net.CreateVpcRequest(project="blue", name="v", spec=spec), FakeCall(principal=OPERATOR)
        )
        (event,) = await vpcs.resources.events(kind, made.metadata.id)
        assert (event.reason, event.message) == ("Placed", "in 10.0.0.0/8")

    asyncio.run(scenario())
