"""Users, groups and conditions through the RPCs, and how fast a copy of the policy knows."""

import asyncio
import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from iam.shell.source import REVOKED
from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.base.policy import decide
from ultracloud.base.principals import user_principal
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import PolicyCopy

PRISMNET = "spiffe://ultracloud.local/service/prismnet"
GET = "prismnet.vpcs.get"


async def make_acme(ada: Clients) -> str:
    """An organisation with a project and a user; gives the user's principal."""
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    return f"user:{(await ada.make_user('acme', 'ann', 'Ann@Example.com')).metadata.id}"


async def explained(ada: Clients, principal: str, permission: str = GET, **more: object) -> pb.ExplainResponse:
    return await ada.policy.explain(
        pb.ExplainRequest(principal=principal, permission=permission, resource="projects/blue", **more)  # type: ignore[arg-type]
    )


def test_a_group_is_bound_by_name_and_explained_with_the_way_it_reaches_somebody(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        group = await ada.make_group("acme", "devs", "user:ann@acme")
        assert list(group.spec.members) == [ann]
        made = await ada.make_binding("acme", "devs", "developer", "group:devs@acme", "projects/blue")
        assert list(made.spec.principals) == [f"group:{group.metadata.id}"]
        answer = await explained(ada, "user:ann@acme")
        assert answer.allowed
        decided = answer.decided_by
        assert (decided.name, decided.role, decided.place) == ("devs", "developer", "projects/blue")
        assert (decided.group, decided.group_name) == (f"group:{group.metadata.id}", "devs")

    live(scenario)


def test_who_leaves_the_group_or_loses_it_has_nothing_left(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        await ada.make_group("acme", "devs", ann)
        await ada.make_binding("acme", "devs", "developer", "group:devs@acme", "projects/blue")
        empty = pb.UpdateGroupRequest(project="acme", ref="devs", update_mask=["members"], spec=pb.GroupSpec())
        await ada.groups.update(empty)
        assert not (await explained(ada, ann)).allowed
        full = pb.UpdateGroupRequest(project="acme", ref="devs", spec=pb.GroupSpec(members=[ann]))
        await ada.groups.update(full)
        assert (await explained(ada, ann)).allowed
        await ada.groups.delete(DeleteRequest(project="acme", ref="devs"))
        assert not (await explained(ada, ann)).allowed

    live(scenario)


def test_the_binding_of_a_group_that_is_gone_is_swept_away(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        await ada.make_group("acme", "devs", ann)
        await ada.make_binding("acme", "devs", "developer", "group:devs@acme", "projects/blue")
        await ada.groups.delete(DeleteRequest(project="acme", ref="devs"))
        await iam.until(lambda policy: [one.name for one in policy.bindings] == ["admins"])

    live(scenario)


def test_an_email_is_one_users_of_an_organisation_whatever_its_case(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        assert (await refusal_of(ada.make_user("acme", "bob", "ann@EXAMPLE.com"))).code_name == "ALREADY_EXISTS"
        assert (await refusal_of(ada.make_user("acme", "bob", "no address"))).reason == "EMAIL_INVALID"
        await ada.make_organisation("other")
        assert (await ada.make_user("other", "ann", "ann@example.com")).spec.email == "ann@example.com"

    live(scenario)


def test_an_organisation_with_users_is_not_deleted(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_user("acme", "ann")
        refusal = await refusal_of(ada.organisations.delete(DeleteRequest(ref="acme")))
        assert "organisation acme still has user ann" in refusal.public

    live(scenario)


def test_a_condition_is_asked_with_what_the_question_says_and_shown(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        condition = 'context.now.toTime() < duration("12h") && context.labels.tier == "web"'
        await ada.make_binding("acme", "mornings", "viewer", ann, "projects/blue", condition=condition)
        answer = await explained(ada, ann, labels={"tier": "web"}, at=Timestamp(seconds=3600))
        assert answer.allowed
        answer = await explained(ada, ann, labels={"tier": "web"}, at=Timestamp(seconds=23 * 3600))
        assert not answer.allowed
        assert [(one.name, one.holds, one.failure) for one in answer.considered] == [("mornings", False, "")]
        assert answer.context["now"] == '"1970-01-01T23:00:00.000Z"'
        assert answer.change.advice.startswith("meet the condition of binding mornings (role viewer on projects/blue)")
        assert (answer.change.role, answer.change.place) == ("viewer", "projects/blue")
        answer = await explained(ada, ann, at=Timestamp(seconds=3600))
        assert "does not have the attribute" in answer.considered[0].failure

    live(scenario)


def test_a_condition_that_does_not_parse_is_refused_with_what_is_wrong(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        refusal = await refusal_of(
            ada.make_binding("acme", "bad", "viewer", ann, "projects/blue", condition="context.now <")
        )
        assert refusal.reason == "CONDITION_INVALID"
        assert "'context.now <' is no Cedar expression: unexpected" in refusal.public

    live(scenario)


def test_an_explanation_says_which_deny_must_go_and_what_is_lacking_then(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        deny = await ada.make_binding("acme", "no", "viewer", ann, "projects/blue", deny=True)
        answer = await explained(ada, ann)
        assert (list(answer.change.remove), answer.change.role) == ([deny.metadata.id], "viewer")
        await ada.make_binding("acme", "yes", "viewer", ann, "projects/blue")
        answer = await explained(ada, ann)
        assert (list(answer.change.remove), answer.change.role) == ([deny.metadata.id], "")

    live(scenario)


def test_whoever_binds_somebody_elses_user_by_id_learns_no_name(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        await ada.make_group("acme", "secretgroup", ann)
        await ada.make_organisation("other")
        await ada.make_project("other", "green")
        await ada.make_account("green", "boss")
        await ada.make_binding("other", "boss", "owner", "serviceaccount:green/boss", "organisations/other")
        boss = ada.with_token(await ada.make_token("green", "boss"))
        assert list((await boss.make_binding("other", "ann", "viewer", ann, "projects/green")).spec.principals) == [ann]
        ask = pb.ExplainRequest(principal=ann, permission="prismnet.vpcs.create", resource="projects/green")
        answer = await boss.policy.explain(ask)
        assert ann.replace(":", " ") in answer.reason
        assert "user ann" not in str(answer)
        for name in ("user:ann@acme", "group:secretgroup@acme"):
            refusal = await refusal_of(boss.make_binding("other", "x", "viewer", name, "projects/green"))
            assert refusal.code_name == "NOT_FOUND"

    live(scenario)


def test_a_revoked_session_and_a_left_group_are_enforced_by_copies_at_once(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        ann = await make_acme(ada)
        await ada.make_group("acme", "devs", ann)
        await ada.make_binding("acme", "devs", "developer", "group:devs@acme", "projects/blue")
        project = iam.source.snapshot.policy.project_of_place[ann_organisation(iam), "blue"]
        path = f"organisations/{project.organisation}/projects/{project.id}"
        principal = user_principal(ann.removeprefix("user:"), project.organisation)
        async with iam.clients(PRISMNET) as prismnet:
            copy = PolicyCopy()
            following = asyncio.create_task(copy.run(prismnet.channel, SystemClock()))
            while not decide(copy.snapshot.policy, principal, GET, path).allowed:
                assert await copy.wait_newer(copy.snapshot.policy.version, 5)
            session = pb.PolicyRevocation(principal=ann, not_before_ms=1, until_ms=SystemClock().now_ms() + 60_000)
            started_s = time.monotonic()
            await iam.store.txn({}, {REVOKED + ann.encode(): session.SerializeToString()})
            while decide(copy.snapshot.policy, principal, GET, path).allowed:
                assert await copy.wait_newer(copy.snapshot.policy.version, 5)
            assert time.monotonic() - started_s < 1
            following.cancel()

    live(scenario)


def ann_organisation(iam: RunningIam) -> str:
    return iam.source.snapshot.policy.organisation_of_name["acme"].id


def test_a_group_never_asks(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_acme(ada)
        await ada.make_group("acme", "devs")
        with pytest.raises(Exception, match="a group never asks"):
            await explained(ada, "group:devs@acme")

    live(scenario)
