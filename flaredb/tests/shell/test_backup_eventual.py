"""Backups of eventual namespaces, and what is restored of them, with servers that are processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from command_line import run

from flaredb.core.backup import MAGIC, MAGIC_EVENTUAL
from ultracloud.api.flaredb.v1 import eventual_pb2
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError, Fault, InvalidArgumentError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve

NS = "dns-status"
EVENTUAL = f'[eventual]\nnamespaces = ["{NS}", "seen"]\n'
NEW = "first_version = 100000\n"


@contextlib.contextmanager
def server(folder: Path, text: str = EVENTUAL) -> Iterator[Process]:
    folder.mkdir(exist_ok=True)
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n{text}')
    with serve("flaredb", path) as process:
        yield process


def ask(process: Process, body: Callable[[KvClient], Awaitable[None]]) -> None:
    async def main() -> None:
        channel = connect(process.addresses[0])
        await body(KvClient(channel))
        await channel.close()

    asyncio.run(main())


def put(process: Process, namespace: str, values: dict[bytes, bytes | None], **end: int) -> None:
    """Set keys, or delete those without a value."""

    async def body(kv: KvClient) -> None:
        for key, value in values.items():
            if value is None:
                await kv.delete(pb.DeleteRequest(namespace=namespace, key=key))
            else:
                await kv.put(pb.PutRequest(namespace=namespace, key=key, value=value, **end))

    ask(process, body)


def state(process: Process, namespace: str = NS) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}

    async def body(kv: KvClient) -> None:
        page = await kv.scan(pb.ScanRequest(namespace=namespace, limit=10_000))
        found.update((each.key, each.value) for each in page.kvs)

    ask(process, body)
    return found


def at(process: Process) -> tuple[str, str]:
    return "--endpoint", process.addresses[0]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with eventual namespaces and another one; of the eventual ones, `seen` is empty."""
    with server(tmp_path_factory.mktemp("origin")) as process:
        put(process, "iam", {b"strong": b"v"})
        put(process, NS, {b"%03d" % n: b"v%d" % n for n in range(100)})
        put(process, NS, {b"000": None, b"large": b"x" * 1_000_000})
        yield process


