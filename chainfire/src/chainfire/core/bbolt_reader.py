"""Reads a bbolt file, believing nothing: every reference, length and order is checked before it is used.

A page is read at most once a walk, so a file whose pages point in circles ends as quickly as a sound one.

Source: as `bbolt`; there tx_check.go for what a sound file is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chainfire.core.bbolt import (
    BRANCH,
    BRANCH_ELEMENT,
    BUCKET_HEAD,
    ELEMENT_BYTES,
    FREELIST,
    IS_BUCKET,
    LEAF,
    LEAF_ELEMENT,
    LONG_FREELIST,
    META_PAGE_BYTES,
    META_PAGES,
    NO_FREELIST,
    PAGE_BYTES_MAX,
    PAGE_BYTES_MIN,
    PAGE_HEAD,
    MalformedDatabaseError,
    Meta,
    parse_meta,
)

DEPTH_MAX = 64
"""Levels of a tree: two children a branch already make more pages than a disk has."""
_NUMBER_BYTES = 8


class Content(Protocol):
    """A whole file: bytes, or a file mapped into memory."""

    def __len__(self) -> int:
        """Its size."""
        ...

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of it."""
        ...


class _Page(NamedTuple):
    number: int
    kind: int
    element_count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket by its value in the tree of buckets.

    Attributes:
        page: Page of its root; the page whose leaf it lies in if it is inline.
        inline: Its only leaf, if it is inline.
    """

    name: bytes
    page: int
    inline: bytes | None


class Database:
    """A bbolt file.

    Args:
        content: The file, without anything behind it.

    Raises:
        MalformedDatabaseError: Neither meta is valid, or the file is shorter than the newest says.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self.meta = _newest_meta(content)
        whole = len(content) // self.meta.page_bytes
        if not META_PAGES < self.meta.page_count <= whole:
            raise MalformedDatabaseError(
                0, f"the meta counts {self.meta.page_count} pages where the file has {whole}; is it cut off?"
            )

    def buckets(self) -> dict[bytes, Bucket]:
        """All buckets by their names.

        Raises:
            MalformedDatabaseError: The tree of buckets is damaged.
        """
        return self._buckets(self._unseen())

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a bucket in order.

        Raises:
            MalformedDatabaseError: Its tree is damaged; what was given before is sound.
        """
        yield from self._items(bucket, self._unseen())

    def last_item(self, bucket: Bucket) -> tuple[bytes, bytes] | None:
        """The item with the highest key, read without those before it; None from an empty bucket.

        Raises:
            MalformedDatabaseError: The way to it is damaged.
        """
        seen = self._unseen()
        page = self._page(bucket.page, seen) if bucket.inline is None else _parse_inline(bucket)
        while page.kind == BRANCH:
            page = self._page(_children(page)[-1], seen)
        if page.kind != LEAF:
            raise MalformedDatabaseError(page.number, f"a page of kind {page.kind} in a tree")
        last = None
        for _, _, key, value in _leaf_items(page):
            last = key, value
        return last

    def check(self) -> int:
        """Walk through everything; give how many items there are.

        Raises:
            MalformedDatabaseError: Something is damaged, or a page belongs to two things.
        """
        seen = self._unseen()
        self._check_freelist(seen)
        return sum(1 for bucket in self._buckets(seen).values() for _ in self._items(bucket, seen))

    def _unseen(self) -> bytearray:
        """For each page whether this walk saw it; the metas belong to nobody."""
        return bytearray(b"\x01" * META_PAGES).ljust(self.meta.page_count, b"\x00")

    def _buckets(self, seen: bytearray) -> dict[bytes, Bucket]:
        found: dict[bytes, Bucket] = {}
        for number, flags, name, value in self._walk(self.meta.root, seen):
            if not flags & IS_BUCKET:
                raise MalformedDatabaseError(number, "an item lies where only buckets are")
            if len(value) < BUCKET_HEAD.size:
                raise MalformedDatabaseError(number, f"the value of bucket {name!r} is cut off")
            root, _ = BUCKET_HEAD.unpack_from(value)
            found[name] = Bucket(name, root or number, None if root else value[BUCKET_HEAD.size :])
        return found

    def _items(self, bucket: Bucket, seen: bytearray) -> Iterator[tuple[bytes, bytes]]:
        walk = self._walk(bucket.page, seen) if bucket.inline is None else _leaf_items(_parse_inline(bucket))
        for number, flags, key, value in walk:
            if flags & IS_BUCKET:
                raise MalformedDatabaseError(number, f"bucket {bucket.name!r} has a bucket inside; etcd's have none")
            yield key, value

    def _walk(self, root: int, seen: bytearray) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Page, flags, key and value of each item below `root`."""
        last_key = b""
        # Pages to go to, the next one last, each with its depth.
        waiting = [(root, 1)]
        while waiting:
            number, depth = waiting.pop()
            page = self._page(number, seen)
            if page.kind == BRANCH:
                if depth == DEPTH_MAX:
                    raise MalformedDatabaseError(number, f"the tree is deeper than {DEPTH_MAX} pages")
                waiting += ((child, depth + 1) for child in reversed(_children(page)))
                continue
            if page.kind != LEAF:
                raise MalformedDatabaseError(number, f"a page of kind {page.kind} in a tree")
            for item in _leaf_items(page):
                if item[2] <= last_key:
                    raise MalformedDatabaseError(number, "keys are out of order")
                last_key = item[2]
                yield item

    def _page(self, number: int, seen: bytearray) -> _Page:
        """Page `number` with all that belongs to it, once a walk."""
        page_bytes, page_count = self.meta.page_bytes, self.meta.page_count
        if not META_PAGES <= number < page_count:
            raise MalformedDatabaseError(number, f"it is referred to, but there are {page_count} pages")
        start = number * page_bytes
        own, kind, count, further = PAGE_HEAD.unpack(self._content[start : start + PAGE_HEAD.size])
        if own != number:
            raise MalformedDatabaseError(number, f"it says that it is page {own}")
        end = number + 1 + further
        if end > page_count:
            raise MalformedDatabaseError(number, f"it takes {further} further pages where there are not as many")
        if any(seen[number:end]):
            raise MalformedDatabaseError(number, "it belongs to two things")
        seen[number:end] = b"\x01" * (end - number)
        return _Page(number, kind, count, self._content[start + PAGE_HEAD.size : end * page_bytes])

    def _check_freelist(self, seen: bytearray) -> None:
        number = self.meta.freelist
        if number == NO_FREELIST:
            return
        page = self._page(number, seen)
        if page.kind != FREELIST:
            raise MalformedDatabaseError(number, f"a page of kind {page.kind} is named as the freelist")
        first, count = 0, page.element_count
        if count == LONG_FREELIST:
            first, count = 1, int.from_bytes(page.body[:_NUMBER_BYTES], "little")
        if (first + count) * _NUMBER_BYTES > len(page.body):
            raise MalformedDatabaseError(number, f"{count} free pages do not fit into the freelist")
        for at in range(first * _NUMBER_BYTES, (first + count) * _NUMBER_BYTES, _NUMBER_BYTES):
            free = int.from_bytes(page.body[at : at + _NUMBER_BYTES], "little")
            if not META_PAGES <= free < self.meta.page_count or seen[free]:
                raise MalformedDatabaseError(number, f"page {free} is free and something else, or does not exist")
            seen[free] = 1


