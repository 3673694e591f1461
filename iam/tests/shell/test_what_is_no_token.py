"""What was made for something else opens nothing: one sort of secret in another's place, an old one, a used one."""

import asyncio
import time
from pathlib import Path

import argon2
from browsing import code_form, https
from test_ca import NODE, imported, issued, token_for

from iam.testing import PASSWORD, Clients, Live, RunningIam, refusal_of, running_iam
from ultracloud.api.iam.v1 import iam_pb2, identity_pb2
from ultracloud.base.faults import Fault, UnauthenticatedError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.store import MemoryStore

SLOW = argon2.Parameters(
    type=argon2.Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=16_384, parallelism=1
)
"""Enough that the digest is most of what a login costs."""


class LateClock(SystemClock):
    """A clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


async def secrets_of_bob(iam: RunningIam, ada: Clients) -> dict[str, str]:
    """Everything that bob and a service account of his project are given that is no access token for the API."""
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")
    await ada.make_login("acme", "bob")
    session = await ada.login("bob@acme")
    bob = ada.with_token(session.access_token)
    personal = await bob.personal_tokens.create(identity_pb2.CreatePersonalTokenRequest(name="t", scopes=["*.get"]))
    workload = iam_pb2.IssueWorkloadTokenRequest(project="blue", service_account="web", audience="sts.example.org")
    invite = await ada.credentials.invite(identity_pb2.InviteRequest(project="acme", ref="bob"))
    async with https(iam) as browser:
        form = await code_form(browser)
        cookie = browser.cookies["__Host-uc-session"]
        answer = (await browser.post("/oauth2/token", data=form)).json()
    return {
        "refresh token": session.refresh_token,
        "personal token": personal.token,
        "workload token": (await ada.tokens.issue_workload(workload)).token,
        "ID token": answer["id_token"],
        "used code": form["code"],
        "invite": invite.token,
        "session cookie": cookie,
        "session id": session.session,
    }


def test_no_other_secret_of_ours_is_taken_for_an_access_token(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        for sort, text in (await secrets_of_bob(iam, ada)).items():
            refused = await refusal_of(ada.with_token(text).who_am_i())
            assert isinstance(refused, UnauthenticatedError), sort
            assert text not in str(refused), sort

    live(scenario)


def test_no_secret_stands_in_for_another_where_sessions_begin(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        known = await secrets_of_bob(iam, ada)
        access = (await ada.login("bob@acme")).access_token
        tries: list[Fault] = []
        for sort, text in [*known.items(), ("access token", access)]:
            if sort != "refresh token":
                tries.append(await refusal_of(ada.sessions.refresh(identity_pb2.RefreshRequest(refresh_token=text))))
            if sort != "invite":
                accept = identity_pb2.AcceptInviteRequest(token=text, password="another passphrase")
                tries.append(await refusal_of(ada.credentials.accept_invite(accept)))
            if sort != "personal token":
                exchange = identity_pb2.ExchangePersonalTokenRequest(token=text)
                tries.append(await refusal_of(ada.personal_tokens.exchange(exchange)))
        assert {fault.code_name for fault in tries} == {"UNAUTHENTICATED"}
        assert await ada.login("bob@acme")

    live(scenario)


def test_a_login_costs_the_same_whoever_it_is_and_whatever_is_wrong(tmp_path: Path):
    async def cost(ada: Clients, login: str, password: str) -> float:
        begun = time.process_time()
        assert (await refusal_of(ada.login(login, password))).reason == "LOGIN_WRONG"
        return time.process_time() - begun

    async def play() -> None:
        async with running_iam(tmp_path, MemoryStore(), passwords=SLOW) as iam, iam.clients() as ada:
            await ada.make_organisation("acme")
            for name in ("bob", "eve"):
                await ada.make_login("acme", name)
            await ada.make_user("acme", "new")
            off = iam_pb2.UserSpec(disabled=True)
            await ada.users.update(iam_pb2.UpdateUserRequest(project="acme", ref="eve", spec=off))
            tries = {"bob@acme": "wrong", "eve@acme": PASSWORD, "new@acme": "", "no@acme": PASSWORD, "x@no": PASSWORD}
            took = {who: [await cost(ada, who, text or "wrong") for _ in range(3)] for who, text in tries.items()}
            least = {who: min(seconds) for who, seconds in took.items()}
            assert max(least.values()) < 1.6 * min(least.values()), least

    asyncio.run(asyncio.wait_for(play(), 60))


def test_a_join_token_that_was_used_or_is_too_old_stays_so_over_a_restart(tmp_path: Path):
    async def play() -> None:
        store, clock = MemoryStore(), LateClock()
        async with running_iam(tmp_path, store, clock=clock) as iam, iam.clients() as ada:
            await imported(iam)
            used, old = await token_for(ada, "node/*"), await token_for(ada, "node/*", "old", ttl_s=60)
            await issued(ada, NODE, used.token)
        async with running_iam(tmp_path, store, clock=clock) as iam, iam.clients() as ada:
            assert (await refusal_of(issued(ada, NODE, used.token))).reason == "JOIN_TOKEN_REFUSED"
            clock.ahead_ms = 61_000
            assert (await refusal_of(issued(ada, NODE, old.token))).reason == "JOIN_TOKEN_REFUSED"

    asyncio.run(asyncio.wait_for(play(), 20))
