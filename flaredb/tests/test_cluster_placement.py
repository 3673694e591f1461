"""Placement of real processes: a cluster that begins with one store, grows, and is emptied again, store by store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import Stores, stores

from flaredb.core.region import StoreId
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.servicekit.store.following import read_all

FAST = "lost_minutes = 0.1\n"
"""A store that is silent for six seconds is lost."""


async def seen(cluster: Stores, name: str) -> dict[int, pb.StoreView]:
    async with cluster.channel(name) as channel:
        return {each.id: each for each in (await ClusterClient(channel).stores(pb.StoresRequest())).stores}


async def written(cluster: Stores, name: str, count: int) -> None:
    async with cluster.store(name) as store:
        for number in range(count):
            await store.txn({}, {b"%s-%d" % (name.encode(), number): bytes(1000)})


async def held(cluster: Stores, name: str) -> int:
    async with cluster.store(name) as store:
        return len((await read_all(store, b"", b"")).entries)


@pytest.mark.slow
def test_a_cluster_grows_from_one_store_and_a_store_is_emptied_and_struck_off(tmp_path: Path) -> None:
    async def body(cluster: Stores) -> None:
        await written(cluster, "s1", 50)
        (alone,) = await cluster.wait_regions(voters=1)
        assert alone.leader == 1
        await asyncio.to_thread(cluster.start_all, "s2", "s3", "s4")
        await written(cluster, "s4", 50)
        (grown,) = await cluster.wait_regions()
        async with cluster.channel("s2") as channel:
            await ClusterClient(channel).set_leaving(pb.SetLeavingRequest(store=1, is_leaving=True))
        (moved,) = await cluster.wait_regions(without=StoreId(1))
        assert moved.region.newest > grown.region.newest
        assert await held(cluster, "s1") == 100
        await until_seen(cluster, lambda store: (store.is_leaving, store.replicas, store.leads) == (True, 0, 0))
        await forgotten(cluster)
        assert await held(cluster, "s2") == 100

    with stores(tmp_path, count=1, extra=FAST) as cluster:
        asyncio.run(body(cluster))


async def until_seen(cluster: Stores, holds: Callable[[pb.StoreView], bool]) -> None:
    """Wait until the first store is seen so by the second."""
    async with asyncio.timeout(20):
        while not holds((await seen(cluster, "s2"))[1]):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.1)


async def forgotten(cluster: Stores) -> None:
    """Strike the first store off: not while it is there, and then for good."""
    async with cluster.channel("s2") as channel:
        client = ClusterClient(channel)
        with pytest.raises(FailedPreconditionError, match="heard of lately"):
            await client.forget_store(pb.ForgetStoreRequest(store=1))
        cluster.kill("s1")
        await until_seen(cluster, lambda store: store.state != pb.STORE_STATE_UP)
        await client.forget_store(pb.ForgetStoreRequest(store=1))
    assert sorted(await seen(cluster, "s2")) == [2, 3, 4]
