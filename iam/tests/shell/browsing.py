"""A browser, as far as the login pages need one."""

from __future__ import annotations

import html
import re
import ssl

import httpx

from iam.testing import PASSWORD, RunningIam


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
