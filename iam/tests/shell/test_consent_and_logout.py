"""People are asked before a program is let in, and log out by way of it, over HTTPS as browsers do."""

from urllib.parse import urlencode

import httpx
import jwt
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from browsing import LOOPBACK, VERIFIER, agree, code_form, code_of, enter, hidden, https, trust

from iam.core.oauth import Client, Request, must_ask
from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import identity_pb2 as pb

APP, BYE = "https://app.example/callback", "https://app.example/bye"


async def make_app(ada: Clients, **more: bool) -> tuple[str, str]:
    """An app of acme's, where bob can log in."""
    await ada.make_organisation("acme")
    await ada.make_login("acme", "bob")
    spec = pb.OidcClientSpec(redirect_uris=[APP], post_logout_redirect_uris=[BYE], **more)
    await ada.oidc_clients.create(pb.CreateOidcClientRequest(project="acme", name="app", spec=spec))
    made = await ada.oidc_clients.new_secret(pb.NewSecretRequest(project="acme", ref="app"))
    return made.client_id, made.client_secret


def party_of(iam: RunningIam, app: tuple[str, str], scope: str = "openid profile") -> AsyncOAuth2Client:
    return AsyncOAuth2Client(*app, scope=scope, redirect_uri=APP, code_challenge_method="S256", verify=trust(iam))


async def logged_in(iam: RunningIam, browser: httpx.AsyncClient, app: tuple[str, str]) -> str:
    """An ID token that the app has got for bob in this browser."""
    async with party_of(iam, app) as party:
        where, _ = party.create_authorization_url(f"https://{iam.address}/oauth2/authorize", code_verifier=VERIFIER)
        page = await enter(browser, await browser.get(where))
        answer = page if page.status_code == 303 else await agree(browser, page)
        token = await party.fetch_token(
            f"https://{iam.address}/oauth2/token",
            authorization_response=answer.headers["location"],
            code_verifier=VERIFIER,
        )
    return str(token["id_token"])


def test_one_who_agreed_is_not_asked_again_until_the_program_wants_more(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada)
        async with https(iam) as browser, party_of(iam, app) as less, party_of(iam, app, "openid email") as more:
            code = {"code_verifier": VERIFIER}
            endpoint = f"https://{iam.address}/oauth2/authorize"
            page = await enter(browser, await browser.get(less.create_authorization_url(endpoint, **code)[0]))
            assert "see your name" in page.text
            assert code_of(await agree(browser, page))["code"]
            assert code_of(await browser.get(less.create_authorization_url(endpoint, **code)[0]))["code"]
            wanted = more.create_authorization_url(endpoint, prompt="none", **code)[0]
            assert code_of(await browser.get(wanted))["error"] == "consent_required"
            page = await browser.get(more.create_authorization_url(endpoint, **code)[0])
            assert "see your e-mail address" in page.text
            assert code_of(await agree(browser, page, "no"))["error"] == "access_denied"

    live(scenario)


def test_a_consent_that_was_not_given_on_our_page_is_none(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada)
        async with https(iam) as browser, https(iam) as other, party_of(iam, app) as party:
            where, _ = party.create_authorization_url(f"https://{iam.address}/oauth2/authorize", code_verifier=VERIFIER)
            page = await enter(browser, await browser.get(where))
            good = {**hidden(page.text), "answer": "yes"}
            for sender, form in ((browser, {**good, "csrf": "x"}), (other, good), (browser, {**good, "to": "/login"})):
                answer = await sender.post("/login/consent", data=form)
                assert (answer.status_code, "location" in answer.headers) == (400, False)

    live(scenario)


def test_a_program_that_is_trusted_asks_nobody_and_the_command_line_only_who_is_logged_in(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada, trusted=True)
        async with https(iam) as browser:
            assert await logged_in(iam, browser, app)
        async with https(iam) as browser:
            form = await code_form(browser)  # has just typed the password on a page that names the command line
            assert form["code"]
            query = {
                "client_id": "ultracloud-cli", "redirect_uri": LOOPBACK, "response_type": "code",
                "code_challenge": "c" * 43, "code_challenge_method": "S256",
            }  # fmt: skip
            for _ in range(2):  # anybody on this machine can pretend to be it
                page = await browser.get("/oauth2/authorize", params=query)
                assert code_of(await agree(browser, page))["code"]

    live(scenario)


