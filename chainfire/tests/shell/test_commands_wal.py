"""`chainfire wal`: what the log of a stopped member holds, and where it is damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shell.clients import client
from shell.command_line import run
from shell.servers import chainfire

from ultracloud.api.etcd import rpc_pb2

SMALL = "[storage]\nsegment_mib = 4\n"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of two segments, left by a process that was killed."""
    folder = tmp_path_factory.mktemp("left")
    with chainfire(folder, SMALL) as server, client(server.addresses[0]) as caller:
        for number in range(5):
            caller("KV.Put", rpc_pb2.PutRequest(key=b"key%d" % number, value=b"x" * 1_000_000))
        server.kill()
    return folder / "state"


@pytest.fixture
def state(left: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(left, tmp_path / "state"))


def segments(state: Path) -> list[Path]:
    """Its segments."""
    return sorted((state / "log").glob("*.wal"))


def offsets(state: Path) -> list[tuple[str, int]]:
    """Segment and offset of each put."""
    lines = map(json.loads, run("wal", "dump", state, "-o", "json").out.splitlines())
    return [(line["segment"], line["offset"]) for line in lines if line.get("does") == "Put"]


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Change bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def test_a_sound_log_is_sound(left: Path) -> None:
    answer = run("wal", "verify", left, "-o", "json")
    assert (answer.code, answer.json["verdict"], answer.json["segments"]) == (0, "sound", 2)
    assert answer.json["last_index"] >= 6
    assert answer.json["last_term"] >= 2
    assert not {"damage", "repair", "torn_tail"} & set(answer.json)


def test_each_entry_is_printed_with_its_place(left: Path) -> None:
    puts = offsets(left)
    assert len(puts) == 5
    assert {segment for segment, _ in puts} == {path.name for path in segments(left)}
    (line,) = [line for line in run("wal", "dump", left).out.splitlines() if "key=key3" in line]
    assert line.startswith(f"{puts[3][0]}:{puts[3][1]} ")
    assert len(line) < 300


def test_entries_are_printed_from_an_index_on(left: Path) -> None:
    every = [json.loads(line) for line in run("wal", "dump", left, "-o", "json").out.splitlines()]
    last = max(line.get("index", 0) for line in every)
    (line,) = run("wal", "dump", left, "--from", last, "-o", "json").out.splitlines()[-1:]
    assert json.loads(line)["index"] == last


def test_damage_is_told_with_its_offset_and_how_to_repair_it(state: Path) -> None:
    segment, offset = offsets(state)[1]
    overwrite(state / "log" / segment, offset + 500, b"\xff")
    answer = run("wal", "verify", state, "-o", "json")
    assert (answer.code, answer.json["verdict"]) == (1, "damaged")
    assert answer.json["damage"].startswith(f"{state}/log/{segment} is corrupt at offset {offset}: record ")
    assert answer.json["repair"][0].startswith("chainfire snapshot restore BACKUP")
    dumped = run("wal", "dump", state)
    assert (dumped.code, f"corrupt at offset {offset}" in dumped.err) == (1, True)


def test_a_record_that_a_crash_cut_off_is_no_damage(state: Path) -> None:
    segment, offset = offsets(state)[-1]
    overwrite(state / "log" / segment, offset + 500, bytes(4 << 20)[: (4 << 20) - offset - 500])
    before = (state / "log" / segment).read_bytes()
    answer = run("wal", "verify", state, "-o", "json")
    assert (answer.code, answer.json["verdict"]) == (0, "sound")
    assert answer.json["torn_tail"].startswith(f"{state}/log/{segment} at offset {offset}: a crash cut it off")
    assert (state / "log" / segment).read_bytes() == before


def test_a_missing_segment_is_told(state: Path) -> None:
    segments(state)[0].unlink()
    answer = run("wal", "verify", state)
    assert (answer.code, "begins with entry" in answer.out or "is missing" in answer.out) == (1, True)


def test_a_missing_or_damaged_snapshot_is_told(state: Path) -> None:
    (snapshot,) = (state / "snapshots").glob("*.snap")
    overwrite(snapshot, 20, b"\xff\xff")
    answer = run("wal", "verify", state, "-o", "json")
    assert (answer.code, f"{snapshot} is corrupt" in answer.json["damage"]) == (1, True)
    assert answer.json["repair"][0].startswith("chainfire member replace ")
    snapshot.unlink()
    assert "holds no snapshot" in run("wal", "verify", state).out


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server:
        for command in ("dump", "verify"):
            answer = run("wal", command, tmp_path / "state")
            assert (answer.code, f"is in use by another chainfire (process {server.pid})" in answer.err) == (1, True)


def test_what_is_no_state_folder_is_refused(tmp_path: Path) -> None:
    answer = run("wal", "verify", tmp_path)
    assert (answer.code, "is no state folder that can be read" in answer.err) == (1, True)
    assert list(tmp_path.iterdir()) == []
