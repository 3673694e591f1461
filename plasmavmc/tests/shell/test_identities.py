"""Who VMs are: tokens of their service accounts, for the agent of the host they are on."""

from __future__ import annotations

from pathlib import Path

import pytest
from clouds import OPERATOR, Cloud, in_cloud

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import NotFoundError, PermissionDeniedError
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.testing import DEVELOPER, STRANGER, FakeCall


async def issued(cloud: Cloud, vm: str, caller: str = "node1", host: str = "") -> pb.IssueWorkloadTokenResponse:
    agent = spiffe_principal(pki.agent_identity("plasmavmc", caller))
    request = pb.IssueWorkloadTokenRequest(host=host or caller, vm=vm, audience="sts.example.org", ttl_s=60)
    return await cloud.hosts.issue_workload(request, FakeCall(principal=agent))


def test_the_agent_of_its_host_gets_a_token_of_the_vms_account(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image(caller=OPERATOR)
        vm = await cloud.vm(caller=OPERATOR, service_account="dev")
        assert (vm.spec.service_account, vm.status.host) == (DEVELOPER.id, "node1")
        assert (await issued(cloud, vm.metadata.id)).token == f"{DEVELOPER.id} for sts.example.org"

    in_cloud(tmp_path, story)


def test_no_other_host_gets_one_nor_learns_whether_the_vm_exists(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image(caller=OPERATOR)
        vm = await cloud.vm(caller=OPERATOR, service_account="dev")
        await cloud.report(host="node2")
        refusals = set()
        for identifier in (vm.metadata.id, f"vm-{'0' * 26}"):
            with pytest.raises(PermissionDeniedError) as refused:
                await issued(cloud, identifier, caller="node2")
            refusals.add(refused.value.public)
        assert refusals == {"no such VM is on your host"}
        with pytest.raises(PermissionDeniedError):
            await issued(cloud, vm.metadata.id, caller="node2", host="node1")

    in_cloud(tmp_path, story)


def test_a_vm_that_runs_as_nobody_or_is_being_deleted_gets_none(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image(caller=OPERATOR)
        plain = await cloud.vm()
        with pytest.raises(PermissionDeniedError, match="runs as nobody"):
            await issued(cloud, plain.metadata.id)
        leaving = await cloud.vm("leaving", caller=OPERATOR, service_account="dev")
        await cloud.delete(cloud.vms, "leaving", caller=OPERATOR)
        with pytest.raises(PermissionDeniedError, match="no such VM"):
            await issued(cloud, leaving.metadata.id)

    in_cloud(tmp_path, story)


def test_who_may_not_be_the_account_neither_gives_it_nor_changes_what_runs_as_it(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        with pytest.raises(PermissionDeniedError, match=r"iam\.tokens\.issueworkload"):
            await cloud.vm(service_account="dev")
        await cloud.vm(caller=OPERATOR, service_account="dev")
        with pytest.raises(PermissionDeniedError, match=r"iam\.tokens\.issueworkload"):
            await cloud.change_vm("web", ["user_data"], user_data="#!/bin/sh\ncurl evil")
        more = [pb.VmVariable(name="LD_PRELOAD", value="/evil.so")]
        with pytest.raises(PermissionDeniedError, match=r"iam\.tokens\.issueworkload"):
            await cloud.change_vm("web", ["variables"], variables=more)
        assert (await cloud.change_vm("web", ["memory_mib"], memory_mib=512)).spec.memory_mib == 512

    in_cloud(tmp_path, story)


def test_an_account_of_another_project_is_none(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image(caller=OPERATOR)
        for ref in ("stranger", STRANGER.id):
            with pytest.raises(NotFoundError):
                await cloud.vm(caller=OPERATOR, service_account=ref)

    in_cloud(tmp_path, story)
