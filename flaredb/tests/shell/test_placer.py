"""Placement as it runs, on a coordination store in memory; the election is lost as it would be on a real one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flaredb.core.cluster_view import StoreEntry
from flaredb.core.placement import MIB, ChangeReplicas, Policy, RegionSeen, SplitRegion, Step, StoreSeen, next_change
from flaredb.core.region import Peer, RegionId, StoreId, first_region
from flaredb.shell import placer
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.cluster_meters import install_cluster
from flaredb.shell.placer import CarryOut, Placer
from ultracloud.base.faults import AbortedError, UnavailableError
from ultracloud.raft.membership import changed
from ultracloud.raft.words import NodeId
from ultracloud.servicekit import coordination
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import MemoryCoordination
from ultracloud.servicekit.coordination.sessions import TTL_S
from ultracloud.servicekit.metrics import Metrics
from ultracloud.testkit.processes import Process, serve

SPEED = 10
"""So many times faster than life: a round each 100 ms, and a lease of a second."""
LOG = logging.getLogger("flaredb.placement.test")


class FastClock(SystemClock):
    """Time flies, but for what the event loop itself waits for."""

    def monotonic_ms(self) -> int:
        return super().monotonic_ms() * SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


class CutCoordination(MemoryCoordination):
    """Some leases can be cut off: their holders do not reach the store any more."""

    def __init__(self) -> None:
        super().__init__(FastClock())
        self.cut: set[int] = set()

    async def renew(self, lease: int) -> int:
        if lease in self.cut:
            raise UnavailableError("cut off")
        return await super().renew(lease)


class World:
    """A cluster whose regions do at once what they are told, and whose leaders report it."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.kv = CutCoordination()
        self.map = ClusterMap(self.kv, "prod", FastClock())
        region = first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))])
        self.regions = {region.region: RegionSeen(region, size_bytes, 10, StoreId(1), b"m")}
        self.stores = [StoreId(1)]
        self.carried: list[Step] = []

    async def report(self) -> None:
        for store in self.stores:
            entry = StoreEntry(StoreSeen(store, 1000 * MIB, 0, 0), f"n{store}:1")
            await self.map.report(entry, [each for each in self.regions.values() if each.leader == store])

    async def join(self, *stores: int) -> None:
        self.stores += map(StoreId, stores)
        await self.report()

    async def carry_out(self, step: Step) -> None:
        self.carried.append(step)
        seen = self.regions[RegionId(1)]
        assert isinstance(step, ChangeReplicas | SplitRegion)
        if isinstance(step, SplitRegion):
            for half in seen.region.split(step.at, step.right, step.peers):
                self.regions[half.region] = replace(seen, region=half, size_bytes=seen.size_bytes // 2, middle=b"")
            return
        while (change := next_change(step, seen.region)) is not None:
            region = seen.region.changed(changed(seen.region.config, change.changes), change.joining)
            seen = self.regions[RegionId(1)] = replace(seen, region=region)

    def placer(self, carry_out: CarryOut | None = None) -> Placer:
        return Placer(self.map, self.kv, FastClock(), Policy(), carry_out or self.carry_out, LOG)


async def until(holds: Callable[[], bool], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def rounds(count: float) -> None:
    """Let so many rounds go by."""
    await asyncio.sleep(count * placer.PLAN_S / SPEED)


def run(world: World, body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(world.map.run()):
            await world.map.ready()
            await world.report()
            await body()

    asyncio.run(main())


def test_a_cluster_that_grows_is_placed_and_then_left_alone() -> None:
    world = World(size_bytes=100 * MIB)

    async def body() -> None:
        async with running(world.placer().run()):
            await until(lambda: len(world.carried) == 1)
            assert isinstance(world.carried[0], SplitRegion)
            await world.join(2, 3)
            for count in (2, 3):
                await until(lambda count=count: len(world.carried) > count - 1)  # type: ignore[misc]
                await world.report()
            await until(lambda: len(world.regions[RegionId(1)].region.peers) == len(world.stores))

    run(world, body)


def test_a_step_is_not_planned_again_before_it_shows() -> None:
    world = World()

    async def body() -> None:
        await world.join(2)
        async with running(world.placer().run()):
            await until(lambda: len(world.carried) == 1)
            await rounds(4)
            assert len(world.carried) == 1
            await world.report()
            await rounds(4)
            assert len(world.carried) == 1
        (step,) = world.carried
        assert isinstance(step, ChangeReplicas)
        assert step.joining is not None
        assert world.map.reported[0].region.newest == step.joining.peer

    run(world, body)


def test_what_never_shows_is_planned_again_with_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placer, "SHOWN_S", 2.0)
    world = World()
    carried: list[ChangeReplicas] = []

    async def lose(step: Step) -> None:
        assert isinstance(step, ChangeReplicas)
        carried.append(step)

    async def body() -> None:
        await world.join(2)
        async with running(world.placer(lose).run()):
            await until(lambda: len(carried) == 3)
        peers = [step.joining.peer for step in carried if step.joining is not None]
        assert peers == sorted(set(peers))

    run(world, body)


def test_many_regions_are_planned_for_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placer, "ASIDE_REGIONS", 1)
    world = World()

    async def body() -> None:
        await world.join(2)
        async with running(world.placer().run()):
            await until(lambda: len(world.carried) == 1)

    run(world, body)


def test_a_step_that_fails_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    tries: list[Step] = []

    async def refuse(step: Step) -> None:
        tries.append(step)
        if len(tries) < 4:
            raise AbortedError("not now")
        await world.carry_out(step)

    async def body() -> None:
        await world.join(2)
        async with running(world.placer(refuse).run()):
            await until(lambda: len(world.carried) == 1)
        assert len(tries) == 4
        assert caplog.text.count("not placed: not now") == 1

    run(world, body)


def test_a_step_that_takes_too_long_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(placer, "CHANGE_S", 0.5)
    world = World()
    seen = world.regions[RegionId(1)]
    region = replace(seen.region, end=b"k")
    other = replace(seen.region, region=RegionId(3), start=b"k", newest=NodeId(4))
    world.regions = {each.region: replace(seen, region=each) for each in (region, other)}
    begun: list[RegionId] = []

    async def hang(step: Step) -> None:
        assert isinstance(step, ChangeReplicas)
        begun.append(step.region)
        await asyncio.sleep(3600)

    async def body() -> None:
        await world.join(2)
        async with running(world.placer(hang).run()):
            await until(lambda: len(begun) == 4)
        assert begun == [1, 3, 1, 3]
        assert caplog.text.count("a step of placement took more than 0.5 s") == 2

    run(world, body)


def test_who_loses_the_election_stops_in_the_middle_and_another_one_goes_on() -> None:
    world = World()
    said: list[str] = []

    async def hang(_step: Step) -> None:
        said.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("stopped")

    async def body() -> None:
        await world.join(2)
        async with running(world.placer(hang).run(b"one")):
            await until(lambda: said == ["begun"])
            async with running(world.placer().run(b"other")):
                await rounds(3)
                assert world.carried == []
                held = (await world.kv.range(world.map.prefix + b"placement/")).pairs
                world.kv.cut.add(next(pair.lease for pair in held if pair.value == b"one"))
                await until(lambda: len(world.carried) == 1)
                assert said == ["begun", "stopped"]

    run(world, body)


def test_one_decides_at_a_time_and_says_who() -> None:
    world = World()

    async def body() -> None:
        async with running(world.placer().run(b"one"), world.placer().run(b"other")):
            await rounds(2)
            held = (await world.kv.range(world.map.prefix + b"placement/")).pairs
            assert {pair.value for pair in held} == {b"one", b"other"}
            await world.join(2)
            await until(lambda: len(world.carried) == 1)
            await rounds(3)
            assert len(world.carried) == 1

    run(world, body)


def test_troubles_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    decider = world.placer()

    async def body() -> None:
        await world.map.set_leaving(StoreId(1), is_leaving=True)
        async with running(decider.run()):
            await until(lambda: len(decider.troubles) == 1)
            await rounds(3)
        assert caplog.text.count("placement cannot help: region 1: store 1 is leaving, and no store can take one") == 1

    run(world, body)


def test_metrics_say_who_decides_and_what_was_done() -> None:
    world = World()
    decider, metrics = world.placer(), Metrics("flaredb")
    install_cluster(metrics, world.map, decider, Policy())

    def read(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"flaredb_{name}", labels)

    async def body() -> None:
        assert (read("placement_deciding"), read("map_regions")) == (0, 1)
        await world.join(2)
        async with running(decider.run()):
            await until(lambda: read("placement_steps_total", step="replica", outcome="done") == 1)
            assert (read("placement_deciding"), read("placement_steps_under_way")) == (1, 1)
            assert (read("map_stores", state="up"), read("map_stores", state="lost")) == (2, 0)
        assert (read("placement_deciding"), read("placement_troubles")) == (0, 0)

    run(world, body)


@pytest.mark.slow
def test_who_cannot_reach_chainfire_stops_before_another_one_may_begin(tmp_path: Path) -> None:
    config = tmp_path / "chainfire.toml"
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    said: list[str] = []

    async def hang(_step: Step) -> None:
        said.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("stopped")

    async def main(process: Process) -> None:
        clock, kv = SystemClock(), coordination.connect(process.addresses[0], deadline_s=1.0)
        cluster_map = ClusterMap(kv, "prod", clock)
        region = first_region(RegionId(1), [Peer(NodeId(2), StoreId(1))])
        decider = Placer(cluster_map, kv, clock, Policy(), hang, LOG)
        async with running(cluster_map.run(), decider.run()):
            for store in (1, 2):
                await cluster_map.ready()
                entry = StoreEntry(StoreSeen(StoreId(store), 1000 * MIB, 0, 0), f"n{store}:1")
                await cluster_map.report(entry, [RegionSeen(region, 0, 0, StoreId(1))] if store == 1 else [])
            await until(lambda: said == ["begun"])
            process.kill()
            killed_s = asyncio.get_running_loop().time()
            await until(lambda: said == ["begun", "stopped"], TTL_S + 2)
            # A lease that was renewed just before lives so long.
            assert asyncio.get_running_loop().time() - killed_s <= TTL_S
            assert not decider.is_deciding
        await kv.close()

    with serve("chainfire", config) as process:
        asyncio.run(main(process))
