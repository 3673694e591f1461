from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core import backup
from flaredb.core.backup import (
    BLOCK_HEAD,
    MAGIC,
    MAGIC_EVENTUAL,
    RECORDS,
    Count,
    EventualRecords,
    Head,
    MalformedBackupError,
    Records,
    Trailer,
    Writer,
)
from flaredb.core.backup_reading import Part, parts
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import Stamped
from flaredb.core.region import StoreId
from flaredb.core.visibility import Found

HEAD = Head(version=90, made_at_ms=1234, namespaces=("empty", "iam", "prismnet"), is_whole=True, writer="a test")
KEYS = st.dictionaries(
    st.binary(min_size=1, max_size=40),
    st.tuples(st.binary(max_size=60), st.integers(1, 90), st.sampled_from([0, 1, 253_402_300_799_999])),
    max_size=12,
)


def written(pages: list[tuple[str, list[Found]]], head: Head = HEAD) -> bytes:
    writer = Writer(head)
    return b"".join((writer.begin(), *(writer.records(*page) for page in pages), writer.end()))


def read(raw: bytes) -> list[Part]:
    return list(parts(io.BytesIO(raw).read))


def pages_of(iam: dict[bytes, tuple[bytes, int, int]], prismnet: dict[bytes, tuple[bytes, int, int]]):
    return [
        (name, [Found(key, *rest) for key, rest in sorted(found.items())])
        for name, found in (("iam", iam), ("prismnet", prismnet))
    ]


LOOSE = Head(version=0, made_at_ms=1, namespaces=(), is_whole=False, writer="", eventual=("dns", "seen"))
STAMPS = st.builds(Stamp, st.integers(1, (1 << 63) - 1), st.integers(1, 1 << 40).map(StoreId))
STAMPED = st.dictionaries(
    st.binary(min_size=1, max_size=40), st.tuples(st.binary(max_size=60), STAMPS, st.sampled_from([0, 1])), max_size=9
)


def written_stamped(pages: list[tuple[str, list[Stamped]]], head: Head = LOOSE) -> bytes:
    writer = Writer(head)
    return b"".join((writer.begin(), *(writer.stamped(*page) for page in pages), writer.end()))


SMALL = written([("iam", [Found(b"a", b"1" * 50, 3), Found(b"b", b"", 90, 77)]), ("prismnet", [Found(b"\0", b"x", 1)])])


@settings(deadline=None)
@given(KEYS, KEYS)
def test_what_is_written_is_read(
    iam: dict[bytes, tuple[bytes, int, int]], prismnet: dict[bytes, tuple[bytes, int, int]]
):
    pages = pages_of(iam, prismnet)
    head, *blocks, trailer = read(written(pages))
    assert head == HEAD
    assert blocks == [Records(name, tuple(found)) for name, found in pages]
    assert isinstance(trailer, Trailer)
    size = sum(len(key) + len(value) for key, (value, *_) in iam.items())
    assert trailer.counts["iam"] == Count(len(iam), size)


def test_a_backup_that_was_cut_off_anywhere_is_refused():
    for size in range(len(SMALL)):
        with pytest.raises(MalformedBackupError, match=r"cut off|is empty|does not begin|of format"):
            read(SMALL[:size])


