"""`flaredb regions` and `flaredb stores`, against a server in this process with a map that a test has filled."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flaredb.config import Config
from flaredb.core.access import Access
from flaredb.core.cluster_view import StoreEntry
from flaredb.core.keys import encode
from flaredb.core.placement import MIB, RegionSeen, StoreSeen
from flaredb.core.region import Epoch, Peer, RegionId, StoreId, first_region
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.cluster_rpc import ClusterService
from flaredb.shell.commands import COMMANDS
from flaredb.shell.one_node import OneNode
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.flaredb.v1.cluster_rpc import CLUSTER, ClusterClient, ClusterServer
from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError, UnauthenticatedError
from ultracloud.raft.words import NodeId
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import MemoryCoordination
from ultracloud.servicekit.testing import FakeCall
from ultracloud.testkit import golden
from ultracloud.wire import Server, service

GOLDEN = Path(__file__).parents[1] / "golden"
OPEN = Access({}, is_open=True)
CLOSED = Access({}, is_open=False)


@dataclass
class SetClock(SystemClock):
    ms: int = 1_000_000

    def monotonic_ms(self) -> int:
        return self.ms


@dataclass
class World:
    """A cluster as its map has it, and what a command says of it."""

    folder: Path
    clock: SetClock = field(default_factory=SetClock)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.map = ClusterMap(MemoryCoordination(self.clock), "prod", self.clock)

    async def command(self, *words: str) -> int:
        """Run a command beside the server; its exit code. What it said is kept."""
        out = io.StringIO()

        def work() -> int:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                endpoint = ["--endpoint", f"unix:{self.folder / 'socket'}"]
                return lifecycle.main("flaredb", Config, _no_server, [*words, *endpoint], COMMANDS)

        code = await asyncio.to_thread(work)
        self.said += [f"$ flaredb {' '.join(words)}", *out.getvalue().splitlines()]
        return code

    async def heard(self, seconds: int) -> None:
        """Time passes, in which only store 1 is heard of."""
        for _ in range(seconds // 5):
            self.clock.ms += 5000
            await self.map.report(entry(1, 40), [])
            await asyncio.sleep(0.01)


async def _no_server(_config: Config, _runtime: object) -> None:
    """Nobody serves here."""
    raise AssertionError


def entry(store: int, used_mib: int) -> StoreEntry:
    labels = (("zone", "abc"[store - 1]),)
    return StoreEntry(StoreSeen(StoreId(store), 1000 * MIB, used_mib * MIB, 0, labels), f"n{store}.example:7002")


def regions() -> list[RegionSeen]:
    """Three regions: one is cut while a replica joins, one has a hole behind it."""
    peers = tuple(Peer(NodeId(10 + store), StoreId(store)) for store in (1, 2, 3))
    whole = replace(first_region(RegionId(1), peers[:2]), end=encode("iam", b"r/User/usr-9"), epoch=Epoch(2, 5))
    joining = replace(
        whole, peers=peers, newest=NodeId(13), config=replace(whole.config, learners=frozenset({NodeId(13)}))
    )
    second = replace(first_region(RegionId(20), peers), start=whole.end, end=b"prismnet\0m", epoch=Epoch(2, 1))
    third = replace(first_region(RegionId(30), peers), start=b"prismnet\0r", epoch=Epoch(7, 3))
    first = RegionSeen(joining, 40 * MIB, 30, StoreId(1), behind=frozenset({NodeId(13)}))
    return [first, RegionSeen(second, 2 * MIB, 900, StoreId(2)), RegionSeen(third, 700, 0, StoreId(1))]


def run(folder: Path, served: Callable[[World], ClusterServer], body: Callable[[World], Awaitable[None]]) -> World:
    async def main() -> World:
        world = World(folder)
        task = asyncio.create_task(world.map.run())
        server = Server(services=[service(CLUSTER, served(world))])
        await server.listen_unix(folder / "socket")
        try:
            await world.map.ready()
            await body(world)
        finally:
            await server.drain(0.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return world

    return asyncio.run(main())


async def filled(world: World) -> None:
    for store, used_mib in ((1, 40), (2, 300), (3, 0)):
        led = [each for each in regions() if each.leader == store]
        await world.map.report(entry(store, used_mib), led)


def test_tables_read_as_written(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await filled(world)
        assert await world.command("regions") == 0
        assert await world.command("regions", "--hot", "--store", "3") == 0
        assert await world.command("stores", "--leave", "2") == 0
        await world.heard(700)
        assert await world.command("stores", "--stay", "2") == 0
        assert await world.command("regions", "--store", "9") == 0
        assert await world.command("stores", "--forget", "3") != 0
        assert await world.command("stores", "--leave", "7") != 0
        world.clock.ms += 60_000
        assert await world.command("regions", "--store", "9") == 0

    world = run(tmp_path, lambda world: ClusterService(world.map, OPEN), body)
    golden.check(GOLDEN / "cluster_commands.txt", "\n".join(world.said) + "\n")


def test_json_has_the_same_for_programs(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await filled(world)
        await world.command("regions", "-o", "json")
        told = json.loads(world.said[-1])
        assert [each["region"] for each in told["regions"]] == [1, 20, 30]
        assert told["regions"][0]["replicas"][2] == {"peer": 13, "store": 3, "is_learner": True, "is_behind": True}
        assert told["regions"][1]["start"] == r"iam\x00r/User/usr-9\x00\x01"
        assert told["troubles"] == [r"no region is known for the keys from 'prismnet\x00m' to 'prismnet\x00r'"]
        await world.command("stores", "-o", "json")
        told = json.loads(world.said[-1])
        assert [(each["store"], each["state"], each["leads"]) for each in told["stores"]] == [
            (1, "up", 2),
            (2, "up", 1),
            (3, "up", 0),
        ]
        assert told["stores"][0]["labels"] == {"zone": "a"}

    run(tmp_path, lambda world: ClusterService(world.map, OPEN), body)


def test_reads_that_other_replicas_answer_make_a_region_hot_while_their_store_is_up(tmp_path: Path) -> None:
    async def loads(world: World) -> list[tuple[int, int]]:
        await world.command("regions", "--hot", "-o", "json")
        return [(each["region"], each["load"]) for each in json.loads(world.said[-1])["regions"]]

    async def body(world: World) -> None:
        await filled(world)
        assert await loads(world) == [(20, 900), (1, 30), (30, 0)]
        await world.map.report(replace(entry(2, 300), reads={RegionId(1): 700}), [])
        await world.map.report(replace(entry(3, 0), reads={RegionId(1): 400, RegionId(30): 60}), [])
        assert await loads(world) == [(1, 1130), (20, 900), (30, 60)]
        await world.heard(700)
        assert (1, 30) in await loads(world)

    run(tmp_path, lambda world: ClusterService(world.map, OPEN), body)


def test_regions_come_in_pages(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await filled(world)
        channel = connect(f"unix:{tmp_path / 'socket'}")
        client, start, found = ClusterClient(channel), b"", list[int]()
        while start or not found:
            page = await client.regions(pb.RegionsRequest(start=start, limit=1))
            found += [each.id for each in page.regions]
            start = page.next_start
        assert found == [1, 20, 30]
        with pytest.raises(InvalidArgumentError, match="'limit' is 1001; accepted: 1 to 1000"):
            await client.regions(pb.RegionsRequest(limit=1001))
        await channel.close()

    run(tmp_path, lambda world: ClusterService(world.map, OPEN), body)


def test_a_flaredb_on_one_node_says_so(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        for words in (["regions"], ["stores"], ["stores", "--leave", "1"], ["stores", "--forget", "1"]):
            assert await world.command(*words) != 0
            assert "runs on one node and has neither regions nor other stores" in world.said[-1]

    run(tmp_path, lambda _: OneNode(OPEN), body)


@pytest.mark.parametrize("is_one", [False, True])
def test_only_operators_are_answered(*, is_one: bool) -> None:
    async def main() -> None:
        served: ClusterServer = OneNode(CLOSED) if is_one else ClusterService(World(Path()).map, CLOSED)
        for identity, refusal in ((None, UnauthenticatedError), ("spiffe://x/service/iam", PermissionDeniedError)):
            call = FakeCall(identity=identity)
            with pytest.raises(refusal):
                served.regions(pb.RegionsRequest(), call)
            with pytest.raises(refusal):
                served.stores(pb.StoresRequest(), call)
            with pytest.raises(refusal):
                await answered(served.set_leaving(pb.SetLeavingRequest(store=1), call))
            with pytest.raises(refusal):
                await answered(served.forget_store(pb.ForgetStoreRequest(store=1), call))

    asyncio.run(main())


async def answered(answer: object) -> None:
    """Wait for an answer that may have to be waited for."""
    if isinstance(answer, Awaitable):
        await answer
