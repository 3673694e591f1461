"""Reading a range: filters, order, limit.

Source: etcd 3.5 semantics: filters before the limit, the count before both, a sort target without an order ascends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import assert_never

from chainfire.core.commands import Range, SortOrder, SortTarget
from chainfire.core.keyvalue import KeyValue, Record, unpack
from chainfire.core.mvcc import Mvcc
from chainfire.core.results import RangeResult


@dataclass(frozen=True, slots=True)
class Found:
    """What a query's range holds: packed records in key order, before filters, order and limit.

    Attributes:
        count: All keys in the range, even if not all were needed.
        now: The revision that the answer's header says.
    """

    records: Sequence[Record]
    count: int
    now: int


def read_range(store: Mvcc, query: Range, now: int) -> RangeResult:
    """Read a range as of `query.revision`, or as of `now`; raises as `find`."""
    found = find(store, query, now)
    return chosen(found, [unpack(record) for record in found.records], query)


def find(store: Mvcc, query: Range, now: int) -> Found:
    """Find the records of a range. They never change, so they can be read later, a few at a time.

    Args:
        store: What is read.
        query: What is asked.
        now: The revision that the newest records have: the store's, or one more inside a txn that has written.

    Raises:
        FutureRevisionError: `query.revision` lies after `now`.
        CompactedError: `query.revision` is compacted.
    """
    store.check_readable(query.revision, now)
    if 0 < query.revision < now:
        records = store.read_past(query.key, query.end, query.revision)
        return Found(() if query.count_only else records, len(records), now)
    count = store.count_live(query.key, query.end)
    if query.count_only:
        return Found((), count, now)
    return Found(store.read_live(query.key, query.end, _limit_before_order(query)), count, now)


def chosen(found: Found, unpacked: list[KeyValue], query: Range) -> RangeResult:
    """Filter, sort and cut what was found; `unpacked` are its records."""
    kvs = ordered(filtered(unpacked, query), query)
    more = 0 < query.limit < len(kvs)
    if more:
        kvs = kvs[: query.limit]
    if query.keys_only:
        kvs = [record._replace(value=b"") for record in kvs]
    return RangeResult(found.now, tuple(kvs), more, found.count)


def filtered(found: list[KeyValue], query: Range) -> list[KeyValue]:
    """Keep the records whose revisions are within the query's bounds."""
    if query.max_mod_revision:
        found = [record for record in found if record.mod_revision <= query.max_mod_revision]
    if query.min_mod_revision:
        found = [record for record in found if record.mod_revision >= query.min_mod_revision]
    if query.max_create_revision:
        found = [record for record in found if record.create_revision <= query.max_create_revision]
    if query.min_create_revision:
        found = [record for record in found if record.create_revision >= query.min_create_revision]
    return found


def ordered(found: list[KeyValue], query: Range) -> list[KeyValue]:
    """Sort records, which come in key order; equal ones stay in key order."""
    if query.target is SortTarget.KEY:
        return found[::-1] if query.order is SortOrder.DESCEND else found
    return sorted(found, key=_sort_key(query.target), reverse=query.order is SortOrder.DESCEND)


def _limit_before_order(query: Range) -> int:
    """How many records suffice before filters and order: one over the limit shows that there are more. 0 is all."""
    is_plain = query.order in (SortOrder.NONE, SortOrder.ASCEND) and query.target is SortTarget.KEY
    is_filtered = (
        query.max_mod_revision or query.min_mod_revision or query.max_create_revision or query.min_create_revision
    )
    return query.limit + 1 if is_plain and not is_filtered and query.limit > 0 else 0


def _sort_key(target: SortTarget) -> Callable[[KeyValue], bytes | int]:
    match target:
        case SortTarget.KEY:
            return attrgetter("key")
        case SortTarget.VERSION:
            return attrgetter("version")
        case SortTarget.CREATE:
            return attrgetter("create_revision")
        case SortTarget.MOD:
            return attrgetter("mod_revision")
        case SortTarget.VALUE:
            return attrgetter("value")
        case _:
            assert_never(target)
