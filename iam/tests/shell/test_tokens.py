import base64
import hashlib
import hmac
import json
from pathlib import Path

import jwt
import pytest
from browsing import https
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from iam.shell.root_key import load_root_key
from iam.shell.sealing import open_sealed_key
from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1 import keys_pb2
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest
from ultracloud.base.attenuation import joined, split
from ultracloud.base.faults import Fault
from ultracloud.base.narrowing import make_narrowing
from ultracloud.servicekit import pki
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.ed25519 import narrow

WEB = "serviceaccount:blue/web"


async def make_web(ada: Clients) -> str:
    """An organisation, a project, an account, and its token."""
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")
    return await ada.make_token("blue", "web")


async def answer(ada: Clients, token: str) -> tuple[str, str, str]:
    """Code, reason and sentence that the holder of `token` gets."""
    refusal = await refusal_of(ada.with_token(token).who_am_i())
    return refusal.code_name, refusal.reason, refusal.public


def signing_key_of(iam: RunningIam) -> tuple[str, Ed25519PrivateKey]:
    """What only iam should be able to open."""
    root_key = load_root_key(iam.folder / "root.key")
    assert root_key is not None
    key = keys_pb2.KeyRing.FromString(iam.source.ring.value).keys[0]
    return key.kid, open_sealed_key(root_key, key)


def resigned(iam: RunningIam, token: str, **claims: object) -> str:
    """`token` with other claims, under a good signature."""
    kid, private = signing_key_of(iam)
    text, chain = split(token)
    assert chain is not None
    payload = {**jwt.decode(text, options={"verify_signature": False}), **claims}
    return joined(jwt.encode(payload, private, algorithm="EdDSA", headers={"kid": kid}), chain)


def bare(token: str) -> str:
    """The JWT of a token, without the secret that it can be narrowed with."""
    return token.partition("~")[0]


