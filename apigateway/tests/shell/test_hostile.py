"""What hostile clients send: smuggled requests, slow heads, large ones, confused paths, injected fields."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from fronts import VPCS_PATH, Front, bearer, play, problem


def head(line: str, **fields: str) -> bytes:
    named = {"host": "x", **bearer(), **{name.replace("_", "-"): value for name, value in fields.items()}}
    return "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]).encode()


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3}) ", received, re.MULTILINE)]


SMUGGLED = b"GET /v1/whoami HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        head(f"GET {VPCS_PATH}", content_length="40", transfer_encoding="chunked") + b"0\r\n\r\n" + SMUGGLED,
        head(f"GET {VPCS_PATH}", transfer_encoding="identity, chunked") + b"0\r\n\r\n" + SMUGGLED,
        head(f"GET {VPCS_PATH}", transfer_encoding="chunked, identity") + b"0\r\n\r\n" + SMUGGLED,
        head(f"GET {VPCS_PATH}").replace(b"\r\n\r\n", b"\r\ncontent-length: 4\r\ncontent-length: 0\r\n\r\n") + SMUGGLED,
        head(f"GET {VPCS_PATH}", content_length="+0") + SMUGGLED,
        head(f"GET {VPCS_PATH}", content_length="0x10") + SMUGGLED,
        head(f"GET {VPCS_PATH}").replace(b"host:", b"host :") + SMUGGLED,
        head(f"GET {VPCS_PATH}").replace(b"host: x\r\n", b"host: x\r\n folded: y\r\n") + SMUGGLED,
        head(f"GET {VPCS_PATH}").replace(b"\r\n", b"\n") + SMUGGLED,
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_served(
    tmp_path: Path, sent: bytes
) -> None:
    async def scenario(front: Front) -> None:
        received = statuses(await front.raw(sent))
        assert len(received) <= 1
        assert all(status >= 400 for status in received)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/red%2f..%2fblue/vpcs",
        "/v1/projects/..%2fblue/vpcs",
        "/v1/projects/%2e%2e/vpcs",
        "/v1/projects/../projects/blue/vpcs",
        "/v1//projects/blue/vpcs",
        "//v1/projects/blue/vpcs",
        "/v1/projects/blue/vpcs/",
        "/v1/projects/blue/vpcs%3Awatch",
        "/v1/projects/blue/%76pcs",
        "/V1/projects/blue/vpcs",
        "/v1/projects/blue;a=b/vpcs",
        "/v1/projects/blue%00/vpcs",
        "/v1/projects/blue%0d%0ax-evil:1/vpcs",
        "/./v1/projects/blue/vpcs",
        "/v1/projects/blue\\vpcs",
        "http://x/v1/projects/blue/vpcs/",
    ],
)
def test_a_path_written_otherwise_leads_nowhere(tmp_path: Path, path: str) -> None:
    async def scenario(front: Front) -> None:
        received = await front.raw(head(f"GET {path}", connection="close"))
        assert statuses(received)[0] in (400, 403, 404)
        assert b"x-evil" not in received.partition(b"\r\n\r\n")[0]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head(f"GET {VPCS_PATH}", x_long="a" * 20_000), 431),
        (head(f"GET {VPCS_PATH}?" + "a" * 5000), 400),
        (head(f"POST {VPCS_PATH}", content_length="2000000", content_type="application/json"), 413),
        (head(f"POST {VPCS_PATH}", content_length="999999999999", content_type="application/json"), 413),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path, sent: bytes, status: int) -> None:
    async def scenario(front: Front) -> None:
        received = await front.raw(sent)
        assert statuses(received) == [status]
        fields, _, body = received.partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in fields
        assert json.loads(body)["request_id"].encode() in fields

    play(tmp_path, scenario)


def test_a_body_that_is_too_large_is_refused_over_http2_too(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        async with httpx.AsyncClient(base_url=front.gateway.url, headers=bearer(), http1=False, http2=True) as client:
            found = await client.post(VPCS_PATH, content=bytes(1_200_000), headers={"content-type": "application/json"})
        assert (found.status_code, problem(found)["reason"]) == (413, "BODY_TOO_LARGE")

    play(tmp_path, scenario)


def test_slow_heads_hold_nobody_else_up(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        host, _, port = front.gateway.address.rpartition(":")
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /v1/whoami HTTP/1.1\r\nx-a: b")
        found = await front.client.get(VPCS_PATH)
        assert found.status_code == 200
        for _, writer in slow:
            writer.close()

    play(tmp_path, scenario)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\x00b", "a\rb"])
def test_a_line_break_in_a_field_is_never_passed_on(tmp_path: Path, value: str) -> None:
    async def scenario(front: Front) -> None:
        for name in ("traceparent", "origin", "idempotency-key", "if-match", "authorization"):
            sent = head(f"GET {VPCS_PATH}", connection="close").replace(
                b"host: x", f"host: x\r\n{name}: {value}".encode()
            )
            answered = (await front.raw(sent)).partition(b"\r\n\r\n")[0]
            assert b"x-evil" not in answered

    play(tmp_path, scenario)


def test_line_breaks_in_names_and_queries_come_back_escaped(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = await front.client.get(f"{VPCS_PATH}?selector=a%0d%0ax-evil:%201")
        assert "x-evil" not in found.headers
        made = await front.client.post(
            VPCS_PATH, json={"name": "a\r\nx: y", "spec": {"cidr": "10.0.0.0/16"}}, headers={"idempotency-key": "k"}
        )
        assert "\r" not in problem(made)["detail"]

    play(tmp_path, scenario)


def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = [await front.client.get(VPCS_PATH) for _ in range(3)]
        assert [each.status_code for each in found] == [200, 200, 429]
        assert found[0].headers["ratelimit"].startswith('"principal";r=1;t=')
        assert int(found[2].headers["retry-after"]) >= 1
        assert problem(found[2])["reason"] == "RATE_LIMITED"

    play(tmp_path, scenario, "[principals]\nper_second = 0.01\nburst = 2\n")


def test_an_address_is_counted_before_it_is_known_who_calls(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = [await front.client.get(VPCS_PATH, headers={"authorization": ""}) for _ in range(3)]
        assert [each.status_code for each in found] == [401, 401, 429]

    play(tmp_path, scenario, "[sources]\nper_second = 0.01\nburst = 2\n")


def test_behind_a_proxy_of_ours_each_address_has_its_own_bucket(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        asked = ["192.0.2.1", "6.6.6.6, 192.0.2.1", "192.0.2.1", "192.0.2.2"]
        found = [await front.client.get("/v1/whoami", headers={"x-forwarded-for": each}) for each in asked]
        assert [each.status_code for each in found] == [503, 503, 429, 503]

    play(tmp_path, scenario, '[sources]\nper_second = 0.01\nburst = 2\n[proxies]\ntrusted = ["127.0.0.1"]\n')


def test_whoever_writes_x_forwarded_for_is_still_counted_by_their_own_address(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = [
            await front.client.get("/v1/whoami", headers={"x-forwarded-for": f"192.0.2.{each}"}) for each in range(3)
        ]
        assert [each.status_code for each in found] == [503, 503, 429]

    play(tmp_path, scenario, "[sources]\nper_second = 0.01\nburst = 2\n")
