"""The policy copy: followed, kept, and asked for decisions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from peers import PolicyStream, policy_service, serving
from waiting import until

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.faults import NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.policy import Binding, Principal, PrincipalKind
from ultracloud.servicekit import channels
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import (
    FILE_NAME,
    PolicyCopy,
    Snapshot,
    authorise,
    open_copy,
    parse_snapshot,
    resolve_organisation,
    resolve_project,
)
from ultracloud.servicekit.readiness import Readiness
from ultracloud.servicekit.testing import (
    BLUE,
    DEVELOPER,
    GREEN,
    OPERATOR,
    RED,
    account_principal,
    sample_authority,
    sample_policy,
)

DEV = account_principal(DEVELOPER)
GREEN_PATH = f"organisations/{GREEN.organisation}/projects/{GREEN.id}"
CREATE = "prismnet.vpcs.create"


def message(version: int) -> pb.PolicySnapshot:
    return pb.PolicySnapshot(
        version=version,
        keys=[pb.PublicKey(kid="k1", ed25519=bytes(32))],
        organisations=[pb.PolicyOrganisation(id="org-1", name="acme")],
        projects=[pb.PolicyProject(id="proj-1", name="blue", organisation="org-1", quotas={"vms": 3})],
        service_accounts=[pb.PolicyServiceAccount(id="sa-1", name="dev", project="proj-1", disabled=True)],
        roles=[pb.PolicyRole(id="role-1", name="mine", organisation="org-1", permissions=["prismnet.*"])],
        bindings=[
            pb.PolicyBinding(id="bnd-1", role="role-1", principals=["serviceaccount:sa-1"], resource="", deny=True)
        ],
    )


def test_a_snapshot_keeps_all_that_was_sent() -> None:
    snapshot = parse_snapshot(message(7))
    policy = snapshot.policy
    assert (policy.version, dict(snapshot.keys)) == (7, {"k1": bytes(32)})
    assert policy.project_of_id["proj-1"].organisation == "org-1"
    assert policy.project_of_id["proj-1"].quotas == (("vms", 3),)
    assert policy.account_of_principal["serviceaccount:sa-1"].disabled
    assert policy.role_of_id["role-1"].permissions == ("prismnet.*",)
    assert policy.bindings[0].deny


async def is_kept(folder: Path, version: int) -> bool:
    return (folder / FILE_NAME).exists() and open_copy(folder).snapshot.policy.version == version


def test_it_follows_iam_and_decides_without_it_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        stream, readiness = PolicyStream(message(1)), Readiness()
        copy = open_copy(tmp_path)
        async with serving(policy_service(stream)) as target, asyncio.timeout(10):
            channel = channels.connect(target)
            run = asyncio.create_task(copy.run(channel, SystemClock(), readiness.gate("policy")))
            await readiness.wait_ready()
            assert copy.snapshot.policy.version == 1
            stream.publish(message(2))
            assert await copy.wait_newer(1, 5)
            await until(lambda: is_kept(tmp_path, 2))
        run.cancel()
        await channel.close()

    asyncio.run(scenario())
    assert open_copy(tmp_path).snapshot == parse_snapshot(message(2))


def test_it_finds_iam_again_and_asks_only_for_what_is_newer() -> None:
    async def scenario() -> None:
        stream, copy = PolicyStream(message(1)), PolicyCopy()
        async with serving(policy_service(stream)) as target:
            channel = channels.connect(target)
            run = asyncio.create_task(copy.run(channel, SystemClock()))
            assert await copy.wait_newer(0, 5)
        stream.snapshot = message(5)
        async with serving(policy_service(stream), port=int(target.rpartition(":")[2])):
            assert await copy.wait_newer(1, 10)
        assert (copy.snapshot.policy.version, stream.watchers) == (5, 2)
        run.cancel()
        await channel.close()

    asyncio.run(scenario())


def test_a_damaged_copy_is_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xff\xff")
    assert open_copy(tmp_path).snapshot == Snapshot()


def test_a_decision_names_the_permission_and_the_place() -> None:
    async def scenario() -> None:
        copy = sample_authority()
        await authorise(copy, DEV, CREATE, f"organisations/{BLUE.organisation}/projects/{BLUE.id}")
        with pytest.raises(
            PermissionDeniedError, match=r"no binding that gives prismnet\.vpcs\.create on projects/green"
        ):
            await authorise(copy, DEV, CREATE, GREEN_PATH)

    asyncio.run(scenario())


def test_a_right_that_arrives_a_moment_later_is_enough() -> None:
    async def scenario() -> None:
        copy = sample_authority()
        asked = asyncio.create_task(authorise(copy, DEV, CREATE, GREEN_PATH))
        await asyncio.sleep(0)
        granted = Binding("bnd-9", "developer", (DEV.id,), GREEN_PATH)
        copy.replace(Snapshot(sample_policy([granted], version=2)))
        await asked

    asyncio.run(scenario())


def test_a_token_newer_than_the_policy_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultracloud.servicekit.policy.BEHIND_S", 0.01)
    newer = Principal(DEV.id, PrincipalKind.SERVICE_ACCOUNT, DEV.organisation, DEV.project, policy_version=9)

    async def scenario() -> None:
        copy = sample_authority()
        for asked in (
            authorise(copy, newer, CREATE, GREEN_PATH),
            resolve_project(copy, newer, "fresh", CREATE),
        ):
            with pytest.raises(UnavailableError, match="the policy here is older than your token") as refused:
                await asked
            assert refused.value.reason == "POLICY_BEHIND"

    asyncio.run(scenario())


def test_a_place_of_another_tenant_and_none_at_all_are_told_apart_by_nobody() -> None:
    async def scenario() -> None:
        copy = sample_authority()
        said = set()
        for ref in ("red", RED.id, "rival/red", "never-was"):
            with pytest.raises(PermissionDeniedError) as refused:
                await resolve_project(copy, DEV, ref, CREATE)
            said.add(str(refused.value).replace(ref, "X"))
        assert said == {"you have no right to prismnet.vpcs.create in project 'X', or there is no such project"}
        with pytest.raises(PermissionDeniedError, match="organisation 'rival'"):
            await resolve_organisation(copy, DEV, "rival", CREATE)
        with pytest.raises(NotFoundError, match="no project 'never-was'"):
            await resolve_project(copy, OPERATOR, "never-was", CREATE)

    asyncio.run(scenario())


def test_a_place_is_known_by_name_by_path_and_by_id() -> None:
    async def scenario() -> None:
        copy = sample_authority()
        for ref in ("blue", "acme/blue", BLUE.id):
            assert await resolve_project(copy, DEV, ref, CREATE) == BLUE
        assert await resolve_project(copy, OPERATOR, "red", CREATE) == RED
        assert (await resolve_organisation(copy, DEV, "acme", CREATE)).id == BLUE.organisation

    asyncio.run(scenario())


def test_too_many_refusals_at_once_are_given_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultracloud.servicekit.policy.WAITING_MAX", 1)

    async def scenario() -> None:
        copy = sample_authority()
        waiting = asyncio.create_task(copy.wait_newer(1, 30))
        await asyncio.sleep(0)
        assert not await copy.wait_newer(1, 30)
        copy.replace(Snapshot(sample_policy(version=2)))
        assert await waiting

    asyncio.run(scenario())
