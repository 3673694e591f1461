"""flaredb on several nodes, as processes: what is told at one store holds at all, whichever of them die."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path

import pytest
from stores import Stores, stores, until

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, OutOfRangeError, UnavailableError
from ultracloud.servicekit.store import Committed, Conflict, FlaredbStore
from ultracloud.servicekit.store.following import read_all
from ultracloud.servicekit.store.several import connect_several

LOST = (AbortedError, DeadlineExceededError, UnavailableError)
KIB = 1024


class Writers:
    """Writers of keys that are never written again; knows which were acknowledged, with their versions.

    Attributes:
        doubts: Writes of which nobody knows what became of them.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[bytes, int] = {}
        self.doubts = 0
        self._numbers = itertools.count()

    async def write(self, store: FlaredbStore) -> None:
        """Write for ever."""
        while True:
            key = b"%06d" % next(self._numbers)
            try:
                done = await store.txn({key: 0}, {key: b"v"})
            except LOST:
                self.doubts += 1
                continue
            if isinstance(done, Committed):
                self.acknowledged[key] = done.version

    async def wait(self, count: int) -> None:
        """Wait for so many more."""
        wanted = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= wanted)


@contextlib.asynccontextmanager
async def writing(cluster: Stores, *names: str):
    """Writers at these stores for as long as the block lasts."""
    writers = Writers()
    async with contextlib.AsyncExitStack() as held:
        opened = [await held.enter_async_context(cluster.store(name)) for name in names]
        tasks = [asyncio.create_task(writers.write(store)) for store in opened for _ in range(4)]
        try:
            yield writers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def stored(cluster: Stores, name: str) -> dict[bytes, int]:
    async with cluster.store(name) as store:
        return {entry.key: entry.version for entry in (await read_all(store, b"", b"")).entries}


def lost(acknowledged: dict[bytes, int], found: dict[bytes, int]) -> dict[bytes, int]:
    return {key: version for key, version in acknowledged.items() if found.get(key) != version}


