"""Reconcilers and hosts' intents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS, VPCS
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.readiness import Readiness
from ultracloud.servicekit.resources import (
    ROOT,
    Condition,
    Context,
    HostCopy,
    HostFeed,
    Key,
    Kind,
    NewResource,
    Reconciler,
    Resources,
    Truth,
    World,
    pacing,
    reconcile,
    records,
)
from ultracloud.servicekit.store import Change, MemoryStore
from ultracloud.servicekit.testing import OPERATOR, SetClock, sample_authority

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)
PORT = Kind(name="Port", prefix="port", service=PORTS, message=net.Port)


class MakeReady:
    """Gives every VPC a condition; fails as often as it is told to."""

    def __init__(self, resources: Resources, failures: int = 0) -> None:
        self.resources = resources
        self.failures = failures
        self.acted: list[str] = []

    def plan(self, world: World, key: Key) -> list[str]:
        vpc = world.get(VPC, key.id)
        return [key.id] if vpc is not None and not vpc.status.conditions else []

    async def act(self, action: str) -> None:
        self.acted.append(action)
        if self.failures:
            self.failures -= 1
            raise UnavailableError("not now")
        await self.resources.write_status(VPC, action, conditions=[Condition("Ready", Truth.TRUE, "Made")])


class Kit:
    """Resources over a memory store, and a way to make some."""

    def __init__(self) -> None:
        self.resources = Resources(MemoryStore(), sample_authority(), SystemClock(), [VPC, PORT])
        self.context = Context(self.resources, OPERATOR, ROOT, self.resources.clock)

    async def vpc(self, name: str) -> str:
        made = await self.resources.create(self.context, NewResource(VPC, name, net.VpcSpec(), {}))
        return made.metadata.id

    async def port(self, name: str, host: str) -> str:
        made = await self.resources.create(self.context, NewResource(PORT, name, net.PortSpec(host=host), {}))
        return made.metadata.id


@asynccontextmanager
async def running(reconciler: Reconciler[Any]) -> AsyncIterator[None]:
    readiness = Readiness()
    task = asyncio.create_task(reconciler.run(readiness.gate("world")))
    await readiness.wait_ready()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)


def held(scenario: Callable[[Kit], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scenario(Kit())

    asyncio.run(run())


def is_ready(reconciler: Reconciler[Any], identifier: str) -> bool:
    vpc = reconciler.world.get(VPC, identifier)
    return vpc is not None and bool(vpc.status.conditions)


def test_what_exists_and_what_comes_is_reconciled_once() -> None:
    async def scenario(kit: Kit) -> None:
        planner = MakeReady(kit.resources)
        reconciler = Reconciler(kit.resources, [VPC], planner)
        old = await kit.vpc("old")
        async with running(reconciler):
            new = await kit.vpc("new")
            await until(lambda: is_ready(reconciler, old) and is_ready(reconciler, new))
        assert sorted(planner.acted) == sorted([old, new])

    held(scenario)


def test_what_fails_is_tried_again_until_it_works() -> None:
    async def scenario(kit: Kit) -> None:
        planner = MakeReady(kit.resources, failures=2)
        reconciler = Reconciler(kit.resources, [VPC], planner)
        async with running(reconciler):
            vpc = await kit.vpc("v")
            await until(lambda: reconciler.failures() != {})
            assert reconciler.failures()[Key("vpc", vpc)] >= 1
            await until(lambda: is_ready(reconciler, vpc))
            await until(lambda: reconciler.failures() == {})
        assert planner.acted == [vpc] * 3

    held(scenario)


def test_a_defect_ends_the_service() -> None:
    class Broken(MakeReady):
        def plan(self, _world: World, _key: Key) -> list[str]:
            raise ZeroDivisionError

    async def scenario(kit: Kit) -> None:
        await kit.vpc("v")
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(Reconciler(kit.resources, [VPC], Broken(kit.resources)).run(), 5)
        assert ended.value.subgroup(ZeroDivisionError) is not None

    held(scenario)


def test_who_is_never_content_is_slowed_down_and_does_not_hold_others_up() -> None:
    class Restless(MakeReady):
        async def act(self, action: str) -> None:
            self.acted.append(action)
            await self.resources.record_event(VPC, action, "Again", str(len(self.acted)))
            reconciler.touch(Key("vpc", action))

    async def scenario(kit: Kit) -> None:
        nonlocal reconciler
        planner = Restless(kit.resources)
        reconciler = Reconciler(kit.resources, [VPC], planner)
        one = await kit.vpc("one")
        async with running(reconciler):
            await until(lambda: len(planner.acted) >= pacing.BURST)
            await asyncio.sleep(0.2)
            assert planner.acted.count(one) <= pacing.BURST + 1
            other = await kit.vpc("other")
            await until(lambda: planner.acted.count(other) == pacing.BURST)

    reconciler: Reconciler[str]
    held(scenario)


def test_a_pace_allows_a_burst_and_then_one_now_and_then() -> None:
    clock = SetClock()
    pace = pacing.Pace(clock)
    for _ in range(pacing.BURST):
        assert pace.wait_s("a") == 0
        pace.acted("a")
    assert pace.wait_s("a") == pacing.EVERY_MS / 1000
    assert pace.wait_s("b") == 0
    clock.time_ms += pacing.EVERY_MS
    assert pace.wait_s("a") == 0
    pace.acted("a")
    assert pace.wait_s("a") == pacing.EVERY_MS / 1000
    clock.time_ms += pacing.BURST * pacing.EVERY_MS
    pace.forget()
    assert pace.wait_s("a") == 0


class Recorder:
    """Notes which keys are looked at."""

    def __init__(self) -> None:
        self.looked: list[Key] = []

    def plan(self, _world: World, key: Key) -> list[str]:
        self.looked.append(key)
        return []

    async def act(self, action: str) -> None:
        raise AssertionError(action)


def hosts_of(world: World, key: Key) -> Iterable[Key]:
    port = world.get(PORT, key.id) if key.kind == "port" else None
    return [Key("host", port.spec.host)] if port is not None and port.spec.host else []


def test_a_port_that_moves_concerns_both_hosts() -> None:
    async def scenario(kit: Kit) -> None:
        recorder = Recorder()
        reconciler = Reconciler(kit.resources, [PORT], recorder, affected=hosts_of)
        port = await kit.port("p", "one")
        async with running(reconciler):
            await until(lambda: recorder.looked == [Key("host", "one")])

            def move(message: net.Port) -> net.Port:
                message.spec.host = "two"
                return message

            await kit.resources.update(kit.context, PORT, port, move)
            await until(lambda: len(recorder.looked) == 3)
            assert set(recorder.looked[1:]) == {Key("host", "one"), Key("host", "two")}
            reconciler.touch(Key("host", "three"))
            await until(lambda: recorder.looked[-1] == Key("host", "three"))

    held(scenario)


def test_everything_is_looked_at_now_and_then() -> None:
    async def scenario(kit: Kit) -> None:
        recorder = Recorder()
        await kit.vpc("v")
        async with running(Reconciler(kit.resources, [VPC], recorder, resync_s=0.01)):
            await until(lambda: len(recorder.looked) >= 3)

    held(scenario)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["", "one", "two"]), st.booleans()), max_size=30))
def test_the_world_finds_by_a_field_what_looking_at_all_finds(steps: list[tuple[int, str, bool]]) -> None:
    kind = Kind(name="Port", prefix="port", service=PORTS, message=net.Port, indexed=("spec.host",))
    world = World([kind])
    before, moved = list[net.Port](), 0
    for version, (number, host, is_there) in enumerate(steps, 1):
        now = list(world.having(kind, "spec.host", "one"))
        assert now == before or world.moved(kind, "spec.host", "one") != moved
        before, moved = now, world.moved(kind, "spec.host", "one")
        assert len(world.having(kind, "spec.host", "one")) == sum(p.spec.host == "one" for p in world.all(kind))
        port = net.Port(metadata={"id": f"port-{number}"}, spec=net.PortSpec(host=host))
        value = records.render(kind, port, [], {}) if is_there else None
        world.apply(Change(f"r/port/port-{number}".encode(), value, version))
    for host in ("", "one", "two", "three"):
        found = sorted(port.metadata.id for port in world.having(kind, "spec.host", host))
        assert found == sorted(port.metadata.id for port in world.all(kind) if port.spec.host == host)


def test_who_waits_for_the_world_gets_it_as_new_as_asked_or_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(kit: Kit) -> None:
        reconciler = Reconciler(kit.resources, [VPC], Recorder())
        async with running(reconciler):
            vpc = await kit.vpc("v")
            stored = await kit.resources.read(VPC, vpc)
            assert stored is not None
            world = await reconciler.world_at(stored.version)
            assert world.get(VPC, vpc) == stored.message
            monkeypatch.setattr(reconcile, "SEEN_S", 0.01)
            with pytest.raises(UnavailableError, match="not known here yet"):
                await reconciler.world_at(stored.version + 1)

    held(scenario)


def intent(generation: int, *vpcs: str) -> net.HostIntent:
    return net.HostIntent(host="one", generation=generation, vpcs=[net.HostVpc(id=name) for name in vpcs])


def test_a_host_keeps_its_intent_over_a_restart(tmp_path: Path) -> None:
    copy = HostCopy(tmp_path / "intent", net.HostIntent)
    assert copy.load() is None
    assert copy.offer(intent(3, "a"))
    again = HostCopy(tmp_path / "intent", net.HostIntent)
    assert again.load() == intent(3, "a")


def test_an_older_intent_never_replaces_a_newer_one(tmp_path: Path) -> None:
    copy = HostCopy(tmp_path / "intent", net.HostIntent)
    assert copy.offer(intent(3, "a"))
    assert not copy.offer(intent(3, "b"))
    assert not copy.offer(intent(2, "c"))
    assert copy.current == intent(3, "a")
    assert HostCopy(tmp_path / "intent", net.HostIntent).load() == intent(3, "a")


@pytest.mark.parametrize("damage", [b"", b"ULTRACLOUD HOST COPY 1\n", b"x" * 200])
def test_a_damaged_copy_is_as_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "intent").write_bytes(damage)
    assert HostCopy(tmp_path / "intent", net.HostIntent).load() is None


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    copy = HostCopy(tmp_path / "intent", net.HostIntent)
    copy.offer(intent(3, "a"))
    raw = bytearray((tmp_path / "intent").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "intent").write_bytes(raw)
    assert HostCopy(tmp_path / "intent", net.HostIntent).load() is None


def test_a_feed_gives_the_newest_then_what_is_new() -> None:
    async def scenario() -> None:
        feed: HostFeed[net.HostIntent] = HostFeed()
        assert feed.offer(intent(1, "a"))
        assert not feed.offer(intent(2, "a"))
        async with aclosing(feed.watch("one", 0)) as watch, asyncio.timeout(5):
            assert await anext(watch) == intent(1, "a")
            later = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            feed.offer(intent(3, "b"))
            feed.offer(intent(4, "c"))
            assert await later == intent(4, "c")
        known = asyncio.ensure_future(anext(feed.watch("one", 4)))
        await asyncio.sleep(0)
        assert not known.done()
        known.cancel()
        await asyncio.gather(known, return_exceptions=True)

    asyncio.run(scenario())


def test_an_agent_follows_the_feed_through_lost_connections(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed: HostFeed[net.HostIntent] = HostFeed()
        asked: list[int] = []

        async def subscribe(known: int) -> AsyncIterator[net.HostIntent]:
            asked.append(known)
            if len(asked) % 2:
                raise UnavailableError("gone")
            async with aclosing(feed.watch("one", known)) as watch:
                yield await anext(watch)

        copy = HostCopy(tmp_path / "intent", net.HostIntent)
        run = asyncio.create_task(copy.run(subscribe, SystemClock()))
        async with asyncio.timeout(10):
            for generation in (5, 6):
                feed.offer(intent(generation, str(generation)))
                assert (await copy.wait_newer(generation - 1)).generation == generation
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert asked[:4] == [0, 0, 5, 5]

    asyncio.run(scenario())


def test_a_disk_that_refuses_costs_the_copy_and_not_the_host(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed: HostFeed[net.HostIntent] = HostFeed()
        feed.offer(intent(5, "a"))
        copy = HostCopy(tmp_path / "no such folder" / "intent", net.HostIntent)
        run = asyncio.create_task(copy.run(lambda known: feed.watch("one", known), SystemClock()))
        async with asyncio.timeout(10):
            assert await copy.wait_newer(0) == intent(5, "a")
            feed.offer(intent(6, "b"))
            assert await copy.wait_newer(5) == intent(6, "b")
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(scenario())


def test_a_replica_that_lags_gives_a_host_nothing_older_than_it_has() -> None:
    async def scenario() -> None:
        ahead, lagging = HostFeed[net.HostIntent](), HostFeed[net.HostIntent]()
        ahead.offer(intent(7, "new"))
        lagging.offer(intent(4, "old"))
        async with aclosing(ahead.watch("one", 0)) as watch:
            known = (await anext(watch)).generation
        async with aclosing(lagging.watch("one", known)) as watch, asyncio.timeout(5):
            following = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            assert not following.done()
            lagging.offer(intent(8, "newer"))
            assert await following == intent(8, "newer")

    asyncio.run(scenario())
