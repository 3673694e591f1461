"""Following a range through what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from peers import kv_service, serving

from ultracloud.base.faults import OutOfRangeError, PermissionDeniedError, UnavailableError
from ultracloud.servicekit import channels
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.store import Changed, Changes, FlaredbStore, Loaded, MemoryStore, follow
from ultracloud.servicekit.store.interface import delete, put
from ultracloud.servicekit.testing import SetClock


class Shaky(MemoryStore):
    """Its watches end with `trouble`, once each."""

    def __init__(self, *trouble: Exception, history_max: int = 1000) -> None:
        super().__init__(history_max)
        self.trouble = list(trouble)

    async def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        if self.trouble:
            raise self.trouble.pop(0)
        async with aclosing(super().watch(start, end, from_version)) as watched:
            async for changes in watched:
                yield changes


async def state_after(store: MemoryStore, writes: int) -> tuple[dict[bytes, bytes], int]:
    """What a follower knows once it has seen all that `writes` writes did; and how often it loaded."""
    known: dict[bytes, bytes] = {}
    loads = 0
    await put(store, b"a", b"before")
    async with aclosing(follow(store, b"", b"", SetClock())) as news, asyncio.timeout(10):
        async for one in news:
            if isinstance(one, Loaded):
                loads += 1
                known = {entry.key: entry.value for entry in one.entries}
            for change in one.changes if isinstance(one, Changed) else ():
                known.pop(change.key, None)
                if change.value is not None:
                    known[change.key] = change.value
            if writes:
                writes -= 1
                await put(store, b"k%d" % writes, b"v")
                if writes == 0:
                    await delete(store, b"a")
            elif b"a" not in known:
                return known, loads
    raise AssertionError("the follower ended")


def test_it_loads_once_then_takes_changes() -> None:
    known, loads = asyncio.run(state_after(MemoryStore(), 3))
    assert (set(known), loads) == ({b"k0", b"k1", b"k2"}, 1)


def test_it_goes_on_where_it_was_when_the_server_goes_away() -> None:
    known, loads = asyncio.run(state_after(Shaky(UnavailableError("gone"), UnavailableError("gone")), 3))
    assert (set(known), loads) == ({b"k0", b"k1", b"k2"}, 1)


def test_it_loads_again_when_changes_are_lost() -> None:
    known, loads = asyncio.run(state_after(Shaky(OutOfRangeError("compacted")), 3))
    assert (set(known), loads) == ({b"k0", b"k1", b"k2"}, 2)


def test_what_does_not_heal_goes_up() -> None:
    async def scenario() -> None:
        async with aclosing(follow(Shaky(PermissionDeniedError("no")), b"", b"", SetClock())) as news:
            await anext(news)
            with pytest.raises(PermissionDeniedError):
                await anext(news)

    asyncio.run(scenario())


def test_a_forgetful_store_says_what_is_compacted() -> None:
    async def scenario() -> None:
        store = MemoryStore(history_max=2)
        first = await put(store, b"k", b"0")
        for number in range(3):
            await put(store, b"k", b"%d" % number)
        async with aclosing(store.watch(b"", b"", first)) as watch:
            with pytest.raises(OutOfRangeError, match="is compacted"):
                await anext(watch)
        with pytest.raises(OutOfRangeError, match="is compacted"):
            await store.get(b"k", at_version=first)

    asyncio.run(scenario())


def test_it_survives_a_server_that_restarts(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with serving(kv_service(store)) as target:
            channel = channels.connect(target)
            news = follow(FlaredbStore(channel, "demo"), b"", b"", SystemClock())
            assert isinstance(await anext(news), Loaded)
            await put(store, b"a", b"1")
            seen = await anext(news)
        assert isinstance(seen, Changed)
        await put(store, b"b", b"2")
        async with serving(kv_service(store), port=int(target.rpartition(":")[2])), asyncio.timeout(10):
            again = await anext(news)
        assert isinstance(again, Changed)
        assert [change.key for change in again.changes] == [b"b"]
        await news.aclose()
        await channel.close()

    asyncio.run(scenario())
