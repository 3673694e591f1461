"""Logging in at one iam through another, which is an issuer like any."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from browsing import enter, hidden, https

from iam.config import Upstream
from iam.testing import Clients, RunningIam, running_iam
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.servicekit.store import MemoryStore


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[tuple[RunningIam, Clients, RunningIam, Clients]]:
    """Their iam, where bob@corp can log in, and ours, which believes it and has users of acme."""
    (folder / "theirs").mkdir()
    (folder / "ours").mkdir()
    async with running_iam(folder / "theirs", MemoryStore()) as theirs, theirs.clients() as eve:
        await eve.make_organisation("corp")
        await eve.make_login("corp", "bob")
        spec = pb.OidcClientSpec(redirect_uris=["https://127.0.0.1/"])
        await eve.oidc_clients.create(pb.CreateOidcClientRequest(project="corp", name="ours", spec=spec))
        made = await eve.oidc_clients.new_secret(pb.NewSecretRequest(project="corp", ref="ours"))
        (folder / "secret").write_text(made.client_secret)
        upstream = Upstream(
            name="corp",
            issuer=f"https://{theirs.address}",
            client_id=made.client_id,
            client_secret_file=folder / "secret",
            organisation="acme",
            match="name",
            ca=folder / "theirs" / "ca.crt",
        )
        async with running_iam(folder / "ours", MemoryStore(), upstreams=(upstream,)) as ours, ours.clients() as ada:
            spec = pb.OidcClientSpec(redirect_uris=[f"https://{ours.address}/login/callback"], trusted=True)
            await eve.oidc_clients.update(pb.UpdateOidcClientRequest(project="corp", ref="ours", spec=spec))
            await ada.make_organisation("acme")
            yield theirs, eve, ours, ada


async def sent(theirs: httpx.AsyncClient, browser: httpx.AsyncClient) -> str:
    """Where their login page sends a browser that ours has sent there, from ours on."""
    page = await browser.get("/login")
    assert "Log in with corp" in page.text
    onward = await browser.post("/login/upstream", data={**hidden(page.text), "upstream": "corp"})
    where = onward.text.partition('<a href="')[2].partition('"')[0].replace("&amp;", "&")
    answer = await enter(theirs, await theirs.get(where), "bob@corp")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_a_user_logs_in_through_another_issuer_and_is_known_by_its_id_of_them(tmp_path: Path):
    async def play() -> None:
        async with both(tmp_path) as (theirs, eve, ours, ada):
            await ada.make_user("acme", "bob")
            async with https(ours) as browser, https(theirs) as there:
                back = await sent(there, browser)
                async with https(ours) as thief:  # the answer is good in the browser that asked, and once
                    assert "begun in another browser" in (await thief.get(back)).text
                assert "was used before" in (await browser.get(back)).text
                entered = await browser.get(await sent_again(there, browser))
                assert (entered.status_code, entered.headers["location"]) == (303, "/login")
                assert "bob@acme" in (await browser.get("/login")).text
            session = (await ada.sessions.list(pb.ListSessionsRequest(project="acme", ref="bob"))).items[0]
            assert list(session.methods) == ["fed"]
            # Somebody else gets the name there: the name alone opens nothing any more.
            await eve.users.delete(DeleteRequest(project="corp", ref="bob"))
            await eve.make_login("corp", "bob")
            async with https(ours) as browser, https(theirs) as there:
                refused = await browser.get(await sent(there, browser))
                assert "known by another account there" in refused.text

    asyncio.run(asyncio.wait_for(play(), 20))


async def sent_again(theirs: httpx.AsyncClient, browser: httpx.AsyncClient) -> str:
    """The same where their session lives: they ask nothing again."""
    page = await browser.get("/login")
    onward = await browser.post("/login/upstream", data={**hidden(page.text), "upstream": "corp"})
    where = onward.text.partition('<a href="')[2].partition('"')[0].replace("&amp;", "&")
    return str((await theirs.get(where)).headers["location"])


def test_who_is_let_in_elsewhere_is_nobody_here_without_a_user_of_that_organisation(tmp_path: Path):
    async def play() -> None:
        async with both(tmp_path) as (theirs, _eve, ours, ada):
            await ada.make_organisation("other")
            await ada.make_user("other", "bob")
            async with https(ours) as browser, https(theirs) as there:
                assert "you are no user here" in (await browser.get(await sent(there, browser))).text
                await ada.make_user("acme", "bob")
                off = iam_pb2.UserSpec(disabled=True)
                await ada.users.update(iam_pb2.UpdateUserRequest(project="acme", ref="bob", spec=off))
                assert "you are no user here" in (await browser.get(await sent_again(there, browser))).text
                for strange in ("", "?state=x&code=y", "?error=access_denied"):
                    answer = await browser.get(f"/login/callback{strange}")
                    assert (answer.status_code, "was not accepted" in answer.text) == (400, True)

    asyncio.run(asyncio.wait_for(play(), 20))
