"""The coordination client against the two servers it is for: chainfire, and Debian's etcd."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from ultracloud.base.faults import Fault, NotFoundError, OutOfRangeError
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import Coordination, register, services
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve, started

CLOCK = SystemClock()
Connect = Callable[[], PeerChannel]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    program = shutil.which("etcd")
    if program is None:
        pytest.skip("no etcd here; ./dev test unpacks it")
    folder = tmp_path_factory.mktemp("etcd")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command = [program, "--data-dir", str(folder / "data"), "--listen-client-urls", client]
    command += ["--advertise-client-urls", client, "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with started(command, folder / "log") as process:
        yield lambda: connected(process, channels.connect(client.removeprefix("http://")))


@pytest.fixture(scope="module")
def chainfire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    if importlib.util.find_spec("chainfire") is None:
        pytest.skip("chainfire is not installed here")
    folder = tmp_path_factory.mktemp("chainfire")
    material = TlsMaterial(folder)
    me = material.service("demo")
    config = folder / "chainfire.toml"
    config.write_text('state_dir = "state"\n' + material.toml(material.service("chainfire")))
    with serve("chainfire", config) as process:
        yield lambda: channels.connect(process.addresses[0], me, pki.service_identity("chainfire"))


def connected(process: Process, channel: PeerChannel) -> PeerChannel:
    assert process.is_running, process.tail()
    return channel


@pytest.fixture(params=["etcd", "chainfire"])
def connect(request: pytest.FixtureRequest) -> Connect:
    made: Connect = request.getfixturevalue(request.param)
    return made


async def is_listed(kv: Coordination) -> bool:
    try:
        return bool(await services(kv, "demo"))
    except Fault:
        return False


async def drained(watch: AsyncIterator[object]) -> None:
    async for _ in watch:
        pass


def held(connect: Connect, scenario: Callable[[Coordination], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        channel = connect()
        async with asyncio.timeout(30):
            await scenario(Coordination(channel))
        await channel.close()

    asyncio.run(run())


def test_keys_are_put_read_ranged_and_deleted(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        assert await kv.get(b"/t1/a") is None
        first = await kv.put(b"/t1/a", b"1")
        second = await kv.put(b"/t1/b", b"2")
        pair = await kv.get(b"/t1/a")
        assert pair is not None
        assert (pair.value, pair.create_revision, pair.mod_revision, pair.lease) == (b"1", first, first, 0)
        found = await kv.range(b"/t1/")
        assert [pair.key for pair in found.pairs] == [b"/t1/a", b"/t1/b"]
        assert found.revision >= second
        assert len((await kv.range(b"/t1/", limit=1)).pairs) == 1
        assert await kv.delete(b"/t1/a")
        assert not await kv.delete(b"/t1/a")

    held(connect, scenario)


def test_a_transaction_happens_only_if_nothing_changed(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        assert await kv.txn({b"/t2/k": 0}, {b"/t2/k": b"1", b"/t2/other": b"x"})
        assert not await kv.txn({b"/t2/k": 0}, {b"/t2/k": b"2"})
        pair = await kv.get(b"/t2/k")
        assert pair is not None
        assert await kv.txn({b"/t2/k": pair.mod_revision}, {}, deletes=[b"/t2/other"])
        assert await kv.get(b"/t2/other") is None

    held(connect, scenario)


def test_a_watch_tells_puts_and_deletes_from_a_revision_on(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        revision = await kv.put(b"/t3/a", b"1")
        events = []
        async with aclosing(kv.watch(b"/t3/", revision)) as watch:
            await anext(watch)
            await kv.put(b"/t3/b", b"2")
            await kv.put(b"/elsewhere", b"3")
            await kv.delete(b"/t3/a")
            while len(events) < 3:
                events += await anext(watch)
        told = [(event.key, event.pair.value if event.pair else None) for event in events]
        assert told == [(b"/t3/a", b"1"), (b"/t3/b", b"2"), (b"/t3/a", None)]

    held(connect, scenario)


def test_keys_go_with_their_lease(connect: Connect) -> None:
    async def scenario(kv: Coordination) -> None:
        lease = await kv.grant(60)
        await kv.put(b"/t4/k", b"v", lease)
        pair = await kv.get(b"/t4/k")
        assert pair is not None
        assert pair.lease == lease
        await kv.revoke(lease)
        assert await kv.get(b"/t4/k") is None
        with pytest.raises(NotFoundError):
            await kv.put(b"/t4/k", b"v", lease)
        with pytest.raises(NotFoundError):
            await kv.keep(lease, 60, CLOCK)

    held(connect, scenario)


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


def test_a_compacted_revision_is_out_of_range(connect: Connect) -> None:
    from ultracloud.api.etcd import rpc_pb2
    from ultracloud.api.etcd.rpc_rpc import KVClient

    async def run() -> None:
        channel = connect()
        kv = Coordination(channel)
        old = await kv.put(b"/t6/k", b"1")
        new = await kv.put(b"/t6/k", b"2")
        await KVClient(channel).compact(rpc_pb2.CompactionRequest(revision=new, physical=True))
        async with aclosing(kv.watch(b"/t6/", old)) as watch, asyncio.timeout(10):
            with pytest.raises(OutOfRangeError, match="is compacted"):
                await drained(watch)
        await channel.close()

    asyncio.run(run())


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
