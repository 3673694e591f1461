"""Console logs on a real file system."""

from __future__ import annotations

import itertools
from pathlib import Path

from plasmavmc.agent.shell.console_log import KEPT_BYTES_MAX, LogReader, trim


def read_all(reader: LogReader) -> bytes:
    return b"".join(reader.chunks())


def test_reader_begins_where_the_backlog_does(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"0123456789")
    for backlog, seen in ((-1, b"0123456789"), (3, b"789"), (0, b""), (99, b"0123456789")):
        reader = LogReader(log)
        reader.seek_backlog(backlog)
        assert read_all(reader) == seen
        reader.close()


def test_reader_sees_each_byte_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reader = LogReader(log)
    assert read_all(reader) == b""
    with log.open("ab", buffering=0) as writer:
        for number in range(10):
            writer.write(b"line %d\n" % number)
            assert read_all(reader) == b"line %d\n" % number
    reader.close()


def test_reader_follows_into_the_log_of_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old")
    reader = LogReader(log)
    reader.seek_backlog(-1)
    assert read_all(reader) == b"old"
    with log.open("ab") as writer:
        writer.write(b" end")
    log.rename(tmp_path / "previous")
    log.write_bytes(b"new")
    assert read_all(reader) == b" endnew"
    reader.close()


def test_grown_log_gives_its_beginning_back_and_readers_lose_no_place(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reader = LogReader(log)
    line = b"x" * 1023 + b"\n"
    with log.open("ab", buffering=0) as writer:
        for _ in range(6 * 1024):
            writer.write(line)
        at_end = LogReader(log)
        at_end.seek_backlog(0)
        assert trim(log)
        assert log.stat().st_blocks * 512 < KEPT_BYTES_MAX
        writer.write(b"after\n")
    assert read_all(at_end) == b"after\n"
    reader.seek_backlog(-1)
    kept = read_all(reader)
    assert kept.endswith(line + b"after\n")
    assert b"\0" not in kept
    assert not trim(log)
    for one in (reader, at_end):
        one.close()


def test_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"small")
    assert not trim(tmp_path / "log")
    assert not trim(tmp_path / "nothing")
    assert (tmp_path / "log").read_bytes() == b"small"


def test_large_backlog_comes_in_bounded_pieces(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"y" * 1_000_000)
    reader = LogReader(log)
    sizes = [len(chunk) for chunk in itertools.islice(reader.chunks(), 100)]
    reader.close()
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 65_536
