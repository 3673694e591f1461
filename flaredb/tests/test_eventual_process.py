"""A flaredb process with an eventual namespace: configured, killed, started again, and misconfigured."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.servicekit.channels import connect
from ultracloud.testkit.processes import Process, serve

NS = "dns-status"


def config(folder: Path, text: str = f'[eventual]\nnamespaces = ["{NS}"]\n') -> Path:
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n{text}')
    return path


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "flaredb", "serve", "--config", str(path)]


async def put(process: Process, key: bytes, value: bytes) -> int:
    channel = connect(process.addresses[0])
    try:
        return int((await KvClient(channel).put(pb.PutRequest(namespace=NS, key=key, value=value))).version)
    finally:
        await channel.close()


async def listed(process: Process) -> dict[bytes, bytes]:
    channel = connect(process.addresses[0])
    try:
        client = KvClient(channel)
        with pytest.raises(FailedPreconditionError, match="is eventual"):
            await client.txn(pb.TxnRequest(namespace=NS, writes=[pb.Write(key=b"a", value=b"")]))
        return {one.key: one.value for one in (await client.scan(pb.ScanRequest(namespace=NS))).kvs}
    finally:
        await channel.close()


def test_a_killed_server_has_every_write_that_it_answered(tmp_path: Path):
    with serve("flaredb", config(tmp_path)) as process:
        before = asyncio.run(put(process, b"a", b"1"))
        process.kill()
    with serve("flaredb", config(tmp_path)) as process:
        assert asyncio.run(listed(process)) == {b"a": b"1"}
        assert asyncio.run(put(process, b"a", b"2")) > before
        metrics = urllib.request.urlopen(f"http://{process.addresses[0]}/metrics", timeout=5).read().decode()
        assert "flaredb_eventual_version" in metrics


async def fill(process: Process, count: int) -> None:
    channel = connect(process.addresses[0])
    try:
        client = KvClient(channel)
        puts = (pb.PutRequest(namespace=NS, key=b"%05d" % number, value=b"v") for number in range(count))
        await asyncio.gather(*map(client.put, puts))
    finally:
        await channel.close()


def test_an_operator_lists_all_of_it_page_by_page(tmp_path: Path):
    with serve("flaredb", config(tmp_path)) as process:
        asyncio.run(fill(process, 1500))
        query = [sys.executable, "-m", "flaredb", "query", "-n", NS, "--endpoint", process.addresses[0], "--limit", "0"]
        listed = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
        keys = [json.loads(line)["key"] for line in listed.stdout.splitlines()]
        assert keys == [f"{number:05}" for number in range(1500)]
        refused = subprocess.run([*query, "--at", "7"], capture_output=True, text=True, timeout=30, check=False)
        assert (refused.returncode != 0, "is eventual" in refused.stderr) == (True, True)


def test_a_stopped_server_starts_without_its_list_of_namespaces(tmp_path: Path):
    with serve("flaredb", config(tmp_path)) as process:
        asyncio.run(put(process, b"a", b"1"))
        assert process.terminate() == 0
    with serve("flaredb", config(tmp_path, "")) as process:
        asyncio.run(put(process, b"a", b"strong"))
        process.terminate()
    refused = subprocess.run(command(config(tmp_path)), capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert "is listed under [eventual] and has keys that are not" in refused.stdout + refused.stderr


def test_a_configuration_that_cannot_be_is_refused(tmp_path: Path):
    path = config(tmp_path, f'[eventual]\nnamespaces = ["{NS}"]\n[engine]\npostgres = "postgresql:///x"\n')
    check = [sys.executable, "-m", "flaredb", "check-config", "--config", str(path)]
    refused = subprocess.run(check, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert "there are [eventual] namespaces and 'engine.postgres'" in refused.stdout + refused.stderr
