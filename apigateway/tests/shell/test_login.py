"""Login pages, passed on to a server that stands for iam over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from fronts import authority, problem

from apigateway.testing import running_gateway
from ultracloud.servicekit.settings import Peers
from ultracloud.wire import HttpReply, HttpRequest, Server

COOKIES = ("a=b; HttpOnly", "c=d; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/")
DISCOVERY = "/.well-known/openid-configuration"


def echo(request: HttpRequest) -> HttpReply:
    """What came, as it came."""
    told = [f"{request.method} {request.path}?{request.query}", request.body.decode()]
    told += [f"{name}={value}" for name, value in sorted(request.metadata.items())]
    fields = {"location": "/next", "x-internal": "secret", "cache-control": "no-store", "retry-after": "7"}
    fields |= {"cross-origin-opener-policy": "same-origin"}
    return HttpReply(302, "\n".join(told).encode(), "text/plain", fields, COOKIES)


async def through(folder: Path, *, is_up: bool = True) -> tuple[httpx.Response, ...]:
    server = Server([], endpoints=lambda _calls: {"/": echo})
    host, port = await server.listen("127.0.0.1", 0)
    if not is_up:
        await server.drain(0)
    async with (
        running_gateway(folder, Peers(iam=f"{host}:{port}"), authority()) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        sent = {"cookie": "s=1", "x-forwarded-for": "6.6.6.6", "x-evil": "1", "content-type": "text/plain"}
        found = (
            await client.post("/oauth2/token?a=b%20c", content=b"body", headers=sent),
            await client.get(DISCOVERY),
            await client.get("/loginx"),
        )
    if is_up:
        await server.drain(0.1)
    return found


def test_what_login_pages_use_is_passed_on_and_nothing_else(tmp_path: Path) -> None:
    posted, discovered, other = asyncio.run(through(tmp_path))
    told = posted.text.splitlines()
    assert told[:2] == ["POST /oauth2/token?a=b%20c", "body"]
    assert {"cookie=s=1", "content-type=text/plain", "x-forwarded-for=127.0.0.1"} <= set(told)
    assert "x-evil=1" not in told
    assert (posted.status_code, posted.headers["location"]) == (302, "/next")
    assert posted.headers.get_list("set-cookie") == list(COOKIES)
    assert (posted.headers["retry-after"], posted.headers["cross-origin-opener-policy"]) == ("7", "same-origin")
    assert "x-internal" not in posted.headers
    assert discovered.text.startswith(f"GET {DISCOVERY}?")
    assert problem(other)["status"] == 404


def test_while_iam_is_away_a_login_is_told_to_come_back(tmp_path: Path) -> None:
    posted, discovered, _ = asyncio.run(through(tmp_path, is_up=False))
    assert [problem(each)["reason"] for each in (posted, discovered)] == ["PEER_DOWN", "PEER_DOWN"]
