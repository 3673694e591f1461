"""Environments as callers of a kind meet them: a label places a resource, and rights follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.base.policy import Binding, Delta, Environment, Role
from ultracloud.servicekit.policy import PolicyCopy, Snapshot
from ultracloud.servicekit.resources import Kind, KindServer, Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    ACME,
    BLUE,
    DEVELOPER,
    OPERATOR,
    FakeCall,
    SetClock,
    account_principal,
    sample_policy,
)

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)
DEV, PROD = Environment("env-dev", "dev", BLUE.id), Environment("env-prod", "prod", BLUE.id)
KEEPER = Role("role-k", "keeper", ACME.id, ("prismnet.vpcs.delete",))
HERE = f"organisations/{ACME.id}/projects/{BLUE.id}"
WHO = account_principal(DEVELOPER).id
ALL, ALICE = FakeCall(principal=OPERATOR), FakeCall(principal=account_principal(DEVELOPER))


def binding(role: str, environment: Environment, *, deny: bool = False) -> Binding:
    resource = f"{HERE}/environments/{environment.id}"
    return Binding(f"bnd-{role}-{environment.name}-{deny}", role, (WHO,), resource, deny)


def cloud(*bindings: Binding, in_project: bool = True) -> KindServer[net.Vpc]:
    """Alice develops in the project, or has nothing there but `bindings`."""
    policy = sample_policy(bindings).advanced(
        Delta(2, put=(DEV, PROD, KEEPER), removed=() if in_project else ("bnd-1",))
    )
    return KindServer(Resources(MemoryStore(), PolicyCopy(Snapshot(policy)), SetClock(), [VPC]), VPC)


def made(
    vpcs: KindServer[net.Vpc], name: str, environment: str, call: FakeCall = ALL
) -> Coroutine[None, None, net.Vpc]:
    labels = {"environment": environment} if environment else {}
    return vpcs.create(net.CreateVpcRequest(project="blue", name=name, labels=labels, spec=net.VpcSpec()), call)


def moved(vpcs: KindServer[net.Vpc], name: str, environment: str) -> Coroutine[None, None, net.Vpc]:
    labels = {"environment": environment}
    return vpcs.update(net.UpdateVpcRequest(project="blue", ref=name, labels=labels, update_mask=["labels"]), ALICE)


async def seen(vpcs: KindServer[net.Vpc]) -> list[str]:
    return [one.metadata.name for one in (await vpcs.list(pb.ListRequest(project="blue"), ALICE)).items]


def test_who_has_rights_in_an_environment_alone_works_there_alone() -> None:
    async def scenario() -> None:
        vpcs = cloud(binding("developer", DEV), in_project=False)
        await made(vpcs, "mine", "dev", ALICE)
        await made(vpcs, "theirs", "prod")
        await made(vpcs, "common", "")
        assert await seen(vpcs) == ["mine"]
        assert (await vpcs.get(pb.GetRequest(project="blue", ref="mine"), ALICE)).metadata.name == "mine"
        refusals = []
        for ref in ("theirs", "common", "absent"):
            with pytest.raises(PermissionDeniedError) as refused:
                await vpcs.get(pb.GetRequest(project="blue", ref=ref), ALICE)
            refusals.append(str(refused.value))
        assert len(set(refusals)) == 1
        with pytest.raises(PermissionDeniedError):
            await made(vpcs, "other", "prod", ALICE)

    asyncio.run(scenario())


def test_a_deny_on_an_environment_hides_what_is_in_it_from_lists_too() -> None:
    async def scenario() -> None:
        vpcs = cloud(binding("owner", PROD, deny=True))
        await made(vpcs, "open", "dev")
        hidden = await made(vpcs, "hidden", "prod")
        await made(vpcs, "common", "")
        assert await seen(vpcs) == ["common", "open"]
        with pytest.raises(NotFoundError):
            await vpcs.get(pb.GetRequest(ref=hidden.metadata.id), ALICE)

    asyncio.run(scenario())


def test_a_move_is_a_delete_there_and_a_create_here() -> None:
    async def scenario() -> None:
        vpcs = cloud(binding(KEEPER.id, PROD, deny=True))
        await made(vpcs, "web", "prod")
        with pytest.raises(PermissionDeniedError, match="denies"):
            await moved(vpcs, "web", "dev")
        await made(vpcs, "new", "dev")
        assert (await moved(vpcs, "new", "prod")).metadata.labels["environment"] == "prod"

    asyncio.run(scenario())


def test_a_project_with_environments_knows_no_others() -> None:
    async def scenario() -> None:
        vpcs = cloud()
        with pytest.raises(InvalidArgumentError, match=r"no environment 'prd'.*accepted: dev, prod"):
            await made(vpcs, "web", "prd", ALICE)
        await made(vpcs, "web", "dev", ALICE)
        with pytest.raises(InvalidArgumentError, match="no environment 'prd'"):
            await moved(vpcs, "web", "prd")
        request = net.CreateVpcRequest(project="red", name="free", labels={"environment": "any"}, spec=net.VpcSpec())
        assert (await vpcs.create(request, ALL)).metadata.labels["environment"] == "any"

    asyncio.run(scenario())


def test_a_watch_of_an_environment_tells_of_what_comes_and_of_what_leaves() -> None:
    async def scenario() -> None:
        vpcs = cloud(binding("viewer", PROD, deny=True))
        await made(vpcs, "web", "dev")
        events = aiter(vpcs.watch(pb.WatchRequest(project="blue"), ALICE))
        assert (await anext(events)).type == pb.PUT
        assert (await anext(events)).type == pb.BOOKMARK
        update = net.UpdateVpcRequest(project="blue", ref="web", labels={"environment": "prod"}, update_mask=["labels"])
        await vpcs.update(update, ALL)
        assert (await anext(events)).type == pb.DELETED

    asyncio.run(scenario())
