"""For `bench/iam.py`: what a login costs, and telling whom a token is of."""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from iam.shell.hashing import PARAMETERS
from iam.testing import PASSWORD, running_iam
from ultracloud.base.attenuation import Chain, encoded, joined
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.policy import Policy
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import PolicyCopy, Snapshot
from ultracloud.servicekit.store import MemoryStore

LOGINS = 20
TOKENS = 2000
ROUNDS = 20
LOOPBACK = "http://127.0.0.1:49152/callback"
VERIFIER = "v" * 64


def logins() -> tuple[float, float]:
    """Milliseconds of CPU of a login by RPC, and of a whole code flow in a browser: both sides, argon2id as shipped."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_logins(Path(folder)))


async def _logins(folder: Path) -> tuple[float, float]:
    async with running_iam(folder, MemoryStore(), passwords=PARAMETERS) as iam, iam.clients() as ada:
        await ada.make_organisation("acme")
        await ada.make_login("acme", "bob")
        started_s = time.process_time()
        for _ in range(LOGINS):
            await ada.login("bob@acme")
        by_rpc = (time.process_time() - started_s) / LOGINS
        started_s = time.process_time()
        async with httpx.AsyncClient(base_url=f"https://{iam.address}", verify=False) as browser:  # noqa: S501 - loopback
            for _ in range(LOGINS):
                browser.cookies.clear()
                await _code_flow(browser)
        return 1000 * by_rpc, 1000 * (time.process_time() - started_s) / LOGINS


async def _code_flow(browser: httpx.AsyncClient) -> None:
    """From the program's request over the login page to its tokens."""
    query = {
        "client_id": "ultracloud-cli", "redirect_uri": LOOPBACK, "response_type": "code", "scope": "openid ultracloud",
        "code_challenge": encoded(hashlib.sha256(VERIFIER.encode()).digest()), "code_challenge_method": "S256",
    }  # fmt: skip
    page = await browser.get("/oauth2/authorize", params=query)
    hidden = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', page.text)
    form = {name: html.unescape(value) for name, value in hidden}
    entered = await browser.post("/login", data={**form, "login": "bob@acme", "password": PASSWORD})
    code = parse_qs(urlsplit(entered.headers["location"]).query)["code"][0]
    grant = {
        "grant_type": "authorization_code", "client_id": "ultracloud-cli", "code": code, "redirect_uri": LOOPBACK,
        "code_verifier": VERIFIER,
    }  # fmt: skip
    assert "id_token" in (await browser.post("/oauth2/token", data=grant)).json()


def verifications() -> tuple[float, float, float]:
    """Tokens a second of CPU that are told: seen for the first time, seen before, and by PyJWT alone each time."""
    private = Ed25519PrivateKey.generate()
    keys = {"k1": private.public_key().public_bytes_raw()}
    authenticator = Authenticator(PolicyCopy(Snapshot(Policy(1), keys)), SystemClock())
    tokens = [_token(private, number) for number in range(TOKENS)]
    first = _rate(lambda: [authenticator.principal_of_token(one) for one in tokens], TOKENS)
    # As requests have them: each time a text of its own, whose hash nobody has computed yet.
    again = [bytes(one, "ascii").decode() for _ in range(ROUNDS) for one in tokens]
    seen = _rate(lambda: [authenticator.principal_of_token(one) for one in again], TOKENS * ROUNDS)
    public = private.public_key()
    bare = [one.partition("~")[0] for one in tokens]
    peer = _rate(lambda: [jwt.decode(one, public, algorithms=["EdDSA"]) for one in bare], TOKENS)
    return first, seen, peer


def _token(private: Ed25519PrivateKey, number: int) -> str:
    secret, now_s = number.to_bytes(32, "big"), int(time.time())
    key = Ed25519().public_of(secret)
    user = f"usr-{number:026d}"
    claims = Claims(user, "org-1", "", now_s, now_s + 3600, f"token-{number}", 1, f"ses-{number}", key=key)
    return joined(
        jwt.encode(render_claims(claims), private, algorithm="EdDSA", headers={"kid": "k1"}), Chain((), secret)
    )


def _rate(work: Callable[[], object], count: int) -> float:
    started_s = time.process_time()
    work()
    return count / (time.process_time() - started_s)
