"""Several replicas share the work: each object has one owner, and who was one writes nothing more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from test_resources_reconcile import VPC, Kit, MakeReady, running, until

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import MemoryCoordination
from ultracloud.servicekit.resources import Condition, Key, Reconciler, Replicas, Resources, Truth, World, layout
from ultracloud.servicekit.resources.fencing import FencedStore, fenced
from ultracloud.servicekit.resources.shards import SHARDS, shard_of
from ultracloud.servicekit.store import Committed, MemoryStore
from ultracloud.servicekit.store.interface import put

READY = Condition("Ready", Truth.TRUE, "Made")


class Cloud(Kit):
    """The kit, and an election."""

    def __init__(self) -> None:
        super().__init__()
        self.coordination = MemoryCoordination()

    def replica(self, lease_s: int = 10) -> Replicas:
        return Replicas(self.resources.store, self.coordination, SystemClock(), "demo/vpcs", lease_s)

    @asynccontextmanager
    async def working(self, *planners: MakeReady) -> AsyncIterator[list[Replicas]]:
        """A reconciler for each planner; all shards are shared out."""
        replicas = [self.replica() for _ in planners]
        async with asyncio.TaskGroup() as tasks:
            started = [
                tasks.create_task(Reconciler(self.resources, [VPC], planner, owners=owners).run())
                for planner, owners in zip(planners, replicas, strict=True)
            ]
            await until(lambda: shared_out(replicas))
            yield replicas
            for task in started:
                task.cancel()


def shared_out(replicas: list[Replicas]) -> bool:
    most = -(-SHARDS // len(replicas))
    counts = [len(one.shards) for one in replicas]
    return sum(counts) == SHARDS and max(counts) <= most


def held(scenario: Callable[[Cloud], Coroutine[Any, Any, None]], timeout_s: float = 20) -> None:
    async def run() -> None:
        async with asyncio.timeout(timeout_s):
            await scenario(Cloud())

    asyncio.run(run())


def test_replicas_share_the_work_and_nothing_is_done_twice() -> None:
    async def scenario(cloud: Cloud) -> None:
        planners = [MakeReady(cloud.resources) for _ in range(3)]
        old = [await cloud.vpc(f"old{number}") for number in range(20)]
        async with cloud.working(*planners) as replicas:
            new = [await cloud.vpc(f"new{number}") for number in range(60)]
            await until(lambda: sum(len(planner.acted) for planner in planners) == 80)
            for planner, owner in zip(planners, replicas, strict=True):
                assert all(owner.holds(identifier) for identifier in planner.acted if identifier in new)
        assert sorted(one for planner in planners for one in planner.acted) == sorted(old + new)
        assert all(planner.acted for planner in planners)

    held(scenario)


def test_who_comes_takes_its_share_and_who_goes_leaves_it_to_the_others() -> None:
    async def scenario(cloud: Cloud) -> None:
        first, second = cloud.replica(), cloud.replica()
        one = Reconciler(cloud.resources, [VPC], MakeReady(cloud.resources), owners=first)
        other = Reconciler(cloud.resources, [VPC], MakeReady(cloud.resources), owners=second)
        async with running(one):
            await until(lambda: len(first.shards) == SHARDS)
            async with running(other):
                await until(lambda: len(second.shards) == SHARDS // 2 == len(first.shards))
                assert not first.shards.keys() & second.shards.keys()
            await until(lambda: len(first.shards) == SHARDS)

    held(scenario)


def test_what_a_lost_owner_left_is_done_by_the_next() -> None:
    async def scenario(cloud: Cloud) -> None:
        class Stuck(MakeReady):
            async def act(self, action: str) -> None:
                self.acted.append(action)
                await asyncio.Event().wait()

        stuck, able = Stuck(cloud.resources), MakeReady(cloud.resources)
        async with cloud.working(stuck, able) as (lost, _):
            vpcs = [await cloud.vpc(f"v{number}") for number in range(40)]
            await until(lambda: len(stuck.acted) == 4 and len(able.acted) == sum(not lost.holds(v) for v in vpcs))
            for lease in {one.session.lease for one in lost._ours.values()}:
                await cloud.coordination.revoke(lease)
            await until(lambda: set(able.acted) == set(vpcs))

    held(scenario)


def test_a_former_owner_writes_nothing_even_if_it_does_not_know_yet() -> None:
    async def scenario(cloud: Cloud) -> None:
        vpc = await cloud.vpc("v")
        first, second = cloud.replica(), cloud.replica()
        first.saw(1 << 60)
        second.saw(1 << 60)
        runs = [asyncio.create_task(one.run(lambda _shard: None)) for one in (first, second)]
        await until(lambda: shared_out([first, second]))
        if not first.holds(vpc):
            first, second = second, first
        async with first.working(vpc):
            await cloud.resources.write_status(VPC, vpc, conditions=[Condition("Ready", Truth.FALSE, "Mine")])

        async def stand_still() -> None:
            async with first.working(vpc):
                # Chainfire takes it for gone meanwhile, and the other one comes.
                await cloud.coordination.revoke(first._ours[shard_of(vpc)].session.lease)
                await until(lambda: second.holds(vpc))
                await cloud.resources.write_status(VPC, vpc, conditions=[READY])

        with pytest.raises(AbortedError, match="another replica") as refused:
            await stand_still()
        assert refused.value.reason == "SHARD_LOST"
        async with second.working(vpc):
            await cloud.resources.record_event(VPC, vpc, "Taken")
        stored = await cloud.resources.read(VPC, vpc)
        assert stored is not None
        assert [one.reason for one in stored.message.status.conditions] == ["Mine"]
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    held(scenario)


def test_an_owner_whose_fence_is_gone_with_a_restore_fences_again() -> None:
    async def scenario(cloud: Cloud) -> None:
        planner = MakeReady(cloud.resources)
        async with cloud.working(planner) as (owner,):
            vpc = await cloud.vpc("v")
            await until(lambda: planner.acted == [vpc])
            for shard in range(SHARDS):
                await put(cloud.resources.store, layout.shard_key("demo/vpcs", shard), b"")
            other = await cloud.vpc("other")
            await until(lambda: planner.acted.count(other) == 2)
            stored = await cloud.resources.read(VPC, other)
            assert stored is not None
            assert stored.message.status.conditions
            assert owner.shards[shard_of(other)]

    held(scenario)


def test_while_there_is_no_coordinator_nothing_is_worked_on() -> None:
    class Away(MemoryCoordination):
        is_away = True

        async def grant(self, ttl_s: int, lease: int = 0) -> int:
            if self.is_away:
                raise AbortedError("no leader")
            return await super().grant(ttl_s, lease)

    async def scenario(cloud: Cloud) -> None:
        away = cloud.coordination = Away()
        planner = MakeReady(cloud.resources)
        owners = cloud.replica()
        vpc = await cloud.vpc("v")
        async with running(Reconciler(cloud.resources, [VPC], planner, owners=owners)):
            await asyncio.sleep(0.05)
            assert planner.acted == []
            away.is_away = False
            await until(lambda: planner.acted == [vpc])

    held(scenario)


def test_some_keys_every_replica_works_on_for_itself() -> None:
    async def scenario(cloud: Cloud) -> None:
        told: list[tuple[int, Key]] = []

        class Publisher(MakeReady):
            number = 0

            def plan(self, _world: object, key: Key) -> list[str]:
                told.append((self.number, key))
                return []

        planners = [Publisher(cloud.resources) for _ in range(2)]
        planners[1].number = 1
        async with asyncio.TaskGroup() as tasks:
            running_now = [
                tasks.create_task(
                    Reconciler(
                        cloud.resources, [VPC], planner, owners=cloud.replica(), everywhere=lambda _key: True
                    ).run()
                )
                for planner in planners
            ]
            vpc = await cloud.vpc("v")
            await until(lambda: {(0, Key("vpc", vpc)), (1, Key("vpc", vpc))} <= set(told))
            for task in running_now:
                task.cancel()

    held(scenario)


def test_a_fence_that_was_replaced_lets_nothing_through() -> None:
    async def scenario() -> None:
        plain = MemoryStore()
        store = FencedStore(plain)
        version = await put(plain, b"fence", b"a")
        with fenced(b"fence", version):
            assert isinstance(await store.txn({}, {b"k": b"1"}), Committed)
            await put(plain, b"fence", b"b")
            with pytest.raises(AbortedError):
                await store.txn({}, {b"k": b"2"})
        assert isinstance(await store.txn({}, {b"other": b"3"}), Committed)
        assert (await store.get(b"k")) is not None
        assert (await store.get_many([b"k"])).entries[0].value == b"1"

    asyncio.run(scenario())


def test_the_store_says_who_owns_a_shard() -> None:
    async def scenario(cloud: Cloud) -> None:
        async with cloud.working(MakeReady(cloud.resources)) as (owner,):
            entry = await cloud.resources.store.get(layout.shard_key("demo/vpcs", 3))
            assert entry is not None
            assert pb.ShardOwner.FromString(entry.value).replica == owner.name
            assert owner.shards[3] == entry.version

    held(scenario)


class Rounds(MakeReady):
    """Works on each VPC ROUNDS times, from what it knows of the round before; writes down what got into the store."""

    def __init__(self, resources: Resources, done: list[tuple[str, int]]) -> None:
        super().__init__(resources)
        self.done = done

    def plan(self, world: World, key: Key) -> list[str]:
        vpc = world.get(VPC, key.id)
        return [f"{key.id} {vpc.status.vni + 1}"] if vpc is not None and vpc.status.vni < ROUNDS else []

    async def act(self, action: str) -> None:
        identifier, number = action.split()
        await asyncio.sleep(0.05)

        def count(message: net.Vpc) -> None:
            message.status.vni = int(number)

        await self.resources.change_status(VPC, identifier, count)
        self.done.append((identifier, int(number)))


ROUNDS = 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_however_leases_are_lost_no_round_is_done_twice_or_left_out(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same seed, the same losses

    async def scenario(cloud: Cloud) -> None:
        done: list[tuple[str, int]] = []
        vpcs = [await cloud.vpc(f"v{number}") for number in range(40)]

        async def is_done() -> bool:
            return all(one.message.status.vni == ROUNDS for one in await cloud.resources.all(VPC))

        # Leases of 2 s are renewed each 0.7 s: until then whoever lost one does not know.
        replicas = [cloud.replica(lease_s=2) for _ in range(3)]
        planners = [Rounds(cloud.resources, done) for _ in replicas]
        async with asyncio.TaskGroup() as tasks:
            started = [
                tasks.create_task(Reconciler(cloud.resources, [VPC], planner, owners=owners).run())
                for planner, owners in zip(planners, replicas, strict=True)
            ]
            while not await is_done():
                await asyncio.sleep(dice.uniform(0, 0.1))
                lease = dice.choice([0, *await cloud.coordination.leases()])
                if lease:
                    await cloud.coordination.revoke(lease)
            for task in started:
                task.cancel()
        assert sorted(done) == sorted((vpc, number) for vpc in vpcs for number in range(1, ROUNDS + 1))

    held(scenario, 55)
