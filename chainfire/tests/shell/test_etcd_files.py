"""Our etcd files before etcd and its tools, and theirs before us."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from compat.programs import member, program
from core import databases
from core.stores import StoreSpeaker
from shell.command_line import run
from shell.servers import chainfire, free_port, wait_until

from chainfire.core import etcdfile_writer
from chainfire.core.bbolt_reader import Database
from chainfire.core.commands import DeleteRange, Put, Txn
from chainfire.core.snapshot import head_of
from ultracloud.raft.words import Config
from ultracloud.testkit.processes import Process, started

ETCD, ETCDCTL, ETCDUTL = (program(name, "3.5") for name in ("etcd", "etcdctl", "etcdutl"))
OLD_ETCDCTL = program("etcdctl", "3.4")
pytestmark = pytest.mark.skipif(
    None in (ETCD, ETCDCTL, ETCDUTL),
    reason="etcd, etcdctl or etcdutl 3.5 not found (Debian trixie; `./dev test` unpacks)",
)


def called(*words: object, env: dict[str, str] | None = None) -> str:
    """What one of etcd's tools prints."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=60, env=env
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def ctl(server: Process, *words: object) -> Any:
    """What etcdctl says of a server."""
    return json.loads(called(ETCDCTL, f"--endpoints={server.addresses[0]}", *words, "-w", "json"))


def filled() -> StoreSpeaker:
    """A store with something of everything, of several levels, large values and a compacted past."""
    store = StoreSpeaker()
    for line in ("grant 7 6000", "put leased 1 --lease=7", "put gone 1", "del gone", "put again 1", "del again"):
        store.say(line.split())
    store.apply(Put(b"large", bytes(1_000_000)))
    for number in range(3000):
        store.apply(Put(b"key%05d" % number, b"value" * 20))
    store.apply(Txn((), tuple(Put(b"many%d" % number, b"") for number in range(100)), ()))
    store.apply(DeleteRange(b"many1", b"many2"))
    store.say(["compact", "500"])
    store.say(["put", "again", "2"])
    store.say(["put", "again", "3"])
    return store


def saved(store: StoreSpeaker, path: Path) -> Path:
    """A store in a file as `etcdctl snapshot save` would write it."""
    machine = store.machine
    content = databases.assembled(etcdfile_writer.pieces_of(machine, head_of(machine, 3, 2, 3), Config()))
    path.write_bytes(content + hashlib.sha256(content).digest())
    return path


@contextmanager
def restored_etcd(snapshot: Path, folder: Path) -> Iterator[Process]:
    """An etcd on what `etcdutl snapshot restore` makes of a file."""
    called(ETCDUTL, "snapshot", "restore", snapshot, "--data-dir", folder / "data")
    client, peer = free_port(), free_port()
    command = [str(ETCD), "--data-dir", str(folder / "data"), "--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    for flag in ("--listen-client-urls", "--advertise-client-urls"):
        command += [flag, f"http://127.0.0.1:{client}"]
    with started(command, folder / "log") as process:
        process.addresses = (f"127.0.0.1:{client}",)
        wait_until(lambda: b"serving client traffic" in process.log.read_bytes(), process)
        yield process


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoreSpeaker, Path]:
    """A store, and it in a file."""
    store = filled()
    return store, saved(store, tmp_path_factory.mktemp("ours") / "snapshot.db")


def test_both_etcds_tools_accept_our_file(ours: tuple[StoreSpeaker, Path]) -> None:
    store, path = ours
    said = json.loads(called(ETCDUTL, "snapshot", "status", path, "-w", "json"))
    assert (said["revision"], said["totalSize"]) == (store.machine.revision, path.stat().st_size - 32)
    if OLD_ETCDCTL is not None:
        old = called(OLD_ETCDCTL, "snapshot", "status", path, "-w", "json", env={"ETCDCTL_API": "3"})
        assert json.loads(old)["hash"] == said["hash"]


def test_etcd_goes_on_from_our_file(ours: tuple[StoreSpeaker, Path], tmp_path: Path) -> None:
    store, path = ours
    with restored_etcd(path, tmp_path) as etcd:
        every = ctl(etcd, "get", "", "--from-key", "--keys-only")
        assert every["header"]["revision"] == store.machine.revision
        mine = store.machine.store.read_live(b"\x00", b"\x00", 0)
        assert every["count"] == len(mine)
        again = ctl(etcd, "get", "again")["kvs"][0]
        assert (again["mod_revision"], again["create_revision"], again["version"]) == (3011, 3010, 2)
        assert ctl(etcd, "get", "many15", "--rev", "3008")["count"] == 1
        assert "count" not in ctl(etcd, "get", "many15")
        assert ctl(etcd, "lease", "timetolive", "7", "--keys")["granted-ttl"] == 6000
        assert ctl(etcd, "lease", "revoke", "7")["header"]["revision"] == 3012
        assert "count" not in ctl(etcd, "get", "leased")
        assert ctl(etcd, "del", "", "--from-key")["deleted"] == len(mine) - 1
        called(ETCDCTL, f"--endpoints={etcd.addresses[0]}", "compact", "3013")
        called(ETCDCTL, f"--endpoints={etcd.addresses[0]}", "defrag")


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """An etcd in which something happened."""
    with member([str(ETCD)], tmp_path_factory.mktemp("etcd")) as process:
        for words in (["put", "a", "1"], ["put", "b", "1"], ["put", "a", "2"], ["del", "b"], ["put", "c", "x" * 9000]):
            ctl(process, *words)
        ctl(process, "lease", "grant", "600")
        ctl(process, "put", "leased", "1", f"--lease={ctl(process, 'lease', 'grant', '600')['ID']:x}")
        called(ETCDCTL, f"--endpoints={process.addresses[0]}", "compact", "4")
        yield process


