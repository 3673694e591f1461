"""`flaredb explain`, run in this process, against servers that are processes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run
from stores import stores

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.servicekit.channels import connect
from ultracloud.testkit.processes import serve


async def fill(address: str) -> list[int]:
    """Write a key four times, the third time nothing; the versions."""
    channel = connect(address, deadline_s=15.0)
    kv = KvClient(channel)
    versions = [(await kv.put(pb.PutRequest(namespace="iam", key=b"k", value=b"v" * n))).version for n in (1, 2)]
    versions.append((await kv.delete(pb.DeleteRequest(namespace="iam", key=b"k"))).version)
    versions.append((await kv.put(pb.PutRequest(namespace="iam", key=b"k", value=b"v" * 4, ttl_s=900))).version)
    await kv.put(pb.PutRequest(namespace="dns-status", key=b"k", value=b"v"))
    await channel.close()
    return versions


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("explain")
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n[eventual]\nnamespaces = ["dns-status"]\n')
    with serve("flaredb", path) as process:
        yield process.addresses[0]


def test_a_key_is_told_with_all_that_became_of_it(address: str):
    first, second, gone, now = asyncio.run(fill(address))
    answer = run("explain", "--endpoint", address, "-n", "iam", "k")
    assert answer.code == 0
    head, *changes = answer.out.splitlines()
    assert re.fullmatch(rf"Key k of namespace iam: 4 bytes, version {now}, ends at 20\S+Z\.", head)
    assert changes[-4:] == [
        f"  written at {first} (1 bytes)",
        f"  written at {second} (2 bytes)",
        f"  deleted at {gone}",
        f"  written at {now} (4 bytes)",
    ]
    assert "not there, as of version" in run("explain", "--endpoint", address, "-n", "iam", "none").out


def test_a_comparison_that_fails_is_explained_and_ends_with_1(address: str):
    _, second, gone, now = asyncio.run(fill(address))
    asked = ("explain", "--endpoint", address, "-n", "iam", "k", "-o", "json", "--expect")
    refused = run(*asked, second)
    assert refused.code == 1
    assert f"it has version {now}; since then deleted at {gone}, written at {now}" in refused.told["comparison"]["says"]
    held = run(*asked, now)
    assert (held.code, held.told["comparison"]["holds"], held.told["history_is_whole"]) == (0, True, True)
    assert run(*asked, -1).code == 2


def test_of_an_eventual_key_it_is_told_who_wrote_it(address: str):
    asyncio.run(fill(address))
    answer = run("explain", "--endpoint", address, "-n", "dns-status", "k")
    assert re.search(r"It was written at 20\S+Z by store 1; the latest write stays", answer.out)
    refused = run("explain", "--endpoint", address, "-n", "dns-status", "k", "--expect", "1")
    assert "it compares nothing" in refused.err
    assert "not there" in run("explain", "--endpoint", address, "-n", "dns-status", "j").out


def test_of_several_nodes_the_region_and_the_times_are_told(tmp_path: Path):
    with stores(tmp_path, 1) as cluster:
        address = cluster.running["s1"].addresses[0]
        asyncio.run(cluster.wait_regions(voters=1))
        *_, now = asyncio.run(fill(address))
        answer = run("explain", "--endpoint", address, "-n", "iam", "k")
        assert re.search(rf"  written at {now} \(4 bytes\), 20\S+Z\n", answer.out)
        assert re.search(r"Region 1, led by store 1, on stores 1: \d+ \w+, \d+ requests/s\.", answer.out)
        told = run("explain", "--endpoint", address, "-n", "iam", "k", "-o", "json").told
        assert (told["region"]["leader"], told["version"]) == (1, now)
