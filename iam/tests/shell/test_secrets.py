"""Secrets: written freely, read only by Access, sealed at rest, and sealed anew while they are in use."""

from __future__ import annotations

import asyncio
import json

from iam.core.envelope import key_id_of
from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import secrets_pb2 as pb
from ultracloud.api.iam.v1.secrets_rpc import SecretsClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest
from ultracloud.api.trail.v1.trail_pb2 import ExportRequest
from ultracloud.api.trail.v1.trail_rpc import TrailClient
from ultracloud.servicekit import pki
from ultracloud.servicekit.store import prefix_end

VALUES = b"keys/secrets/"


async def secret_of_blue(ada: Clients, value: bytes = b"hunter2hunter2", **spec: object) -> pb.Secret:
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    request = pb.CreateSecretRequest(project="blue", name="db", spec=pb.SecretSpec(value=value, **spec))  # type: ignore[arg-type]
    return await SecretsClient(ada.channel).create(request)


async def access(clients: Clients, number: int = 0, ref: str = "db") -> bytes:
    request = pb.AccessSecretRequest(project="blue", ref=ref, number=number)
    return (await SecretsClient(clients.channel).access(request)).value


async def add(clients: Clients, value: bytes) -> pb.Secret:
    return await SecretsClient(clients.channel).add_version(
        pb.AddSecretVersionRequest(project="blue", ref="db", value=value)
    )


async def sealed_of(iam: RunningIam) -> dict[bytes, bytes]:
    page = await iam.store.scan(VALUES, prefix_end(VALUES), limit=1000)
    return {entry.key: entry.value for entry in page.entries}


def test_a_value_comes_back_only_by_access_and_that_is_audited(live: Live) -> None:
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        made = await secret_of_blue(ada)
        client = SecretsClient(ada.channel)
        listed = (await client.list(ListRequest(project="blue"))).items
        got = await client.get(GetRequest(project="blue", ref="db"))
        assert {one.spec.value for one in (made, got, *listed)} == {b""}
        assert (made.status.latest, made.status.versions[0].size_bytes) == (1, 14)
        assert await access(ada) == b"hunter2hunter2"
        lines = [line async for part in TrailClient(ada.channel).export(ExportRequest()) for line in part.lines]
        assert "hunter2" not in "".join(lines)
        deeds = [json.loads(line).get("permission") for line in lines]
        assert deeds.count("iam.secrets.access") == 1

    live(scenario)


def test_no_value_is_in_the_store_in_the_clear(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada)
        await add(ada, b"second-value-xyz")
        entries = (await iam.store.scan(b"", b"", limit=1000)).entries
        for value in (b"hunter2", b"second-value"):
            assert not [entry.key for entry in entries if value in entry.value]

    live(scenario)


def test_versions_are_kept_as_many_as_asked_for_and_can_be_destroyed(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada, b"v1", versions_kept=3)
        for number in range(2, 6):
            await add(ada, b"v%d" % number)
        assert [await access(ada, number) for number in (0, 3, 4, 5)] == [b"v5", b"v3", b"v4", b"v5"]
        assert (await refusal_of(access(ada, 2))).reason == "SECRET_VERSION_NOT_FOUND"
        destroy = pb.DestroySecretVersionRequest(project="blue", ref="db", number=4)
        done = await SecretsClient(ada.channel).destroy_version(destroy)
        assert [(one.number, one.destroyed) for one in done.status.versions] == [(3, False), (4, True), (5, False)]
        assert (await refusal_of(access(ada, 4))).reason == "SECRET_VERSION_NOT_FOUND"
        await SecretsClient(ada.channel).delete(DeleteRequest(project="blue", ref="db"))
        assert await sealed_of(iam) == {}

    live(scenario)


def test_many_new_versions_at_once_are_all_there(live: Live) -> None:
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada, b"v")
        async with asyncio.TaskGroup() as tasks:
            for number in range(6):
                tasks.create_task(add(ada, b"w%d" % number))
        found = await SecretsClient(ada.channel).get(GetRequest(project="blue", ref="db"))
        values = {await access(ada, one.number) for one in found.status.versions}
        assert values == {b"v", *(b"w%d" % number for number in range(6))}

    live(scenario)


def test_who_writes_secrets_does_not_read_them(live: Live) -> None:
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada)
        await ada.make_account("blue", "dev")
        await ada.make_binding("acme", "dev", "developer", "serviceaccount:blue/dev", "projects/blue")
        dev = ada.with_token(await ada.make_token("blue", "dev"))
        assert (await add(dev, b"new")).status.latest == 2
        assert (await refusal_of(access(dev))).reason == "NO_BINDING"
        update = pb.UpdateSecretRequest(
            project="blue", ref="db", update_mask=["value"], spec=pb.SecretSpec(value=b"third")
        )
        assert (await SecretsClient(dev.channel).update(update)).status.latest == 3
        assert await access(ada) == b"third"

    live(scenario)


def test_a_value_that_was_moved_in_the_store_does_not_open(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada, b"old")
        await add(ada, b"new")
        (first, old), (second, _new) = sorted((await sealed_of(iam)).items())
        await iam.store.txn({}, {second: old})
        assert (await refusal_of(access(ada))).reason == "SEAL_BROKEN"
        assert await access(ada, 1) == b"old"
        await iam.store.txn({}, {first: old[:-1] + bytes([old[-1] ^ 1])})
        assert (await refusal_of(access(ada, 1))).reason == "SEAL_BROKEN"

    live(scenario)


def test_rotation_seals_every_value_anew_while_they_are_read_and_written(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await secret_of_blue(ada, b"v1")
        client = SecretsClient(ada.channel)
        rotated = await client.rotate_keys(pb.RotateSecretKeysRequest(project="blue"))
        assert rotated.key_version == 2
        async with asyncio.timeout(10):
            while {key_id_of(value) for value in (await sealed_of(iam)).values()} != {2}:
                assert await access(ada) == b"v1"
                await asyncio.sleep(0.05)
        await add(ada, b"v2")
        assert [await access(ada, number) for number in (1, 2)] == [b"v1", b"v2"]

    live(scenario)


def test_services_that_run_workloads_resolve_what_resources_refer_to(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        made = await secret_of_blue(ada, b"v1")
        await add(ada, b"v2")
        refs = [pb.SecretRef(secret="db"), pb.SecretRef(secret=made.metadata.id, number=1)]
        asked = pb.ResolveSecretsRequest(project="blue", refs=refs)
        async with iam.clients(pki.service_identity("plasmavmc")) as plasmavmc:
            answer = await SecretsClient(plasmavmc.channel).resolve(asked)
            assert [(one.value, one.number) for one in answer.values] == [(b"v2", 2), (b"v1", 1)]
            assert (await refusal_of(access(plasmavmc))).reason == "NO_BINDING"
        assert (await refusal_of(SecretsClient(ada.channel).resolve(asked))).reason == "NOT_A_SERVICE"
        async with iam.clients(pki.service_identity("prismnet")) as prismnet:
            assert (await refusal_of(SecretsClient(prismnet.channel).resolve(asked))).reason == "NO_BINDING"

    live(scenario)
