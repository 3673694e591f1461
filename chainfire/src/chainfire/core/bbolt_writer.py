"""Writes a bbolt file from buckets whose items come in order, in one pass and with little memory.

Leaves are written as they fill up, and so are the branches above them: of each level only the page in the making is
kept. Pages follow each other in the order they are given; only the two metas, which name the root, are known last.

bbolt's own code relies on one thing that no format says: a branch has at least two children. So a level holds its last
two elements back until it knows what follows.

Source: as `bbolt`; there node.go (rebalance) for the two children, bucket.go (inlineable) for small buckets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chainfire.core.bbolt import (
    BRANCH,
    BRANCH_ELEMENT,
    BUCKET_HEAD,
    ELEMENT_BYTES,
    FREELIST,
    IS_BUCKET,
    LEAF,
    META_PAGES,
    PAGE_BYTES,
    PAGE_HEAD,
    Meta,
    render_meta,
)

INLINE_BYTES_MAX = PAGE_BYTES // 4
"""A bucket up to this size lies in its parent's leaf, as bbolt itself would have it."""
STEP_ITEMS = 256
"""Items after which whoever asked gets its turn: well under a millisecond's work unless they are large."""
FREELIST_PAGE = META_PAGES
CHILDREN_MIN = 2

Item = tuple[bytes, bytes]


class Piece(NamedTuple):
    """Some bytes of the file and where they belong."""

    offset: int
    content: bytes


class _LeafItem(NamedTuple):
    flags: int
    key: bytes
    value: bytes


def render(buckets: Iterable[tuple[bytes, Iterable[Item]]]) -> Iterator[Piece]:
    """Give the file's bytes: all pages in order, some at a time or none, then the metas, which belong to its start.

    Args:
        buckets: Names in ascending order, each with items in ascending order of their keys. Keys are not empty.
    """
    pages = _Pages()
    pages.add(FREELIST, b"", 0)
    root = _Tree(pages)
    for name, items in buckets:
        bucket = _Tree(pages)
        for number, (key, value) in enumerate(items):
            bucket.add(0, key, value)
            if not number % STEP_ITEMS:
                yield pages.take()
        root.add(IS_BUCKET, name, bucket.finish_inside())
    root_page = root.finish()
    yield pages.take()
    metas = [Meta(PAGE_BYTES, root_page, FREELIST_PAGE, pages.count, transaction) for transaction in range(META_PAGES)]
    yield Piece(0, b"".join(render_meta(number, meta) for number, meta in enumerate(metas)))


class _Pages:
    """Numbers pages and keeps them until somebody takes them."""

    def __init__(self) -> None:
        self.count = META_PAGES
        self._offset = META_PAGES * PAGE_BYTES
        self._waiting: list[bytes] = []

    def add(self, kind: int, body: bytes, element_count: int) -> int:
        """Make a page, with as many further ones as it takes; give its number."""
        number, size = self.count, PAGE_HEAD.size + len(body)
        further = (size - 1) // PAGE_BYTES
        page = PAGE_HEAD.pack(number, kind, element_count, further) + body
        self._waiting.append(page.ljust((1 + further) * PAGE_BYTES, b"\x00"))
        self.count += 1 + further
        return number

    def take(self) -> Piece:
        """Give what waits."""
        piece = Piece(self._offset, b"".join(self._waiting))
        self._offset += len(piece.content)
        self._waiting = []
        return piece


class _Tree:
    """One bucket in the making."""

    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self._leaf: list[_LeafItem] = []
        self._leaf_bytes = PAGE_HEAD.size
        self._levels: list[_Level] = []
        self._last_key = b""

    def add(self, flags: int, key: bytes, value: bytes) -> None:
        """Add the item with the highest key so far."""
        assert key > self._last_key, key
        self._last_key = key
        size = ELEMENT_BYTES + len(key) + len(value)
        if self._leaf and self._leaf_bytes + size > PAGE_BYTES:
            self._end_leaf()
        self._leaf.append(_LeafItem(flags, key, value))
        self._leaf_bytes += size

    def finish_inside(self) -> bytes:
        """End it; give the value that its parent has for it."""
        if not self._levels and self._leaf_bytes <= INLINE_BYTES_MAX:
            body = PAGE_HEAD.pack(0, LEAF, len(self._leaf), 0) + _leaf_body(self._leaf)
            return BUCKET_HEAD.pack(0, 0) + body
        return BUCKET_HEAD.pack(self.finish(), 0)

    def finish(self) -> int:
        """End it; give the page of its root."""
        if not self._levels and not self._leaf:
            return self._pages.add(LEAF, b"", 0)
        if self._leaf:
            self._end_leaf()
        height = 0
        while True:
            level = self._levels[height]
            if height == len(self._levels) - 1 and len(level.children) == 1:
                return level.children[0][1]
            self._add_child(height + 1, level.children[0][0], level.end(self._pages, len(level.children)))
            height += 1

    def _end_leaf(self) -> None:
        page = self._pages.add(LEAF, _leaf_body(self._leaf), len(self._leaf))
        key = self._leaf[0].key
        self._leaf, self._leaf_bytes = [], PAGE_HEAD.size
        self._add_child(0, key, page)

    def _add_child(self, height: int, key: bytes, page: int) -> None:
        """Put a page below the branch in the making `height` levels above the leaves."""
        while True:
            if height == len(self._levels):
                self._levels.append(_Level())
            level = self._levels[height]
            level.add(key, page)
            if not level.is_full:
                return
            key, page = level.children[0][0], level.end(self._pages, len(level.children) - CHILDREN_MIN)
            height += 1


class _Level:
    """The branch in the making of one level.

    Attributes:
        children: First key and page of each child.
    """

    def __init__(self) -> None:
        self.children: list[tuple[bytes, int]] = []
        self._size = PAGE_HEAD.size

    @property
    def is_full(self) -> bool:
        """Whether a page can be ended and leave enough for the next one."""
        return self._size > PAGE_BYTES and len(self.children) >= 2 * CHILDREN_MIN

    def add(self, key: bytes, page: int) -> None:
        """Add the child with the highest key so far."""
        self.children.append((key, page))
        self._size += ELEMENT_BYTES + len(key)

    def end(self, pages: _Pages, count: int) -> int:
        """Make a page of the first `count` children."""
        ended, self.children = self.children[:count], self.children[count:]
        self._size = PAGE_HEAD.size + sum(ELEMENT_BYTES + len(key) for key, _ in self.children)
        return pages.add(BRANCH, _branch_body(ended), count)


def _leaf_body(items: Sequence[_LeafItem]) -> bytes:
    """Elements, then keys and values. Written without a call an item: a million of them pass here."""
    numbers: list[int] = []
    texts: list[bytes] = []
    distance = ELEMENT_BYTES * len(items)
    for flags, key, value in items:
        key_bytes, value_bytes = len(key), len(value)
        numbers += (flags, distance, key_bytes, value_bytes)
        texts += (key, value)
        distance += key_bytes + value_bytes - ELEMENT_BYTES
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(texts)


def _branch_body(children: Sequence[tuple[bytes, int]]) -> bytes:
    elements: list[bytes] = []
    distance = ELEMENT_BYTES * len(children)
    for key, page in children:
        elements.append(BRANCH_ELEMENT.pack(distance, len(key), page))
        distance += len(key) - ELEMENT_BYTES
    return b"".join(elements) + b"".join(key for key, _ in children)