def test_etcds_snapshot_is_saved_and_told(etcd: Process, tmp_path: Path) -> None:
    answer = run("snapshot", "save", tmp_path / "saved", "--endpoint", etcd.addresses[0], "-o", "json")
    assert answer.code == 0, answer.err
    said = json.loads(called(ETCDUTL, "snapshot", "status", tmp_path / "saved", "-w", "json"))
    assert answer.json["revision"] == said["revision"]
    assert (answer.json["keys"], answer.json["leases"], answer.json["compact_revision"]) == (3, 2, 4)
    assert answer.json["checksum"] == "matches"
    assert "MiB from" in answer.err
    assert Database((tmp_path / "saved").read_bytes()).check() == said["totalKey"]


def test_etcds_database_is_read_once_etcd_has_stopped(tmp_path: Path) -> None:
    with member([str(ETCD)], tmp_path) as process:
        ctl(process, "put", "a", "1")
        busy = run("snapshot", "status", tmp_path / "data")
        assert (busy.code, busy.err.count("is in use by a running etcd; stop it")) == (1, 1)
        assert process.terminate() in (0, -15)
    answer = run("snapshot", "status", tmp_path / "data")
    assert (answer.field["kind"], answer.field["revision"], answer.field["keys"]) == ("etcd data folder", "2", "1")


def test_members_of_etcd_are_asked_as_ours_are(etcd: Process) -> None:
    at = ("--endpoint", etcd.addresses[0])
    (listed,) = run("member", "list", *at, "-o", "json").json
    assert (listed["name"], listed["is_started"], listed["is_learner"]) == ("default", True, False)
    (status,) = run("endpoint", "status", *at, "-o", "json").json
    assert (status["id"], status["is_leader"], status["errors"]) == (listed["id"], True, [])
    (health,) = run("endpoint", "health", "--endpoint", f"http://{etcd.addresses[0]}", "-o", "json").json
    assert health["is_healthy"]
    assert run("alarm", "list", *at).out == ""
    why = run("why", *at, "-o", "json")
    assert [finding["cause"] for finding in why.json if finding["weight"] != "slow"] == []


def test_chainfire_goes_on_from_etcds_snapshot(etcd: Process, tmp_path: Path) -> None:
    called(ETCDCTL, f"--endpoints={etcd.addresses[0]}", "snapshot", "save", tmp_path / "saved")
    words = ("--state-dir", tmp_path / "state", "--name", "chainfire")
    assert run("snapshot", "restore", tmp_path / "saved", *words).code == 0
    with chainfire(tmp_path) as server:
        for question in (["get", "", "--from-key"], ["get", "a", "--rev=5"]):
            mine, theirs = ctl(server, *question), ctl(etcd, *question)
            assert mine.pop("header")["revision"] == theirs.pop("header")["revision"]
            assert mine == theirs
        leases = [ctl(each, "lease", "list")["leases"] for each in (server, etcd)]
        assert sorted(map(str, leases[0])) == sorted(map(str, leases[1]))
        assert ctl(server, "put", "after", "1")["header"]["revision"] == ctl(etcd, "get", "a")["header"]["revision"] + 1


def test_users_move_with_their_passwords(tmp_path: Path) -> None:
    with member([str(ETCD)], tmp_path / "etcd") as process:
        for words in ("user add root:secret", "user grant-role root root", "role add r", "user add reader:pass"):
            called(ETCDCTL, f"--endpoints={process.addresses[0]}", *words.split())
        called(ETCDCTL, f"--endpoints={process.addresses[0]}", "role", "grant-permission", "r", "read", "a", "c")
        called(ETCDCTL, f"--endpoints={process.addresses[0]}", "user", "grant-role", "reader", "r")
        ctl(process, "put", "b", "1")
        called(ETCDCTL, f"--endpoints={process.addresses[0]}", "auth", "enable")
        saved = run("snapshot", "save", tmp_path / "saved", "--endpoint", process.addresses[0], "--user", "root:secret")
        assert saved.field["users"] == "reader,root", saved.err
    words = ("--state-dir", tmp_path / "state", "--name", "chainfire")
    assert run("snapshot", "restore", tmp_path / "saved", *words).code == 0
    with chainfire(tmp_path) as server:
        assert ctl(server, "--user=reader:pass", "get", "b")["count"] == 1
        at = ("--endpoint", server.addresses[0])
        assert run("snapshot", "save", tmp_path / "refused", *at, "--user", "reader:pass").err.count(
            "permission denied"
        )
        assert run("snapshot", "save", tmp_path / "back", *at, "--user", "root:secret").code == 0
    with restored_etcd(tmp_path / "back", tmp_path / "again") as process:
        assert ctl(process, "--user=reader:pass", "get", "b")["count"] == 1
        assert ctl(process, "--user=root:secret", "put", "b", "2")["header"]["revision"] == 3


def test_a_killed_etcds_database_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    with member([str(ETCD)], tmp_path, "--backend-batch-interval=1h") as process:
        ctl(process, "put", "a", "1")
        process.kill()
    assert run("snapshot", "status", tmp_path / "data").field["missing changes"] == "1"
    words = ("snapshot", "restore", tmp_path / "data", "--state-dir", tmp_path / "state", "--name", "chainfire")
    refused = run(*words)
    assert (refused.code, "lacks the last 1 changes that this etcd had logged" in refused.err) == (1, True)
    assert run(*words, "--allow-missing").field["revision"] == "1"
