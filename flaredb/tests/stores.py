"""A cluster of real processes on loopback: chainfire, and flaredb's stores, which can be killed and started."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flaredb.core import cluster_json
from flaredb.core.placement import RegionSeen
from flaredb.core.region import StoreId
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.channels import PeerChannel, connect
from ultracloud.servicekit.coordination import connect as coordinate
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.testkit.processes import Process, serve

NAME = "test"
PREFIX = f"/ultracloud/flaredb/{NAME}/"
WAIT_S = 30.0


@dataclass
class Stores:
    """A cluster as it runs.

    Attributes:
        chainfire: Where that listens.
        extra: Lines of each store's configuration, under `[cluster]`.
        running: By name.
    """

    folder: Path
    chainfire: str
    extra: str = ""
    running: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str, address: str = "127.0.0.1:0") -> Process:
        """Start a store, again or for the first time; wait for it with `wait_ready`."""
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'state_dir = "{self.folder / name}"\ndrain_s = 0.2\n[listen]\naddress = "{address}"\n'
            f'[peers]\nchainfire = "{self.chainfire}"\n'
            f'[cluster]\nname = "{NAME}"\nfull_percent = 99\nlabels = {{ host = "{name}" }}\n{self.extra}'
        )
        command = [sys.executable, "-m", "flaredb", "serve", "--config", str(path)]
        self.running[name] = Process(command, self.folder / f"{name}.log")
        return self.running[name]

    def start_all(self, *names: str) -> None:
        """Start several at once, and wait for all."""
        for process in [self.start(name) for name in names]:
            process.wait_ready(WAIT_S)

    def kill(self, name: str) -> None:
        """End a store as a power cut would, as far as a process can."""
        self.running.pop(name).close()

    @contextlib.asynccontextmanager
    async def store(self, name: str, namespace: str = "ns") -> AsyncIterator[FlaredbStore]:
        """A namespace, asked at one store."""
        async with self.channel(name) as channel:
            yield FlaredbStore(channel, namespace)

    @contextlib.asynccontextmanager
    async def kv(self, name: str) -> AsyncIterator[KvClient]:
        """All RPCs of one store."""
        async with self.channel(name) as channel:
            yield KvClient(channel)

    @contextlib.asynccontextmanager
    async def channel(self, name: str) -> AsyncIterator[PeerChannel]:
        """A connection to one store."""
        channel = connect(self.running[name].addresses[0], deadline_s=15.0)
        try:
            yield channel
        finally:
            await channel.close()

    async def regions(self) -> list[RegionSeen]:
        """The map, as it is in chainfire."""
        found = await self._entries("regions/")
        return sorted(map(cluster_json.parse_region, found), key=lambda one: one.region.start)

    async def name_of(self, store: StoreId | None) -> str:
        """What a store is called here."""
        addresses = {
            one.seen.store: one.address for one in map(cluster_json.parse_store, await self._entries("stores/"))
        }
        return next(name for name, one in self.running.items() if store and one.addresses[0] == addresses[store])

    async def _entries(self, kind: str) -> list[bytes]:
        coordinator = coordinate(self.chainfire)
        try:
            return [pair.value for pair in (await coordinator.range(f"{PREFIX}{kind}".encode())).pairs]
        finally:
            await coordinator.close()

    async def wait_regions(
        self, *, count: int = 1, voters: int = 3, without: StoreId | None = None
    ) -> list[RegionSeen]:
        """Wait until there are so many regions, each with so many voters and nobody else, none on one store."""
        ends_at = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(UnavailableError):
                seen = await self.regions()
                is_there = len(seen) >= count and all(
                    len(one.region.config.voters) == len(one.region.peers) == voters
                    and without not in {peer.store for peer in one.region.peers}
                    for one in seen
                )
                if is_there:
                    return seen
            assert time.monotonic() < ends_at, (seen, {name: one.tail() for name, one in self.running.items()})
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """End all stores."""
        for process in self.running.values():
            process.close()


async def until(is_so: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait for something."""
    ends_at = time.monotonic() + timeout_s
    while True:
        if is_so():
            return
        assert time.monotonic() < ends_at, "it did not happen"
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def stores(folder: Path, count: int = 3, extra: str = "") -> Iterator[Stores]:
    """A cluster of so many stores, `s1` and on."""
    path = folder / "chainfire.toml"
    path.write_text(f'state_dir = "{folder / "chainfire"}"\n')
    with serve("chainfire", path) as chainfire:
        made = Stores(folder, chainfire.addresses[0], extra)
        try:
            made.start_all(*(f"s{number + 1}" for number in range(count)))
            yield made
        finally:
            made.close()
