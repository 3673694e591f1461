"""Second factors: an authenticator app, recovery codes, security keys."""

import pyotp
from browsing import enter, hidden, https, options_of
from software_key import SoftwareKey

from iam.testing import PASSWORD, Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.servicekit.clock import SystemClock


async def make_bob(ada: Clients) -> Clients:
    """Bob, logged in."""
    await ada.make_organisation("acme")
    await ada.make_login("acme", "bob")
    return ada.with_token((await ada.login("bob@acme")).access_token)


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.HOTP(secret).at(SystemClock().now_ms() // 30_000 + steps)


async def with_app(ada: Clients) -> tuple[Clients, str, list[str]]:
    """Bob with an authenticator app: himself, its secret, his recovery codes."""
    bob = await make_bob(ada)
    enrolled = await bob.credentials.enrol_totp(pb.EnrolTotpRequest(password=PASSWORD))
    confirm = pb.ConfirmTotpRequest(code=code_of(enrolled.secret, -1))
    confirmed = await bob.credentials.confirm_totp(confirm)
    return bob, enrolled.secret, list(confirmed.recovery_codes)


def test_with_an_app_a_login_takes_its_code_once(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        _bob, secret, _codes = await with_app(ada)
        needed = await refusal_of(ada.login("bob@acme"))
        assert (needed.reason, needed.metadata) == ("SECOND_FACTOR_NEEDED", {"factors": "totp"})
        assert (await refusal_of(ada.login("bob@acme", code="000000"))).reason == "CODE_WRONG"
        code = code_of(secret)
        assert (await ada.login("bob@acme", code=code)).access_token
        assert (await refusal_of(ada.login("bob@acme", code=code))).reason == "CODE_WRONG"
        # The password alone says nothing of the factors.
        assert (await refusal_of(ada.login("bob@acme", "wrong"))).reason == "LOGIN_WRONG"

    live(scenario)


def test_an_app_counts_only_once_a_code_of_it_was_seen(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob = await make_bob(ada)
        wrong = pb.EnrolTotpRequest(password="not it at all")
        assert (await refusal_of(bob.credentials.enrol_totp(wrong))).reason == "LOGIN_WRONG"
        enrolled = await bob.credentials.enrol_totp(pb.EnrolTotpRequest(password=PASSWORD))
        assert enrolled.uri.startswith("otpauth://totp/UltraCloud:bob%40acme?secret=")
        assert (
            await refusal_of(bob.credentials.confirm_totp(pb.ConfirmTotpRequest(code="123")))
        ).reason == "CODE_WRONG"
        assert (await ada.login("bob@acme")).access_token

    live(scenario)


def test_a_recovery_code_stands_in_once_and_a_removed_app_is_not_asked_for(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob, _secret, codes = await with_app(ada)
        assert len(codes) == 10
        assert (await ada.login("bob@acme", code=codes[3].upper())).access_token
        assert (await refusal_of(ada.login("bob@acme", code=codes[3]))).reason == "CODE_WRONG"
        described = await bob.credentials.describe(pb.DescribeCredentialsRequest())
        assert (described.has_password, described.has_totp, described.recovery_codes_left) == (True, True, 9)
        await bob.credentials.remove_totp(pb.RemoveTotpRequest(password=PASSWORD))
        assert (await ada.login("bob@acme")).access_token

    live(scenario)


def test_an_admin_takes_lost_factors_away_and_ends_the_sessions(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob, _secret, _codes = await with_app(ada)
        await ada.credentials.reset_factors(pb.ResetFactorsRequest(project="acme", ref="bob"))
        assert (await refusal_of(bob.who_am_i())).code_name == "PERMISSION_DENIED"
        assert (await ada.login("bob@acme")).access_token

    live(scenario)


async def with_key(iam: RunningIam, bob: Clients) -> SoftwareKey:
    """A security key that bob has registered."""
    key = SoftwareKey(f"https://{iam.address}")
    begun = await bob.credentials.begin_security_key(pb.BeginSecurityKeyRequest(password=PASSWORD))
    finish = pb.FinishSecurityKeyRequest(state=begun.state, response=key.register(begun.options), name="blue one")
    assert (await bob.credentials.finish_security_key(finish)).id.startswith("key-")
    assert (await refusal_of(bob.credentials.finish_security_key(finish))).reason == "CHALLENGE_EXPIRED"
    return key


def test_a_security_key_lets_a_browser_in(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        bob = await make_bob(ada)
        key = await with_key(iam, bob)
        needed = await refusal_of(ada.login("bob@acme"))
        assert needed.metadata == {"factors": "securitykey"}
        async with https(iam) as browser:
            page = await enter(browser, await browser.get("/login"))
            form = {**hidden(page.text), "response": key.sign(options_of(page.text))}
            entered = await browser.post("/login", data=form)
            assert entered.status_code == 303
            assert "bob@acme" in (await browser.get("/login")).text
        listed = (await bob.sessions.list(pb.ListSessionsRequest())).items
        assert list(listed[0].methods) == ["pwd", "hwk"]

    live(scenario)


def test_a_copied_a_foreign_and_an_old_answer_are_refused(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        key = await with_key(iam, await make_bob(ada))
        stranger = SoftwareKey(f"https://{iam.address}")
        phished = SoftwareKey("https://evil.example")
        async with https(iam) as browser:
            page = await enter(browser, await browser.get("/login"))
            page = await browser.post(
                "/login", data={**hidden(page.text), "response": stranger.sign(options_of(page.text))}
            )
            page = await browser.post(
                "/login", data={**hidden(page.text), "response": phished.sign(options_of(page.text))}
            )
            used = {**hidden(page.text), "response": key.sign(options_of(page.text))}
            assert (await browser.post("/login", data=used)).status_code == 303
            assert (await browser.post("/login", data=used)).status_code == 400
        async with https(iam) as browser:
            page = await enter(browser, await browser.get("/login"))
            key.count = 0  # a copy that was made before
            copied = {**hidden(page.text), "response": key.sign(options_of(page.text))}
            assert (await browser.post("/login", data=copied)).status_code == 400

    live(scenario)


# ---- personal access tokens -----------------------------------------------------------------------------------------


def test_a_personal_token_is_exchanged_for_one_that_leaves_its_scopes(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob = await make_bob(ada)
        organisation = (await bob.who_am_i()).organisation
        await ada.make_binding("acme", "boss", "owner", "user:bob@acme", "organisations/acme")
        request = pb.CreatePersonalTokenRequest(
            name="build", scopes=["*.get", "*.list"], place=f"organisations/{organisation}"
        )
        made = await bob.personal_tokens.create(request)
        assert made.token.startswith("ucp_")
        direct = await refusal_of(ada.with_token(made.token).who_am_i())
        assert (direct.reason, direct.hint) == ("TOKEN_PERSONAL", "exchange it at iam first")
        answer = await ada.personal_tokens.exchange(pb.ExchangePersonalTokenRequest(token=made.token))
        script = ada.with_token(answer.access_token)
        assert (await script.who_am_i()).principal == (await bob.who_am_i()).principal
        assert "has been narrowed to" in (await refusal_of(script.make_project("acme", "blue"))).public
        assert (await refusal_of(script.personal_tokens.create(request))).code_name == "PERMISSION_DENIED"
        (listed,) = (await bob.personal_tokens.list(pb.ListPersonalTokensRequest())).items
        assert (listed.name, listed.HasField("used_at")) == ("build", True)
        assert made.token not in str(listed)
        await bob.personal_tokens.delete(pb.DeletePersonalTokenRequest(id=listed.id))
        assert "revoked or ended" in (await refusal_of(script.who_am_i())).public
        gone = await refusal_of(ada.personal_tokens.exchange(pb.ExchangePersonalTokenRequest(token=made.token)))
        assert gone.reason == "TOKEN_UNKNOWN"

    live(scenario)


def test_what_is_no_personal_token_is_exchanged_for_nothing(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob = await make_bob(ada)
        for text in ("", "ucp_", "ucp_" + "a" * 43, "x" * 10_000):
            refusal = await refusal_of(ada.personal_tokens.exchange(pb.ExchangePersonalTokenRequest(token=text)))
            assert refusal.reason == "TOKEN_UNKNOWN"
        for ttl_s in (-1, 59, 10**9):
            request = pb.CreatePersonalTokenRequest(name="x", ttl_s=ttl_s)
            assert (await refusal_of(bob.personal_tokens.create(request))).reason == "TTL_OUT_OF_RANGE"

    live(scenario)
