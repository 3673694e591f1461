"""One watch of the store for all who watch a kind: each reader is told everything, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_store import flaredb_store

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.resources import ROOT, Context, Kind, NewResource, Resources, shared
from ultracloud.servicekit.resources.shared import SharedWatch
from ultracloud.servicekit.store import Changes, MemoryStore, Store
from ultracloud.servicekit.testing import OPERATOR, sample_authority

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)


class Counting(MemoryStore):
    """Counts the watches that are open; while it is gone, the next change ends them."""

    def __init__(self) -> None:
        super().__init__()
        self.open = 0
        self.is_gone = False

    async def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        self.open += 1
        try:
            async with aclosing(super().watch(start, end, from_version)) as watched:
                async for changes in watched:
                    if self.is_gone:
                        raise UnavailableError("gone")
                    yield changes
        finally:
            self.open -= 1


def kit(store: Store) -> Resources:
    return Resources(store, sample_authority(), SystemClock(), [VPC])


async def make(resources: Resources, name: str) -> str:
    context = Context(resources, OPERATOR, ROOT, resources.clock)
    return (await resources.create(context, NewResource(VPC, name, net.VpcSpec(), {}))).metadata.id


async def names(watch: SharedWatch[net.Vpc], version: int, count: int, *, is_new: bool) -> list[str]:
    """The names of the next `count` VPCs."""
    found: list[str] = []
    async with asyncio.timeout(10), aclosing(watch.after(version, is_new=is_new)) as commits:
        async for commit in commits:
            found += [turn.stored.metadata.name for turn in commit.turns if turn.stored is not None]
            if len(found) >= count:
                break
    return found


async def version_of(store: Store) -> int:
    return (await store.scan(b"", b"", limit=1)).read_version


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_many_readers_are_one_watch_of_the_store_which_ends_with_the_last() -> None:
    async def scenario() -> None:
        store = Counting()
        resources = kit(store)
        version = await version_of(store)
        readers = [asyncio.create_task(names(resources.shared_watch(VPC), version, 20, is_new=True)) for _ in range(50)]
        await settled()
        assert store.open == 1
        for number in range(20):
            await make(resources, f"v{number}")
        assert await asyncio.gather(*readers) == [[f"v{number}" for number in range(20)]] * 50
        await settled()
        assert store.open == 0

    asyncio.run(scenario())


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=6), st.integers(2, 8))
def test_each_reader_goes_on_from_its_own_version_however_far_behind(
    readers: list[tuple[int, bool]], kept: int
) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        resources = kit(store)
        watch = resources.shared_watch(VPC)
        versions = [await version_of(store)]
        first = asyncio.create_task(names(watch, versions[0], 30, is_new=True))
        for number in range(20):
            await make(resources, f"v{number}")
            await settled()
            versions.append(await version_of(store))
        # Who resumes from long ago claims nothing; who read just now does.
        reading = [
            asyncio.create_task(names(watch, versions[behind], 30 - behind, is_new=is_new and behind == 20))
            for behind, is_new in readers
        ]
        await settled()
        for number in range(20, 30):
            await make(resources, f"v{number}")
        everything = [f"v{number}" for number in range(30)]
        assert await first == everything
        for (behind, _), found in zip(readers, await asyncio.gather(*reading), strict=True):
            assert found == everything[behind:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "KEPT", kept)
        asyncio.run(scenario())


def test_a_reader_that_is_slower_than_what_is_kept_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "KEPT", 4)

    async def scenario() -> None:
        store = MemoryStore()
        resources = kit(store)
        found: list[str] = []
        changes = resources.shared_watch(VPC).after(await version_of(store), is_new=True)
        async with asyncio.timeout(10), aclosing(changes) as commits:
            first = asyncio.ensure_future(anext(commits))
            await settled()
            for number in range(40):
                await make(resources, f"v{number}")
                await settled()
            commit = await first
            while len(found) < 40:
                found += [turn.stored.metadata.name for turn in commit.turns if turn.stored is not None]
                if len(found) < 40:
                    commit = await anext(commits)
        assert found == [f"v{number}" for number in range(40)]

    asyncio.run(scenario())


def test_when_the_store_goes_each_reader_hears_of_it_and_the_next_begin_anew() -> None:
    async def scenario() -> None:
        store = Counting()
        resources = kit(store)
        version = await version_of(store)
        readers = [asyncio.create_task(names(resources.shared_watch(VPC), version, 9, is_new=True)) for _ in range(3)]
        await settled()
        store.is_gone = True
        await make(resources, "unheard")
        assert all(isinstance(one, UnavailableError) for one in await asyncio.gather(*readers, return_exceptions=True))
        store.is_gone = False
        again = asyncio.create_task(names(resources.shared_watch(VPC), await version_of(store), 1, is_new=True))
        await settled()
        await make(resources, "after")
        assert await again == ["after"]

    asyncio.run(scenario())


def test_over_a_real_store_who_resumes_joins_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with flaredb_store(tmp_path) as store:
            resources = kit(store)
            watch = resources.shared_watch(VPC)
            before = await version_of(store)
            for number in range(5):
                await make(resources, f"v{number}")
            readers = [asyncio.create_task(names(watch, before, 10, is_new=False)) for _ in range(4)]
            fresh = asyncio.create_task(names(watch, await version_of(store), 5, is_new=True))
            await asyncio.sleep(0.2)
            for number in range(5, 10):
                await make(resources, f"v{number}")
            everything = [f"v{number}" for number in range(10)]
            assert await asyncio.gather(*readers) == [everything] * 4
            assert await fresh == everything[5:]

    asyncio.run(scenario())
