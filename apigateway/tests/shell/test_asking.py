"""What a service is asked: once or again, by whom, and what is remembered of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from fronts import STRANGER, TRAFFIC, VPCS_PATH, Front, bearer, play, problem

from ultracloud.servicekit.policy import Snapshot


def test_a_read_whose_connection_is_lost_is_asked_again_and_a_change_is_not(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        made = await front.make()
        front.cut.left = 2
        assert (await front.client.get(f"{VPCS_PATH}/web")).json() == made
        front.cut.left, front.cut.called = 1, 0
        changed = await front.client.patch(f"{VPCS_PATH}/web", json={"labels": {"a": "b"}})
        assert (changed.status_code, problem(changed)["reason"], front.cut.called) == (503, "PEER_DOWN", 1)
        assert changed.headers["retry-after"] == "1"

    play(tmp_path, scenario)


def test_what_is_remembered_of_a_request_lets_nobody_in(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        url = f"{VPCS_PATH}/web"
        for _ in range(2):
            assert (await front.client.get(url)).status_code == 200
        assert (await front.client.get(url, headers=bearer(STRANGER))).status_code == 403
        assert (await front.client.get(url, headers={"authorization": ""})).status_code == 401
        front.policy.replace(Snapshot(front.policy.snapshot.policy, {}))
        assert problem(await front.client.get(url))["reason"] == "TOKEN_KEY_UNKNOWN"

    play(tmp_path, scenario)


def test_what_is_remembered_of_a_request_is_what_it_says_and_no_more(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        first, second = await front.make("a"), await front.make("b")
        for _ in range(2):
            pages = [(await front.client.get(VPCS_PATH, params={"page_size": size})).json() for size in (1, 2)]
            assert [len(page["items"]) for page in pages] == [1, 2]
            assert (await front.client.get(f"{VPCS_PATH}/a")).json() == first
            assert (await front.client.get(f"{VPCS_PATH}/{second['metadata']['id']}")).json() == second
            bodied = await front.client.request("GET", f"{VPCS_PATH}/a", json={"a": 1})
            assert problem(bodied)["reason"] == "BODY_INVALID"
            head = await front.client.head(f"{VPCS_PATH}/a")
            assert (head.content, int(head.headers["content-length"]) > 100) == (b"", True)

    play(tmp_path, scenario)


def test_an_operation_that_is_closed_is_closed_to_whoever_asked_before(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        assert (await front.client.get(f"{VPCS_PATH}/web")).status_code == 200
        file = tmp_path / "traffic.toml"
        file.write_text('closed = ["vpcs.get"]\n' + TRAFFIC)
        os.utime(file, (1, 1))
        for _ in range(100):
            await asyncio.sleep(0.1)
            found = await front.client.get(f"{VPCS_PATH}/web")
            if found.status_code != 200:
                break
        assert problem(found)["reason"] == "OPERATION_CLOSED"

    play(tmp_path, scenario)


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_a_change_is_read_by_the_next_request(tmp_path: Path, option: str) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        for number in range(3):
            await front.client.patch(f"{VPCS_PATH}/web", json={"labels": {"n": str(number)}})
            for url in (f"{VPCS_PATH}/web", VPCS_PATH):
                asking = await asyncio.create_subprocess_exec(
                    *("curl", "-s", option, "-H", f"authorization: {bearer()['authorization']}"),
                    f"{front.gateway.url}{url}",
                    stdout=asyncio.subprocess.PIPE,
                )
                assert f'"labels":{{"n":"{number}"}}' in (await asking.communicate())[0].decode()

    play(tmp_path, scenario)
