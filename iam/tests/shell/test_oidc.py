"""A relying party that is not ours, Authlib, goes through each flow against a running iam over HTTPS."""

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from browsing import LOOPBACK, VERIFIER, agree, code_form, code_of, enter, hidden, https, trust
from joserfc import jwk
from joserfc import jwt as jose

from iam.testing import PASSWORD, Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import GetRequest

APP = "https://app.example/callback"


async def app(ada: Clients, *, api: bool = False, account: str = "", public: bool = False) -> tuple[str, str]:
    """A client of acme, and its secret."""
    spec = pb.OidcClientSpec(redirect_uris=[APP], api_access=api, service_account=account, is_public=public)
    made = await ada.oidc_clients.create(pb.CreateOidcClientRequest(project="acme", name="app", spec=spec))
    if public:
        return made.metadata.id, ""
    secret = await ada.oidc_clients.new_secret(pb.NewSecretRequest(project="acme", ref="app"))
    return secret.client_id, secret.client_secret


def test_authlib_logs_in_with_a_code_and_reads_who_it_is(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        bob = await ada.make_login("acme", "bob", "bob@example.org")
        await ada.make_group("acme", "writers", "user:bob@acme")
        client_id, secret = await app(ada)
        async with https(iam) as browser, AsyncOAuth2Client(
            client_id, secret, scope="openid profile email groups offline_access", redirect_uri=APP,
            code_challenge_method="S256", verify=trust(iam),
        ) as party:  # fmt: skip
            known = (await browser.get("/.well-known/openid-configuration")).json()
            assert known["issuer"] == f"https://{iam.address}"
            where, state = party.create_authorization_url(
                known["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1"
            )
            answer = await agree(browser, await enter(browser, await browser.get(where)))
            said = code_of(answer)
            assert (said["state"], said["iss"]) == (state, known["issuer"])
            token = await party.fetch_token(
                known["token_endpoint"], authorization_response=answer.headers["location"], code_verifier=VERIFIER
            )
            keys = jwk.KeySet.import_key_set((await browser.get(known["jwks_uri"])).json())
            told = CodeIDToken(
                jose.decode(token["id_token"], keys, algorithms=["ES256"]).claims,
                {"alg": "ES256"},
                {"iss": {"value": known["issuer"]}, "aud": {"value": client_id}, "nonce": {"value": "n-1"}},
                {"nonce": "n-1", "client_id": client_id, "access_token": token["access_token"]},
            )
            told.validate()
            assert (told["sub"], told["preferred_username"], told["email"]) == (
                *(bob.metadata.id, "bob@acme", "bob@example.org"),
            )
            assert (told["groups"], told["amr"]) == (["writers"], ["pwd"])
            me = (await party.get(known["userinfo_endpoint"])).json()
            assert me["sub"] == told["sub"]
            # Not for our API: it says who bob is, and does nothing in his name.
            refused = await browser.get("/oauth2/userinfo", headers={"authorization": "Bearer x"})
            assert refused.status_code == 401
            assert "TOKEN_WRONG_AUDIENCE" in await reason(ada, token["access_token"])

    live(scenario)


async def reason(ada: Clients, token: str) -> str:
    return (await refusal_of(ada.with_token(token).who_am_i())).reason


def test_authlib_refreshes_and_revokes(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        client_id, secret = await app(ada, api=True)
        issuer = f"https://{iam.address}"
        async with https(iam) as browser, AsyncOAuth2Client(
            client_id, secret, scope="openid offline_access ultracloud", redirect_uri=APP,
            code_challenge_method="S256", verify=trust(iam),
        ) as party:  # fmt: skip
            where, _ = party.create_authorization_url(f"{issuer}/oauth2/authorize", code_verifier=VERIFIER)
            answer = await agree(browser, await enter(browser, await browser.get(where)))
            first = await party.fetch_token(
                f"{issuer}/oauth2/token", authorization_response=answer.headers["location"], code_verifier=VERIFIER
            )
            assert (await ada.with_token(first["access_token"]).who_am_i()).principal.startswith("user:")
            second = await party.refresh_token(f"{issuer}/oauth2/token", first["refresh_token"])
            assert second["refresh_token"] != first["refresh_token"]
            active = (await party.introspect_token(f"{issuer}/oauth2/introspect", second["access_token"])).json()
            assert (active["active"], active["client_id"]) == (True, client_id)
            await party.revoke_token(f"{issuer}/oauth2/revoke", second["refresh_token"])
            assert (await party.introspect_token(f"{issuer}/oauth2/introspect", second["access_token"])).json() == {
                "active": False
            }
            assert await reason(ada, second["access_token"])

    live(scenario)


def test_a_device_is_let_in_by_who_is_logged_in(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        async with https(iam) as browser, https(iam) as device:
            asked = {"client_id": "ultracloud-cli", "scope": "openid offline_access ultracloud"}
            begun = (await device.post("/oauth2/device_authorization", data=asked)).json()
            poll = {
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": begun["device_code"],
                "client_id": "ultracloud-cli",
            }
            assert (await device.post("/oauth2/token", data=poll)).json()["error"] == "authorization_pending"
            assert (await device.post("/oauth2/token", data=poll)).json()["error"] == "slow_down"
            entered = await enter(browser, await browser.get(begun["verification_uri_complete"]))
            page = await browser.get(entered.headers["location"])
            assert begun["user_code"] in page.text
            answer = {**hidden(page.text), "answer": "yes"}
            assert "The device is logged in" in (await browser.post("/device", data=answer)).text
            token = (await device.post("/oauth2/token", data=poll)).json()
            assert (await ada.with_token(token["access_token"]).who_am_i()).principal.startswith("user:")
            again = await device.post("/oauth2/token", data=poll)
            assert (again.status_code, again.json()["error"]) == (400, "expired_token")

    live(scenario)


def test_a_device_that_was_refused_is_told(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        async with https(iam) as browser:
            begun = (await browser.post("/oauth2/device_authorization", data={"client_id": "ultracloud-cli"})).json()
            entered = await enter(browser, await browser.get(begun["verification_uri_complete"]))
            page = await browser.get(entered.headers["location"])
            await browser.post("/device", data={**hidden(page.text), "answer": "no"})
            poll = {
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": begun["device_code"],
                "client_id": "ultracloud-cli",
            }
            assert (await browser.post("/oauth2/token", data=poll)).json()["error"] == "access_denied"

    live(scenario)


def test_a_service_account_speaks_through_its_client(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_project("acme", "blue")
        await ada.make_account("blue", "web")
        client_id, secret = await app(ada, api=True, account="blue/web")
        async with AsyncOAuth2Client(client_id, secret, verify=trust(iam)) as party:
            token = await party.fetch_token(f"https://{iam.address}/oauth2/token", grant_type="client_credentials")
            web = (await ada.accounts.get(GetRequest(project="blue", ref="web"))).metadata.id
            assert (await ada.with_token(token["access_token"]).who_am_i()).principal == f"serviceaccount:{web}"

    live(scenario)


def test_only_an_owner_has_a_say_in_a_client_that_acts_for_others(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_project("acme", "blue")
        await ada.make_account("blue", "web")
        await ada.make_login("acme", "eve")
        await ada.make_binding("acme", "clerk", "admin", "user:eve@acme", "organisations/acme")
        await ada.make_binding("acme", "boss", "owner", "serviceaccount:blue/web", "projects/blue")
        eve = ada.with_token((await ada.login("eve@acme")).access_token)
        assert (await app(eve))[1].startswith("ucs_")
        for spec in (pb.OidcClientSpec(api_access=True), pb.OidcClientSpec(service_account="blue/web")):
            request = pb.CreateOidcClientRequest(project="acme", name="more", spec=spec)
            assert (await refusal_of(eve.oidc_clients.create(request))).reason == "ESCALATION"
        strong = pb.CreateOidcClientRequest(project="acme", name="strong", spec=pb.OidcClientSpec(api_access=True))
        await ada.oidc_clients.create(strong)
        secret = pb.NewSecretRequest(project="acme", ref="strong")
        assert (await refusal_of(eve.oidc_clients.new_secret(secret))).reason == "ESCALATION"
        uris = pb.OidcClientSpec(api_access=True, redirect_uris=[APP])
        change = pb.UpdateOidcClientRequest(project="acme", ref="strong", spec=uris)
        assert (await refusal_of(eve.oidc_clients.update(change))).reason == "ESCALATION"

    live(scenario)


@pytest.mark.parametrize(
    ("spec", "reason_"),
    [
        (pb.OidcClientSpec(redirect_uris=["http://app.example/"]), "REDIRECT_URI_INVALID"),
        (pb.OidcClientSpec(redirect_uris=[APP] * 21), "TOO_MANY_URIS"),
        (pb.OidcClientSpec(is_public=True, service_account="blue/web"), "CLIENT_PUBLIC"),
        (pb.OidcClientSpec(description="x" * 1001), "DESCRIPTION_TOO_LONG"),
    ],
)
def test_a_client_that_is_wrong_is_refused(live: Live, spec: pb.OidcClientSpec, reason_: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        request = pb.CreateOidcClientRequest(project="acme", name="app", spec=spec)
        assert (await refusal_of(ada.oidc_clients.create(request))).reason == reason_

    live(scenario)


def test_a_code_is_good_once_and_a_thief_ends_the_session(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        async with https(iam) as browser:
            form = await code_form(browser)
            wrong = {**form, "code_verifier": "w" * 64}
            assert (await browser.post("/oauth2/token", data=wrong)).json()["error"] == "invalid_grant"
            stranger = {**form, "client_id": "nobody"}
            assert (await browser.post("/oauth2/token", data=stranger)).status_code == 401
            token = (await browser.post("/oauth2/token", data=form)).json()["access_token"]
            assert (await ada.with_token(token).who_am_i()).principal
            assert (await browser.post("/oauth2/token", data=form)).json()["error"] == "invalid_grant"
            assert await reason(ada, token)

    live(scenario)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"client_id": "nobody"}, "page"),
        ({"redirect_uri": "https://evil.example/"}, "page"),
        ({"redirect_uri": "http://127.0.0.1.evil.example/callback"}, "page"),
        ({"redirect_uri": "http://127.0.0.1:1/callback#x"}, "page"),
        ({"redirect_uri": "http://localhost:49152/callback"}, "page"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "x"}, "invalid_request"),
    ],
)
def test_a_request_that_is_wrong_is_told_where_it_is_safe(live: Live, change: dict[str, str], where: str):
    async def scenario(iam: RunningIam, _ada: Clients) -> None:
        query = {
            "client_id": "ultracloud-cli", "redirect_uri": LOOPBACK, "response_type": "code", "scope": "openid",
            "code_challenge": "c" * 43, "code_challenge_method": "S256",
        }  # fmt: skip
        async with https(iam) as browser:
            answer = await browser.get("/oauth2/authorize", params={**query, **change})
            if where == "page":
                assert (answer.status_code, "location" in answer.headers) == (400, False)
            else:
                assert code_of(answer)["error"] == where

    live(scenario)


def test_a_form_from_elsewhere_logs_nobody_in_and_leads_nowhere(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        async with https(iam) as browser, https(iam) as other:
            page = await browser.get("/login")
            good = {**hidden(page.text), "login": "bob@acme", "password": PASSWORD}
            for forged, headers in (
                ({**good, "to": "https://evil.example/"}, {}),
                ({**good, "csrf": "x"}, {}),
                (good, {"origin": "https://evil.example"}),
            ):
                answer = await browser.post("/login", data=forged, headers=headers)
                assert (answer.status_code, hidden(answer.text)["to"]) == (400, "/login")
            assert (await other.post("/login", data=good)).status_code == 400
            entered = await browser.post("/login", data=good)
            assert (entered.status_code, entered.headers["location"]) == (303, "/login")
            assert "bob@acme" in (await browser.get("/login")).text

    live(scenario)


def test_pages_are_not_framed_kept_or_scripted_from_elsewhere(live: Live):
    async def scenario(iam: RunningIam, _ada: Clients) -> None:
        async with https(iam) as browser:
            page = await browser.get("/login", headers={"accept": "text/html"})
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
            cookie = page.headers["set-cookie"]
            assert cookie.startswith("__Host-uc-form=")
            assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
            assert "<script" not in page.text
            echoed = await browser.get("/oauth2/authorize?client_id=<script>&redirect_uri=%22%3E%3Cscript%3E")
            assert "<script" not in echoed.text

    live(scenario)


def test_wrong_passwords_are_told_on_the_page_and_slowed_down(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        async with https(iam) as browser:
            page = await browser.get("/login")
            codes = []
            for _ in range(6):
                form = {**hidden(page.text), "login": "bob@acme", "password": "wrong"}
                answer = await browser.post("/login", data=form)
                codes.append(answer.status_code)
            assert codes == [400] * 5 + [429]
            assert "too many attempts; try again in 1 s" in answer.text

    live(scenario)


def test_an_invite_is_taken_in_the_browser(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_user("acme", "bob")
        invite = await ada.credentials.invite(pb.InviteRequest(project="acme", ref="bob"))
        async with https(iam) as browser:
            page = await browser.get("/login/invite")
            form = {**hidden(page.text), "token": invite.token, "password": PASSWORD}
            assert "You log in as bob@acme" in (await browser.post("/login/invite", data=form)).text
            again = await browser.post("/login/invite", data=form)
            assert (again.status_code, "unknown, used or expired" in again.text) == (400, True)

    live(scenario)
