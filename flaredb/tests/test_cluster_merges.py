"""Merges of real processes: regions that are small together become one, while they are written, read and followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from stores import Stores, stores

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, UnavailableError
from ultracloud.servicekit.store import Committed
from ultracloud.servicekit.store.following import read_all

LOST = (AbortedError, DeadlineExceededError, UnavailableError)
KEYS, VALUE, TOLD_MIN = 300, bytes(25_000), 50


async def filled(cluster: Stores, count: int) -> None:
    async with cluster.store("s1") as store:
        for number in range(count):
            await store.txn({}, {b"k%04d" % number: VALUE})


async def write(cluster: Stores, told: dict[bytes, int], stop: asyncio.Event) -> None:
    """Write keys all over the range, and remember what was acknowledged."""
    async with cluster.store("s2") as store:
        number = 0
        while not stop.is_set():
            key = b"k%04d-%d" % (37 * number % KEYS, number)
            number += 1
            try:
                done = await store.txn({key: 0}, {key: b"v"})
            except LOST:
                continue
            if isinstance(done, Committed):
                told[key] = done.version


async def follow(cluster: Stores, seen: dict[bytes, int], version: int) -> None:
    """Follow all changes for ever; none may come twice, or out of order."""
    async with cluster.kv("s3") as kv:
        last = version
        async for answer in kv.watch(pb.WatchRequest(namespace="ns", from_version=version)):
            for change in answer.changes:
                assert change.version >= last, (change.version, last)
                last = change.version
                assert change.key not in seen, change.key
                seen[change.key] = change.version


@pytest.mark.slow
def test_small_regions_become_one_and_nobody_notices(tmp_path: Path) -> None:
    told: dict[bytes, int] = {}
    seen: dict[bytes, int] = {}

    async def body(cluster: Stores) -> None:
        await cluster.wait_regions()
        await filled(cluster, KEYS)
        await cluster.wait_regions(count=4)
        cluster.extra = ""
        for name in ("s1", "s2", "s3"):
            cluster.kill(name)
            await asyncio.to_thread(cluster.start(name).wait_ready, 30)
        async with cluster.store("s1") as store:
            version = (await read_all(store, b"", b"")).version
        stop = asyncio.Event()
        following = asyncio.create_task(follow(cluster, seen, version))
        writing = asyncio.create_task(write(cluster, told, stop))
        async with asyncio.timeout(60):
            while len(await cluster.regions()) > 1:  # noqa: ASYNC110 - it is in other processes
                await asyncio.sleep(0.1)
            while len(told) < TOLD_MIN:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
            stop.set()
            await writing
            while not told.items() <= seen.items():
                assert not following.done(), following.exception()
                await asyncio.sleep(0.1)
        following.cancel()
        for name in cluster.running:
            async with cluster.store(name) as store:
                found = {entry.key: entry.version for entry in (await read_all(store, b"", b"")).entries}
            assert {key for key, version in told.items() if found.get(key) != version} == set()
            assert sum(not key.count(b"-") for key in found) == KEYS

    with stores(tmp_path, extra="split_mib = 1\n") as cluster:
        asyncio.run(body(cluster))
