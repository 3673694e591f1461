"""VMs that refer to secrets of a real iam: who may, what is stored, and what the agent of the VM's host is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from clouds import Cloud, reconciling

from plasmavmc.shell.secrets import IamSecrets
from ultracloud.api.iam.v1 import secrets_pb2 as iam
from ultracloud.api.iam.v1.secrets_rpc import SecretsClient
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.base.faults import Fault
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import FakeCall

testing = pytest.importorskip("iam.testing", reason="iam is not installed")
ADA = "spiffe://ultracloud.local/operator/ada"
BOB, EVE = (f"spiffe://ultracloud.local/operator/{name}" for name in ("bob", "eve"))
PASSWORD = pb.VmVariable(name="PASSWORD", secret=iam.SecretRef(secret="db"))


class Tenant:
    """A cloud over a running iam, with a project that has a secret ``db``, and people who use it."""

    def __init__(self, cloud: Cloud, ada: Any, stop_iam: Callable[[], Awaitable[None]]) -> None:
        self.cloud = cloud
        self.ada = ada
        self.secrets = SecretsClient(ada.channel)
        self.stop_iam = stop_iam

    async def vm(self, who: str = ADA, name: str = "web", **spec: Any) -> pb.Vm:
        return await self.cloud.vm(name, caller=spiffe_principal(who), **({"variables": [PASSWORD]} | spec))

    async def refusal(self, who: str, **spec: Any) -> tuple[str, str]:
        fault: Fault = await testing.refusal_of(self.vm(who, "refused", **spec))
        return type(fault).__name__, fault.reason

    async def told(self, vm: pb.Vm, host: str = "node1") -> dict[str, bytes]:
        """What the agent of a host is told."""
        agent = spiffe_principal(pki.agent_identity("plasmavmc", host))
        request = pb.ResolveVmSecretsRequest(host=host, vm=vm.metadata.id)
        answer = await self.cloud.hosts.resolve_secrets(request, FakeCall(principal=agent))
        return {one.name: one.value for one in answer.secrets}

    async def unresolved(self, vm: pb.Vm, host: str = "node1") -> tuple[str, str]:
        fault: Fault = await testing.refusal_of(self.told(vm, host))
        assert "open sesame" not in f"{fault} {fault.detail}"
        return type(fault).__name__, fault.reason

    async def bind(self, name: str, role: str, principal: str, resource: str) -> None:
        await self.ada.make_binding("acme", name, role, principal, resource)

    async def deny(self, name: str, role: str, principal: str, secret: iam.Secret) -> None:
        place = f"organisations/{self.organisation}/projects/{secret.metadata.project}"
        await self.ada.make_binding("", name, role, principal, f"{place}/secrets/{secret.metadata.id}", deny=True)

    organisation = ""


def play(folder: Path, story: Callable[[Tenant, iam.Secret], Awaitable[None]]) -> None:
    """Tell a story in which bob may make VMs and read no secret, and eve may read all."""

    async def tell() -> None:
        async with (
            testing.running_iam(folder, MemoryStore()) as running,
            running.clients() as ada,
            running.clients(pki.service_identity("plasmavmc")) as plasmavmc,
        ):
            cloud = Cloud(folder, secrets=IamSecrets(plasmavmc.channel), authority=running.source)

            async def stop() -> None:
                await plasmavmc.channel.close()

            tenant = Tenant(cloud, ada, stop)
            tenant.organisation = (await ada.make_organisation("acme")).metadata.id
            await ada.make_project("acme", "blue")
            await ada.make_role("acme", "makes-vms", "plasmavmc.*")
            request = iam.CreateSecretRequest(project="blue", name="db", spec=iam.SecretSpec(value=b"open sesame"))
            secret = await tenant.secrets.create(request)
            for name, roles in (("bob", ["makes-vms"]), ("eve", ["makes-vms", "owner"])):
                for role in roles:
                    place = f"organisations/{tenant.organisation}/projects/{secret.metadata.project}"
                    await tenant.bind(f"{name}-{role}", role, f"spiffe://ultracloud.local/operator/{name}", place)
            async with reconciling(cloud):
                await cloud.report()
                await cloud.image(caller=spiffe_principal(ADA))
                await story(tenant, secret)

    asyncio.run(asyncio.wait_for(tell(), 30))


def test_a_host_is_told_what_the_record_does_not_have(tmp_path: Path) -> None:
    async def story(tenant: Tenant, secret: iam.Secret) -> None:
        vm = await tenant.vm(user_data_secret=iam.SecretRef(secret="db", number=1))
        assert vm.spec.variables[0].secret.secret == vm.spec.user_data_secret.secret == secret.metadata.id
        assert await tenant.told(vm) == {"": b"open sesame", "PASSWORD": b"open sesame"}
        cloud = tenant.cloud
        await cloud.until(lambda: "web" in cloud.intent())
        stored = await cloud.resources.store.scan(b"", b"\xff", limit=1000)
        assert not [entry.key for entry in stored.entries if b"sesame" in entry.value]
        assert b"sesame" not in cloud.intent()["web"].SerializeToString()

    play(tmp_path, story)


def test_each_start_is_told_the_newest_value_and_a_version_that_is_named_stays(tmp_path: Path) -> None:
    async def story(tenant: Tenant, secret: iam.Secret) -> None:
        old = pb.VmVariable(name="OLD", secret=iam.SecretRef(secret="db", number=1))
        vm = await tenant.vm(variables=[PASSWORD, old])
        await tenant.secrets.add_version(iam.AddSecretVersionRequest(project="blue", ref="db", value=b"rotated"))
        assert await tenant.told(vm) == {"PASSWORD": b"rotated", "OLD": b"open sesame"}
        gone = iam.DestroySecretVersionRequest(project="blue", ref="db", number=1)
        await tenant.secrets.destroy_version(gone)
        assert await tenant.unresolved(vm) == ("NotFoundError", "SECRET_NOT_FOUND")
        assert await tenant.refusal(ADA, variables=[old]) == ("NotFoundError", "SECRET_VERSION_NOT_FOUND")
        await tenant.secrets.delete(DeleteRequest(project="blue", ref=secret.metadata.id))
        assert await tenant.unresolved(vm) == ("NotFoundError", "SECRET_NOT_FOUND")

    play(tmp_path, story)


def test_who_may_not_read_a_secret_makes_no_vm_that_does_and_does_not_learn_whether_it_exists(tmp_path: Path) -> None:
    async def story(tenant: Tenant, secret: iam.Secret) -> None:
        absent = pb.VmVariable(name="PASSWORD", secret=iam.SecretRef(secret="none"))
        assert await tenant.refusal(BOB) == await tenant.refusal(BOB, variables=[absent])
        assert (await tenant.refusal(BOB))[0] == "PermissionDeniedError"
        assert (await tenant.refusal(EVE, variables=[absent]))[0] == "NotFoundError"
        assert (await tenant.refusal(BOB, variables=[], user_data_secret=iam.SecretRef(secret="db")))[0] == (
            "PermissionDeniedError"
        )
        vm = await tenant.vm(EVE)
        await tenant.deny("not-eve", "owner", EVE, secret)
        assert (await tenant.refusal(EVE))[0] == "PermissionDeniedError"
        assert await tenant.told(vm) == {"PASSWORD": b"open sesame"}

    play(tmp_path, story)


def test_who_changes_what_runs_beside_a_secret_must_be_allowed_to_read_it(tmp_path: Path) -> None:
    async def story(tenant: Tenant, _secret: iam.Secret) -> None:
        await tenant.vm(EVE)

        async def change(who: str, mask: str, **spec: Any) -> pb.Vm:
            request = pb.UpdateVmRequest(project="blue", ref="web", spec=pb.VmSpec(**spec), update_mask=[mask])
            return await tenant.cloud.vms.update(request, FakeCall(principal=spiffe_principal(who)))

        assert type(await testing.refusal_of(change(BOB, "user_data", user_data="cat"))).__name__ == (
            "PermissionDeniedError"
        )
        await change(BOB, "memory_mib", memory_mib=512)
        await change(EVE, "user_data", user_data="cat")
        await change(BOB, "variables")

    play(tmp_path, story)


def test_only_the_agent_of_the_vms_host_is_told_and_only_while_iam_lets_vms_use_it(tmp_path: Path) -> None:
    async def story(tenant: Tenant, secret: iam.Secret) -> None:
        vm = await tenant.vm()
        assert await tenant.unresolved(vm, "node2") == ("PermissionDeniedError", "VM_NOT_HERE")
        request = pb.ResolveVmSecretsRequest(host="node1", vm=vm.metadata.id)
        thief = FakeCall(principal=spiffe_principal(pki.agent_identity("plasmavmc", "node2")))
        fault: Fault = await testing.refusal_of(tenant.cloud.hosts.resolve_secrets(request, thief))
        assert type(fault).__name__ == "PermissionDeniedError"
        await tenant.deny("no-vms", "owner", pki.service_identity("plasmavmc"), secret)
        assert await tenant.unresolved(vm) == ("PermissionDeniedError", "SECRET_DENIED")
        await tenant.stop_iam()
        assert (await tenant.unresolved(vm))[0] == "UnavailableError"

    play(tmp_path, story)
