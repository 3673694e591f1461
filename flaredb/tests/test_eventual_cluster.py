"""An eventual namespace on several nodes, as processes: every store takes writes, whichever others run."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from stores import Stores, stores

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError, Fault, OutOfRangeError, UnavailableError

NS = "dns-status"
EVENTUAL = f'[eventual]\nnamespaces = ["{NS}"]\n'
WAIT_S = 30.0


async def put(cluster: Stores, name: str, key: bytes, value: bytes) -> int:
    async with cluster.kv(name) as kv:
        return int((await kv.put(pb.PutRequest(namespace=NS, key=key, value=value))).version)


async def listed(cluster: Stores, name: str) -> dict[bytes, bytes]:
    async with cluster.kv(name) as kv:
        return {one.key: one.value for one in (await kv.scan(pb.ScanRequest(namespace=NS))).kvs}


async def wait_listed(cluster: Stores, expected: dict[bytes, bytes]) -> None:
    """Wait until every store that runs has exactly this."""
    found: dict[str, dict[bytes, bytes]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            while True:
                with contextlib.suppress(UnavailableError):
                    found = {name: await listed(cluster, name) for name in cluster.running}
                    if all(one == expected for one in found.values()):
                        return
                await asyncio.sleep(0.1)
    raise AssertionError((expected, found, {name: one.tail() for name, one in cluster.running.items()}))


def test_any_store_takes_writes_and_all_come_to_have_them(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        expected = {}
        for name in cluster.running:
            await put(cluster, name, name.encode(), b"1")
            expected[name.encode()] = b"1"
        await wait_listed(cluster, expected)
        await put(cluster, "s2", b"s1", b"later")
        await wait_listed(cluster, expected | {b"s1": b"later"})
        async with cluster.kv("s1") as kv:
            with pytest.raises(FailedPreconditionError, match="is eventual"):
                await kv.increment(pb.IncrementRequest(namespace=NS, key=b"n", delta=1))

    with stores(tmp_path, 3, extra=EVENTUAL) as cluster:
        asyncio.run(body(cluster))


@pytest.mark.slow
def test_a_store_that_is_left_alone_goes_on_and_the_others_are_mended(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        await put(cluster, "s1", b"a", b"1")
        await wait_listed(cluster, {b"a": b"1"})
        for name in ("s2", "s3"):
            cluster.kill(name)
        await put(cluster, "s1", b"a", b"2")
        await put(cluster, "s1", b"b", b"1")
        assert await listed(cluster, "s1") == {b"a": b"2", b"b": b"1"}
        cluster.start_all("s2", "s3")
        cluster.kill("s1")
        cluster.start_all("s1")
        await wait_listed(cluster, {b"a": b"2", b"b": b"1"})

    with stores(tmp_path, 3, extra=EVENTUAL) as cluster:
        asyncio.run(body(cluster))


def test_a_store_that_joins_gets_all_of_it_and_has_versions_of_its_own(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        version = await put(cluster, "s1", b"a", b"1")
        cluster.start_all("s2")
        await wait_listed(cluster, {b"a": b"1"})
        async with cluster.kv("s2") as kv:
            watch = kv.watch(pb.WatchRequest(namespace=NS, from_version=version))
            with pytest.raises(OutOfRangeError, match="not of this store"):
                await anext(watch)

    with stores(tmp_path, 1, extra=EVENTUAL) as cluster:
        asyncio.run(body(cluster))


class Writer:
    """One that counts in a key of its own, at one store, whatever becomes of that; knows the last that was answered."""

    def __init__(self, cluster: Stores, name: str) -> None:
        self.answered = self.asked = 0
        self._cluster = cluster
        self._name = name

    async def write(self) -> None:
        """Write for ever."""
        while True:
            with contextlib.suppress(Fault, KeyError, IndexError):
                async with self._cluster.kv(self._name) as kv:
                    await self._count(kv)
            await asyncio.sleep(0.02)

    async def _count(self, kv: KvClient) -> None:
        while True:
            self.asked += 1
            number = self.asked
            await kv.put(pb.PutRequest(namespace=NS, key=self._name.encode(), value=b"%d" % number), 4.0)
            self.answered = number

    def has_kept(self, value: bytes) -> bool:
        """Whether it may be what is there in the end."""
        return self.answered <= int(value) <= self.asked


@pytest.mark.slow
def test_no_write_that_was_answered_is_lost_while_stores_are_killed(tmp_path: Path):
    async def body(cluster: Stores) -> None:
        names = list(cluster.running)
        addresses = {name: cluster.running[name].addresses[0] for name in names}
        writers = {name: Writer(cluster, name) for name in names}
        writing = [asyncio.create_task(writer.write()) for writer in writers.values()]
        for name in names:
            await asyncio.sleep(1.5)
            cluster.kill(name)
            await asyncio.sleep(0.5)
            process = cluster.start(name, addresses[name])
            await asyncio.to_thread(process.wait_ready, WAIT_S)
        await asyncio.sleep(1.0)
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        await asyncio.sleep(5.0)
        for name in names:
            found = await listed(cluster, name)
            assert {key: writers[key.decode()].has_kept(value) for key, value in found.items()} == {
                each.encode(): True for each in names
            }, (found, {each: (one.answered, one.asked) for each, one in writers.items()})
        assert all(writer.answered > 50 for writer in writers.values())

    with stores(tmp_path, 3, extra=EVENTUAL) as cluster:
        asyncio.run(body(cluster))
