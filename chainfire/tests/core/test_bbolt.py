"""bbolt files: what is written is read, what is damaged is refused with its page. What etcd says of them: `shell`."""

import random
import struct
from zlib import crc32

import pytest
from core.databases import Tables, read, written
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfire.core.bbolt import (
    BRANCH,
    LEAF,
    PAGE_BYTES,
    PAGE_HEAD,
    MalformedDatabaseError,
    Meta,
    fnv1a,
    parse_meta,
    render_meta,
)
from chainfire.core.bbolt_reader import Database

NAMES = st.binary(min_size=1, max_size=8)
ITEMS = st.dictionaries(NAMES, st.binary(max_size=300), max_size=60)
MANY = {b"k%06d" % number: b"v%d" % number for number in range(40_000)}
SAMPLE: Tables = {
    b"empty": {},
    b"few": {b"a": b"1", b"b": b""},
    b"large": {b"one": bytes(3 * PAGE_BYTES), b"two": b"2"},
    b"many": {b"%05d" % number: b"x" * 40 for number in range(2000)},
}
CONTENT = written(SAMPLE)
PAGES = len(CONTENT) // PAGE_BYTES


@given(st.dictionaries(NAMES, ITEMS, max_size=5))
@settings(deadline=None)
def test_what_is_written_is_read(tables: Tables) -> None:
    content = written(tables)
    assert read(content) == tables
    assert Database(content).check() == sum(map(len, tables.values()))


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=80))
@settings(deadline=None, max_examples=50)
def test_long_keys_and_values_take_further_pages(sizes: list[int]) -> None:
    tables = {b"b": {number.to_bytes(2, "big") * size: bytes(size) for number, size in enumerate(sizes)}}
    assert read(written(tables)) == tables