def test_what_is_written_at_one_store_is_read_at_all(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        await cluster.wait_regions()
        for number, name in enumerate(cluster.running):
            async with cluster.store(name) as store:
                done = await store.txn({}, {b"k%d" % number: name.encode()})
                assert isinstance(done, Committed)
            for other in cluster.running:
                async with cluster.store(other) as store:
                    found = await store.get(b"k%d" % number)
                    assert found is not None
                    assert (found.value, found.version) == (name.encode(), done.version)

    with stores(tmp_path) as cluster:
        asyncio.run(body(cluster))


def test_a_killed_leader_loses_nothing_acknowledged_and_the_others_go_on(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        (seen,) = await cluster.wait_regions()
        leader = await cluster.name_of(seen.leader)
        async with writing(cluster, *(name for name in cluster.running if name != leader)) as writers:
            await writers.wait(50)
            cluster.kill(leader)
            await writers.wait(50)
            cluster.start(leader).wait_ready(20)
            await writers.wait(50)
        for name in cluster.running:
            assert lost(writers.acknowledged, await stored(cluster, name)) == {}

    with stores(tmp_path) as cluster:
        asyncio.run(body(cluster))


def test_who_knows_several_stores_goes_on_at_another_one(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        await cluster.wait_regions()
        channel = connect_several(",".join(one.addresses[0] for one in cluster.running.values()))
        store, writers = FlaredbStore(channel, "ns"), Writers()
        writing = asyncio.create_task(writers.write(store))
        for name in [*cluster.running]:
            await writers.wait(20)
            address = cluster.running[name].addresses[0]
            cluster.kill(name)
            await writers.wait(20)
            assert await store.get(min(writers.acknowledged)) is not None
            cluster.start(name, address).wait_ready(20)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await channel.close()
        assert lost(writers.acknowledged, await stored(cluster, "s1")) == {}

    with stores(tmp_path) as cluster:
        asyncio.run(body(cluster))


def test_a_leader_that_is_stopped_hands_over_before_it_goes(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        (seen,) = await cluster.wait_regions()
        leader = await cluster.name_of(seen.leader)
        async with writing(cluster, *(name for name in cluster.running if name != leader)) as writers:
            await writers.wait(50)
            stopped = await asyncio.to_thread(cluster.running[leader].terminate)
            await writers.wait(20)
        assert stopped == 0
        cluster.running.pop(leader).close()
        for name in cluster.running:
            assert lost(writers.acknowledged, await stored(cluster, name)) == {}
        assert writers.doubts == 0

    with stores(tmp_path) as cluster:
        asyncio.run(body(cluster))


def test_regions_are_cut_and_read_as_one(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        await cluster.wait_regions()
        async with cluster.store("s1") as store, cluster.kv("s2") as kv:
            watched: list[tuple[int, bytes]] = []
            with pytest.raises(OutOfRangeError, match="compacted"):
                await anext(store.watch(b"", b"", 5))
            empty = (await store.scan(b"", b"")).read_version
            watching = asyncio.create_task(watch(store, watched, empty))
            for start in range(0, 1200, 20):
                await asyncio.gather(
                    *(store.txn({}, {b"%05d" % number: bytes(8 * KIB)}) for number in range(start, start + 20))
                )
            await cluster.wait_regions(count=3)
            for number in range(1200, 1220):
                await store.txn({}, {b"%05d" % (number * 37 % 1200): b"again"})
            loaded = await read_all(store, b"", b"")
            assert [entry.key for entry in loaded.entries] == [b"%05d" % number for number in range(1200)]
            back = await kv.scan(pb.ScanRequest(namespace="ns", reverse=True, keys_only=True, limit=2000))
            assert [one.key for one in back.kvs] == [b"%05d" % number for number in reversed(range(1200))]
            keys = [b"%05d" % number for number in (1199, 3, 600, 601, 900)]
            many = await kv.batch_get(pb.BatchGetRequest(namespace="ns", keys=keys))
            assert [one.key for one in many.kvs] == keys
            async with cluster.store("s3", "another") as other:
                await other.txn({}, {b"k": b"v"})
            names = await kv.namespaces(pb.NamespacesRequest())
            assert list(names.namespaces) == ["another", "ns"]
            pair = await store.txn({b"00003": loaded.entries[3].version}, {b"00003": b"pair", b"01199": b"pair"})
            assert isinstance(pair, Committed)
            both = await store.get_many([b"00003", b"01199"])
            assert [(one.value, one.version) for one in both.entries] == [(b"pair", pair.version)] * 2
            assert isinstance(await store.txn({b"01199": 5}, {b"00003": b"no", b"01199": b"no"}), Conflict)
            await until(lambda: len(watched) == 1222)
            assert watched[-2:] == [(pair.version, b"00003"), (pair.version, b"01199")]
            watching.cancel()
            assert watched == sorted(watched)
            now = await read_all(store, b"", b"")
            assert {key: version for version, key in watched} == {one.key: one.version for one in now.entries}

    async def watch(store: FlaredbStore, watched: list[tuple[int, bytes]], position: int) -> None:
        async for changes in store.watch(b"", b"", position):
            watched += [(change.version, change.key) for change in changes.changes]

    with stores(tmp_path, extra="split_mib = 2\n") as cluster:
        asyncio.run(body(cluster))


def test_what_a_lost_store_had_is_made_anew_and_nothing_acknowledged_is_lost(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        (seen,) = await cluster.wait_regions()
        victim = await cluster.name_of(seen.region.peers[0].store)
        async with writing(cluster, *(name for name in cluster.running if name != victim)) as writers:
            await writers.wait(100)
            cluster.kill(victim)
            await writers.wait(100)
            await cluster.wait_regions(without=seen.region.peers[0].store)
            await writers.wait(50)
        for name in cluster.running:
            assert lost(writers.acknowledged, await stored(cluster, name)) == {}

    with stores(tmp_path, 4, extra="lost_minutes = 0.1\n") as cluster:
        asyncio.run(body(cluster))