def _newest_meta(content: Content) -> Meta:
    """The valid meta with the highest transaction number; where the second lies depends on the page size."""
    metas: list[Meta] = []
    damage: MalformedDatabaseError | None = None
    try:
        metas.append(parse_meta(0, content[:META_PAGE_BYTES]))
    except MalformedDatabaseError as error:
        damage = error
    page_bytes = PAGE_BYTES_MIN
    while page_bytes <= PAGE_BYTES_MAX:
        try:
            second = parse_meta(1, content[page_bytes : page_bytes + META_PAGE_BYTES])
            metas += [second] if second.page_bytes == page_bytes else []
        except MalformedDatabaseError as error:
            damage = damage or error
        page_bytes *= 2
    if not metas:
        assert damage is not None
        raise damage
    return max(metas, key=lambda meta: meta.transaction)


def _parse_inline(bucket: Bucket) -> _Page:
    body = bucket.inline
    assert body is not None
    if len(body) < PAGE_HEAD.size:
        raise MalformedDatabaseError(bucket.page, f"bucket {bucket.name!r} is cut off")
    _, kind, count, further = PAGE_HEAD.unpack_from(body)
    if kind != LEAF or further:
        raise MalformedDatabaseError(bucket.page, f"bucket {bucket.name!r} is inline but no leaf")
    return _Page(bucket.page, kind, count, body[PAGE_HEAD.size :])


def _children(page: _Page) -> list[int]:
    """Pages below a branch."""
    end = page.element_count * ELEMENT_BYTES
    if not page.element_count or end > len(page.body):
        raise MalformedDatabaseError(page.number, f"a branch with {page.element_count} children")
    children: list[int] = []
    for at, (distance, key_bytes, child) in enumerate(BRANCH_ELEMENT.iter_unpack(page.body[:end])):
        key_at = at * ELEMENT_BYTES + distance
        if key_at < end or key_at + key_bytes > len(page.body):
            raise MalformedDatabaseError(page.number, f"the key of child {at} lies outside the page")
        children.append(child)
    return children


def _leaf_items(page: _Page) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Page, flags, key and value of a leaf's items."""
    number, _, count, body = page
    end, size = count * ELEMENT_BYTES, len(body)
    if end > size:
        raise MalformedDatabaseError(number, f"{count} items do not fit into the page")
    at = 0
    for flags, distance, key_bytes, value_bytes in LEAF_ELEMENT.iter_unpack(body[:end]):
        key_at = at + distance
        value_at = key_at + key_bytes
        after = value_at + value_bytes
        if key_at < end or after > size:
            raise MalformedDatabaseError(number, f"item {at // ELEMENT_BYTES} lies outside the page")
        yield number, flags, body[key_at:value_at], body[value_at:after]
        at += ELEMENT_BYTES
