"""The README's index is an index: what it says to write, run against a flaredb with writers that meet."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stores import stores

from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.store import FlaredbStore, prefix_end
from ultracloud.testkit.processes import serve

README = Path(__file__).parent.parent / "README.md"
DISKS = [b"d%02d" % number for number in range(12)]
HOSTS = [b"h1", b"h2", b"h10"]


def example() -> dict[str, Any]:
    """What the README's code defines."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), defined)  # noqa: S102 - it is ours
    return defined


async def check(address: str) -> None:
    """Let writers move disks about, and compare the index with what it is of."""
    channel = connect(address, deadline_s=15.0)
    store, code = FlaredbStore(channel, "disks"), example()

    async def write(seed: int) -> None:
        random = Random(seed)  # noqa: S311 - a test repeats itself
        for _ in range(20):
            await code["assign"](store, random.choice(DISKS), random.choice(HOSTS))

    await asyncio.gather(*map(write, range(6)))
    wanted: dict[bytes, list[bytes]] = defaultdict(list)
    for entry in (await store.scan(b"disk/", prefix_end(b"disk/"))).entries:
        wanted[entry.value].append(entry.key.removeprefix(b"disk/"))
    assert sum(map(len, wanted.values())) == len(DISKS)
    assert {host: await code["disks_of"](store, host) for host in HOSTS} == {host: wanted[host] for host in HOSTS}
    await channel.close()


def test_the_index_of_the_readme_agrees_with_what_it_is_of(tmp_path: Path):
    path = tmp_path / "flaredb.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\ndrain_s = 0.2\n')
    with serve("flaredb", path) as process:
        asyncio.run(check(process.addresses[0]))


@pytest.mark.slow
def test_it_does_so_in_a_cluster(tmp_path: Path):
    with stores(tmp_path, 1) as cluster:
        asyncio.run(check(cluster.running["s1"].addresses[0]))
