"""Create, get, list, update, delete over the memory store, as a caller meets them."""

from __future__ import annotations

import asyncio

import pytest

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from ultracloud.servicekit.resources import Kind, KindServer, Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    DEVELOPER,
    OPERATOR,
    STRANGER,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
)

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, immutable=frozenset({"cidr"}))
DEV = account_principal(DEVELOPER)
FOE = account_principal(STRANGER)


def server() -> KindServer[net.Vpc]:
    return KindServer(Resources(MemoryStore(), sample_authority(), SetClock(), [VPC]), VPC)


def wanted(name: str = "web", **extra: object) -> net.CreateVpcRequest:
    return net.CreateVpcRequest(project="blue", name=name, spec=net.VpcSpec(cidr="10.0.0.0/16"), **extra)


async def made(vpcs: KindServer[net.Vpc], name: str = "web") -> net.Vpc:
    return await vpcs.create(wanted(name), FakeCall(principal=DEV))


def test_a_created_resource_is_read_back_by_name_and_by_id() -> None:
    async def scenario() -> None:
        vpcs = server()
        vpc = await made(vpcs)
        by_name = await vpcs.get(pb.GetRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        by_id = await vpcs.get(pb.GetRequest(ref=vpc.metadata.id), FakeCall(principal=DEV))
        assert by_name == by_id == vpc
        assert vpc.metadata.generation == 1
        assert vpc.metadata.etag

    asyncio.run(scenario())


def test_a_name_is_taken_once_per_project() -> None:
    async def scenario() -> None:
        vpcs = server()
        await made(vpcs)
        with pytest.raises(AlreadyExistsError, match="a vpc named 'web' already exists in project 'blue'"):
            await made(vpcs)
        await vpcs.create(
            net.CreateVpcRequest(project="acme/green", name="web", spec=net.VpcSpec()), FakeCall(principal=OPERATOR)
        )

    asyncio.run(scenario())


def test_a_stranger_learns_nothing_of_a_project() -> None:
    async def scenario() -> None:
        vpcs = server()
        vpc = await made(vpcs)
        said = set()
        for ref in ("web", "absent", vpc.metadata.id):
            with pytest.raises(PermissionDeniedError) as refused:
                await vpcs.get(pb.GetRequest(project="blue", ref=ref), FakeCall(principal=FOE))
            said.add(str(refused.value))
        assert said == {"you have no right to prismnet.vpcs.get in project 'blue', or there is no such project"}
        with pytest.raises(NotFoundError):
            await vpcs.get(pb.GetRequest(ref=vpc.metadata.id), FakeCall(principal=FOE))

    asyncio.run(scenario())


def test_update_takes_only_what_the_mask_names() -> None:
    async def scenario() -> None:
        vpcs = server()
        await made(vpcs)
        request = net.UpdateVpcRequest(
            project="blue", ref="web", update_mask=["egress_nat"], spec=net.VpcSpec(egress_nat=True, cidr="1.0.0.0/8")
        )
        updated = await vpcs.update(request, FakeCall(principal=DEV))
        assert updated.spec == net.VpcSpec(cidr="10.0.0.0/16", egress_nat=True)
        assert updated.metadata.generation == 2
        again = await vpcs.update(request, FakeCall(principal=DEV))
        assert again == updated

    asyncio.run(scenario())


def test_a_wrong_mask_an_immutable_field_and_a_stale_etag_are_refused() -> None:
    async def scenario() -> None:
        vpcs = server()
        vpc = await made(vpcs)
        with pytest.raises(InvalidArgumentError, match="accepted: cidr, egress_nat, labels"):
            await vpcs.update(
                net.UpdateVpcRequest(project="blue", ref="web", update_mask=["cdir"]), FakeCall(principal=DEV)
            )
        with pytest.raises(InvalidArgumentError, match="cidr of a vpc cannot change"):
            await vpcs.update(
                net.UpdateVpcRequest(project="blue", ref="web", spec=net.VpcSpec(cidr="10.1.0.0/16")),
                FakeCall(principal=DEV),
            )
        await vpcs.update(
            net.UpdateVpcRequest(project="blue", ref="web", update_mask=["labels"], labels={"a": "b"}),
            FakeCall(principal=DEV),
        )
        with pytest.raises(AbortedError):
            await vpcs.delete(
                pb.DeleteRequest(project="blue", ref="web", etag=vpc.metadata.etag), FakeCall(principal=DEV)
            )

    asyncio.run(scenario())


def test_the_same_create_sent_twice_makes_one_resource() -> None:
    async def scenario() -> None:
        vpcs = server()
        first = await vpcs.create(wanted(idempotency_key="k1"), FakeCall(principal=DEV))
        second = await vpcs.create(wanted(idempotency_key="k1"), FakeCall(principal=DEV))
        assert first == second
        with pytest.raises(FailedPreconditionError):
            await vpcs.create(wanted("other", idempotency_key="k1"), FakeCall(principal=DEV))

    asyncio.run(scenario())


def test_pages_are_read_at_one_version() -> None:
    async def scenario() -> None:
        vpcs = server()
        for name in ("a", "b", "c", "d", "e"):
            await made(vpcs, name)
        names, token = [], ""
        while True:
            page = await vpcs.list(
                pb.ListRequest(project="blue", page_size=2, page_token=token), FakeCall(principal=DEV)
            )
            assert isinstance(page, net.ListVpcsResponse)
            names += [vpc.metadata.name for vpc in page.items]
            token = page.next_page_token
            if not token:
                break
            await made(vpcs, f"x{len(names)}")
        assert names == ["a", "b", "c", "d", "e"]

    asyncio.run(scenario())


def test_a_deleted_resource_frees_its_name() -> None:
    async def scenario() -> None:
        vpcs = server()
        await made(vpcs)
        await vpcs.delete(pb.DeleteRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        with pytest.raises(NotFoundError, match="no vpc 'web' in project 'blue'"):
            await vpcs.get(pb.GetRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        await made(vpcs)

    asyncio.run(scenario())


def test_a_watch_sends_what_is_a_bookmark_then_changes() -> None:
    async def scenario() -> None:
        vpcs = server()
        await made(vpcs, "a")
        watch = vpcs.watch(pb.WatchRequest(project="blue"), FakeCall(principal=DEV))
        seen = [await anext(watch), await anext(watch)]
        await made(vpcs, "b")
        await vpcs.delete(pb.DeleteRequest(project="blue", ref="a"), FakeCall(principal=DEV))
        seen += [await anext(watch), await anext(watch)]
        await watch.aclose()
        events = [(e.type, e.object.metadata.name) for e in seen if isinstance(e, net.VpcEvent)]
        assert events == [(pb.PUT, "a"), (pb.BOOKMARK, ""), (pb.PUT, "b"), (pb.DELETED, "a")]

    asyncio.run(scenario())


def test_a_create_is_remembered_for_a_day() -> None:
    async def scenario() -> None:
        vpcs = server()
        clock = vpcs.resources.clock
        assert isinstance(clock, SetClock)
        first = await vpcs.create(wanted(idempotency_key="k1"), FakeCall(principal=DEV))
        assert await vpcs.resources.forget_idempotency() == 0
        await vpcs.delete(pb.DeleteRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        with pytest.raises(FailedPreconditionError, match="the vpc this idempotency_key made has been deleted"):
            await vpcs.create(wanted(idempotency_key="k1"), FakeCall(principal=DEV))
        clock.time_ms += 25 * 3600 * 1000
        second = await vpcs.create(wanted(idempotency_key="k1"), FakeCall(principal=DEV))
        assert second.metadata.id != first.metadata.id
        clock.time_ms += 25 * 3600 * 1000
        assert await vpcs.resources.forget_idempotency() == 1

    asyncio.run(scenario())
