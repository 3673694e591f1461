"""Events of a resource: counted, bounded, and gone with it."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources import Kind, KindServer, Resources
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
