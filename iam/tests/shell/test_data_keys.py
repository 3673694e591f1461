"""Data keys are replaced while values come and go, and whatever stops it, it goes on and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from iam.core.envelope import Context, key_id_of
from iam.shell.data_keys import DataKeys, value_context, value_key
from iam.shell.root_keys import RootKeys
from ultracloud.base.faults import DataLossError, FailedPreconditionError, UnavailableError
from ultracloud.servicekit.store import Committed, Conflict, MemoryStore, prefix_end
from ultracloud.servicekit.testing import SetClock

BLUE, RED = "project-blue", "project-red"
ROOTS = RootKeys(lambda: (bytes(32),))


class FailingStore(MemoryStore):
    """Fails at the transaction after `left` others."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise UnavailableError("the store is away")
        return await super().txn(comparisons, writes)


async def write(store: MemoryStore, keys: DataKeys, project: str, number: int, value: bytes) -> None:
    """A value, as the server writes it."""
    key = value_key(project, "secret-1", number)
    sealed, newest = await keys.seal(value_context(key), value)
    assert isinstance(await store.txn({key: 0, **newest}, {key: sealed}), Committed)


async def read(store: MemoryStore, keys: DataKeys, project: str, number: int) -> bytes:
    key = value_key(project, "secret-1", number)
    entry = await store.get(key)
    assert entry is not None
    return await keys.open(value_context(key), entry.value)


async def key_ids(store: MemoryStore) -> set[int]:
    page = await store.scan(b"keys/secrets/", prefix_end(b"keys/secrets/"), limit=100)
    return {key_id_of(entry.value) for entry in page.entries}


@pytest.mark.parametrize("failing_at", range(7))
def test_a_rotation_that_is_stopped_anywhere_loses_nothing_and_goes_on(failing_at: int) -> None:
    async def play() -> None:
        store = FailingStore()
        keys = DataKeys(store, ROOTS, SetClock())
        for number in range(1, 5):
            await write(store, keys, BLUE, number, b"v%d" % number)
        store.left = failing_at
        for _ in range(2):
            try:
                await keys.rotate(BLUE)
                await keys.tend()
            except UnavailableError:
                continue
        store.left = None
        after = DataKeys(store, ROOTS, SetClock())  # a restart
        assert [await read(store, after, BLUE, number) for number in range(1, 5)] == [b"v1", b"v2", b"v3", b"v4"]
        await after.tend()
        assert len(await key_ids(store)) == 1
        assert [await read(store, after, BLUE, number) for number in range(1, 5)] == [b"v1", b"v2", b"v3", b"v4"]

    asyncio.run(play())


def test_a_value_sealed_before_a_rotation_cannot_be_written_after_it() -> None:
    async def play() -> None:
        store = MemoryStore()
        keys = DataKeys(store, ROOTS, SetClock())
        await write(store, keys, BLUE, 1, b"v1")
        key = value_key(BLUE, "secret-1", 2)
        late, newest = await keys.seal(value_context(key), b"v2")
        await keys.rotate(BLUE)
        await keys.tend()
        assert isinstance(await store.txn({key: 0, **newest}, {key: late}), Conflict)
        assert await read(store, keys, BLUE, 1) == b"v1"

    asyncio.run(play())


def test_projects_have_keys_of_their_own_and_do_not_open_each_others_values() -> None:
    async def play() -> None:
        store = MemoryStore()
        keys = DataKeys(store, ROOTS, SetClock())
        await write(store, keys, BLUE, 1, b"blue")
        await write(store, keys, RED, 1, b"red")
        entry = await store.get(value_key(BLUE, "secret-1", 1))
        assert entry is not None
        for context in (
            value_context(value_key(RED, "secret-1", 1)),
            value_context(value_key(BLUE, "secret-1", 2)),
            value_context(value_key(BLUE, "secret-2", 1)),
            Context("access key", BLUE, "secret-1/1"),
        ):
            with pytest.raises(DataLossError):
                await keys.open(context, entry.value)

    asyncio.run(play())


def test_rotations_that_nobody_follows_are_bounded() -> None:
    async def play() -> None:
        keys = DataKeys(MemoryStore(), ROOTS, SetClock())
        assert [await keys.rotate(BLUE) for _ in range(16)] == list(range(1, 17))
        with pytest.raises(FailedPreconditionError, match="16 data keys"):
            await keys.rotate(BLUE)

    asyncio.run(play())