@settings(deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_refused(at: int, bits: int):
    changed = bytearray(SMALL)
    changed[at] ^= bits
    with pytest.raises(MalformedBackupError):
        read(bytes(changed))


def test_what_comes_before_the_damage_is_passed_on_and_nothing_of_it():
    pages = [("iam", [Found(b"%d" % n, b"v", 5)]) for n in range(3)]
    raw = bytearray(written(pages))
    raw[-200] ^= 1
    found = parts(io.BytesIO(raw).read)
    assert next(found) == HEAD
    for name, page in pages[: raw.count(RECORDS + b"\0\0\0") - 1]:
        assert next(found) == Records(name, tuple(page))
    with pytest.raises(MalformedBackupError, match="does not match"):
        next(found)


def test_blocks_cannot_be_left_out_exchanged_or_added():
    one, two = [Found(b"a", b"1", 5)], [Found(b"b", b"2", 5)]
    raw = written([("iam", one), ("iam", two)])
    first = raw.index(RECORDS + b"\0\0\0")
    size = len(written([("iam", one)])) - len(written([]))
    block = raw[first : first + size]
    for changed in (raw.replace(block, b""), raw.replace(block, block + block), raw + b"\0", raw + raw):
        with pytest.raises(MalformedBackupError):
            read(changed)


@pytest.mark.parametrize(
    ("head", "pages", "why"),
    [
        (HEAD, [("iam", [Found(b"b", b"", 1), Found(b"a", b"", 1)])], "not in order"),
        (HEAD, [("iam", [Found(b"b", b"", 1)]), ("iam", [Found(b"b", b"", 1)])], "not in order"),
        (HEAD, [("prismnet", []), ("iam", [Found(b"b", b"", 1)])], "stand where they may not"),
        (HEAD, [("iam", [Found(b"b", b"", 91)])], "newer than the backup"),
        (HEAD, [("iam", [Found(b"", b"", 1)])], "a size that none can have"),
        (HEAD, [("iam", [Found(b"a", b"", 1, 1 << 60)])], "an end that none can have"),
        (Head(1, 1, ("b", "a"), is_whole=True, writer=""), [], "its head says"),
        (Head(1, 1, ("..",), is_whole=True, writer=""), [], "its head says"),
        (Head(0, 1, (), is_whole=True, writer=""), [], "its head says"),
    ],
)
def test_what_no_backup_says_is_refused_though_its_checksums_match(
    head: Head, pages: list[tuple[str, list[Found]]], why: str
):
    with pytest.raises(MalformedBackupError, match=why):
        read(written(pages, head))


def test_a_block_that_unpacks_to_more_than_it_says_is_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    monkeypatch.setattr(backup.zlib, "compress", lambda *_: bomb)
    with pytest.raises(MalformedBackupError, match="not what it was before"):
        read(written([("iam", [Found(b"a", b"", 1)])]))


def test_a_later_format_is_named():
    with pytest.raises(MalformedBackupError, match="format '3'; this flaredb reads formats 1 and 2"):
        read(MAGIC.replace(b"1", b"3") + SMALL[len(MAGIC) :])


def test_a_length_beyond_all_bounds_is_not_read():
    raw = MAGIC + BLOCK_HEAD.pack(b"H", 1 << 31, 1 << 31)
    with pytest.raises(MalformedBackupError, match="no block begins there"):
        read(raw)


@settings(deadline=None)
@given(KEYS, STAMPED)
def test_eventual_namespaces_follow_the_others_with_their_stamps(
    iam: dict[bytes, tuple[bytes, int, int]], seen: dict[bytes, tuple[bytes, Stamp, int]]
):
    writer = Writer(Head(90, 1234, ("iam",), is_whole=True, writer="a test", eventual=("dns", "seen")))
    strong = [Found(key, *rest) for key, rest in sorted(iam.items())]
    stamped = [Stamped(key, *rest) for key, rest in sorted(seen.items())]
    raw = writer.begin() + writer.records("iam", strong) + writer.stamped("seen", stamped) + writer.end()
    head, *blocks, trailer = read(raw)
    assert head == writer.head
    assert blocks == [Records("iam", tuple(strong)), EventualRecords("seen", tuple(stamped))]
    assert isinstance(trailer, Trailer)
    assert {name: count.keys for name, count in trailer.counts.items()} == {
        "iam": len(iam),
        "dns": 0,
        "seen": len(seen),
    }


def test_a_backup_without_eventual_namespaces_is_as_it_always_was():
    assert SMALL.startswith(MAGIC)
    assert b"eventual" not in SMALL
    assert written_stamped([]).startswith(MAGIC_EVENTUAL)


KEY = Stamped(b"a", b"", Stamp(1, StoreId(1)))


@pytest.mark.parametrize(
    ("head", "pages", "why"),
    [
        (LOOSE, [("dns", [KEY, KEY])], "not in order"),
        (LOOSE, [("seen", [KEY]), ("dns", [KEY])], "stand where they may not"),
        (LOOSE, [("dns", [Stamped(b"a", b"", Stamp(0, StoreId(1)))])], "a stamp that none can have"),
        (LOOSE, [("dns", [Stamped(b"a", b"", Stamp(1, StoreId(0)))])], "a stamp that none can have"),
        (Head(0, 1, ("dns",), is_whole=True, writer="", eventual=("seen",)), [], "its head says"),
        (Head(1, 1, ("dns",), is_whole=True, writer="", eventual=("dns",)), [("dns", [KEY])], "its head says"),
        (Head(1, 1, ("dns",), is_whole=True, writer="", eventual=("..",)), [], "its head says"),
        (Head(1, 1, ("dns",), is_whole=True, writer="", eventual=("seen",)), [("dns", [KEY])], "where they may not"),
    ],
)
def test_what_no_backup_says_of_eventual_namespaces_is_refused(
    head: Head, pages: list[tuple[str, list[Stamped]]], why: str
):
    with pytest.raises(MalformedBackupError, match=why):
        read(written_stamped(pages, head))


def test_a_backup_with_eventual_namespaces_that_was_cut_off_or_changed_is_refused():
    raw = written_stamped([("dns", [KEY]), ("seen", [KEY])])
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        for each in (raw[:at], bytes(changed)):
            with pytest.raises(MalformedBackupError):
                read(each)
