"""Leases that are kept, and the list of services, against the two servers they are for: chainfire and Debian's etcd."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from coordination_servers import Connect, free_port, run_chainfire, run_etcd
from waiting import until

from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import Coordination, register, services
from ultracloud.testkit.processes import Process, serve

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    yield from run_etcd(tmp_path_factory.mktemp("etcd"))


@pytest.fixture(scope="module")
def chainfire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    yield from run_chainfire(tmp_path_factory.mktemp("chainfire"))


@pytest.fixture(params=["etcd", "chainfire"])
def connect(request: pytest.FixtureRequest) -> Connect:
    made: Connect = request.getfixturevalue(request.param)
    return made


async def is_listed(kv: Coordination) -> bool:
    try:
        return bool(await services(kv, "demo"))
    except Fault:
        return False


def held(connect: Connect, scenario: Callable[[Coordination], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        kv = connect()
        async with asyncio.timeout(30):
            await scenario(kv)
        await kv.close()

    asyncio.run(run())


def test_a_lease_that_is_kept_lives(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        lease = await kv.grant(2)
        await kv.put(b"/t5/k", b"v", lease)
        keep = asyncio.create_task(kv.keep(lease, 2, CLOCK))
        await asyncio.sleep(3.2)
        assert await kv.get(b"/t5/k") is not None
        assert not keep.done()
        keep.cancel()
        await asyncio.gather(keep, return_exceptions=True)

    held(connect, scenario)


def test_a_service_is_on_the_list_while_it_lives_and_comes_back_after_a_lost_lease(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        run = asyncio.create_task(register(kv, "demo", "127.0.0.1:7", CLOCK, ttl_s=3))
        await until(lambda: is_listed(kv))
        listed = await services(kv, "demo")
        assert list(listed.values()) == ["127.0.0.1:7"]
        (instance,) = listed
        pair = await kv.get(f"/ultracloud/services/demo/{instance}".encode())
        assert pair is not None
        await kv.revoke(pair.lease)
        assert await services(kv, "demo") == {}
        await until(lambda: is_listed(kv))
        assert await services(kv, "demo") == listed
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert await services(kv, "demo") == {}

    held(connect, scenario)


DEMO = [sys.executable, str(Path(__file__).parent / "demo_service.py")]


def demo(folder: Path, members: str) -> Process:
    config = folder / "demo.toml"
    config.write_text(f'state_dir = "{folder}/state"\n[peers]\nchainfire = "{members}"\n')
    return Process([*DEMO, "serve", "--config", str(config)], folder / "log")


def test_a_service_registers_with_whichever_member_is_there(etcd: Connect, tmp_path: Path) -> None:
    async def scenario(kv: Coordination) -> None:
        process = demo(tmp_path, f"127.0.0.1:1,{kv.endpoints.channels[0].target},127.0.0.1:2")
        try:
            (address,) = process.wait_ready()
            await until(lambda: is_listed(kv))
            assert list((await services(kv, "demo")).values()) == [address]
            assert process.terminate() == 0
        finally:
            process.close()
        assert await services(kv, "demo") == {}

    held(etcd, scenario)


def test_a_list_of_members_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    process = demo(tmp_path, "127.0.0.1:1,elsewhere")
    assert process.wait() == 2
    assert "peers.chainfire: 'elsewhere' is no address; accepted: host:port or unix:/path" in process.tail()
    process.close()


def test_registration_outlives_the_server(tmp_path: Path) -> None:
    if importlib.util.find_spec("chainfire") is None:
        pytest.skip("chainfire is not installed here")
    config = tmp_path / "chainfire.toml"
    config.write_text(f'state_dir = "state"\n[listen]\naddress = "127.0.0.1:{free_port()}"\n')

    async def scenario() -> None:
        with serve("chainfire", config) as process:
            channel = channels.connect(process.addresses[0])
            kv = Coordination(channel)
            run = asyncio.create_task(register(kv, "demo", "127.0.0.1:7", CLOCK, ttl_s=2))
            await until(lambda: is_listed(kv))
            process.kill()
        with serve("chainfire", config):
            await until(lambda: is_listed(kv))
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            await channel.close()

    asyncio.run(scenario())