@pytest.mark.parametrize(
    ("client", "scope", "prompt", "agreed", "is_asked"),
    [
        ({}, "openid", "", "", True),
        ({}, "openid", "", "openid email", False),
        ({}, "openid email", "", "openid", True),
        ({}, "openid", "consent", "openid", True),
        ({"is_trusted": True}, "openid", "consent", "", True),
        ({"is_trusted": True}, "openid", "", "", False),
        ({"is_public": True}, "openid", "", "openid", True),
    ],
)
def test_who_must_be_asked(client: dict[str, bool], scope: str, prompt: str, agreed: str, *, is_asked: bool):
    known = Client("client-x", "x", "org", (), api_access=False, **({"is_public": False} | client))
    wanted = Request(known, APP, scope, "", "", "", frozenset(prompt.split()), None)
    assert must_ask(wanted, frozenset(agreed.split()), is_fresh=True) is is_asked


def test_a_program_logs_its_user_out_of_itself_and_of_the_browser(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada)
        async with https(iam) as browser:
            known = (await browser.get("/.well-known/openid-configuration")).json()
            hint = await logged_in(iam, browser, app)
            session = jwt.decode(hint, options={"verify_signature": False})["sid"]
            query = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "s-1"}
            answer = await browser.get(known["end_session_endpoint"], params=query)
            assert (answer.status_code, answer.headers["location"]) == (303, f"{BYE}?state=s-1")
            assert "Log in" in (await browser.get("/login")).text
            assert session in iam.source.snapshot.policy.revocation_of

    live(scenario)


def test_without_a_good_hint_the_person_is_asked_and_nobody_is_sent_to_where_no_program_says(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada)
        async with https(iam) as browser:
            hint = await logged_in(iam, browser, app)
            claims = jwt.decode(hint, options={"verify_signature": False})
            kid = jwt.get_unverified_header(hint)["kid"]
            forged = jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": kid})
            unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": kid})
            for text in (forged, unsigned, f"{hint[:-4]}AAAA", "x", ""):
                query = {"id_token_hint": text, "client_id": app[0], "post_logout_redirect_uri": BYE}
                page = await browser.get("/logout", params=query)
                assert (page.status_code, 'name="csrf"' in page.text) == (200, True), text
            for strange in ({"id_token_hint": hint}, {"client_id": app[0]}, {}):
                query = {**strange, "post_logout_redirect_uri": "https://evil.example/"}
                assert (await browser.get("/logout", params=query)).status_code == 400
            answer = await browser.post("/logout", data=hidden(page.text))
            assert (answer.status_code, answer.headers["location"]) == (303, BYE)
            assert "Log in" in (await browser.get("/login")).text

    live(scenario)


def test_a_hint_of_another_user_logs_nobody_out_unasked(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        app = await make_app(ada)
        await ada.make_login("acme", "eve")
        async with https(iam) as browser, https(iam) as hers:
            hint = await logged_in(iam, browser, app)
            await enter(hers, await hers.get("/login"), "eve@acme")
            answer = await hers.post(
                "/logout", content=urlencode({"id_token_hint": hint}),
                headers={"content-type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
            assert 'name="csrf"' in answer.text
            assert "eve@acme" in (await hers.get("/login")).text

    live(scenario)


def test_where_people_are_sent_after_a_logout_is_registered_like_a_redirect(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        spec = pb.OidcClientSpec(redirect_uris=[APP], post_logout_redirect_uris=["http://app.example/bye"])
        refused = await refusal_of(
            ada.oidc_clients.create(pb.CreateOidcClientRequest(project="acme", name="app", spec=spec))
        )
        assert refused.reason == "REDIRECT_URI_INVALID"

    live(scenario)
