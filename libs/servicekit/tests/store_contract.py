"""What every store must do, as functions of a fresh one. `test_store_contract` runs them on each store there is."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from random import Random

import pytest

from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.store import Change, Committed, Conflict, Entry, Store, prefix_end
from ultracloud.servicekit.store.interface import delete, put

AHEAD = 1 << 30
"""Versions that no store gives while a test runs: on several nodes they are times, 16 bits a millisecond."""


async def a_value_is_read_back_with_its_version(store: Store) -> None:
    assert await store.get(b"k") is None
    version = await put(store, b"k", b"v")
    assert await store.get(b"k") == Entry(b"k", b"v", version)
    assert await put(store, b"k", b"") > version
    entry = await store.get(b"k")
    assert entry is not None
    assert entry.value == b""


async def many_keys_are_read_at_one_version_in_the_order_asked(store: Store) -> None:
    await put(store, b"a", b"1")
    second = await put(store, b"b", b"2")
    reading = await store.get_many([b"b", b"none", b"a"])
    assert [entry.key for entry in reading.entries] == [b"b", b"a"]
    assert reading.read_version >= second
    assert (await store.get_many([])).entries == ()


async def a_scan_is_in_the_order_of_bytes_and_half_open(store: Store) -> None:
    for key in (b"b", b"a\xff", b"a", b"c", b"\x00"):
        await put(store, key, key)
    keys = [entry.key for entry in (await store.scan(b"a", b"c")).entries]
    assert keys == [b"a", b"a\xff", b"b"]
    everything = [entry.key for entry in (await store.scan(b"", b"")).entries]
    assert everything == [b"\x00", b"a", b"a\xff", b"b", b"c"]
    reverse = [entry.key for entry in (await store.scan(b"", b"", reverse=True, limit=2)).entries]
    assert reverse == [b"c", b"b"]
    only = (await store.scan(b"a", b"b", keys_only=True)).entries
    assert [(entry.key, entry.value) for entry in only] == [(b"a", b""), (b"a\xff", b"")]


async def pages_say_whether_more_follows_and_stay_at_their_version(store: Store) -> None:
    for number in range(5):
        await put(store, b"k%d" % number, b"old")
    first = await store.scan(b"k", prefix_end(b"k"), limit=3)
    assert first.more
    await put(store, b"k4", b"new")
    await put(store, b"k5", b"new")
    await delete(store, b"k3")
    start = first.entries[-1].key + b"\x00"
    rest = await store.scan(start, prefix_end(b"k"), limit=3, at_version=first.read_version)
    assert [(entry.key, entry.value) for entry in rest.entries] == [(b"k3", b"old"), (b"k4", b"old")]
    assert not rest.more
    exactly = await store.scan(b"k", prefix_end(b"k"), limit=5)
    assert (len(exactly.entries), exactly.more) == (5, False)


async def a_transaction_is_whole_or_not_at_all(store: Store) -> None:
    version = await put(store, b"a", b"1")
    done = await store.txn({b"a": version, b"b": 0}, {b"b": b"2", b"a": None})
    assert isinstance(done, Committed)
    assert await store.get(b"a") is None
    refused = await store.txn({b"a": version, b"b": done.version, b"c": 0}, {b"c": b"3"})
    assert refused == Conflict({b"a": 0})
    assert await store.get(b"c") is None
    wrong = await store.txn({b"b": done.version + 1}, {b"b": None})
    assert wrong == Conflict({b"b": done.version})


async def versions_grow_with_every_commit(store: Store) -> None:
    versions = [await put(store, b"k%d" % (number % 3), b"v") for number in range(6)]
    assert versions == sorted(set(versions))
    removed = await delete(store, b"k1")
    assert removed > versions[-1]
    assert (await store.scan(b"", b"")).read_version >= removed


async def a_deleted_key_is_there_at_an_older_version(store: Store) -> None:
    version = await put(store, b"k", b"v")
    await delete(store, b"k")
    assert await store.get(b"k") is None
    assert await store.get(b"k", at_version=version) == Entry(b"k", b"v", version)
    assert [entry.key for entry in (await store.get_many([b"k"], at_version=version)).entries] == [b"k"]


async def a_watch_gives_every_change_after_its_version_in_order(store: Store) -> None:
    before = await put(store, b"w/a", b"0")
    first = await put(store, b"w/a", b"1")
    async with aclosing(store.watch(b"w/", prefix_end(b"w/"), before)) as watch:
        seen: list[Change] = []
        done = await store.txn({}, {b"w/b": b"2", b"x": b"not watched", b"w/c": b"3"})
        assert isinstance(done, Committed)
        gone = await delete(store, b"w/a")
        async with asyncio.timeout(10):
            while not seen or seen[-1].version < gone:
                seen += (await anext(watch)).changes
    assert seen[0] == Change(b"w/a", b"1", first)
    assert sorted((one.key, one.value) for one in seen[1:3]) == [(b"w/b", b"2"), (b"w/c", b"3")]
    assert {one.version for one in seen[1:3]} == {done.version}
    assert seen[3] == Change(b"w/a", None, gone)


async def a_watch_resumes_where_it_ended(store: Store) -> None:
    versions = [await put(store, b"r/k", b"%d" % number) for number in range(4)]
    for index in range(3):
        async with aclosing(store.watch(b"r/", prefix_end(b"r/"), versions[index])) as watch:
            seen: list[bytes | None] = []
            async with asyncio.timeout(10):
                while len(seen) < 3 - index:
                    seen += [one.value for one in (await anext(watch)).changes]
        assert seen == [b"%d" % number for number in range(index + 1, 4)]


async def what_cannot_be_read_says_so(store: Store) -> None:
    version = await put(store, b"k", b"v")
    with pytest.raises(OutOfRangeError):
        await store.scan(b"", b"", at_version=version + AHEAD)
    with pytest.raises(InvalidArgumentError):
        await store.scan(b"", b"", limit=10_001)
    async with aclosing(store.watch(b"", b"", version + AHEAD)) as watch:
        with pytest.raises(OutOfRangeError):
            await anext(watch)


async def of_two_that_race_one_wins(store: Store) -> None:
    await put(store, b"n", b"0")

    async def increment() -> None:
        while True:
            entry = await store.get(b"n")
            assert entry is not None
            value = b"%d" % (int(entry.value) + 1)
            if isinstance(await store.txn({b"n": entry.version}, {b"n": value}), Committed):
                return

    await asyncio.gather(*(increment() for _ in range(10)))
    entry = await store.get(b"n")
    assert entry is not None
    assert entry.value == b"10"


async def it_behaves_like_a_dictionary(store: Store) -> None:
    random, model = Random(7), dict[bytes, tuple[bytes, int]]()  # noqa: S311 - a test repeats itself
    for _ in range(150):
        keys = random.sample([b"a", b"b", b"c", b"d", b"e"], random.randint(1, 3))
        writes = {key: random.choice((None, random.randbytes(3))) for key in keys}
        guess = {key: random.choice((0, model[key][1] if key in model else 0)) for key in keys[:1]}
        done = await store.txn(guess, writes)
        holds = all(model.get(key, (b"", 0))[1] == version for key, version in guess.items())
        assert isinstance(done, Committed) == holds
        if isinstance(done, Committed):
            for key, value in writes.items():
                model.pop(key, None)
                if value is not None:
                    model[key] = (value, done.version)
    found = {entry.key: (entry.value, entry.version) for entry in (await store.scan(b"", b"")).entries}
    assert found == model


CONTRACT = (
    a_value_is_read_back_with_its_version,
    many_keys_are_read_at_one_version_in_the_order_asked,
    a_scan_is_in_the_order_of_bytes_and_half_open,
    pages_say_whether_more_follows_and_stay_at_their_version,
    a_transaction_is_whole_or_not_at_all,
    versions_grow_with_every_commit,
    a_deleted_key_is_there_at_an_older_version,
    a_watch_gives_every_change_after_its_version_in_order,
    a_watch_resumes_where_it_ended,
    what_cannot_be_read_says_so,
    of_two_that_race_one_wins,
    it_behaves_like_a_dictionary,
)
