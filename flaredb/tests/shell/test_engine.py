"""What every engine promises, tried on each."""

from __future__ import annotations

import pytest

from flaredb.core.engine import Column, Cursor, Engine


def keys_of(cursor: Cursor) -> list[bytes]:
    keys = []
    while cursor.valid():
        keys.append(cursor.key())
        cursor.next()
    return keys


def fill(engine: Engine, *keys: bytes) -> None:
    engine.write((Column.DATA, key, b"v" + key) for key in keys)


def test_what_is_written_is_read(engine: Engine):
    fill(engine, b"a", b"b")
    assert engine.get(Column.DATA, b"a") == b"va"
    assert engine.get(Column.DATA, b"c") is None
    assert engine.get_many(Column.DATA, [b"b", b"c", b"a"]) == [b"vb", None, b"va"]
    assert engine.get_many(Column.DATA, []) == []


def test_columns_do_not_meet(engine: Engine):
    fill(engine, b"a")
    assert engine.get(Column.META, b"a") is None
    cursor = engine.cursor(Column.CHANGES)
    cursor.seek(b"")
    assert not cursor.valid()


def test_a_batch_deletes_and_sets(engine: Engine):
    fill(engine, b"a", b"b")
    engine.write([(Column.DATA, b"a", None), (Column.DATA, b"c", b""), (Column.META, b"m", b"1")])
    assert engine.get_many(Column.DATA, [b"a", b"b", b"c"]) == [None, b"vb", b""]
    engine.sync(7)


@pytest.mark.parametrize(
    ("seek", "found"), [(b"", b"a"), (b"a", b"a"), (b"b", b"c"), (b"c\0", b"\xff"), (b"\xff\0", None)]
)
def test_seek_finds_the_first_key_not_before(engine: Engine, seek: bytes, found: bytes | None):
    fill(engine, b"\xff", b"c", b"a")
    cursor = engine.cursor(Column.DATA)
    cursor.seek(seek)
    assert (cursor.key() if cursor.valid() else None) == found
    engine.check(cursor)


@pytest.mark.parametrize(("seek", "found"), [(b"\xff\xff", b"\xff"), (b"c", b"c"), (b"b", b"a"), (b"\0", None)])
def test_seek_for_prev_finds_the_last_key_not_after(engine: Engine, seek: bytes, found: bytes | None):
    fill(engine, b"\xff", b"c", b"a")
    cursor = engine.cursor(Column.DATA)
    cursor.seek_for_prev(seek)
    assert (cursor.key() if cursor.valid() else None) == found
    engine.check(cursor)


def test_a_cursor_walks_both_ways_in_order(engine: Engine):
    fill(engine, b"b", b"a", b"a\0", b"c")
    cursor = engine.cursor(Column.DATA)
    assert not cursor.valid()
    cursor.seek(b"a\0")
    cursor.prev()
    assert cursor.value() == b"va"
    assert keys_of(cursor) == [b"a", b"a\0", b"b", b"c"]


def test_a_cursor_sees_the_moment_it_was_made(engine: Engine):
    fill(engine, b"a")
    cursor = engine.cursor(Column.DATA)
    engine.write([(Column.DATA, b"a", None), (Column.DATA, b"b", b"2")])
    cursor.seek(b"")
    assert keys_of(cursor) == [b"a"]
