"""Kinds above projects, with iam's own messages."""

from __future__ import annotations

import asyncio

import pytest

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1.iam_rpc import BINDINGS, ORGANISATIONS, PROJECTS
from ultracloud.api.resource.v1 import resource_pb2 as res
from ultracloud.base.faults import InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.base.policy import Binding
from ultracloud.servicekit.policy import Snapshot
from ultracloud.servicekit.resources import Kind, KindServer, Resources, Scope
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    ACME,
    DEVELOPER,
    OPERATOR,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
    sample_policy,
)

ORGANISATION = Kind(name="Organisation", prefix="org", service=ORGANISATIONS, message=pb.Organisation, scope=Scope.ROOT)
PROJECT = Kind(name="Project", prefix="proj", service=PROJECTS, message=pb.Project, scope=Scope.ORGANISATION)
BINDING = Kind(
    name="Binding", prefix="bnd", service=BINDINGS, message=pb.Binding, scope=Scope.ORGANISATION, root_too=True
)
DEV, ROOT_CALL = account_principal(DEVELOPER), FakeCall(principal=OPERATOR)
ADMIN = Binding("bnd-8", "admin", (DEV.id,), f"organisations/{ACME.id}")


class Iam:
    """Three kinds, as an operator (`ROOT_CALL`) and the admin of acme call them."""

    def __init__(self) -> None:
        self.authority = sample_authority([ADMIN])
        resources = Resources(MemoryStore(), self.authority, SetClock(), [ORGANISATION, PROJECT, BINDING])
        self.organisations = KindServer(resources, ORGANISATION)
        self.projects = KindServer(resources, PROJECT)
        self.bindings = KindServer(resources, BINDING)


def call() -> FakeCall:
    return FakeCall(principal=DEV)


def project(organisation: str, name: str = "new") -> pb.CreateProjectRequest:
    return pb.CreateProjectRequest(project=organisation, name=name, spec=pb.ProjectSpec())


def test_an_organisation_belongs_to_nothing() -> None:
    async def scenario() -> None:
        iam = Iam()
        made = await iam.organisations.create(
            pb.CreateOrganisationRequest(name="new", spec=pb.OrganisationSpec()), ROOT_CALL
        )
        assert made.metadata.project == ""
        got = await iam.organisations.get(res.GetRequest(ref="new"), ROOT_CALL)
        assert got == await iam.organisations.get(res.GetRequest(ref=made.metadata.id), ROOT_CALL) == made
        with pytest.raises(InvalidArgumentError, match=r"an? organisation belongs to no project; leave project empty"):
            await iam.organisations.get(res.GetRequest(project="acme", ref="new"), ROOT_CALL)
        with pytest.raises(PermissionDeniedError):
            await iam.organisations.create(pb.CreateOrganisationRequest(name="mine"), call())

    asyncio.run(scenario())


def test_a_tenant_sees_its_own_organisation_in_the_list() -> None:
    async def scenario() -> None:
        iam = Iam()
        made = {}
        for name in ("mine", "other"):
            request = pb.CreateOrganisationRequest(name=name, spec=pb.OrganisationSpec())
            made[name] = (await iam.organisations.create(request, ROOT_CALL)).metadata.id
        granted = Binding("bnd-9", "viewer", (DEV.id,), f"organisations/{made['mine']}")
        iam.authority.replace(Snapshot(sample_policy([granted], version=2)))
        assert await listed(iam, ROOT_CALL) == ["mine", "other"]
        assert await listed(iam, call()) == ["mine"]
        watch = iam.organisations.watch(res.WatchRequest(), call())
        events = [await anext(watch), await anext(watch)]
        assert [one.object.metadata.name for one in events if isinstance(one, pb.OrganisationEvent)] == ["mine", ""]

    asyncio.run(scenario())


async def listed(iam: Iam, caller: FakeCall) -> list[str]:
    page = await iam.organisations.list(res.ListRequest(), caller)
    assert isinstance(page, pb.ListOrganisationsResponse)
    return [one.metadata.name for one in page.items]


def test_a_project_belongs_to_an_organisation_named_in_its_project_field() -> None:
    async def scenario() -> None:
        iam = Iam()
        made = await iam.projects.create(project("acme"), call())
        assert made.metadata.project == ACME.id
        assert await iam.projects.get(res.GetRequest(project=ACME.id, ref="new"), call()) == made
        with pytest.raises(PermissionDeniedError, match="organisation 'rival', or there is no such organisation"):
            await iam.projects.create(project("rival"), call())
        with pytest.raises(InvalidArgumentError, match="project is empty; give the organisation of the project"):
            await iam.projects.create(project(""), call())
        with pytest.raises(NotFoundError, match="no organisation 'none'"):
            await iam.projects.create(project("none"), ROOT_CALL)

    asyncio.run(scenario())


def test_a_binding_may_stand_at_the_root_for_those_who_own_it() -> None:
    async def scenario() -> None:
        iam = Iam()
        spec = pb.BindingSpec(role="viewer", principals=["serviceaccount:x"])
        made = await iam.bindings.create(pb.CreateBindingRequest(name="all", spec=spec), ROOT_CALL)
        assert made.metadata.project == ""
        assert await iam.bindings.get(res.GetRequest(ref="all"), ROOT_CALL) == made
        with pytest.raises(PermissionDeniedError):
            await iam.bindings.create(pb.CreateBindingRequest(name="mine", spec=spec), call())
        with pytest.raises(PermissionDeniedError):
            await iam.bindings.get(res.GetRequest(ref="all"), call())
        page = await iam.bindings.list(res.ListRequest(), ROOT_CALL)
        assert isinstance(page, pb.ListBindingsResponse)
        assert [one.metadata.name for one in page.items] == ["all"]

    asyncio.run(scenario())


def test_everywhere_is_a_list_for_those_who_may_read_everywhere() -> None:
    async def scenario() -> None:
        iam = Iam()
        for organisation in ("acme", "rival"):
            await iam.projects.create(project(organisation, f"in-{organisation}"), ROOT_CALL)
        page = await iam.projects.list(res.ListRequest(), ROOT_CALL)
        assert isinstance(page, pb.ListProjectsResponse)
        assert {one.metadata.name for one in page.items} == {"in-acme", "in-rival"}
        with pytest.raises(PermissionDeniedError):
            await iam.projects.list(res.ListRequest(), call())

    asyncio.run(scenario())
