import asyncio
from collections.abc import Awaitable

import pytest

from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest
from ultracloud.base.faults import (
    AlreadyExistsError,
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from ultracloud.servicekit.resources import ProjectLimits, SetLimits

BOB = "spiffe://ultracloud.local/operator/bob"
WEB = "serviceaccount:blue/web"


async def make_acme(ada: Clients) -> None:
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")


def test_what_is_made_can_be_used_by_name_in_the_next_call(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        for number in range(20):
            await ada.make_organisation(f"o{number}")
            await ada.make_project(f"o{number}", f"p{number}")
            await ada.make_account(f"p{number}", "web")
            await ada.make_binding(
                f"o{number}", "web", "viewer", f"serviceaccount:p{number}/web", f"projects/p{number}"
            )
            assert (await ada.with_token(await ada.make_token(f"p{number}", "web")).who_am_i()).project

    live(scenario)


def test_a_binding_is_stored_with_ids_whatever_it_was_written_with(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        role = await ada.make_role("acme", "net", "prismnet.*")
        account = await ada.accounts.get(GetRequest(project="blue", ref="web"))
        made = await ada.make_binding("acme", "web-net", "net", WEB, "projects/blue")
        assert made.spec.role == role.metadata.id
        assert list(made.spec.principals) == [f"serviceaccount:{account.metadata.id}"]
        assert made.spec.resource.endswith(f"/projects/{account.metadata.project}")

    live(scenario)


@pytest.mark.parametrize(
    ("organisation", "role", "principal", "resource", "sentence"),
    [
        (
            "acme",
            "vieuwer",
            WEB,
            "projects/blue",
            "no role 'vieuwer' in organisations/acme; accepted: viewer,",
        ),
        (
            "acme",
            "viewer",
            "web",
            "projects/blue",
            "principal 'web' is not one; accepted: user:<id>, group:<id>, serviceaccount:<id",
        ),
        (
            "acme",
            "viewer",
            "serviceaccount:blue/nobody",
            "projects/blue",
            "no service account 'nobody' in",
        ),
        ("acme", "viewer", WEB, "projects/green", "no project 'green'"),
        ("acme", "viewer", WEB, "blue", "resource 'blue' is no path; accepted: organisations/<name or id>"),
        ("acme", "viewer", WEB, "", "resource '' is not in organisations/acme, to which the binding belongs"),
        ("nothing", "viewer", WEB, "projects/blue", "no organisation 'nothing'"),
    ],
)
def test_a_binding_of_something_unknown_says_what(
    live: Live, organisation: str, role: str, principal: str, resource: str, sentence: str
):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        refusal = await refusal_of(ada.make_binding(organisation, "b", role, principal, resource))
        assert isinstance(refusal, InvalidArgumentError | NotFoundError)
        assert sentence in refusal.public

    live(scenario)


def test_names_are_unique_where_they_are(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_organisation("other")
        await ada.make_project("other", "blue")
        with pytest.raises(AlreadyExistsError, match="a project named 'blue' already exists in organisation 'acme'"):
            await ada.make_project("acme", "blue")

    live(scenario)


def test_a_description_is_bounded(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        spec = pb.OrganisationSpec(description="x" * 1001)
        with pytest.raises(InvalidArgumentError, match="description has 1001 characters; at most 1000"):
            await ada.organisations.create(pb.CreateOrganisationRequest(name="acme", spec=spec))

    live(scenario)


def test_what_holds_something_cannot_be_deleted_and_what_is_empty_can(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        with pytest.raises(FailedPreconditionError, match="organisation acme still has project blue; delete first"):
            await ada.organisations.delete(DeleteRequest(ref="acme"))
        with pytest.raises(FailedPreconditionError, match="project blue still has service account web; delete first"):
            await ada.projects.delete(DeleteRequest(project="acme", ref="blue"))
        await ada.accounts.delete(DeleteRequest(project="blue", ref="web"))
        await ada.projects.delete(DeleteRequest(project="acme", ref="blue"))
        await ada.organisations.delete(DeleteRequest(ref="acme"))
        assert not (await ada.organisations.list(ListRequest())).items

    live(scenario)


def test_bindings_and_roles_go_with_what_they_are_about(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_role("acme", "net", "prismnet.*")
        await ada.make_binding("acme", "web-net", "net", WEB, "projects/blue")
        await ada.make_binding("acme", "bob", "viewer", BOB, "organisations/acme")
        await ada.accounts.delete(DeleteRequest(project="blue", ref="web"))
        await ada.projects.delete(DeleteRequest(project="acme", ref="blue"))
        await iam.until(lambda policy: [one.name for one in policy.bindings] == ["admins", "bob"])
        await ada.organisations.delete(DeleteRequest(ref="acme"))
        await iam.until(lambda policy: [one.name for one in policy.bindings] == ["admins"])
        await iam.until(lambda policy: not policy.roles)

    live(scenario)


def test_a_role_in_use_cannot_be_deleted(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_role("acme", "net", "prismnet.*")
        await ada.make_binding("acme", "web-net", "net", WEB, "projects/blue")
        with pytest.raises(FailedPreconditionError, match="role net still has binding web-net"):
            await ada.roles.delete(DeleteRequest(project="acme", ref="net"))
        await ada.bindings.delete(DeleteRequest(project="acme", ref="web-net"))
        await ada.roles.delete(DeleteRequest(project="acme", ref="net"))

    live(scenario)


def test_a_name_that_comes_back_brings_no_rights_back(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_binding("acme", "web", "owner", WEB, "projects/blue")
        await ada.accounts.delete(DeleteRequest(project="blue", ref="web"))
        await ada.make_account("blue", "web")
        web = ada.with_token(await ada.make_token("blue", "web"))
        with pytest.raises(PermissionDeniedError, match="serviceaccount web has no binding"):
            await web.make_account("blue", "another")

    live(scenario)


# ---- who may do what ------------------------------------------------------------------------------------------------


def test_nobody_gives_more_than_they_hold(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_binding("acme", "web-admin", "admin", WEB, "organisations/acme")
        web = ada.with_token(await ada.make_token("blue", "web"))
        await web.make_account("blue", "friend")
        await web.make_binding("acme", "fine", "admin", "serviceaccount:blue/friend", "organisations/acme")
        for deed in (
            web.make_binding("acme", "b1", "owner", WEB, "organisations/acme"),
            web.make_binding("acme", "b2", "owner", "serviceaccount:blue/friend", "projects/blue"),
            web.make_role("acme", "almighty", "*"),
        ):
            refusal = await refusal_of(deed)
            assert (refusal.code_name, refusal.reason) == ("PERMISSION_DENIED", "ESCALATION")
        with pytest.raises(PermissionDeniedError, match=r"no binding that gives iam\.bindings\.create on the root"):
            await web.make_binding("", "b3", "viewer", WEB, "")

    live(scenario)


def test_a_bound_role_does_not_grow_beyond_whoever_grows_it(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_role("acme", "net", "prismnet.*")
        await ada.make_binding("acme", "web-admin", "admin", WEB, "organisations/acme")
        web = ada.with_token(await ada.make_token("blue", "web"))
        spec = pb.RoleSpec(permissions=["*"])
        with pytest.raises(PermissionDeniedError, match="define role 'net' with these powers"):
            await web.roles.update(pb.UpdateRoleRequest(project="acme", ref="net", spec=spec))
        spec = pb.RoleSpec(permissions=["prismnet.*", "plasmavmc.*"])
        grown = await web.roles.update(pb.UpdateRoleRequest(project="acme", ref="net", spec=spec))
        assert grown.metadata.generation == 2

    live(scenario)


def test_a_binding_does_not_change_into_more_than_one_may_give(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_binding("acme", "web-admin", "admin", WEB, "organisations/acme")
        await ada.make_binding("acme", "bob-owns", "owner", BOB, "organisations/acme")
        web = ada.with_token(await ada.make_token("blue", "web"))
        spec = pb.BindingSpec(role="owner", principals=[WEB], resource="organisations/acme")
        for name in ("web-admin", "bob-owns"):
            with pytest.raises(PermissionDeniedError, match="you may not bind role owner"):
                await web.bindings.update(pb.UpdateBindingRequest(project="acme", ref=name, spec=spec))
        with pytest.raises(PermissionDeniedError, match="you may not bind role owner"):
            await web.bindings.delete(DeleteRequest(project="acme", ref="bob-owns"))

    live(scenario)


def test_another_tenants_things_and_nothings_get_the_same_answer(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_organisation("evil")
        await ada.make_project("evil", "lair")
        await ada.make_account("lair", "mallory")
        await ada.make_binding("evil", "mallory", "owner", "serviceaccount:lair/mallory", "organisations/evil")
        mallory = ada.with_token(await ada.make_token("lair", "mallory"))
        there = await ada.projects.get(GetRequest(project="acme", ref="blue"))
        account = await ada.accounts.get(GetRequest(project="blue", ref="web"))

        async def told(project: str, ref: str) -> str:
            refusal = await refusal_of(mallory.accounts.get(GetRequest(project=project, ref=ref)))
            return refusal.public.replace(project or "?", "P").replace(ref, "R")

        absent = "project-" + "0" * 26
        assert await told(there.metadata.id, "web") == await told(absent, "web")
        assert await told("acme/blue", "web") == await told("acme/nothing", "web")
        assert await told("", account.metadata.id) == await told("", "sa-" + "0" * 26)
        assert not (await mallory.projects.list(ListRequest(project="evil"))).next_page_token
        assert [one.metadata.name for one in (await mallory.organisations.list(ListRequest())).items] == ["evil"]

    live(scenario)


def test_an_operator_who_is_not_configured_may_nothing(live: Live):
    async def scenario(iam: RunningIam, _ada: Clients) -> None:
        async with iam.clients(BOB) as bob:
            with pytest.raises(PermissionDeniedError, match="operator bob has no binding that gives "):
                await bob.make_organisation("acme")
            assert (await bob.who_am_i()).principal == BOB

    live(scenario)


def test_a_service_reads_the_policy_and_changes_nothing(live: Live):
    async def scenario(iam: RunningIam, _ada: Clients) -> None:
        async with iam.clients("spiffe://ultracloud.local/service/prismnet") as prismnet:
            with pytest.raises(PermissionDeniedError):
                await prismnet.make_organisation("acme")

    live(scenario)


def test_projects_made_while_their_organisation_is_deleted_are_in_it_or_not_at_all(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        for number in range(8):
            name = f"o{number}"
            await ada.make_organisation(name)
            results = await asyncio.gather(
                *(ada.make_project(name, f"p{one}") for one in range(3)),
                ada.organisations.delete(DeleteRequest(ref=name)),
                return_exceptions=True,
            )
            assert all(isinstance(one, Fault) for one in results if isinstance(one, BaseException))
            policy = iam.source.snapshot.policy
            assert {one.organisation for one in policy.projects} <= set(policy.organisation_of_id)
            assert (name in policy.organisation_of_name) == isinstance(results[-1], Fault)

    live(scenario)


def test_projects_share_what_their_organisation_may_have_however_many_ask_at_once(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        whole = pb.UpdateOrganisationRequest(ref="acme", update_mask=["quotas"])
        whole.spec.quotas["vms"] = 10
        await ada.organisations.update(whole)
        for number in range(4):
            await ada.make_project("acme", f"part-{number}")

        def part(number: int) -> Awaitable[pb.Project]:
            request = pb.UpdateProjectRequest(project="acme", ref=f"part-{number}", update_mask=["quotas"])
            request.spec.quotas["vms"] = 4
            return ada.projects.update(request)

        done = await asyncio.gather(*map(part, range(4)), return_exceptions=True)
        refused = [one for one in done if isinstance(one, FailedPreconditionError)]
        assert [one.reason for one in refused] == ["QUOTA_EXCEEDS_ORGANISATION"] * 2
        limits = ProjectLimits(iam.source, SetLimits({"vms": 9, "vcpus": 8}))
        given = [limits.limit(one.id, "vms") for one in iam.source.snapshot.policy.projects if "part" in one.name]
        assert sorted(given) == [0, 0, 4, 4]
        whole.spec.quotas["vms"] = 7
        assert (await refusal_of(ada.organisations.update(whole))).reason == "QUOTA_EXCEEDS_ORGANISATION"

    live(scenario)


def test_the_quotas_of_a_project_are_in_the_policy(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        request = pb.UpdateProjectRequest(project="acme", ref="blue", update_mask=["quotas"])
        request.spec.quotas["vms"] = 3
        made = await ada.projects.update(request)
        project = iam.source.snapshot.policy.project_of_id[made.metadata.id]
        assert project.quotas == (("vms", 3),)
        limits = ProjectLimits(iam.source, SetLimits({"vms": 9, "vcpus": 8}))
        told = [
            limits.limit(place, what) for place in (made.metadata.id, "other") for what in ("vms", "vcpus", "disks")
        ]
        assert told == [3, 8, None, 9, 8, None]

    live(scenario)
