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
