"""Two iam over one store: what one has let in or counted, the other knows; what is good once is good once."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from browsing import code_form, https

from iam.testing import Clients, RunningIam, refusal_of, running_iam
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.base.faults import Fault
from ultracloud.servicekit.store import MemoryStore

Play = Callable[[Clients, Clients], Awaitable[None]]


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[RunningIam, RunningIam]]:
    """Two that share the store, the root key and the authority."""
    store, other = MemoryStore(), folder / "other"
    async with running_iam(folder, store) as first, first.clients() as ada:
        await ada.make_organisation("acme")
        other.mkdir()
        for file in ("root.key", "ca.key", "ca.crt"):
            shutil.copy(folder / file, other / file)
        async with running_iam(other, store) as second:
            yield first, second


@pytest.fixture
def both(tmp_path: Path) -> Callable[[Play], None]:
    async def play(scenario: Play) -> None:
        async with two(tmp_path) as (first, second), first.clients() as left, second.clients() as right:
            await left.make_login("acme", "bob")
            await second.until(lambda policy: bool(policy.users))
            await scenario(left, right)

    return lambda scenario: asyncio.run(asyncio.wait_for(play(scenario), 20))


async def is_refused(who: Clients) -> bool:
    try:
        await who.who_am_i()
    except Fault:
        return True
    return False


def test_a_session_of_one_is_renewed_and_ended_at_the_other(both: Callable[[Play], None]):
    async def scenario(left: Clients, right: Clients) -> None:
        session = await left.login("bob@acme")
        renewed = await right.sessions.refresh(pb.RefreshRequest(refresh_token=session.refresh_token))
        bob = left.with_token(renewed.access_token)
        await right.with_token(session.access_token).sessions.revoke(pb.RevokeSessionRequest(session=session.session))
        async with asyncio.timeout(1):
            while not await is_refused(bob):
                pass
        assert "revoked or ended" in (await refusal_of(bob.who_am_i())).public

    both(scenario)


def test_of_two_who_bring_one_refresh_token_both_get_the_same_next_one(both: Callable[[Play], None]):
    async def scenario(left: Clients, right: Clients) -> None:
        request = pb.RefreshRequest(refresh_token=(await left.login("bob@acme")).refresh_token)
        one, other = await asyncio.gather(left.sessions.refresh(request), right.sessions.refresh(request))
        assert one.refresh_token == other.refresh_token

    both(scenario)


def test_an_invite_that_two_bring_is_good_once(both: Callable[[Play], None]):
    async def scenario(left: Clients, right: Clients) -> None:
        invite = await left.credentials.invite(pb.InviteRequest(project="acme", ref="bob"))
        accepts = [
            who.credentials.accept_invite(pb.AcceptInviteRequest(token=invite.token, password=f"passphrase of {name}"))
            for who, name in ((left, "left"), (right, "right"))
        ]
        done = await asyncio.gather(*accepts, return_exceptions=True)
        assert sum(isinstance(one, Fault) for one in done) == 1
        winner = "right" if isinstance(done[0], Fault) else "left"
        assert (await right.login("bob@acme", f"passphrase of {winner}")).access_token

    both(scenario)


def test_a_code_that_two_bring_is_good_once(tmp_path: Path):
    async def play() -> None:
        async with two(tmp_path) as (first, second), first.clients() as left:
            await left.make_login("acme", "bob")
            await second.until(lambda policy: bool(policy.users))
            async with https(first) as browser, https(second) as other:
                form = await code_form(browser)
                done = await asyncio.gather(*[each.post("/oauth2/token", data=form) for each in (browser, other)])
            assert sorted(one.status_code for one in done) == [200, 400]

    asyncio.run(asyncio.wait_for(play(), 20))


def test_guesses_at_one_count_at_the_other(both: Callable[[Play], None]):
    async def scenario(left: Clients, right: Clients) -> None:
        for who in (left, right, left, right, left):
            assert (await refusal_of(who.login("bob@acme", "wrong"))).reason == "LOGIN_WRONG"
        assert (await refusal_of(right.login("bob@acme"))).reason == "TOO_MANY_ATTEMPTS"

    both(scenario)
