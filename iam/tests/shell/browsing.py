"""A browser, as far as the login pages need one."""

from __future__ import annotations

import hashlib
import html
import re
import ssl
from urllib.parse import parse_qs, urlsplit

import httpx

from iam.testing import PASSWORD, RunningIam
from ultracloud.base.attenuation import encoded

LOOPBACK = "http://127.0.0.1:49152/callback"
VERIFIER = "v" * 64


def https(iam: RunningIam) -> httpx.AsyncClient:
    """A browser with cookies of its own."""
    return httpx.AsyncClient(base_url=f"https://{iam.address}", verify=trust(iam))


def trust(iam: RunningIam) -> ssl.SSLContext:
    """Trusts the cloud's authority; its certificates name services and no hosts."""
    context = ssl.create_default_context(cafile=str(iam.folder / "ca.crt"))
    context.check_hostname = False
    return context


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def options_of(page: str) -> str:
    """What a page asks a security key for."""
    found = re.search(r'data-options="([^"]*)"', page)
    assert found is not None, page
    return html.unescape(found.group(1))


async def enter(browser: httpx.AsyncClient, page: httpx.Response, login: str = "bob@acme") -> httpx.Response:
    """Fill in the login page."""
    assert page.status_code == 200, page.text
    return await browser.post("/login", data={**hidden(page.text), "login": login, "password": PASSWORD})


async def agree(browser: httpx.AsyncClient, page: httpx.Response, answer: str = "yes") -> httpx.Response:
    """Answer the question whether to let a program in."""
    assert page.status_code == 200, page.text
    assert "wants to:" in page.text, page.text
    return await browser.post("/login/consent", data={**hidden(page.text), "answer": answer})


def code_of(answer: httpx.Response) -> dict[str, str]:
    """What an answer that sends the browser back says."""
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def code_form(browser: httpx.AsyncClient) -> dict[str, str]:
    """What the command line sends for a code, once bob has logged in."""
    challenge = encoded(hashlib.sha256(VERIFIER.encode()).digest())
    query = {
        "client_id": "ultracloud-cli", "redirect_uri": LOOPBACK, "response_type": "code", "scope": "openid ultracloud",
        "code_challenge": challenge, "code_challenge_method": "S256", "state": "s",
    }  # fmt: skip
    answer = await enter(browser, await browser.get("/oauth2/authorize", params=query))
    return {
        "grant_type": "authorization_code", "client_id": "ultracloud-cli", "code": code_of(answer)["code"],
        "redirect_uri": LOOPBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
