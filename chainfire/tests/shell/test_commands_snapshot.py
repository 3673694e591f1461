"""`chainfire snapshot`: what was saved comes back, as a cluster of its own; what is damaged is refused."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from core.stores import StoreSpeaker
from core.test_etcdfile import speaker, written
from shell.clients import Client, client
from shell.command_line import Answer, run
from shell.servers import chainfire, free_port, write_config

from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.processes import Process, started

EVERY = rpc_pb2.RangeRequest(key=b"\x00", range_end=b"\x00")


def saved(path: Path, store: StoreSpeaker | None = None) -> Path:
    """A store in a file as `snapshot save` writes it."""
    content = written(store or speaker())
    path.write_bytes(content + hashlib.sha256(content).digest())
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small snapshot."""
    return saved(tmp_path_factory.mktemp("file") / "snapshot.db")


def restore(file: Path, folder: Path, *words: object) -> Answer:
    """Restore a member named n1."""
    return run("snapshot", "restore", file, "--state-dir", folder / "state", "--name", "n1", *words, "-o", "json")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with keys, a lease and a past."""
    with chainfire(tmp_path_factory.mktemp("source")) as server, client(server.addresses[0]) as caller:
        caller("Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(ID=7, TTL=600))
        for number in range(300):
            caller("KV.Put", rpc_pb2.PutRequest(key=b"key%d" % (number % 100), value=b"%d" % number, lease=7))
        caller("KV.DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"key5"))
        yield server


def content(caller: Client) -> list[tuple[bytes, bytes, int, int, int, int]]:
    """Every key with all that belongs to it."""
    return [
        (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)
        for kv in caller("KV.Range", EVERY).kvs
    ]


def test_what_was_saved_is_served_again(source: Process, tmp_path: Path) -> None:
    answer = run("snapshot", "save", tmp_path / "saved", "--endpoint", source.addresses[0], "-o", "json")
    assert (answer.code, answer.json["revision"], answer.json["keys"]) == (0, 302, 99)
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    assert restore(tmp_path / "saved", tmp_path).json["revision"] == 302
    with client(source.addresses[0]) as before, chainfire(tmp_path) as server, client(server.addresses[0]) as after:
        assert content(after) == content(before)
        old = rpc_pb2.RangeRequest(key=b"key5", revision=301)
        assert after("KV.Range", old).kvs == before("KV.Range", old).kvs
        left = after("Lease.LeaseTimeToLive", rpc_pb2.LeaseTimeToLiveRequest(ID=7, keys=True))
        assert (left.grantedTTL, len(left.keys)) == (600, 99)
        assert after("KV.Put", rpc_pb2.PutRequest(key=b"new")).header.revision == 303
        mine, theirs = (each("Maintenance.Status", rpc_pb2.StatusRequest()).header for each in (after, before))
        assert mine.cluster_id != theirs.cluster_id
        assert mine.member_id != theirs.member_id


def test_three_members_restored_apart_are_one_cluster(file: Path, tmp_path: Path) -> None:
    members = [f"n{number}=http://127.0.0.1:{free_port()}" for number in (1, 2, 3)]
    named = [word for member in members for word in ("--member", member)]
    with ExitStack() as stack:
        servers: list[Process] = []
        for number in (1, 2, 3):
            words = ("--state-dir", tmp_path / str(number) / "state", "--name", f"n{number}", *named)
            assert run("snapshot", "restore", file, *words).code == 0
            listed = ", ".join(f'"{member}"' for member in members)
            settings = f'name = "n{number}"\n[cluster]\nmembers = [{listed}]\n'
            config = write_config(tmp_path / str(number), settings)
            command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
            servers.append(stack.enter_context(started(command, config.with_suffix(".log"))))
        for server in servers:
            server.wait_ready()
        callers = [stack.enter_context(client(server.addresses[0])) for server in servers]
        callers[1]("KV.Put", rpc_pb2.PutRequest(key=b"after", value=b"1"))
        assert [len(content(caller)) for caller in callers] == [2, 2, 2]
        assert {caller("KV.Range", EVERY).header.cluster_id for caller in callers} == {
            callers[0]("KV.Range", EVERY).header.cluster_id
        }
        assert not callers[0]("Maintenance.Alarm", rpc_pb2.AlarmRequest()).alarms


def test_a_bumped_revision_forgets_the_past_and_goes_on_later(file: Path, tmp_path: Path) -> None:
    answer = restore(file, tmp_path, "--bump-revision", "1000", "--mark-compacted")
    assert answer.json["revision"] == 1005
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        assert caller("KV.Put", rpc_pb2.PutRequest(key=b"new")).header.revision == 1006
        with client(server.addresses[0]) as watcher:
            request = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=b"a", start_revision=4))
            answers = watcher.stream("Watch.Watch", iter([request]))
            canceled = next(each for each in answers if each.canceled)
            assert canceled.compact_revision == 1005
            answers.cancel()


def test_a_members_own_snapshot_can_be_restored(file: Path, tmp_path: Path) -> None:
    restore(file, tmp_path / "first")
    (own,) = (tmp_path / "first" / "state" / "snapshots").glob("*.snap")
    assert run("snapshot", "status", own).field["kind"] == "chainfire snapshot"
    assert restore(own, tmp_path / "second").json["revision"] == 5


def test_two_restores_of_one_file_agree_and_a_token_sets_them_apart(file: Path, tmp_path: Path) -> None:
    first, second = restore(file, tmp_path / "a").json, restore(file, tmp_path / "b").json
    third = restore(file, tmp_path / "c", "--token", "again").json
    assert (first["cluster_id"], first["member_id"]) == (second["cluster_id"], second["member_id"])
    assert third["cluster_id"] != first["cluster_id"]


def test_a_folder_that_is_not_empty_is_left_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "precious").touch()
    answer = restore(file, tmp_path)
    assert (answer.code, "is not empty; name a new folder" in answer.err) == (2, True)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["precious"]


WRONG: list[tuple[list[str], int, str]] = [
    (["--member", "n2=http://h:1"], 2, "no --member is named 'n1'; there are n2"),
    (["--member", "n1=h:1"], 2, "--member n1=h:1 is no NAME=URL with a URL like http://host:2380"),
    (["--member", "n1=http://h:1", "--member", "n2=http://h:1"], 2, "two members have the same peer URL"),
    (["--bump-revision", "5"], 2, "--bump-revision and --mark-compacted go together"),
    (["--mark-compacted"], 2, "--bump-revision and --mark-compacted go together"),
    (["--bump-revision", "9223372036854775807", "--mark-compacted"], 2, "accepted: 1 to 9223372036854775802"),
    (["--bump-revision", "x"], 2, "invalid int value: 'x'"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG)
def test_wrong_arguments_are_refused(file: Path, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    answer = restore(file, tmp_path, *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert not (tmp_path / "state").exists()


def flipped(content: bytes, at: int) -> bytes:
    """Some bytes with one of them changed."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE = {
    "does not match the checksum at its end": lambda content: flipped(content, 5000),
    "has no checksum at its end": lambda content: content[:-32],
    "is no snapshot of etcd's or chainfire's": lambda _: (
        b"words".ljust(1024) + hashlib.sha256(b"words".ljust(1024)).digest()
    ),
    "No such file or directory": None,
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_file_is_refused(file: Path, tmp_path: Path, said: str) -> None:
    damaged, damage = tmp_path / "damaged", DAMAGE[said]
    if damage is not None:
        damaged.write_bytes(damage(file.read_bytes()))
    for answer in (run("snapshot", "status", damaged), restore(damaged, tmp_path)):
        assert (answer.code, said in answer.err) == (1, True), answer.err
    assert not (tmp_path / "state").exists()


def test_the_page_that_is_damaged_is_named_when_nobody_looks_at_checksums(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()[:-32]
    (tmp_path / "db").write_bytes(flipped(content, 3 * 4096))
    answer = run("snapshot", "status", tmp_path / "db", "--skip-hash-check")
    assert (answer.code, "is damaged: page 3: it says that it is page 2; use another backup" in answer.err) == (1, True)
    (tmp_path / "db").write_bytes(content)
    assert run("snapshot", "status", tmp_path / "db", "--skip-hash-check").field["checksum"] == "none"


def test_a_state_folder_is_no_snapshot(file: Path, tmp_path: Path) -> None:
    restore(file, tmp_path)
    answer = run("snapshot", "status", tmp_path / "state")
    assert (answer.code, "is a member's state folder: start it" in answer.err) == (2, True)


def test_nothing_is_left_of_a_save_that_fails(tmp_path: Path) -> None:
    answer = run("snapshot", "save", tmp_path / "saved", "--endpoint", f"127.0.0.1:{free_port()}", "--timeout", 1)
    assert (answer.code, "does not answer" in answer.err) == (1, True)
    assert list(tmp_path.iterdir()) == []
