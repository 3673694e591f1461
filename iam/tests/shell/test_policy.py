import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.policy import Binding, Organisation, Policy, Project, Role, ServiceAccount, Why
from ultracloud.servicekit.policy import PolicyCopy, Snapshot, parse_snapshot
from ultracloud.servicekit.policy_wire import render_snapshot
from ultracloud.servicekit.streams import closing

PRISMNET = "spiffe://ultracloud.local/service/prismnet"
WEB = "serviceaccount:blue/web"


@contextlib.asynccontextmanager
async def watching(clients: Clients, known_version: int = 0) -> AsyncIterator[AsyncIterator[pb.PolicySnapshot]]:
    async with closing(clients.policy.watch(pb.WatchPolicyRequest(known_version=known_version))) as stream:
        yield stream


async def following(stream: AsyncIterator[pb.PolicySnapshot]) -> pb.PolicySnapshot:
    return await asyncio.wait_for(anext(stream), 5)


async def make_web(ada: Clients) -> None:
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")


def test_a_watcher_gets_the_whole_policy_and_then_every_change_of_it(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        async with iam.clients(PRISMNET) as prismnet, watching(prismnet) as stream:
            first = await following(stream)
            await ada.make_binding("acme", "web", "viewer", WEB, "projects/blue")
            second = await following(stream)
        copy = PolicyCopy()
        assert copy.take(first, 0)
        assert [one.name for one in copy.snapshot.policy.bindings] == ["admins"]
        assert copy.take(second, 0)
        assert copy.snapshot == iam.source.snapshot
        assert (second.base_version, [one.name for one in second.bindings]) == (first.version, ["web"])

    live(scenario)


def test_a_watcher_that_knows_the_newest_gets_only_what_comes_after(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        async with iam.clients(PRISMNET) as prismnet:
            async with watching(prismnet) as stream:
                known = (await following(stream)).version
            async with watching(prismnet, known) as stream:
                waiting = asyncio.ensure_future(following(stream))
                await ada.make_organisation("acme")
                assert [one.name for one in (await waiting).organisations] == ["acme"]

    live(scenario)


def test_a_slow_watcher_skips_to_the_newest(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        async with iam.clients(PRISMNET) as prismnet, watching(prismnet) as stream:
            copy = PolicyCopy()
            copy.take(await following(stream), 0)
            await asyncio.gather(*(ada.make_organisation(f"o{number}") for number in range(30)))
            received = 0
            while copy.snapshot.policy.version != iam.source.snapshot.policy.version:
                assert copy.take(await following(stream), 0)
                received += 1
            assert len(copy.snapshot.policy.organisations) == 30
            assert received <= 30

    live(scenario)


def test_what_changes_no_right_is_not_sent(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        version = iam.source.snapshot.policy.version
        spec = pb.ServiceAccountSpec(description="what it is for")
        request = pb.UpdateServiceAccountRequest(project="blue", ref="web", spec=spec)
        assert int((await ada.accounts.update(request)).metadata.etag, 16) > version
        assert iam.source.snapshot.policy.version == version

    live(scenario)


def test_a_disabled_account_is_known_everywhere_at_once(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        async with iam.clients(PRISMNET) as prismnet, watching(prismnet) as stream:
            await following(stream)
            spec = pb.ServiceAccountSpec(disabled=True)
            await ada.accounts.update(pb.UpdateServiceAccountRequest(project="blue", ref="web", spec=spec))
            assert [one.disabled for one in (await following(stream)).service_accounts] == [True]

    live(scenario)


def test_tenants_and_agents_do_not_read_the_policy(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        await ada.make_binding("acme", "web", "owner", WEB, "organisations/acme")
        web = ada.with_token(await ada.make_token("blue", "web"))
        async with watching(web) as stream:
            refusal = await refusal_of(following(stream))
        assert "no binding that gives iam.policy.watch on the root" in refusal.public
        agent = "spiffe://ultracloud.local/agent/prismnet/node-1"
        async with iam.clients(agent) as prismnet, watching(prismnet) as stream:
            assert (await refusal_of(following(stream))).code_name == "PERMISSION_DENIED"

    live(scenario)


def test_explain_says_which_binding_decides_and_for_whom(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        made = await ada.make_binding("acme", "web", "viewer", WEB, "projects/blue")
        ask = pb.ExplainRequest(principal=WEB, permission="prismnet.vpcs.get", resource="projects/blue/vpcs/vpc-1")
        answer = await ada.policy.explain(ask)
        assert (answer.allowed, answer.binding) == (True, made.metadata.id)
        assert answer.reason == "binding web (role viewer on projects/blue) allows it"
        ask.permission = "prismnet.vpcs.delete"
        answer = await ada.policy.explain(ask)
        assert answer.reason.endswith(
            "prismnet.vpcs.delete on projects/blue/vpcs/vpc-1; ask an admin to bind role developer there"
        )

    live(scenario)


def test_everybody_may_ask_about_themselves_and_admins_about_others(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        await ada.make_account("blue", "other")
        web = ada.with_token(await ada.make_token("blue", "web"))
        ask = pb.ExplainRequest(permission="prismnet.vpcs.get", resource="projects/blue")
        assert not (await web.policy.explain(ask)).allowed
        ask.principal = "serviceaccount:blue/other"
        assert (await refusal_of(web.policy.explain(ask))).code_name == "PERMISSION_DENIED"
        await ada.make_binding("acme", "web", "admin", WEB, "projects/blue")
        assert "serviceaccount other has no binding" in (await web.policy.explain(ask)).reason
        ask.principal = PRISMNET
        assert "service prismnet has no binding" in (await web.policy.explain(ask)).reason

    live(scenario)


@pytest.mark.parametrize(
    ("principal", "permission", "resource"),
    [("web", "a.b.c", ""), ("", "a.b", ""), ("", "*", ""), ("", "a.b.c", "x"), ("serviceaccount:blue/no", "a.b.c", "")],
)
def test_a_malformed_question_is_refused(live: Live, principal: str, permission: str, resource: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        ask = pb.ExplainRequest(principal=principal, permission=permission, resource=resource)
        assert (await refusal_of(ada.policy.explain(ask))).code_name in ("INVALID_ARGUMENT", "NOT_FOUND")

    live(scenario)


TEXTS = st.text(max_size=20)
POLICIES = st.builds(
    Policy,
    version=st.integers(0, 2**62),
    organisations=st.lists(st.builds(Organisation, TEXTS, TEXTS), max_size=3).map(tuple),
    projects=st.lists(st.builds(Project, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple),
    service_accounts=st.lists(st.builds(ServiceAccount, TEXTS, TEXTS, TEXTS, st.booleans()), max_size=3).map(tuple),
    roles=st.lists(st.builds(Role, TEXTS, TEXTS, TEXTS, st.lists(TEXTS).map(tuple)), max_size=3).map(tuple),
    bindings=st.lists(
        st.builds(Binding, TEXTS, TEXTS, st.lists(TEXTS).map(tuple), TEXTS, st.booleans(), TEXTS), max_size=3
    ).map(tuple),
)


@given(POLICIES, st.dictionaries(TEXTS, st.binary(max_size=40), max_size=3))
def test_a_snapshot_arrives_as_it_was_sent(policy: Policy, keys: dict[str, bytes]):
    snapshot = Snapshot(policy, keys)
    assert parse_snapshot(pb.PolicySnapshot.FromString(render_snapshot(snapshot).SerializeToString())) == snapshot


def test_the_api_has_the_words_that_decisions_rest_on():
    assert set(pb.ExplainResponse.Why.keys()) - {"WHY_UNSPECIFIED"} == {why.value for why in Why}
