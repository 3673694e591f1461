"""Makes the index of a kind whole: records that were stored before it, and fields that were declared or dropped since.

What is written while this runs has its entries already; so it only adds, compared with the record's version, and says
in the store that the index is whole. A list by label waits for it, once in the life of a declaration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ultracloud.servicekit.resources import indexes, layout, records
from ultracloud.servicekit.resources.kinds import Kind
from ultracloud.servicekit.store import Conflict, Entry, Store, prefix_end
from ultracloud.servicekit.store.following import PAGE
from ultracloud.servicekit.store.interface import put

OPERATIONS_MAX = 500
"""Comparisons and writes of one transaction, before the record that goes over: flaredb takes 1024."""


async def ensure_whole(store: Store, kind: Kind[Any]) -> int:
    """Make the index whole unless it is; the version it is whole from."""
    key, wanted = layout.index_mark_key(kind.key), indexes.mark(kind)
    entry = await store.get(key)
    if entry is not None and entry.value == wanted:
        return entry.version
    before = entry.value.decode().split("\n")[1:] if entry is not None else []
    await _fill(store, kind)
    for path in sorted(set(before) - set(kind.indexed)):
        await _clear(store, layout.field_index_prefix(kind.key, path))
    return await put(store, key, wanted)


async def _fill(store: Store, kind: Kind[Any]) -> None:
    """Add the entries of every record."""
    prefix = layout.record_prefix(kind.key)
    start, end = prefix, prefix_end(prefix)
    while True:
        page = await store.scan(start, end, limit=PAGE)
        for batch in _batches(kind, page.entries):
            await _add(store, kind, batch)
        if not page.more:
            return
        start = page.entries[-1].key + b"\x00"


def _batches(kind: Kind[Any], found: tuple[Entry, ...]) -> Iterator[list[Entry]]:
    """Records that fit one transaction."""
    batch: list[Entry] = []
    size = 0
    for entry in found:
        batch.append(entry)
        size += 1 + len(indexes.entries(kind, records.parse_entry(kind, entry).message))
        if size >= OPERATIONS_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _add(store: Store, kind: Kind[Any], batch: list[Entry]) -> None:
    """Add the entries of some records, as each is when it is done."""
    while batch:
        writes: dict[bytes, bytes | None] = {}
        for entry in batch:
            writes |= indexes.changes(kind, None, records.parse_entry(kind, entry).message)
        done = await store.txn({entry.key: entry.version for entry in batch}, writes)
        if not isinstance(done, Conflict):
            return
        batch = list((await store.get_many([entry.key for entry in batch])).entries)


async def _clear(store: Store, prefix: bytes) -> None:
    """Remove all keys of a range."""
    while True:
        page = await store.scan(prefix, prefix_end(prefix), limit=OPERATIONS_MAX, keys_only=True)
        if page.entries:
            await store.txn({}, {entry.key: None for entry in page.entries})
        if not page.more:
            return