def test_a_tree_of_three_levels_is_read_in_order() -> None:
    content = written({b"key": MANY})
    database = Database(content)
    assert list(database.items(database.buckets()[b"key"])) == list(MANY.items())
    assert {kind_of(content, page) for page in range(3, len(content) // PAGE_BYTES)} == {BRANCH, LEAF}


def test_each_branch_has_two_children_at_least() -> None:
    # bbolt merges a page that a deletion left small with its sibling, and panics where there is none.
    for count in range(1, 100):
        content = written({b"b": {b"%04d" % number + bytes(1500): b"" for number in range(count)}})
        for page in range(3, len(content) // PAGE_BYTES):
            own, kind, children, _ = PAGE_HEAD.unpack_from(content, page * PAGE_BYTES)
            assert own != page or kind != BRANCH or children >= 2, (count, page)


def kind_of(content: bytes, page: int) -> int:
    """What a page is."""
    return int(PAGE_HEAD.unpack_from(content, page * PAGE_BYTES)[1])


def test_the_newer_of_two_metas_counts_and_a_damaged_one_does_not() -> None:
    newer = Meta(PAGE_BYTES, 7, 2, PAGES, 9)
    first, rest = render_meta(0, newer), CONTENT[PAGE_BYTES:]
    assert Database(first + rest).meta == newer
    damaged = first[:70] + b"\xff" + first[71:]
    assert Database(damaged + rest).meta == parse_meta(1, CONTENT[PAGE_BYTES:])


def test_a_file_of_larger_pages_is_read() -> None:
    page = PAGE_HEAD.pack(2, LEAF, 0, 0).ljust(8192, b"\x00")
    metas = [render_meta(number, Meta(8192, 2, (1 << 64) - 1, 3, number)) for number in range(2)]
    assert Database(b"".join([*metas, page])).check() == 0
    assert Database(b"".join([bytes(8192), metas[1], page])).check() == 0


def changed(offset: int, content: bytes) -> bytes:
    """The sample with other bytes at `offset`."""
    return CONTENT[:offset] + content + CONTENT[offset + len(content) :]


def root_page() -> int:
    """Page of the tree of buckets."""
    return Database(CONTENT).meta.root


ROOT = root_page() * PAGE_BYTES
LARGE = next(page for page in range(3, PAGES) if PAGE_HEAD.unpack_from(CONTENT, page * PAGE_BYTES)[3])
BRANCH_PAGE = next(page for page in range(3, PAGES) if kind_of(CONTENT, page) == BRANCH and page != LARGE + 1)
DAMAGE = {
    "page 0: the file ends in it": b"",
    "page 0: it does not begin like a bbolt file": bytes(len(CONTENT)),
    f"page 0: the meta counts {PAGES} pages where the file has {PAGES - 1}; is it cut off?": CONTENT[:-PAGE_BYTES],
    f"page {PAGES - 1}: it says that it is page 77": changed(ROOT, struct.pack("<Q", 77)),
    f"page {PAGES - 1}: a page of kind 16 in a tree": changed(ROOT + 8, b"\x10"),
    f"page {PAGES - 1}: 999 items do not fit into the page": changed(ROOT + 10, struct.pack("<H", 999)),
    f"page {PAGES - 1}: item 0 lies outside the page": changed(ROOT + 20, struct.pack("<I", 5000)),
    f"page {PAGES - 1}: an item lies where only buckets are": changed(ROOT + 16, b"\x00"),
    f"page {LARGE}: it takes 9999 further pages where there are not as many": changed(
        LARGE * PAGE_BYTES + 12, struct.pack("<I", 9999)
    ),
    f"page {PAGES}: it is referred to, but there are {PAGES} pages": changed(
        BRANCH_PAGE * PAGE_BYTES + 24, struct.pack("<Q", PAGES)
    ),
    f"page {BRANCH_PAGE}: it belongs to two things": changed(
        BRANCH_PAGE * PAGE_BYTES + 24, struct.pack("<Q", BRANCH_PAGE)
    ),
}


@pytest.mark.parametrize("said", list(DAMAGE))
def test_damage_is_told_with_its_page(said: str) -> None:
    with pytest.raises(MalformedDatabaseError) as caught:
        Database(DAMAGE[said]).check()
    assert str(caught.value) == said


@pytest.mark.parametrize("free", [[1], [3], [PAGES], list(range(9000))])
def test_a_freelist_that_cannot_be_right_is_refused(free: list[int]) -> None:
    listed = struct.pack(f"<H2xI{len(free)}Q", len(free), 0, *free)
    content = changed(2 * PAGE_BYTES + 10, listed[:2]) if len(free) > 511 else changed(2 * PAGE_BYTES + 10, listed)
    with pytest.raises(MalformedDatabaseError) as caught:
        Database(content).check()
    assert caught.value.page in (2, *free)


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_file_never_does_more_than_be_refused(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - the same damage in every run
    content = bytearray(CONTENT)
    for _ in range(draw.randint(1, 20)):
        # Heads and elements of pages, rather than values, which nothing checks.
        page = draw.randrange(PAGES) * PAGE_BYTES
        content[page + draw.randrange(120)] = draw.choice((0, 1, 2, 0x10, 0x7F, 0xFF, draw.randrange(256)))
    for number in range(2):
        # A meta that was damaged on purpose has its checksum right.
        at = number * PAGE_BYTES + PAGE_HEAD.size
        content[at + 56 : at + 64] = struct.pack("<Q", fnv1a(bytes(content[at : at + 56])))
    assert is_read_or_refused(bytes(content))


@given(st.binary(max_size=3 * PAGE_BYTES))
def test_random_bytes_are_refused(content: bytes) -> None:
    assert is_read_or_refused(content)


def is_read_or_refused(content: bytes) -> bool:
    """Whether a file is read, or refused in the way that it should be."""
    try:
        Database(content).check()
        read(content)
    except MalformedDatabaseError:
        return True
    return True


def test_files_stay_the_same_from_version_to_version() -> None:
    assert crc32(CONTENT) == 558425806
