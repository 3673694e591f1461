"""One contract, every coordination store: in memory, Debian's etcd, chainfire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from coordination_contract import CONTRACT
from coordination_servers import Connect, run_chainfire, run_etcd

from ultracloud.servicekit.coordination import Coordinator, MemoryCoordination

Claim = Callable[[Coordinator], Awaitable[None]]
each_claim = pytest.mark.parametrize("claim", CONTRACT, ids=lambda claim: claim.__name__)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    yield from run_etcd(tmp_path_factory.mktemp("etcd"))


@pytest.fixture(scope="module")
def chainfire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    yield from run_chainfire(tmp_path_factory.mktemp("chainfire"))


def held(connect: Connect, claim: Claim) -> None:
    async def run() -> None:
        kv = connect()
        async with asyncio.timeout(30):
            await claim(kv)
        await kv.close()

    asyncio.run(run())


@each_claim
def test_in_memory(claim: Claim) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await claim(MemoryCoordination())

    asyncio.run(run())


@each_claim
def test_in_etcd(claim: Claim, etcd: Connect) -> None:
    held(etcd, claim)


@each_claim
def test_in_chainfire(claim: Claim, chainfire: Connect) -> None:
    held(chainfire, claim)
