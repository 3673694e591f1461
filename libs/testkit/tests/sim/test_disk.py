from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ultracloud.servicekit.files import write_atomically
from ultracloud.testkit.seeds import seeds
from ultracloud.testkit.sim import SimDisk


def append(path: Path, content: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, content)
    if sync:
        os.fdatasync(descriptor)
    os.close(descriptor)


def outcomes(disk: SimDisk, tmp_path: Path, name: str) -> set[bytes | None]:
    found: set[bytes | None] = set()
    for seed in range(40):
        into = tmp_path / f"cut-{seed}"
        disk.cut(seed, into)
        found.add((into / name).read_bytes() if (into / name).exists() else None)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "disk"
    made.mkdir()
    (made / "log").write_bytes(b"old")
    return made


def test_what_was_synced_lasts(folder: Path, tmp_path: Path) -> None:
    with SimDisk(folder) as disk:
        append(folder / "log", b" new", sync=True)
        assert outcomes(disk, tmp_path, "log") == {b"old new"}
        assert disk.syncs == 1


def test_what_was_not_synced_is_there_partly_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    written = b"x" * 1500
    with SimDisk(folder) as disk:
        append(folder / "log", written, sync=False)
        found = outcomes(disk, tmp_path, "log")
    whole = b"old" + written
    assert {b"old", whole} <= found
    torn = found - {b"old", whole}
    assert torn
    assert all(len(left or b"") <= len(whole) for left in torn)


def test_a_new_file_needs_its_folder_synced(folder: Path, tmp_path: Path) -> None:
    with SimDisk(folder) as disk:
        append(folder / "next", b"content", sync=True)
        assert outcomes(disk, tmp_path, "next") == {None, b"content"}
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        for seed in range(40):
            disk.cut(100 + seed, tmp_path / f"second-{seed}")
            assert (tmp_path / f"second-{seed}" / "next").read_bytes() == b"content"


def test_a_rename_without_syncs_may_lose_the_content(folder: Path, tmp_path: Path) -> None:
    with SimDisk(folder) as disk:
        append(folder / "log.new", b"newer", sync=False)
        (folder / "log.new").rename(folder / "log")
        found = outcomes(disk, tmp_path, "log")
    assert {b"old", b"newer"} < found


@pytest.mark.parametrize("seed", seeds(20))
def test_an_atomic_write_lasts_once_it_returns(folder: Path, tmp_path: Path, seed: int) -> None:
    with SimDisk(folder) as disk:
        write_atomically(folder / "log", b"new" * 400)
        disk.cut(seed, tmp_path / "after")
    assert (tmp_path / "after" / "log").read_bytes() == b"new" * 400


@pytest.mark.parametrize("stage", range(2))
def test_a_failing_sync_leaves_the_old_file(folder: Path, tmp_path: Path, stage: int) -> None:
    with SimDisk(folder) as disk:
        disk.fail("fsync", errno.EIO, after=stage)
        with pytest.raises(OSError, match="Input/output error"):
            write_atomically(folder / "log", b"new")
        found = outcomes(disk, tmp_path, "log")
    assert found <= {b"old", b"new"}
    assert b"old" in found


def test_the_disk_listens_no_longer_than_its_block(folder: Path) -> None:
    before = os.fsync
    with SimDisk(folder):
        assert os.fsync is not before
    assert os.fsync is before


def test_a_synchronous_write_lasts_once_it_returns_and_a_plain_one_does_not(folder: Path, tmp_path: Path) -> None:
    with SimDisk(folder) as disk:
        descriptor = os.open(folder / "log", os.O_WRONLY)
        os.pwritev(descriptor, [b"new"], 0, os.RWF_DSYNC)
        assert outcomes(disk, tmp_path / "lasting", "log") == {b"new"}
        os.pwritev(descriptor, [b"too"], 0)
        assert outcomes(disk, tmp_path / "plain", "log") == {b"new", b"too"}
        os.close(descriptor)


def test_a_cut_as_a_sync_begins_finds_nothing_of_it_promised(folder: Path, tmp_path: Path) -> None:
    found: set[bytes | None] = set()
    with SimDisk(folder) as disk:
        disk.before_sync = lambda: found.update(outcomes(disk, tmp_path, "log"))
        append(folder / "log", b"!", sync=True)
    assert {b"old", b"old!"} <= found
