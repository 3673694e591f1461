"""A backup of a flaredb on several nodes: one version over all regions, whichever store is asked, and back again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest
from stores import Stores, stores

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.store.following import read_all

NAMES = ("a", "ns")
KEYS = 3000


async def flaredb(cluster: Stores, name: str, *words: object) -> str:
    """Run a command against a store; what it says on stderr."""
    command = [sys.executable, "-m", "flaredb", str(words[0]), "--endpoint", cluster.running[name].addresses[0]]
    child = await asyncio.create_subprocess_exec(
        *command, *map(str, words[1:]), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await child.communicate()
    assert child.returncode == 0, said
    return said.decode()


async def put_pair(kv: KvClient, number: int, value: bytes) -> None:
    """Write a key in each namespace, which are in different regions, after each other."""
    for name in NAMES:
        await kv.put(pb.PutRequest(namespace=name, key=b"%05d" % number, value=value))


async def state_of(cluster: Stores, name: str, version: int = 0) -> dict[str, dict[bytes, bytes]]:
    state = {}
    for namespace in NAMES:
        async with cluster.store(name, namespace) as store:
            loaded = await read_all(store, b"", b"", version)
            state[namespace] = {entry.key: entry.value for entry in loaded.entries}
    return state


@pytest.mark.slow
def test_a_cluster_is_backed_up_at_one_version_and_restored_over_its_regions(tmp_path: Path):
    path = tmp_path / "all.backup"

    async def fill(kv: KvClient) -> None:
        for start in range(0, KEYS, 500):
            for name in NAMES:
                writes = [pb.Write(key=b"%05d" % n, value=b"%d" % n * 200) for n in range(start, start + 500)]
                await kv.txn(pb.TxnRequest(namespace=name, writes=writes))

    async def write(kv: KvClient, until: asyncio.Task[str]) -> int:
        number = 0
        while not until.done():
            number += 1
            await put_pair(kv, number * 37 % (2 * KEYS), b"later %d" % number)
        return number

    async def body(cluster: Stores) -> None:
        await cluster.wait_regions()
        async with cluster.kv("s1") as kv:
            await fill(kv)
            await cluster.wait_regions(count=3)
            backup = asyncio.create_task(flaredb(cluster, "s2", "backup", path))
            assert await write(kv, backup) > 3
            version = int(str(path.read_bytes()[16:200]).partition('"version":')[2].partition(",")[0])
            wanted = await state_of(cluster, "s3", version)
            assert len(wanted["ns"]) >= KEYS
            assert await state_of(cluster, "s1") != wanted
            await flaredb(cluster, "s3", "restore", "--replace", path)
            assert await state_of(cluster, "s1") == wanted

    with stores(tmp_path, extra="split_mib = 1\n") as cluster:
        asyncio.run(body(cluster))


async def listed(cluster: Stores, name: str) -> dict[bytes, bytes]:
    async with cluster.kv(name) as kv:
        return {one.key: one.value for one in (await kv.scan(pb.ScanRequest(namespace="dns-status"))).kvs}


async def wait_listed(cluster: Stores, wanted: dict[bytes, bytes]) -> None:
    """Wait until every store has exactly this of the eventual namespace."""
    async with asyncio.timeout(30):
        for name in cluster.running:
            found: dict[bytes, bytes] | None = None
            while found != wanted:
                await asyncio.sleep(0.1)
                with contextlib.suppress(UnavailableError):
                    found = await listed(cluster, name)


@pytest.mark.slow
def test_what_one_store_has_of_eventual_namespaces_comes_back_to_all_of_them(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        wanted = {b"%03d" % number: b"first" for number in range(50)}
        async with cluster.kv("s1") as kv:
            for key, value in wanted.items():
                await kv.put(pb.PutRequest(namespace="dns-status", key=key, value=value))
        await wait_listed(cluster, wanted)
        await flaredb(cluster, "s2", "backup", tmp_path / "all")
        async with cluster.kv("s3") as kv:
            await kv.put(pb.PutRequest(namespace="dns-status", key=b"000", value=b"later"))
            await kv.delete(pb.DeleteRequest(namespace="dns-status", key=b"001"))
        later = {key: value for key, value in wanted.items() if key != b"001"} | {b"000": b"later"}
        await wait_listed(cluster, later)
        await flaredb(cluster, "s1", "restore", "-n", "dns-status", tmp_path / "all")
        await asyncio.sleep(1)
        await wait_listed(cluster, later)
        await flaredb(cluster, "s1", "restore", "-n", "dns-status", "--replace", tmp_path / "all")
        await wait_listed(cluster, wanted)

    with stores(tmp_path, 3, extra='[eventual]\nnamespaces = ["dns-status"]\n') as cluster:
        asyncio.run(body(cluster))