@pytest.fixture(scope="module")
def saved(origin: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "all.backup"
    told = run("backup", *at(origin), "-o", "json", path).told
    assert (told["keys"], told["whole"]) == (101, True)
    return path


def test_a_backup_of_all_has_eventual_namespaces_too_and_says_which_they_are(saved: Path):
    assert saved.read_bytes().startswith(MAGIC_EVENTUAL)
    told = run("backup-verify", saved, "-o", "json").told
    assert told["namespaces"] == {"iam": {"keys": 1, "size_bytes": 7}}
    assert told["eventual_namespaces"] == {
        NS: {"keys": 100, "size_bytes": 1_000_590},
        "seen": {"keys": 0, "size_bytes": 0},
    }
    assert "eventual namespaces  dns-status: keys 100" in run("backup-verify", saved).out


def test_all_is_restored_into_an_empty_store_and_again_without_changes(origin: Process, saved: Path, tmp_path: Path):
    with server(tmp_path / "target", NEW + EVENTUAL) as target:
        told = run("restore", *at(target), saved, "-o", "json").told["namespaces"]
        assert told["iam"]["written"] == 1
        assert told[NS] == {"written": 100, "there": 0, "later": 0, "ended": 0, "deleted": 0}
        assert state(target) == state(origin)
        again = run("restore", *at(target), saved, "-o", "json").told["namespaces"]
        assert again[NS] == {"written": 0, "there": 100, "later": 0, "ended": 0, "deleted": 0}
        target.kill()
    with server(tmp_path / "target", NEW + EVENTUAL) as target:
        assert state(target) == state(origin)


def test_what_was_written_or_deleted_later_stays_unless_it_is_replaced(origin: Process, saved: Path, tmp_path: Path):
    only = ("restore", "-n", NS, "-o", "json")
    with server(tmp_path / "target", NEW + EVENTUAL) as target:
        assert run(*only, *at(target), saved).code == 0
        put(target, NS, {b"001": b"later", b"002": None, b"new": b"later", b"zzz": b"later"})
        told = run(*only, *at(target), saved).told["namespaces"][NS]
        assert (told["written"], told["later"], told["there"]) == (0, 2, 98)
        assert state(target) == {key: value for key, value in state(origin).items() if key != b"002"} | {
            b"001": b"later",
            b"new": b"later",
            b"zzz": b"later",
        }
        told = run(*only, *at(target), "--replace", saved).told["namespaces"][NS]
        assert told == {"written": 100, "there": 0, "later": 0, "ended": 0, "deleted": 2}
        assert state(target) == state(origin)


def test_one_eventual_namespace_has_no_version(origin: Process, tmp_path: Path):
    path = tmp_path / "one"
    assert run("backup", *at(origin), "-n", NS, path, "-o", "json").told["version"] == 0
    refused = run("backup", *at(origin), "-n", NS, "--at", "3", path)
    assert (refused.code, "leave out --at" in refused.err) == (2, True)
    both = run("backup", *at(origin), "-n", NS, "-n", "iam", path, "-o", "json").told
    assert (list(both["namespaces"]), list(both["eventual_namespaces"])) == (["iam"], [NS])
    with server(tmp_path / "target") as target:
        told = run("restore", *at(target), "-n", NS, "--into", "seen", path, "-o", "json").told
        assert told["namespaces"]["seen"]["written"] == 100
        assert state(target, "seen") == state(origin)


def test_a_namespace_that_is_eventual_on_one_side_only_is_refused_before_anything_is_written(
    saved: Path, tmp_path: Path
):
    with server(tmp_path / "none", NEW) as target:
        refused = run("restore", *at(target), saved)
        assert "'dns-status' of the backup is eventual and 'dns-status' of the server is not" in refused.err
        assert "Nothing was written" in refused.err
        assert state(target, "iam") == {}
        assert run("restore", *at(target), "-n", "iam", saved).code == 0
    with server(tmp_path / "some") as target:
        refused = run("restore", *at(target), "-n", "iam", "--into", NS, saved)
        assert "'dns-status' is eventual on the server and 'iam' of the backup is not" in refused.err
        assert state(target) == {}


def test_a_store_without_eventual_namespaces_writes_what_older_readers_read(tmp_path: Path):
    with server(tmp_path / "plain", "") as process:
        put(process, "iam", {b"a": b"v"})
        assert run("backup", *at(process), tmp_path / "x").code == 0
    assert (tmp_path / "x").read_bytes().startswith(MAGIC)


def test_what_has_ended_since_is_not_restored_and_not_left(tmp_path: Path):
    with server(tmp_path / "origin") as process:
        put(process, NS, {b"a": b"v", b"b": b"v"})
        put(process, NS, {b"ends": b"v"}, ttl_s=1)
        assert run("backup", *at(process), "-n", NS, tmp_path / "x").code == 0
        time.sleep(1.1)
        put(process, NS, {b"ends": b"again"})
        told = run("restore", *at(process), "--replace", tmp_path / "x", "-o", "json").told["namespaces"][NS]
        assert told == {"written": 2, "there": 0, "later": 0, "ended": 1, "deleted": 1}
        assert state(process) == {b"a": b"v", b"b": b"v"}


def test_operators_back_up_and_do_not_restore_and_services_only_their_own(tmp_path: Path):
    material = TlsMaterial(tmp_path)
    with server(tmp_path / "tls", EVENTUAL + material.toml(material.service("flaredb"))) as process:

        def asked(who: TlsIdentity) -> tuple[object, ...]:
            return *at(process), "--cert", who.certificate, "--key", who.key, "--cacert", who.ca

        async def fill() -> None:
            channel = connect(process.addresses[0], material.service(NS), pki.service_identity("flaredb"))
            await KvClient(channel).put(pb.PutRequest(namespace=NS, key=b"a", value=b"v"))
            await channel.close()

        asyncio.run(fill())
        operator, iam = asked(material.operator("ann")), asked(material.service("iam"))
        path = tmp_path / "x"
        assert run("backup", *operator, path, "-o", "json").told["keys"] == 1
        assert run("backup", *asked(material.service(NS)), "-n", NS, tmp_path / "own").code == 0
        assert "may not write to namespace" in run("restore", *operator, "-n", NS, "--lower-versions", path).err
        assert "may not read from namespace 'seen'" in run("backup", *iam, "-n", "seen", tmp_path / "y").err
        assert "may not list namespaces" in run("backup", *iam, tmp_path / "y").err


FAR_MS = 4_000_000_000_000


def stamped(key: bytes = b"bad", **fields: int | bytes) -> eventual_pb2.StampedKey:
    return eventual_pb2.StampedKey(**{"key": key, "value": b"v", "time": 1 << 16, "store": 1, **fields})


@pytest.mark.parametrize(
    ("keys", "kind", "says"),
    [
        ([stamped(), stamped(b"")], InvalidArgumentError, "0 bytes; accepted: 1 to 4096"),
        ([stamped(), stamped(b"k" * 4097)], InvalidArgumentError, "accepted: 1 to 4096"),
        ([stamped(), stamped(value=b"v" * (1 << 20) + b"v")], InvalidArgumentError, "accepted: 0 to 1048576"),
        ([stamped(), stamped(time=0)], InvalidArgumentError, "stamped with time 0 and store 1"),
        ([stamped(), stamped(store=-1)], InvalidArgumentError, "accepted: 1 and above"),
        ([stamped(), stamped(expires_at_ms=-1)], InvalidArgumentError, "'expires_at_ms' is -1"),
        ([stamped(b"%d" % number) for number in range(1001)], InvalidArgumentError, "1000 keys with"),
        ([stamped(), stamped(time=FAR_MS << 16)], FailedPreconditionError, "clock skew over the bound"),
    ],
)
def test_what_cannot_be_restored_is_refused_and_nothing_of_it_is_there(
    origin: Process, keys: list[eventual_pb2.StampedKey], kind: type[Fault], says: str
):
    async def body() -> None:
        channel = connect(origin.addresses[0])
        with pytest.raises(kind, match=says):
            await EventualClient(channel).restore(eventual_pb2.RestoreRequest(namespace="seen", keys=keys))
        await channel.close()

    asyncio.run(body())
    assert state(origin, "seen") == {}


def test_what_only_eventual_namespaces_have_is_refused_of_others(origin: Process):
    async def body() -> None:
        channel = connect(origin.addresses[0])
        with pytest.raises(FailedPreconditionError, match="'iam' is not eventual on this server") as refused:
            await EventualClient(channel).dump(eventual_pb2.DumpRequest(namespace="iam"))
        assert '[eventual] namespaces = ["iam"]' in refused.value.hint
        await channel.close()

    asyncio.run(body())
