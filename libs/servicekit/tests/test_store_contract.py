"""One contract, every store: in memory, the same over the wire, and the real flaredb."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
from collections.abc import Awaitable, Callable, Iterator

import pytest
from peers import kv_service, serving
from store_contract import CONTRACT

from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.store import FlaredbStore, MemoryStore, Store
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve

Claim = Callable[[Store], Awaitable[None]]
each_claim = pytest.mark.parametrize("claim", CONTRACT, ids=lambda claim: claim.__name__)


@each_claim
def test_in_memory(claim: Claim) -> None:
    async def scenario() -> None:
        await claim(MemoryStore())

    asyncio.run(scenario())


@each_claim
def test_over_the_wire(claim: Claim) -> None:
    async def scenario() -> None:
        async with serving(kv_service(MemoryStore())) as target:
            channel = channels.connect(target)
            await claim(FlaredbStore(channel, "demo"))
            await channel.close()

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def flaredb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TlsMaterial, Process]]:
    if importlib.util.find_spec("flaredb") is None:
        pytest.skip("flaredb is not installed here")
    folder = tmp_path_factory.mktemp("flaredb")
    material = TlsMaterial(folder)
    names = ", ".join(f'n{number} = ["{pki.service_identity("demo")}"]' for number in range(len(CONTRACT)))
    config = folder / "flaredb.toml"
    config.write_text(f'state_dir = "state"\nnamespaces = {{{names}}}\n' + material.toml(material.service("flaredb")))
    with serve("flaredb", config) as process:
        yield material, process


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A store of a cluster, where versions are times and every answer goes through a region."""
    if importlib.util.find_spec("flaredb") is None or importlib.util.find_spec("chainfire") is None:
        pytest.skip("flaredb and chainfire are not both installed here")
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "chainfire.toml").write_text('state_dir = "chainfire"\n')
    with serve("chainfire", folder / "chainfire.toml") as chainfire:
        config = f'state_dir = "s1"\n[peers]\nchainfire = "{chainfire.addresses[0]}"\n[cluster]\nname = "contract"\n'
        (folder / "flaredb.toml").write_text(config)
        with serve("flaredb", folder / "flaredb.toml") as process:
            yield process


NUMBERS = itertools.count()


@each_claim
def test_in_flaredb(claim: Claim, flaredb: tuple[TlsMaterial, Process]) -> None:
    material, process = flaredb

    async def scenario() -> None:
        channel = channels.connect(
            process.addresses[0], material.service("demo"), pki.service_identity("flaredb"), deadline_s=20
        )
        await claim(FlaredbStore(channel, f"n{next(NUMBERS)}"))
        await channel.close()

    asyncio.run(scenario())


@each_claim
def test_in_a_cluster_of_flaredb(claim: Claim, cluster: Process) -> None:
    async def scenario() -> None:
        channel = channels.connect(cluster.addresses[0], deadline_s=20)
        await claim(FlaredbStore(channel, f"c{next(NUMBERS)}"))
        await channel.close()

    asyncio.run(scenario())
