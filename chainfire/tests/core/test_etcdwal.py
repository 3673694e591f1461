"""etcd's log, as far as it tells what the database lacks. `shell/test_etcd_files.py` reads a real one."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.etcdfile import field
from chainfire.core.etcdwal import changes_after

HEADER = field(100, b"\x08\x01")
PUT, RANGE, VERSION_2 = (
    HEADER + field(4, b"\x0a\x01k"),
    HEADER + field(3, b"\x0a\x01k"),
    field(2, b"PUT") + field(4, b"v"),
)


def entry(index: int, request: bytes = PUT, kind: int = 0) -> bytes:
    """A record with an entry."""
    return record(2, field(1, kind) + field(2, 7) + field(3, index) + field(4, request))


def record(kind: int, body: bytes) -> bytes:
    """A record in its frame."""
    whole = field(1, kind) + field(2, 12345) + field(3, body)
    padding = -len(whole) % 8
    word = len(whole) | ((0x80 | padding) << 56 if padding else 0)
    return struct.pack("<Q", word) + whole + bytes(padding)


def test_changes_after_an_index_are_counted() -> None:
    log = [entry(1) + entry(2), entry(3) + record(3, b"\x08\x01") + entry(4) + bytes(4096)]
    assert [changes_after(log, index) for index in range(6)] == [4, 3, 2, 1, 0, 0]


def test_what_changes_nothing_is_not_counted() -> None:
    log = [entry(1, RANGE) + entry(2, VERSION_2) + entry(3, b"") + entry(4, PUT, kind=1) + entry(5)]
    assert changes_after(log, 0) == 1


def test_entries_that_were_replaced_are_not_counted() -> None:
    assert changes_after([entry(1) + entry(2) + entry(3), entry(2, RANGE)], 0) == 1


def test_a_torn_end_ends_a_file() -> None:
    whole = entry(1) + entry(2)
    assert [changes_after([whole[:cut]], 0) for cut in (0, 5, len(whole) - 20, len(whole))] == [0, 0, 1, 2]


@given(st.binary(max_size=200))
def test_anything_is_read(content: bytes) -> None:
    assert changes_after([content, entry(1) + content], 0) >= 1
