"""The map on a real chainfire: one process for all tests here, a cluster of its own for each."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flaredb.core import cluster_json
from flaredb.core.cluster_view import StoreEntry
from flaredb.core.placement import MIB, RegionSeen, StoreSeen
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId, first_region
from flaredb.errors import StoreDirectoryError
from flaredb.shell import cluster_map
from flaredb.shell.cluster_map import HEARD_MS_MAX, HEARTBEAT_S, ClusterMap
from ultracloud.base.faults import FailedPreconditionError, NotFoundError
from ultracloud.raft.words import NodeId
from ultracloud.servicekit import coordination
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import Coordination, MemoryCoordination
from ultracloud.testkit.processes import Process, serve

FAST_S = 0.02
NAMES = (f"c{number}" for number in itertools.count())


@dataclass
class SetClock(SystemClock):
    """Time passes when told; sleeping is short."""

    ms: int = 1_000_000
    slept: list[float] = field(default_factory=list)

    def monotonic_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(FAST_S)


def config_of(folder: Path, address: str = "127.0.0.1:0") -> Path:
    path = folder / "chainfire.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.1\n[listen]\naddress = "{address}"\n')
    return path


@pytest.fixture(scope="module")
def chainfire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serve("chainfire", config_of(tmp_path_factory.mktemp("chainfire"))) as process:
        yield process


@asynccontextmanager
async def maps(address: str, count: int, name: str = "", clock: SystemClock | None = None) -> AsyncIterator[Cluster]:
    """Maps of one cluster, each with its own connection, followed."""
    name = name or next(NAMES)
    kvs = [coordination.connect(address, deadline_s=1.0) for _ in range(count)]
    made = [ClusterMap(kv, name, clock or SystemClock()) for kv in kvs]
    tasks = [asyncio.create_task(each.run()) for each in made]
    try:
        async with asyncio.timeout(30):
            for each in made:
                await each.ready()
            yield Cluster(name, made, kvs)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kv in kvs:
            await kv.close()


@dataclass
class Cluster:
    """What a test has."""

    name: str
    maps: list[ClusterMap]
    kvs: list[Coordination]

    async def entry(self, name: str) -> object:
        pair = await self.kvs[0].get(self.maps[0].prefix + name.encode())
        return None if pair is None else json.loads(pair.value)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what it waits for comes from another process
            await asyncio.sleep(FAST_S)


def entry(store: int, used: int = 0) -> StoreEntry:
    return StoreEntry(StoreSeen(StoreId(store), 1000 * MIB, used * MIB, 0, (("zone", "a"),)), f"n{store}:1")


def led(region: Region, store: int = 1, *, size_bytes: int = 0) -> RegionSeen:
    return RegionSeen(region, size_bytes, 0, StoreId(store))


def halves(version: int = 1) -> tuple[Region, Region, Region]:
    """A region, and what becomes of it when it is cut at m."""
    whole = replace(first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))]), epoch=Epoch(version, 1))
    return whole, *whole.split(b"m", RegionId(10), (Peer(NodeId(11), StoreId(1)),))


Body = Callable[[Cluster], Awaitable[None]]


def run(process: Process, body: Body, count: int = 2, clock: SystemClock | None = None) -> None:
    async def main() -> None:
        async with maps(process.addresses[0], count, clock=clock) as cluster:
            await body(cluster)

    asyncio.run(main())


def test_of_stores_that_race_one_founds_the_cluster(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        stores = await asyncio.gather(*(each.register() for each in cluster.maps))
        assert sorted(stores) == [1, 2, 3, 4]
        founded = await asyncio.gather(
            *(each.bootstrap(store) for each, store in zip(cluster.maps, stores, strict=True))
        )
        (region,) = [each for each in founded if each is not None]
        assert region.peers[0].store == stores[founded.index(region)]
        assert await cluster.entry("founder") == {"store": region.peers[0].store}

    run(chainfire, body, count=4)


def test_a_founder_that_forgot_founds_again_until_its_region_is_reported(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        region = await one.bootstrap(StoreId(1))
        assert region is not None
        assert await other.bootstrap(StoreId(1)) == region
        await one.report(entry(1), [led(region)])
        assert await other.bootstrap(StoreId(1)) is None
        await until(lambda: other.find(b"any") == led(region))

    run(chainfire, body)


def test_a_cluster_is_one_for_good_whoever_asks(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        first, second = await asyncio.gather(one.identify(), other.identify())
        assert first == second == await other.identify()
        assert await cluster.entry("identity") == {"cluster": first}
        # Lost with the rest of chainfire's data, it is said again by who knows it.
        await cluster.kvs[0].delete(one.prefix + b"identity")
        while await cluster.entry("identity") is None:
            await one.report(entry(1), [])
        assert await cluster.entry("identity") == {"cluster": first}

    run(chainfire, body)


def test_the_map_of_another_cluster_is_not_used(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        (one,) = cluster.maps
        identity = await one.identify()
        await one.report(entry(1), [led(halves()[0])])
        stranger = ClusterMap(cluster.kvs[0], cluster.name, SystemClock())
        stranger.expect("0123")
        with pytest.raises(StoreDirectoryError, match=f"belongs to cluster 0123, and chainfire has cluster {identity}"):
            await stranger.run()
        assert stranger.regions == ()

    run(chainfire, body, count=1)


def test_ids_are_given_once_whoever_asks(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        taken = await asyncio.gather(*(each.reserve_ids(count) for count in (3, 5, 7) for each in cluster.maps))
        ranges = sorted((first, first + count) for first, count in zip(taken, (3, 3, 5, 5, 7, 7), strict=True))
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))
        assert await cluster.entry("ids/regions") == {"next": ranges[-1][1]}

    run(chainfire, body)


def test_ids_stay_above_what_the_map_has_though_the_counters_are_lost(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, _ = cluster.maps
        region = replace(halves()[0], newest=NodeId(70))
        await one.report(entry(9), [led(region)])
        assert (await one.reserve_ids(1), await one.register()) == (71, 10)

    run(chainfire, body)


def test_a_report_writes_what_changed_and_a_heartbeat_when_it_is_due(chainfire: Process) -> None:
    clock = SetClock()

    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        region = led(halves()[0], size_bytes=10 * MIB)

        async def written(store: StoreEntry, seen: RegionSeen) -> list[str]:
            before = (await cluster.kvs[0].range(one.prefix)).revision
            await one.report(store, [seen])
            found = (await cluster.kvs[0].range(one.prefix)).pairs
            return [pair.key[len(one.prefix) :].decode() for pair in found if pair.mod_revision > before]

        assert await written(entry(1), region) == ["beats/1", "regions/1", "stores/1"]
        assert await written(entry(1), region) == []
        assert await written(entry(1), replace(region, size_bytes=11 * MIB)) == []
        assert await written(entry(1), replace(region, size_bytes=12 * MIB)) == ["regions/1"]
        clock.ms += round(HEARTBEAT_S * 1000)
        assert await written(entry(1), replace(region, size_bytes=12 * MIB)) == ["beats/1"]
        await until(lambda: other.regions == (replace(region, size_bytes=12 * MIB),))

    run(chainfire, body, clock=clock)


def test_a_report_does_not_overwrite_what_is_newer(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        whole, left, right = halves()
        await one.report(entry(1), [led(whole)])
        await until(lambda: other.find(b"a") is not None)
        await other.report(entry(2), [led(left, 2), led(right, 2)])
        # Whether it has heard of that yet or not.
        await one.report(entry(1), [led(whole, size_bytes=90 * MIB)])
        await until(lambda: one.regions == (led(left, 2), led(right, 2)))
        await one.report(entry(1), [led(whole, size_bytes=90 * MIB)])
        assert (await cluster.entry("regions/1"), await cluster.entry("regions/10")) == (
            json.loads(cluster_json.render_region(led(left, 2))),
            json.loads(cluster_json.render_region(led(right, 2))),
        )

    run(chainfire, body)


def test_what_was_merged_away_goes_with_the_report_of_who_took_it(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        _, left, right = halves()
        await one.report(entry(1), [led(left), led(right)])
        merged = replace(left, end=b"", epoch=Epoch(3, 1))
        await one.report(entry(1), [led(merged)])
        assert await cluster.entry("regions/10") is None
        await until(lambda: other.regions == (led(merged),))

    run(chainfire, body)


def test_many_regions_are_reported_at_once(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        some = [
            replace(halves()[0], region=RegionId(n), start=b"%03d" % n, end=b"%03d" % (n + 1)) for n in range(100, 200)
        ]
        await one.report(entry(1), [led(each) for each in some])
        await until(lambda: len(other.regions) == len(some))
        pairs = (await cluster.kvs[0].range(one.prefix + b"regions/")).pairs
        assert len({pair.mod_revision for pair in pairs}) == 4

    run(chainfire, body)


def test_what_a_store_says_of_a_region_routes_at_once_and_is_not_written(chainfire: Process) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        whole, left, right = halves()
        await one.report(entry(1), [led(whole)])
        await until(lambda: other.find(b"a") is not None)
        other.learn(right, StoreId(1))
        other.learn(left, None)
        other.learn(whole, StoreId(9))
        assert [(each.region, each.leader) for each in other.regions] == [(left, 1), (right, 1)]
        assert await cluster.entry("regions/10") is None
        assert [each.region for each in other.reported] == [whole]
        await one.report(entry(1), [led(left), led(right, size_bytes=MIB)])
        await until(lambda: other.regions[1].size_bytes == MIB)

    run(chainfire, body)


def test_a_store_is_as_old_as_its_last_heartbeat_here(chainfire: Process) -> None:
    clock = SetClock()

    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        await one.report(entry(1), [])
        await until(lambda: StoreId(1) in other.stores)
        clock.ms += 3000
        await other.report(entry(2), [])
        await until(lambda: len(one.stores) == len(other.stores) == 2)
        assert {other.now_ms - seen.seen.seen_ms for seen in other.stores.values()} == {3000, 0}
        assert other.stores[StoreId(1)].address == "n1:1"

    run(chainfire, body, clock=clock)


def test_time_in_which_nothing_is_heard_makes_nobody_older(chainfire: Process) -> None:
    clock = SetClock()

    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        await one.report(entry(1), [])
        await until(lambda: StoreId(1) in other.stores)
        clock.ms += 3_600_000
        assert other.unheard_ms == 3_600_000
        await other.report(entry(2), [])
        await until(lambda: other.unheard_ms == 0)
        assert other.now_ms - other.stores[StoreId(1)].seen.seen_ms == HEARD_MS_MAX

    run(chainfire, body, clock=clock)


def test_a_store_leaves_stays_and_is_forgotten(chainfire: Process) -> None:
    clock = SetClock()

    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        region = led(halves()[0])
        await one.report(entry(1), [region])
        await other.report(entry(2), [])
        await until(lambda: len(one.stores) == len(other.stores) == 2)
        await other.set_leaving(StoreId(2), is_leaving=True)
        await until(lambda: one.stores[StoreId(2)].seen.is_leaving)
        await other.report(entry(2, used=500), [])
        await until(lambda: one.stores[StoreId(2)].seen.used_bytes > 0)
        assert one.stores[StoreId(2)].seen.is_leaving
        await one.set_leaving(StoreId(2), is_leaving=False)
        await until(lambda: not other.stores[StoreId(2)].seen.is_leaving)
        with pytest.raises(FailedPreconditionError, match="heard of lately"):
            await one.forget_store(StoreId(2), 20_000)
        with pytest.raises(FailedPreconditionError, match="holds replicas of regions 1"):
            await one.forget_store(StoreId(1), 0)
        with pytest.raises(NotFoundError, match="no store 3; stores of this cluster: 1, 2"):
            await one.set_leaving(StoreId(3), is_leaving=True)
        await one.forget_store(StoreId(2), 0)
        assert list(one.stores) == [1]
        await until(lambda: list(other.stores) == [1])

    run(chainfire, body, clock=clock)


def test_a_copy_of_a_disk_is_told_once(chainfire: Process, caplog: pytest.LogCaptureFixture) -> None:
    async def body(cluster: Cluster) -> None:
        one, other = cluster.maps
        await one.report(entry(1), [])
        for _ in range(3):
            await other.report(replace(entry(1), address="copy:1"), [])
            await until(lambda: one.stores[StoreId(1)].address == "copy:1")
            await one.report(entry(1), [])
            await until(lambda: other.stores[StoreId(1)].address == "n1:1")
        assert caplog.text.count("another process says that it is store 1") == len(cluster.maps)

    run(chainfire, body)


def test_an_entry_that_nobody_understands_is_left_out(chainfire: Process, caplog: pytest.LogCaptureFixture) -> None:
    async def body(cluster: Cluster) -> None:
        one, _ = cluster.maps
        region = led(halves()[0])
        await one.report(entry(1), [region])
        for name in (b"regions/7", b"stores/7", b"regions/x", b"beats/7", b"leaving/7", b"later/7"):
            await cluster.kvs[0].put(one.prefix + name, b"{")
        await cluster.kvs[0].put(one.prefix + b"ids/regions", b"{")
        await until(lambda: "stores/7" in str([getattr(each, "key", "") for each in caplog.records]))
        assert (one.regions, list(one.stores)) == ((region,), [1])
        with pytest.raises(FailedPreconditionError, match="ids/regions"):
            await one.reserve_ids(1)

    run(chainfire, body)


def test_the_map_is_read_again_when_what_is_next_was_forgotten() -> None:
    async def main() -> None:
        kv = MemoryCoordination()
        one, other = (ClusterMap(kv, "prod", SystemClock()) for _ in range(2))
        task = asyncio.create_task(other.run())
        await other.ready()
        whole, left, right = halves()
        # None of this lets the other one's watch run.
        await one.report(entry(1), [led(whole)])
        await one.report(entry(1), [led(left), led(right)])
        await kv.compact((await kv.range(b"")).revision)
        assert other.regions == ()
        await until(lambda: other.regions == (led(left), led(right)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_the_map_goes_on_when_chainfire_comes_back(tmp_path: Path) -> None:
    _, left, right = halves()

    async def main() -> None:
        with serve("chainfire", config_of(tmp_path)) as first:
            address = first.addresses[0]
            async with maps(address, 2, "prod") as cluster:
                one, other = cluster.maps
                await one.report(entry(1), [led(left)])
                await until(lambda: len(other.regions) == 1)
                first.kill()
                await one.report(entry(1), [led(left), led(right)])
                assert (other.find(b"a"), other.find(b"n")) == (led(left), None)
                with serve("chainfire", config_of(tmp_path, address)):
                    while len(other.regions) < 2:
                        await one.report(entry(1), [led(left), led(right)])
                        await asyncio.sleep(FAST_S)
                    assert other.find(b"n") == led(right)

    asyncio.run(main())


def test_a_chainfire_that_was_restored_to_before_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_map, "SILENCE_S", 1.0)
    whole, left, right = halves()

    async def main() -> None:
        with serve("chainfire", config_of(tmp_path)) as first:
            address = first.addresses[0]
            async with maps(address, 1, "prod") as cluster:
                (one,) = cluster.maps
                await one.report(entry(1), [led(left), led(right)])
                for _ in range(50):
                    await cluster.kvs[0].put(b"/else", b"")
                first.kill()
                shutil.rmtree(tmp_path / "state")
                with serve("chainfire", config_of(tmp_path, address)):
                    async with maps(address, 1, "prod") as restored:
                        await restored.maps[0].report(entry(2), [led(whole, 2)])
                        await until(lambda: one.regions == (led(whole, 2),) and list(one.stores) == [2])

    asyncio.run(main())
