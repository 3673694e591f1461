"""A verb of a kind's own, as a service writes it."""

from __future__ import annotations

import asyncio

import pytest

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.resource.v1 import resource_pb2 as res
from ultracloud.api.rpc import Call
from ultracloud.base.faults import AbortedError, NotFoundError, PermissionDeniedError
from ultracloud.base.policy import Binding
from ultracloud.servicekit.resources import Kind, KindServer, Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    BLUE,
    DEVELOPER,
    STRANGER,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
)
from ultracloud.wire import service

VM = Kind(name="Vm", prefix="vm", service=VMS, message=vmc.Vm)
DEV, FOE = account_principal(DEVELOPER), account_principal(STRANGER)
BLUE_PATH = f"organisations/{BLUE.organisation}/projects/{BLUE.id}"


class Vms(KindServer[vmc.Vm]):
    """The six RPCs, and one more."""

    async def start(self, request: vmc.PowerRequest, call: Call) -> vmc.Vm:
        located = await self.locate(call, "start", request.project, request.ref)

        def power_on(vm: vmc.Vm) -> vmc.Vm:
            vm.spec.power = vmc.RUNNING
            return vm

        identifier = located.stored.metadata.id
        return (await self.resources.update(located.context, VM, identifier, power_on, request.etag)).message


def vms(*bindings: Binding) -> Vms:
    return Vms(Resources(MemoryStore(), sample_authority(bindings), SetClock(), [VM]), VM)


async def made(server: Vms) -> vmc.Vm:
    return await server.create(vmc.CreateVmRequest(project="blue", name="web"), FakeCall(principal=DEV))


def test_a_verb_changes_spec_as_an_update_does() -> None:
    async def scenario() -> None:
        server = vms()
        vm = await made(server)
        started = await server.start(vmc.PowerRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        assert (started.spec.power, started.metadata.generation) == (vmc.RUNNING, 2)
        again = await server.start(vmc.PowerRequest(ref=vm.metadata.id), FakeCall(principal=DEV))
        assert again == started
        with pytest.raises(AbortedError, match="its etag is"):
            await server.start(
                vmc.PowerRequest(project="blue", ref="web", etag=vm.metadata.etag), FakeCall(principal=DEV)
            )

    asyncio.run(scenario())


def test_a_verb_has_a_permission_of_its_own() -> None:
    async def scenario() -> None:
        deny = Binding("bnd-9", "developer", (DEV.id,), f"{BLUE_PATH}/vms/none", deny=True)
        server = vms(deny)
        await made(server)
        with pytest.raises(PermissionDeniedError, match=r"plasmavmc\.vms\.start in project 'blue'"):
            await server.start(vmc.PowerRequest(project="blue", ref="web"), FakeCall(principal=FOE))
        with pytest.raises(NotFoundError, match="no vm 'none' in project 'blue'"):
            await server.start(vmc.PowerRequest(project="blue", ref="none"), FakeCall(principal=DEV))

    asyncio.run(scenario())


def test_a_binding_on_one_resource_opens_that_one_only() -> None:
    async def scenario() -> None:
        server = vms()
        vm = await made(server)
        await server.create(vmc.CreateVmRequest(project="blue", name="other"), FakeCall(principal=DEV))
        guest = Binding("bnd-9", "viewer", (FOE.id,), f"{BLUE_PATH}/vms/{vm.metadata.id}")
        shared = Vms(Resources(server.resources.store, sample_authority([guest]), SetClock(), [VM]), VM)
        got = await shared.get(res.GetRequest(project="acme/blue", ref="web"), FakeCall(principal=FOE))
        assert got == vm
        said = set()
        for ref in ("other", "never-was"):
            with pytest.raises(PermissionDeniedError) as refused:
                await shared.get(res.GetRequest(project="acme/blue", ref=ref), FakeCall(principal=FOE))
            said.add(str(refused.value))
        assert len(said) == 1

    asyncio.run(scenario())


def test_a_denial_on_one_resource_is_told_to_those_who_may_know_of_it() -> None:
    async def scenario() -> None:
        server = vms()
        vm = await made(server)
        deny = Binding("bnd-9", "owner", (DEV.id,), f"{BLUE_PATH}/vms/{vm.metadata.id}", deny=True, name="locked")
        locked = Vms(Resources(server.resources.store, sample_authority([deny]), SetClock(), [VM]), VM)
        with pytest.raises(PermissionDeniedError, match="binding locked") as refused:
            await locked.start(vmc.PowerRequest(project="blue", ref="web"), FakeCall(principal=DEV))
        assert refused.value.reason == "DENIED_BY_BINDING"

    asyncio.run(scenario())


def test_the_wire_finds_all_of_it() -> None:
    attributes = {method.attribute for method in VMS.methods}
    routes = service(VMS, vms()).routes
    assert {path.rpartition("/")[2] for path in routes} == {
        "Create",
        "Get",
        "List",
        "Update",
        "Delete",
        "Watch",
        "Start",
    }
    assert "console" in attributes  # not written above, so the server answers UNIMPLEMENTED
