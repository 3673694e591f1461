"""What readers and watchers get of a store's eventual namespaces: always what is on its disk, and by its own versions.

A watch tells where each key stands, not every step to there: a key that changed twice before its watcher looked is told
once, as it is. So nothing is kept for watches but one row a key, and a watcher may be away for as long as deletions are
kept. What it knows after each message is what a reader would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from flaredb.core.commands import Change, Commit
from flaredb.core.eventual_contents import Contents
from flaredb.core.eventual_errors import not_ours
from flaredb.core.eventual_records import Record, Stamped
from flaredb.core.feed import FEED_COMMITS_MAX, Interest, Page, page_of
from flaredb.core.keys import bounds, encode, key_of
from flaredb.core.limits import PAGE_BYTES_MAX, check_batch_response
from flaredb.core.visibility import Found, Query, is_ended
from flaredb.errors import compacted

FoundT = TypeVar("FoundT", Found, Stamped)


def get(contents: Contents, namespace: str, key: bytes, now_ms: int) -> Found | None:
    """The value of one key, None where there is none or it has ended by `now_ms`. Raises DataLossError."""
    record = contents.get(encode(namespace, key))
    if record is None or record.told.value is None or not is_visible(record, now_ms):
        return None
    return Found(key, record.told.value, record.version, record.told.expires_at_ms)


def batch_get(contents: Contents, namespace: str, keys: Sequence[bytes], now_ms: int) -> list[Found]:
    """The values of those keys that exist, in their order; see `get`.

    Raises:
        ResourceExhaustedError: Together they do not fit a message.
    """
    found = []
    size_bytes = 0
    for key in keys:
        one = get(contents, namespace, key, now_ms)
        if one is not None:
            found.append(one)
            size_bytes += len(one.key) + len(one.value)
            check_batch_response(size_bytes)
    return found


@dataclass(slots=True)
class EventualScan(Generic[FoundT]):
    """One page of a range as it was when the scan was made, in the making.

    Attributes:
        query: Its `at_version` is what the page is as of.
        make: What stands on the page of a key: key, value, record.
        found: Keys so far, in the order of the scan.
        more: Whether the range goes on after the page.
    """

    query: Query
    records: Iterator[Record]
    make: Callable[[bytes, bytes, Record], FoundT]
    found: list[FoundT] = field(default_factory=list)
    more: bool = False
    _size_bytes: int = 0

    def run(self, steps: int) -> bool:
        """Look at up to `steps` keys, deleted ones too; True when the page is complete. Raises DataLossError."""
        query, found, make = self.query, self.found, self.make
        for _ in range(steps):
            record = next(self.records, None)
            if record is None:
                return True
            told = record.told
            if told.value is None or is_ended(told.expires_at_ms, query.now_ms):
                continue
            if len(found) == query.limit or self._size_bytes >= PAGE_BYTES_MAX:
                self.more = True
                return True
            key, value = key_of(told.encoded, query.namespace), b"" if query.keys_only else told.value
            found.append(make(key, value, record))
            self._size_bytes += len(key) + len(value)
        return False


def scan(contents: Contents, query: Query) -> EventualScan[Found]:
    """A scan of what is on the disk now; run it."""
    return _scan_of(contents, query, _found)


def dump(contents: Contents, namespace: str, start: bytes, limit: int, now_ms: int) -> EventualScan[Stamped]:
    """As `scan`, for a backup: with stamps."""
    query = Query(namespace, start, b"", limit, 0, now_ms=now_ms)
    return _scan_of(contents, query, _stamped)


def changes_after(contents: Contents, interest: Interest, position: int) -> Page:
    """The next message of a watch. Its position is the newest version once all has been looked at.

    Raises:
        OutOfRangeError: `position` is of another store, or older than the oldest deletion that is kept.
    """
    published = contents.published
    if not contents.start <= position <= published.version:
        raise not_ours(position, published.version)
    if position < published.floor:
        raise compacted(position, published.floor)
    records = contents.changes(position)
    page = page_of(map(commit_of, islice(records, FEED_COMMITS_MAX)), interest, position)
    is_all = next(records, None) is None
    return Page(page.changes, published.version) if is_all else page


def commit_of(record: Record) -> Commit:
    """A change of one key, as watches have it."""
    told = record.told
    namespace = told.encoded.partition(b"\x00")[0].decode()
    key = key_of(told.encoded, namespace)
    end = told.expires_at_ms if told.value is not None else 0
    return Commit(record.version, namespace, (Change(told.encoded, key, told.value, end),))


def _found(key: bytes, value: bytes, record: Record) -> Found:
    return Found(key, value, record.version, record.told.expires_at_ms)


def _stamped(key: bytes, value: bytes, record: Record) -> Stamped:
    return Stamped(key, value, record.told.stamp, record.told.expires_at_ms)


def _scan_of(contents: Contents, query: Query, make: Callable[[bytes, bytes, Record], FoundT]) -> EventualScan[FoundT]:
    lower, upper = bounds(query.namespace, query.start, query.end)
    return EventualScan(query, contents.scan(lower, upper, reverse=query.reverse), make)


def is_visible(record: Record, now_ms: int) -> bool:
    """Whether a reader sees it."""
    return record.told.value is not None and not is_ended(record.told.expires_at_ms, now_ms)
