"""`flaredb backup`, `backup-verify` and `restore`, run in this process, against servers that are processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from command_line import run

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.postgres import PostgresServer
from ultracloud.testkit.processes import Process, serve

_T = TypeVar("_T")
NAMES = ("iam", "prismnet")
SCHEMAS = itertools.count()
LATER_MS = 250_000_000_000_000
State = dict[str, dict[bytes, tuple[bytes, int]]]
"""Value and end of each key of each namespace."""


@contextlib.contextmanager
def server(folder: Path, text: str = "", **environment: str) -> Iterator[Process]:
    folder.mkdir(exist_ok=True)
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n{text}')
    with serve("flaredb", path, env=environment) as process:
        yield process


def ask(process: Process, body: Callable[[KvClient], Awaitable[_T]]) -> _T:
    """What a client finds out."""

    async def main() -> _T:
        channel = connect(process.addresses[0])
        try:
            return await body(KvClient(channel))
        finally:
            await channel.close()

    return asyncio.run(main())


async def put_many(kv: KvClient, name: str, keys: range, value: bytes, expires_at_ms: int = 0) -> int:
    writes = [pb.Write(key=b"k%06d" % n, value=b"%d %b" % (n, value), expires_at_ms=expires_at_ms) for n in keys]
    return (await kv.txn(pb.TxnRequest(namespace=name, writes=writes))).version


def state_of(process: Process, version: int = 0, names: tuple[str, ...] = NAMES) -> State:
    """All keys at a version."""

    async def body(kv: KvClient) -> State:
        state: State = {}
        for name in names:
            request, more = pb.ScanRequest(namespace=name, at_version=version, limit=5000), True
            state[name] = {}
            while more:
                page = await kv.scan(request)
                state[name] |= {found.key: (found.value, found.expires_at_ms) for found in page.kvs}
                more = page.more
                request.start = page.kvs[-1].key + b"\0" if more else b""
        return state

    return ask(process, body)


def at(process: Process) -> tuple[str, str]:
    return "--endpoint", process.addresses[0]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with some keys, deleted ones, and one that will end."""

    async def fill(kv: KvClient) -> None:
        for begin in range(0, 3000, 1000):
            await put_many(kv, "iam", range(begin, begin + 1000), b"v" * 900)
        await put_many(kv, "prismnet", range(10), b"v")
        await put_many(kv, "prismnet", range(10, 12), b"v", LATER_MS)
        await kv.delete(pb.DeleteRequest(namespace="iam", key=b"k000500"))
        await kv.put(pb.PutRequest(namespace="iam", key=b"\0\xff", value=b"\0" * 900_000))

    with server(tmp_path_factory.mktemp("origin")) as process:
        ask(process, fill)
        yield process


@pytest.fixture(scope="module")
def saved(origin: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    path = tmp_path_factory.mktemp("saved") / "all.backup"
    answer = run("backup", *at(origin), "-o", "json", path)
    assert answer.code == 0, answer.err
    return path


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Process]:
    """An empty server that takes the origin's place."""
    with server(tmp_path / "target", "first_version = 100000\n") as process:
        yield process


def test_a_backup_says_what_it_has_and_is_alone_in_its_folder(origin: Process, saved: Path):
    assert list(saved.parent.iterdir()) == [saved]
    told = run("backup-verify", saved, "-o", "json").told
    assert (told["version"], told["keys"], told["whole"]) == (8, 3012, True)
    assert told["namespaces"]["prismnet"]["keys"] == 12
    assert saved.stat().st_size < told["size_bytes"] / 4
    assert "prismnet: keys 12" in run("backup-verify", saved).out


def test_what_is_restored_is_what_was_backed_up(origin: Process, saved: Path, target: Process):
    answer = run("restore", *at(target), saved, "-o", "json")
    assert answer.code == 0, answer.err
    assert answer.told["namespaces"]["iam"] == {"written": 3000, "there": 0, "ended": 0}
    assert state_of(target) == state_of(origin)
    again = run("restore", *at(target), saved, "-o", "json").told
    assert again["namespaces"]["iam"] == {"written": 0, "there": 3000, "ended": 0}


def test_one_namespace_is_restored_also_under_another_name(origin: Process, saved: Path, target: Process):
    assert run("restore", *at(target), "-n", "prismnet", "--into", "copy", saved).code == 0
    assert state_of(target, names=("copy", "iam")) == {"copy": state_of(origin)["prismnet"], "iam": {}}
    assert "name one with -n" in run("restore", *at(target), "--into", "copy", saved).err
    assert "no namespace 'dns'; it has iam, prismnet" in run("restore", *at(target), "-n", "dns", saved).err


