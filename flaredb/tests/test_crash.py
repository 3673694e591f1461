"""SIGKILL at any moment, again and again: nothing acknowledged is lost, no change missed or seen twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.store import Committed, FlaredbStore
from ultracloud.servicekit.store.following import read_all
from ultracloud.testkit.processes import Process, serve

WRITERS = 8


@dataclass
class Witness:
    """What clients were told, over all lives of the server.

    Attributes:
        acknowledged: Version of each pair of keys that a transaction wrote.
        watched: Every change, as it came.
        position: Where the watch resumes.
    """

    numbers: itertools.count[int] = field(default_factory=itertools.count)
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    watched: list[tuple[int, bytes]] = field(default_factory=list)
    position: int = 1

    async def write(self, process: Process) -> None:
        """Write pairs of keys that nobody wrote before, until the server is gone."""
        async with store_of(process) as store:
            with contextlib.suppress(UnavailableError):
                for number in self.numbers:
                    keys = b"%d/left" % number, b"%d/right" % number
                    done = await store.txn(dict.fromkeys(keys, 0), dict.fromkeys(keys, b"v" * 100))
                    assert isinstance(done, Committed)
                    self.acknowledged |= dict.fromkeys(keys, done.version)

    async def watch(self, process: Process, until: int | None = None) -> None:
        """Watch from where it was, until a version or the server's end."""
        async with store_of(process) as store:
            with contextlib.suppress(UnavailableError):
                async for changes in store.watch(b"", b"", self.position):
                    self.watched += [(change.version, change.key) for change in changes.changes]
                    self.position = changes.version
                    if until is not None and self.position >= until:
                        return

    async def live(self, process: Process, seconds: float) -> None:
        """One life of the server."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(self.write(process))
            tasks.create_task(self.watch(process))
            await asyncio.sleep(seconds)
            process.kill()

    async def check(self, process: Process) -> None:
        """Hold what the server has against what was told."""
        async with store_of(process) as store:
            loaded = await read_all(store, b"", b"")
        await self.watch(process, until=loaded.version)
        stored = {entry.key: entry.version for entry in loaded.entries}
        assert {key: stored.get(key) for key in self.acknowledged} == self.acknowledged
        assert [version for version, _ in self.watched] == sorted([*range(2, loaded.version + 1)] * 2)
        assert {key: version for version, key in self.watched} == stored


@dataclass
class Tally:
    """Increments of one counter by many clients.

    Attributes:
        seen: Where it stood after each increment that was answered.
        asked: Increments that were sent.
    """

    seen: list[int] = field(default_factory=list)
    asked: int = 0

    async def count(self, process: Process) -> None:
        """Increment until the server is gone."""
        channel = connect(process.addresses[0])
        with contextlib.suppress(UnavailableError):
            while True:
                self.asked += 1
                answer = await KvClient(channel).increment(pb.IncrementRequest(namespace="iam", key=b"n", delta=1))
                self.seen.append(answer.value)
        await channel.close()

    async def live(self, process: Process, seconds: float) -> None:
        """One life of the server."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(self.count(process))
            await asyncio.sleep(seconds)
            process.kill()


async def delete_ranges(process: Process) -> None:
    """Write four ranges of 500 keys, and delete them one after the other until the server is gone."""
    channel = connect(process.addresses[0])
    kv = KvClient(channel)
    for part in range(4):
        writes = [pb.Write(key=b"%02d%03d" % (part, n), value=b"v" * 100) for n in range(500)]
        await kv.txn(pb.TxnRequest(namespace="iam", writes=writes))
    asyncio.get_running_loop().call_later(0.01, process.kill)
    with contextlib.suppress(UnavailableError):
        for start in (b"03", b"02", b"01", b"00"):
            await kv.delete_range(pb.DeleteRangeRequest(namespace="iam", start=start))
    await channel.close()


@contextlib.asynccontextmanager
async def store_of(process: Process) -> AsyncIterator[FlaredbStore]:
    channel = connect(process.addresses[0])
    try:
        yield FlaredbStore(channel, "iam")
    finally:
        await channel.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_server_keeps_what_it_acknowledged_and_watches_resume(tmp_path: Path, seed: int):
    chance = random.Random(seed)  # noqa: S311 - a seed makes it repeatable
    path = tmp_path / "flaredb.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    witness = Witness()
    for _ in range(4):
        with serve("flaredb", path) as process:
            asyncio.run(witness.live(process, chance.uniform(0.05, 0.6)))
    with serve("flaredb", path) as process:
        asyncio.run(witness.check(process))
    assert len(witness.acknowledged) > 10, f"seed {seed}"


def test_a_counter_counts_every_answered_increment_once(tmp_path: Path):
    path = tmp_path / "flaredb.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    tally = Tally()
    for seconds in (0.3, 0.2, 0.1):
        with serve("flaredb", path) as process:
            asyncio.run(tally.live(process, seconds))
    assert len(set(tally.seen)) == len(tally.seen) > 10
    assert max(tally.seen) <= tally.asked
    with serve("flaredb", path) as process:
        asyncio.run(_expect_count(process, tally))


async def _expect_count(process: Process, tally: Tally) -> None:
    async with store_of(process) as store:
        entry = await store.get(b"n")
        assert entry is not None
        assert max(tally.seen) <= int(entry.value) <= tally.asked


def test_a_range_is_deleted_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "flaredb.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    with serve("flaredb", path) as process:
        asyncio.run(delete_ranges(process))
        process.kill()
    with serve("flaredb", path) as process:
        asyncio.run(_expect_whole_ranges(process))


async def _expect_whole_ranges(process: Process) -> None:
    async with store_of(process) as store:
        loaded = await read_all(store, b"", b"")
    assert len(loaded.entries) % 500 == 0
