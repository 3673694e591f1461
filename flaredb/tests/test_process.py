"""flaredb as a process, with its own client: started twice, out of disk, damaged, and told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import PermissionDeniedError, ResourceExhaustedError, UnavailableError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.store import Changes, Committed, FlaredbStore
from ultracloud.servicekit.store.following import read_all
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve, started

MIB = 1024 * 1024


def config(folder: Path, text: str = "", state: Path | None = None) -> Path:
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{state or folder / "state"}"\ndrain_s = 0.2\n{text}')
    return path


@contextlib.asynccontextmanager
async def store_of(
    process: Process, namespace: str = "iam", identity: TlsIdentity | None = None
) -> AsyncIterator[FlaredbStore]:
    expect = pki.service_identity("flaredb") if identity else ""
    channel = connect(process.addresses[0], identity, expect)
    try:
        yield FlaredbStore(channel, namespace)
    finally:
        await channel.close()


@contextlib.asynccontextmanager
async def client_of(process: Process) -> AsyncIterator[KvClient]:
    channel = connect(process.addresses[0])
    try:
        yield KvClient(channel)
    finally:
        await channel.close()


async def put(store: FlaredbStore, key: bytes, value: bytes) -> int:
    done = await store.txn({}, {key: value})
    assert isinstance(done, Committed)
    return done.version


def refused(folder: Path, *, path: Path | None = None) -> tuple[int, str]:
    """Exit code and log of a flaredb that should not start."""
    command = [sys.executable, "-m", "flaredb", "serve", "--config", str(path or config(folder))]
    with started(command, folder / "refused.log") as process:
        return process.wait(), process.tail()


async def stored_versions(store: FlaredbStore) -> dict[bytes, int]:
    return {entry.key: entry.version for entry in (await read_all(store, b"", b"")).entries}


def test_a_stopped_server_keeps_everything_and_ends_its_watches(tmp_path: Path):
    async def body(process: Process) -> int:
        async with store_of(process) as store:
            version = await put(store, b"a", b"1")
            watch = store.watch(b"", b"", version)
            assert await anext(watch) == Changes((), version)
            ending = asyncio.create_task(asyncio.to_thread(process.terminate))
            with pytest.raises(UnavailableError):
                await anext(watch)
            assert await ending == 0
            return version

    with serve("flaredb", config(tmp_path)) as process:
        version = asyncio.run(body(process))
    with serve("flaredb", config(tmp_path)) as process:
        asyncio.run(_expect(process, b"a", version))


async def _expect(process: Process, key: bytes, version: int) -> None:
    async with store_of(process) as store:
        entry = await store.get(key)
        assert entry is not None
        assert entry.version == version


def test_a_key_ends_by_itself_also_over_a_crash(tmp_path: Path):
    async def begin(process: Process) -> int:
        async with client_of(process) as kv:
            long = await kv.put(pb.PutRequest(namespace="iam", key=b"long", value=b"v", ttl_s=3600))
            await kv.put(pb.PutRequest(namespace="iam", key=b"short", value=b"v", ttl_s=1))
            return long.version + 1

    async def follow(process: Process, version: int) -> None:
        async with client_of(process) as kv, asyncio.timeout(10):
            answers = kv.watch(pb.WatchRequest(namespace="iam", from_version=version))
            async for answer in answers:
                if answer.changes:
                    assert [(c.key, c.HasField("value")) for c in answer.changes] == [(b"short", False)]
                    break
            left = await kv.scan(pb.ScanRequest(namespace="iam", at_version=version + 1))
            assert [kv.key for kv in left.kvs] == [b"long"]

    with serve("flaredb", config(tmp_path)) as process:
        version = asyncio.run(begin(process))
        process.kill()
    with serve("flaredb", config(tmp_path)) as process:
        asyncio.run(follow(process, version))


def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path):
    with serve("flaredb", config(tmp_path)) as first:
        code, said = refused(tmp_path)
        assert code == 1
        assert "is in use by another flaredb" in said
        assert first.is_running


def test_a_damaged_store_is_refused_and_left_as_it_is(tmp_path: Path):
    with serve("flaredb", config(tmp_path)):
        pass
    manifest = next((tmp_path / "state" / "rocksdb").glob("MANIFEST-*"))
    manifest.write_bytes(b"\xde\xad" * 40)
    code, said = refused(tmp_path)
    assert code == 1
    assert "holds a damaged store, which is left as it is" in said
    assert manifest.read_bytes() == b"\xde\xad" * 40


def test_lost_acknowledged_writes_are_noticed(tmp_path: Path):
    async def body(process: Process) -> None:
        async with store_of(process) as store:
            for n in range(20):
                await put(store, b"%d" % n, b"v" * 2000)

    with serve("flaredb", config(tmp_path)) as process:
        asyncio.run(body(process))
        process.kill()
    log = max((tmp_path / "state" / "rocksdb").glob("*.log"), key=lambda path: path.stat().st_size)
    log.write_bytes(log.read_bytes()[: -15 * 2000])
    code, said = refused(tmp_path)
    assert code == 1
    assert "had confirmed 21: acknowledged writes are lost" in said


def test_a_misspelt_setting_is_refused_with_the_nearest_known(tmp_path: Path):
    code, said = refused(tmp_path, path=config(tmp_path, "[histroy]\nminutes = 5\n"))
    assert code == 2
    assert "did you mean 'history'" in said


def test_identities_are_held_to_their_namespaces(tmp_path: Path):
    material = TlsMaterial(tmp_path)
    tls = material.toml(material.service("flaredb"))
    dns = '[namespaces]\ndns = ["spiffe://ultracloud.local/service/iam"]\n'

    async def body(process: Process) -> None:
        iam, operator = material.service("iam"), material.operator("ann")
        async with store_of(process, "iam", iam) as own, store_of(process, "dns", iam) as given:
            await put(own, b"a", b"1")
            await put(given, b"a", b"1")
        async with store_of(process, "iam", operator) as read:
            assert await read.get(b"a") is not None
            with pytest.raises(PermissionDeniedError):
                await put(read, b"a", b"2")
        async with store_of(process, "prismnet", iam) as other:
            with pytest.raises(PermissionDeniedError, match="may not read from namespace 'prismnet'"):
                await other.get(b"a")

    with serve("flaredb", config(tmp_path, tls + dns)) as process:
        asyncio.run(body(process))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_on_a_full_disk_writes_are_refused_and_reads_go_on(tmp_path: Path, small_disk: Path):
    async def body(process: Process) -> None:
        async with store_of(process) as store:
            await put(store, b"a", b"1")
            filler = small_disk / "filler"
            filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 15 * MIB))
            with pytest.raises(ResourceExhaustedError, match="16 MiB are kept in reserve: writes are refused"):
                await put(store, b"a", b"2")
            entry = await store.get(b"a")
            assert entry is not None
            filler.unlink()
            await put(store, b"a", b"3")

    path = config(tmp_path, "disk_reserve_mib = 16\n", state=small_disk / "state")
    with serve("flaredb", path) as process:
        asyncio.run(body(process))


def test_a_disk_that_is_full_to_the_last_byte_refuses_writes_until_there_is_room(tmp_path: Path, small_disk: Path):
    async def body(process: Process) -> None:
        async with store_of(process) as store:
            acknowledged: dict[bytes, int] = {}
            with pytest.raises(ResourceExhaustedError, match="writes are refused until there is more, reads continue"):
                await put_until_refused(store, acknowledged)
            assert await stored_versions(store) == acknowledged
            (small_disk / "filler").unlink()
            async with asyncio.timeout(20):  # RocksDB looks for room every five seconds
                while True:
                    with contextlib.suppress(ResourceExhaustedError):
                        acknowledged[b"after"] = await put(store, b"after", b"v")
                        break
                    await asyncio.sleep(0.5)
            assert await stored_versions(store) == acknowledged

    path = config(tmp_path, "disk_reserve_mib = 0\n", state=small_disk / "state")
    with serve("flaredb", path) as process:
        (small_disk / "filler").write_bytes(bytes(30 * MIB))
        asyncio.run(body(process))
        process.kill()
    with serve("flaredb", path) as process:
        asyncio.run(_expect_key(process, b"after"))


async def put_until_refused(store: FlaredbStore, acknowledged: dict[bytes, int]) -> None:
    for n in range(200):
        acknowledged[b"%d" % n] = await put(store, b"%d" % n, os.urandom(500_000))


async def _expect_key(process: Process, key: bytes) -> None:
    async with store_of(process) as store:
        assert await store.get(key) is not None


def test_it_is_ready_soon_and_small_and_measured(tmp_path: Path):
    with serve("flaredb", config(tmp_path), timeout_s=5) as process:
        assert process.rss_bytes() < 80 * MIB
        with urllib.request.urlopen(f"http://{process.addresses[0]}/metrics", timeout=5) as answer:
            assert b"flaredb_applied_version 1.0" in answer.read()
        with urllib.request.urlopen(f"http://{process.addresses[0]}/readyz", timeout=5) as answer:
            assert answer.status == 200
