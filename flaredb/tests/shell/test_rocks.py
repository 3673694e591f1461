"""RocksDB itself: what stays after closing, and what an operator is told when the directory is unusable."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flaredb.core.engine import Column
from flaredb.errors import StoreDirectoryError
from flaredb.shell.rocks import RocksEngine, open_rocks
from ultracloud.base.faults import DataLossError

MIB = 1024 * 1024
Open = Callable[[], RocksEngine]


WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from flaredb.core.engine import Column
from flaredb.shell.rocks import open_rocks
engine = open_rocks(Path(sys.argv[1]), 4 << 20, 4 << 20)
for number in range(1, int(sys.argv[2]) + 1):
    values = [(Column.DATA, b"%d" % n, b"%d/" % number + os.urandom(25_000)) for n in range(16)]
    engine.write([*values, (Column.META, b"number", b"%d" % number)])
    engine.sync(number)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Writes batches until RocksDB has used logs again, and is killed right after the last sync."""


def test_what_was_synced_is_there_after_opening_again(open_store_folder: Open):
    engine = open_store_folder()
    engine.write([(Column.DATA, b"a", b"1"), (Column.META, b"m", b"2")])
    engine.sync(1)
    engine.close()
    again = open_store_folder()
    assert (again.get(Column.DATA, b"a"), again.get(Column.META, b"m")) == (b"1", b"2")


def test_a_second_opening_is_refused_and_says_by_whom(open_store_folder: Open, tmp_path: Path):
    open_store_folder()
    with pytest.raises(StoreDirectoryError, match="in use by another flaredb"):
        open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)


def test_a_path_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "db").write_text("")
    with pytest.raises(StoreDirectoryError, match="db"):
        open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)


def test_what_a_crash_left_half_written_is_dropped(tmp_path: Path):
    copy = _crashed(tmp_path)
    log = _largest(copy, "*.log")
    log.write_bytes(log.read_bytes()[:-500])
    with closing(open_rocks(copy, 4 * MIB, 4 * MIB)) as again:
        assert [again.get(Column.DATA, b"%d" % n) is not None for n in (0, 8, 9)] == [True, True, False]


@pytest.mark.parametrize("batches", [70, 83, 101])
def test_what_an_earlier_use_of_a_log_left_behind_is_not_replayed(tmp_path: Path, batches: int):
    """Logs are written over, so behind the last batch stand whole ones of long ago; each says another number."""
    ran = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path / "db"), str(batches)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert "reusing log" in (tmp_path / "db" / "rocksdb" / "LOG").read_text()

    with closing(open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)) as again:
        assert again.synced() == batches
        assert again.get(Column.META, b"number") == b"%d" % batches
        found = {(again.get(Column.DATA, b"%d" % n) or b"").partition(b"/")[0] for n in range(16)}
        assert found == {b"%d" % batches}


def test_what_was_confirmed_is_remembered(tmp_path: Path):
    copy = _crashed(tmp_path)
    with closing(open_rocks(copy, 4 * MIB, 4 * MIB)) as again:
        assert again.synced() == 10


def test_a_damaged_manifest_is_refused(open_store_folder: Open, tmp_path: Path):
    open_store_folder().close()
    _damage(_largest(tmp_path / "db", "MANIFEST-*"), 0.5)
    with pytest.raises(StoreDirectoryError, match="damaged store"):
        open_store_folder()


def test_damage_in_a_table_is_an_error_and_not_a_missing_key(open_store_folder: Open, tmp_path: Path):
    engine = open_store_folder()
    engine.write((Column.DATA, b"%05d" % n, b"v" * 100) for n in range(5000))
    engine.sync(1)
    engine.close()
    _damage(_largest(tmp_path / "db", "*.sst"), 0.3)
    with closing(open_store_folder()) as again:
        cursor = again.cursor(Column.DATA)
        cursor.seek(b"")
        while cursor.valid():
            cursor.next()
        with pytest.raises(DataLossError, match="damaged"):
            again.check(cursor)


def _crashed(tmp_path: Path) -> Path:
    """A state directory as a killed process leaves it: a log of ten batches that no table holds yet."""
    with closing(open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)) as engine:
        for n in range(10):
            engine.write([(Column.DATA, b"%d" % n, b"v" * 1000)])
        engine.sync(10)
        return shutil.copytree(tmp_path / "db", tmp_path / "copy")


def _largest(folder: Path, pattern: str) -> Path:
    return max((folder / "rocksdb").glob(pattern), key=lambda path: path.stat().st_size)


def _damage(file: Path, where: float) -> None:
    content = bytearray(file.read_bytes())
    at = int(len(content) * where)
    content[at : at + 8] = b"\xde\xad\xbe\xef" * 2
    file.write_bytes(content)
