"""bbolt's database file: pages, each a node of a B+ tree, and at the start two metas, of which the newer counts.

etcd keeps everything in one such file and hands it out as its snapshot, so reading and writing it is how a state moves
between etcd and chainfire. Here is what reader (`bbolt_reader`) and writer (`bbolt_writer`) share.

A page begins with its own number, what it is, how many elements it has, and how many further pages it takes. Elements
come next, each pointing at its key and value by a distance from itself. Numbers are little-endian.

Source: the file format of bbolt 1.3 (page.go, bucket.go, db.go); FNV-1a, draft-eastlake-fnv.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PAGE_BYTES = 4096
"""What the writer uses: the page size of nearly every machine that runs etcd."""
PAGE_BYTES_MIN, PAGE_BYTES_MAX = 512, 1 << 16
"""bbolt takes the machine's page size; no machine has others."""
META_PAGES = 2

BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
"""What a page is."""
IS_BUCKET = 0x01
"""Flag of a leaf element whose value is a bucket."""
NO_FREELIST = (1 << 64) - 1
"""Stands for a freelist that was not written; etcd never writes it, and finds free pages by walking."""
LONG_FREELIST = 0xFFFF
"""Count of a freelist whose real count is its first number."""

PAGE_HEAD = struct.Struct("<QHHI")
BRANCH_ELEMENT = struct.Struct("<IIQ")
LEAF_ELEMENT = struct.Struct("<IIII")
BUCKET_HEAD = struct.Struct("<QQ")
ELEMENT_BYTES = 16
"""Of both kinds."""

_META = struct.Struct("<IIIIQQQQQ")
_META_SUM = struct.Struct("<Q")
_MAGIC, _VERSION = 0xED0CDAED, 2
META_PAGE_BYTES = PAGE_HEAD.size + _META.size + _META_SUM.size


class MalformedDatabaseError(ValueError):
    """Bytes that are no bbolt file, or a damaged one.

    Attributes:
        page: Number of the page that is wrong.
    """

    def __init__(self, page: int, reason: str) -> None:
        super().__init__(f"page {page}: {reason}")
        self.page = page


@dataclass(frozen=True, slots=True)
class Meta:
    """What a meta page says.

    Attributes:
        root: Page with the tree of buckets.
        freelist: Page with the list of free pages, or NO_FREELIST.
        page_count: Pages from here on were never used.
        transaction: Number of the transaction that wrote it.
    """

    page_bytes: int
    root: int
    freelist: int
    page_count: int
    transaction: int


def render_meta(number: int, meta: Meta) -> bytes:
    """Give meta page `number`."""
    body = _META.pack(
        _MAGIC, _VERSION, meta.page_bytes, 0, meta.root, 0, meta.freelist, meta.page_count, meta.transaction
    )
    page = PAGE_HEAD.pack(number, META, 0, 0) + body + _META_SUM.pack(fnv1a(body))
    return page.ljust(meta.page_bytes, b"\x00")


def parse_meta(number: int, start: bytes) -> Meta:
    """Read the first META_PAGE_BYTES of meta page `number`.

    Raises:
        MalformedDatabaseError: It is none.
    """
    if len(start) < META_PAGE_BYTES:
        raise MalformedDatabaseError(number, "the file ends in it")
    body = start[PAGE_HEAD.size : PAGE_HEAD.size + _META.size]
    magic, version, page_bytes, _, root, _, freelist, page_count, transaction = _META.unpack(body)
    (checksum,) = _META_SUM.unpack_from(start, PAGE_HEAD.size + _META.size)
    if magic != _MAGIC:
        raise MalformedDatabaseError(number, "it does not begin like a bbolt file")
    if version != _VERSION:
        raise MalformedDatabaseError(number, f"it is of version {version}; known is {_VERSION}")
    if checksum != fnv1a(body):
        raise MalformedDatabaseError(number, "the meta does not match its checksum")
    if not PAGE_BYTES_MIN <= page_bytes <= PAGE_BYTES_MAX or page_bytes & (page_bytes - 1):
        raise MalformedDatabaseError(number, f"pages of {page_bytes} bytes")
    return Meta(page_bytes, root, freelist, page_count, transaction)


def fnv1a(content: bytes) -> int:
    """The 64-bit FNV-1a hash."""
    total = 0xCBF29CE484222325
    for byte in content:
        total = (total ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return total