def part(value: object) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_says_who_its_holder_is(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        me = await ada.with_token(token).who_am_i()
        account = iam.source.snapshot.policy.service_accounts[0]
        assert me.principal == f"serviceaccount:{account.id}"
        assert me.project == account.project
        assert 3590 < me.expires_at.seconds - SystemClock().now_ms() // 1000 <= 3600

    live(scenario)


def test_a_certificate_says_who_its_holder_is(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        me = await ada.who_am_i()
        assert me.principal == "spiffe://ultracloud.local/operator/ada"
        assert not me.HasField("expires_at")

    live(scenario)


def test_a_token_comes_from_the_published_key_and_carries_the_version_of_the_policy(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        header = jwt.get_unverified_header(bare(token))
        assert (header["alg"], [header["kid"]]) == ("EdDSA", list(iam.source.snapshot.keys))
        claims = jwt.decode(bare(token), options={"verify_signature": False})
        assert claims["rev"] == iam.source.snapshot.policy.version
        assert (claims["iss"], claims["jti"][:6]) == ("ultracloud", "token-")

    live(scenario)


# ---- forged, old, and other people's tokens -------------------------------------------------------------------------


def test_an_expired_token_is_refused(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        now_s = SystemClock().now_ms() // 1000
        code, reason, sentence = await answer(ada, resigned(iam, token, iat=now_s - 120, exp=now_s - 60))
        assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED")
        assert "the token expired 6" in sentence

    live(scenario)


def test_a_token_of_the_future_is_refused(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        now_s = SystemClock().now_ms() // 1000
        code, reason, sentence = await answer(ada, resigned(iam, token, iat=now_s + 600, exp=now_s + 900))
        assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_NOT_YET_VALID")
        assert "not valid for another" in sentence

    live(scenario)


def test_another_issuers_token_is_refused_whatever_signed_it(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        code, reason, sentence = await answer(ada, resigned(iam, await make_web(ada), iss="elsewhere"))
        assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_WRONG_ISSUER")
        assert sentence == "the token was issued by 'elsewhere', not by ultracloud"

    live(scenario)


def test_a_token_of_another_key_under_our_kid_is_refused(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        payload = jwt.decode(bare(token), options={"verify_signature": False})
        headers = {"kid": jwt.get_unverified_header(bare(token))["kid"]}
        forged = jwt.encode(payload, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=headers)
        assert await answer(ada, forged) == (
            "UNAUTHENTICATED",
            "TOKEN_FORGED",
            "the token's signature does not verify",
        )

    live(scenario)


@pytest.mark.parametrize("kid", ["", "0" * 16, "../../root.key", "' OR 1=1", "\u202e", "a" * 2000])
def test_a_kid_names_a_key_of_ours_or_nothing(live: Live, kid: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        payload = jwt.decode(bare(await make_web(ada)), options={"verify_signature": False})
        forged = jwt.encode(payload, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})
        code, reason, _ = await answer(ada, forged)
        assert code == "UNAUTHENTICATED"
        assert reason in ("TOKEN_KEY_UNKNOWN", "TOKEN_MALFORMED")

    live(scenario)


def test_no_byte_of_a_token_can_change(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        head, body, signature = (await make_web(ada)).split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        for changed in (
            f"{head}.{part({**claims, 'sub': 'sa-' + '0' * 26})}.{signature}",
            f"{head}.{part({**claims, 'exp': claims['exp'] + 1})}.{signature}",
            f"{head}.{body}.{signature[:-4]}AAAA",
        ):
            code, reason, _ = await answer(ada, changed)
            assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_FORGED")

    live(scenario)


def test_no_other_algorithm_is_accepted_least_of_all_none(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        kid, private = signing_key_of(iam)
        body = token.split(".")[1]
        public = private.public_key().public_bytes_raw()
        for algorithm in ("none", "None", "NONE", "", "HS256", "RS256", "ES256", "EdDSA "):
            unsigned = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': kid})}.{body}"
            # Key confusion: the public key, which everybody knows, as the secret of an HMAC.
            mac = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
            for signature in ("", base64.urlsafe_b64encode(mac).decode().rstrip("="), token.split(".")[2]):
                code, reason, _ = await answer(ada, f"{unsigned}.{signature}")
                assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_MALFORMED"), algorithm

    live(scenario)


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "..", "a.b.c.d", "e30.e30.", "A" * 5000])
def test_what_is_no_token_is_refused(live: Live, token: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        if token:
            code, reason, _ = await answer(ada, token)
            assert (code, reason) == ("UNAUTHENTICATED", "TOKEN_MALFORMED")

    live(scenario)


def test_a_disabled_accounts_token_is_refused_from_the_next_call_on(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        off, on = (pb.ServiceAccountSpec(disabled=disabled) for disabled in (True, False))
        await ada.accounts.update(pb.UpdateServiceAccountRequest(project="blue", ref="web", spec=off))
        code, _, sentence = await answer(ada, token)
        assert code == "PERMISSION_DENIED"
        assert sentence == "serviceaccount web is disabled; ask an admin of its project to enable it"
        refusal = await refusal_of(ada.make_token("blue", "web"))
        assert (refusal.code_name, refusal.reason) == ("FAILED_PRECONDITION", "SERVICE_ACCOUNT_DISABLED")
        await ada.accounts.update(pb.UpdateServiceAccountRequest(project="blue", ref="web", spec=on))
        assert (await ada.with_token(token).who_am_i()).principal

    live(scenario)


def test_a_deleted_accounts_token_is_refused_from_the_next_call_on(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        await ada.accounts.delete(DeleteRequest(project="blue", ref="web"))
        code, _, sentence = await answer(ada, token)
        assert code == "PERMISSION_DENIED"
        assert "does not exist (any more)" in sentence
        refusal = await refusal_of(ada.make_token("blue", "web"))
        assert refusal.public == "no service account 'web' in project blue"

    live(scenario)


def test_a_narrowed_token_reads_and_does_nothing_else_not_even_by_another_token(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        token = await make_web(ada)
        blue = (await ada.organisations.get(GetRequest(ref="acme"))).metadata.id
        await ada.make_binding("acme", "web", "owner", WEB, "organisations/acme")
        reader = ada.with_token(narrow(token, make_narrowing(f"organisations/{blue}", ["*.get", "iam.tokens.issue"])))
        assert (await reader.accounts.get(GetRequest(project="blue", ref="web"))).metadata.name == "web"
        refusal = await refusal_of(reader.make_account("blue", "more"))
        assert refusal.code_name == "PERMISSION_DENIED"
        assert "has been narrowed to *.*.get, iam.tokens.issue in organisations/org-" in refusal.public
        assert (await refusal_of(reader.make_token("blue", "web"))).reason == "ESCALATION"
        assert (await answer(ada, bare(token)))[1] == "TOKEN_FORGED"

    live(scenario)


def test_a_workload_token_is_for_another_system_and_good_for_nothing_here(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        web = ada.with_token(await make_web(ada))
        request = pb.IssueWorkloadTokenRequest(project="blue", service_account="web", audience="sts.example.org")
        assert (await refusal_of(web.tokens.issue_workload(request))).reason == "NO_BINDING"
        token = (await ada.tokens.issue_workload(request)).token
        async with https(iam) as browser:
            known = (await browser.get("/.well-known/openid-configuration")).json()
            keys = jwt.PyJWKSet.from_dict((await browser.get(known["jwks_uri"])).json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["ES256"], audience="sts.example.org", issuer=known["issuer"])
        assert (claims["sub"], claims["project_name"]) == ((await web.who_am_i()).principal, "blue")
        assert (await answer(ada, token))[1] == "TOKEN_MALFORMED"
        for audience in ("", "ultracloud", "x" * 256, "ultracloud-cli", f"client-{'0' * 26}"):
            request.audience = audience
            assert (await refusal_of(ada.tokens.issue_workload(request))).reason == "AUDIENCE_INVALID"

    live(scenario)


def test_a_service_says_what_runs_as_the_account_and_nobody_else_may(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        vm = f"vm-{'0' * 26}"
        request = pb.IssueWorkloadTokenRequest(
            project="blue", service_account="web", audience="sts.example.org", workload=vm
        )
        async with iam.clients(pki.service_identity("plasmavmc")) as plasmavmc:
            token = (await plasmavmc.tokens.issue_workload(request)).token
            assert jwt.decode(token, options={"verify_signature": False})["workload"] == vm
            request.workload = "web"
            assert (await refusal_of(plasmavmc.tokens.issue_workload(request))).reason == "WORKLOAD_INVALID"
        request.workload = vm
        assert (await refusal_of(ada.tokens.issue_workload(request))).reason == "WORKLOAD_INVALID"
        for stranger in ("service/prismnet", "agent/plasmavmc/node1"):
            async with iam.clients(f"spiffe://ultracloud.local/{stranger}") as other:
                assert (await refusal_of(other.tokens.issue_workload(request))).code_name == "PERMISSION_DENIED"

    live(scenario)


# ---- who may issue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl_s", [-1, 59, 86_401])
def test_a_lifetime_out_of_range_is_refused(live: Live, ttl_s: int):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        refusal = await refusal_of(ada.make_token("blue", "web", ttl_s))
        assert refusal.public == f"ttl_s {ttl_s} is out of range; accepted: 60 to 86400 seconds"

    live(scenario)


def test_only_who_may_issue_issues_and_only_up_to_their_own_power(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        web = ada.with_token(await make_web(ada))
        await ada.make_account("blue", "boss")
        await ada.make_binding("acme", "boss", "owner", "serviceaccount:blue/boss", "organisations/acme")
        assert (await refusal_of(web.make_token("blue", "boss"))).reason == "NO_BINDING"
        await ada.make_binding("acme", "web", "admin", WEB, "projects/blue")
        refusal = await refusal_of(web.make_token("blue", "boss"))
        assert (refusal.reason, refusal.metadata) == ("ESCALATION", {"permission": "*"})
        await web.make_account("blue", "clerk")
        assert await web.make_token("blue", "clerk")

    live(scenario)


def test_who_may_not_issue_does_not_learn_which_accounts_there_are(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        web = ada.with_token(await make_web(ada))
        there, absent = await refusal_of(web.make_token("blue", "web")), await refusal_of(web.make_token("blue", "no"))
        assert (there.code_name, there.reason) == (absent.code_name, absent.reason)
        assert isinstance(there, Fault)

    live(scenario)


def test_the_signing_key_is_not_in_the_store_and_not_on_disk(live: Live, tmp_path: Path):
    secrets = []

    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await make_web(ada)
        secrets.append(signing_key_of(iam)[1].private_bytes_raw())
        assert secrets[0] not in iam.source.ring.value

    live(scenario)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or secrets[0] not in file.read_bytes()