def test_a_namespace_that_has_something_else_is_left_alone_or_replaced(origin: Process, saved: Path, target: Process):
    for key, value in ((b"zz", b"own"), (b"k000003", b"other")):
        put = pb.PutRequest(namespace="prismnet", key=key, value=value)
        ask(target, lambda kv, put=put: kv.put(put))  # type: ignore[misc]
        before = state_of(target)
        refused = run("restore", *at(target), saved)
        assert refused.code == 1
        assert "Nothing was written" in refused.err
        assert state_of(target) == before
    assert run("restore", *at(target), "--replace", saved).code == 0
    assert state_of(target) == state_of(origin)


def test_a_server_that_would_give_old_versions_again_is_refused(tmp_path: Path, saved: Path):
    with server(tmp_path / "low") as low:
        refused = run("restore", *at(low), saved)
        assert f"FLAREDB_FIRST_VERSION={8 + (1 << 32)}" in refused.err
        assert state_of(low) == {"iam": {}, "prismnet": {}}
        assert run("restore", *at(low), "--lower-versions", saved).code == 0


def test_damage_anywhere_is_found_before_anything_is_written(saved: Path, target: Process, tmp_path: Path):
    raw = saved.read_bytes()
    damaged = tmp_path / "damaged"
    for place in (0, 20, 70, len(raw) // 3, len(raw) // 2, len(raw) - 40, len(raw) - 1):
        for changed in (raw[:place], raw[:place] + bytes((raw[place] ^ 4,)) + raw[place + 1 :]):
            damaged.write_bytes(changed)
            refused = run("restore", *at(target), "--replace", damaged)
            assert refused.code == 1, place
            assert "the backup cannot be used" in refused.err
            assert "Nothing was written" in refused.err
    assert state_of(target) == {"iam": {}, "prismnet": {}}


def test_a_pipe_carries_a_backup_and_says_what_it_wrote_before_its_damage(origin: Process, target: Process):
    program = [sys.executable, "-m", "flaredb"]
    made = subprocess.run([*program, "backup", *at(origin), "-"], capture_output=True, check=True)
    assert b"backed up 3012 keys" in made.stderr

    def restored(raw: bytes, *words: str) -> str:
        command = [*program, "restore", *at(target), *words, "-"]
        return subprocess.run(command, input=raw, capture_output=True, check=False).stderr.decode()

    assert "save it to a file" in restored(made.stdout, "--replace")
    said = restored(made.stdout[:-100])
    assert "The restore is not whole: it has written 3000 keys to 'iam', 12 keys to 'prismnet'" in said
    assert "restored 3012 keys" in restored(made.stdout)
    assert state_of(target) == state_of(origin)


def test_a_backup_is_of_one_version_whatever_is_written_meanwhile(tmp_path: Path):
    async def main(process: Process, path: Path) -> None:
        channel = connect(process.addresses[0])
        kv = KvClient(channel)
        for begin in range(0, 8000, 1000):
            await put_many(kv, "iam", range(begin, begin + 1000), b"first" * 60)
        backup = asyncio.create_task(
            asyncio.create_subprocess_exec(
                sys.executable, "-m", "flaredb", "backup", *at(process), str(path), stderr=subprocess.PIPE
            )
        )
        child = await backup
        ended, n = asyncio.ensure_future(child.communicate()), 0
        while not ended.done():
            n += 1
            # Both namespaces change together: a backup that is of one version has both or none.
            for name in NAMES:
                await put_many(kv, name, range(n % 8000, n % 8000 + 3), b"%d" % n)
        assert child.returncode == 0, (await ended)[1]
        assert n > 20
        await channel.close()

    path = tmp_path / "busy.backup"
    with server(tmp_path / "busy") as process:
        asyncio.run(main(process, path))
        told = run("backup-verify", path, "-o", "json").told
        wanted = state_of(process, told["version"])
        with server(tmp_path / "copy", "first_version = 100000\n") as copy:
            assert run("restore", *at(copy), path).code == 0
            assert state_of(copy) == wanted


def test_history_that_goes_under_a_backup_is_said_and_leaves_nothing(tmp_path: Path):
    async def fill(kv: KvClient) -> None:
        for n in range(5):
            await put_many(kv, "iam", range(n * 1000, n * 1000 + 1000), b"v")

    with server(tmp_path / "short", "[history]\nchanges = 1000\n") as process:
        ask(process, fill)
        end = time.monotonic() + 10
        while run("query", *at(process), "-n", "iam", "--at", "2", "--limit", "1").code == 0:
            assert time.monotonic() < end
        refused = run("backup", *at(process), "--at", "2", tmp_path / "old")
        assert "the history of version 2 was given up before the backup had all of it" in refused.err
        assert "[history] minutes" in refused.err
        assert [path.name for path in tmp_path.iterdir()] == ["short"]


def test_backups_that_cannot_be_written_leave_what_was_there(origin: Process, saved: Path, tmp_path: Path):
    kept = tmp_path / "kept"
    kept.write_text("before")
    assert run("backup", *at(origin), "-n", "No", kept).code == 1
    assert kept.read_text() == "before"
    assert "No such file" in run("backup", *at(origin), tmp_path / "none" / "x").err
    assert "is no file" in run("backup", *at(origin), tmp_path).err
    assert run("backup", *at(origin), "-n", "iam", "-n", "none", kept).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_backup_from_one_engine_is_restored_to_the_other(
    origin: Process, saved: Path, tmp_path: Path, postgres_server: PostgresServer
):
    engine = f'[engine]\npostgres = "{postgres_server.url()}"\nschema = "backup_{next(SCHEMAS)}"\n'
    with server(tmp_path / "postgres", f"first_version = 100000\n{engine}") as postgres:
        assert run("restore", *at(postgres), saved).code == 0
        assert state_of(postgres) == state_of(origin)
        back = tmp_path / "back"
        assert run("backup", *at(postgres), back, "-o", "json").told["version"] > 100000
        with server(tmp_path / "again", "first_version = 200000\n") as again:
            assert run("restore", *at(again), back).code == 0
            assert state_of(again) == state_of(origin)


def test_what_has_ended_is_not_restored(tmp_path: Path, target: Process):
    async def fill(kv: KvClient) -> None:
        await kv.put(pb.PutRequest(namespace="iam", key=b"stays", value=b"v"))
        await kv.put(pb.PutRequest(namespace="iam", key=b"ends", value=b"v", ttl_s=1))

    with server(tmp_path / "ending") as process:
        ask(process, fill)
        assert run("backup", *at(process), tmp_path / "x").code == 0
    time.sleep(1.1)
    told = run("restore", *at(target), tmp_path / "x", "-o", "json").told
    assert told["namespaces"]["iam"] == {"written": 1, "there": 0, "ended": 1}


def test_a_restore_that_was_killed_goes_on(origin: Process, saved: Path, target: Process):
    command = [sys.executable, "-m", "flaredb", "restore", *at(target), "-", "--lower-versions"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        raw = saved.read_bytes()
        child.stdin.write(raw[: len(raw) * 2 // 3])
        child.stdin.flush()
        while not state_of(target)["iam"]:
            time.sleep(0.02)
        child.kill()
    there = len(state_of(target)["iam"])
    assert 0 < there <= 3000
    told = run("restore", *at(target), saved, "-o", "json").told
    assert told["namespaces"]["iam"]["there"] == there
    assert state_of(target) == state_of(origin)


def test_a_backup_that_was_killed_leaves_no_backup(origin: Process, tmp_path: Path):
    path = tmp_path / "x"
    command = [sys.executable, "-m", "flaredb", "backup", *at(origin), str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
        while not list(tmp_path.iterdir()):
            time.sleep(0.005)
        child.kill()
    assert not path.exists()
    assert run("backup", *at(origin), path).code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_a_backup_that_is_told_to_end_leaves_nothing(tmp_path: Path):
    folder = tmp_path / "backups"
    folder.mkdir()
    with server(tmp_path / "slow") as process:
        process.signal(signal.SIGSTOP)
        # As a shell's script starts it in the background: without SIGINT.
        background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
        asked = ["backup", *at(process), "--timeout", "60", str(folder / "x")]
        command = [*background, sys.executable, "-m", "flaredb", *asked]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            while not list(folder.iterdir()):
                time.sleep(0.02)
            busy = run("backup", *at(process), folder / "x")
            assert "another backup is being written" in busy.err
            child.terminate()
            assert child.wait() == 130
        process.signal(signal.SIGCONT)
        assert list(folder.iterdir()) == []


def test_operators_back_up_and_flaredb_itself_restores(tmp_path: Path):
    material = TlsMaterial(tmp_path)
    operator, own = material.operator("ann"), material.service("iam")

    def asked(process: Process, who: TlsIdentity) -> tuple[object, ...]:
        return *at(process), "--cert", who.certificate, "--key", who.key, "--cacert", who.ca

    async def fill(process: Process) -> None:
        channel = connect(process.addresses[0], own, pki.service_identity("flaredb"))
        await put_many(KvClient(channel), "iam", range(3), b"v")
        await channel.close()

    with server(tmp_path / "tls", material.toml(material.service("flaredb"))) as process:
        asyncio.run(fill(process))
        assert run("backup", *asked(process, operator), tmp_path / "all").code == 0
        assert run("backup", *asked(process, own), "-n", "iam", tmp_path / "iam").code == 0
        assert "may not list namespaces" in run("backup", *asked(process, own), tmp_path / "all").err
        copy = ("--into", "copy", tmp_path / "all")
        assert "may not write to namespace 'copy'" in run("restore", *asked(process, operator), *copy).err
        mine = ("--config", tmp_path / "tls" / "flaredb.toml", *at(process))
        assert run("restore", *mine, *copy).code == 0
        assert len(run("query", *mine, "-n", "copy").out.splitlines()) == 3
