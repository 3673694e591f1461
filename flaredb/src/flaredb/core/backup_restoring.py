"""What a restore does with a batch of records, given what the server has between their first key and the last.

The server may hold nothing but what the backup holds too: then a restore that was interrupted goes on, and one that
runs twice changes nothing. Anything else is somebody else's, and the restore ends there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flaredb.core.limits import TXN_BYTES_MAX, TXN_ITEMS_MAX
from flaredb.core.visibility import Found, is_ended

BATCH_KEYS_MAX = TXN_ITEMS_MAX // 2
"""Each key is compared and written."""
BATCH_BYTES_MAX = TXN_BYTES_MAX // 2
"""Of keys, twice, and values, before the last: a value may have as much again."""


@dataclass(frozen=True, slots=True)
class Strange:
    """A key of the server that is not the backup's.

    Attributes:
        is_changed: Whether the backup has the key, with another value or end.
    """

    key: bytes
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to be written of a batch.

    Attributes:
        found: Records.
        there_count: How many the server has already.
        ended_count: How many have ended, and are not written.
    """

    found: tuple[Found, ...]
    there_count: int
    ended_count: int


def batches(found: Sequence[Found]) -> Iterator[tuple[Found, ...]]:
    """Records in pieces, each of which is one transaction."""
    begin, size_bytes = 0, 0
    for at, each in enumerate(found):
        if at - begin == BATCH_KEYS_MAX or size_bytes >= BATCH_BYTES_MAX:
            yield tuple(found[begin:at])
            begin, size_bytes = at, 0
        size_bytes += 2 * len(each.key) + len(each.value)
    if begin < len(found):
        yield tuple(found[begin:])


def left_of(wanted: Sequence[Found], there: Mapping[bytes, Found], now_ms: int) -> Left | Strange:
    """What is to be written where the server has `there` of the same range; see `Left` and `Strange`."""
    keys = {each.key for each in wanted}
    for key in there:
        if key not in keys:
            return Strange(key, is_changed=False)
    left: list[Found] = []
    ended_count = 0
    for each in wanted:
        standing = there.get(each.key)
        if standing is not None and (standing.value, standing.expires_at_ms) != (each.value, each.expires_at_ms):
            return Strange(each.key, is_changed=True)
        if standing is None and is_ended(each.expires_at_ms, now_ms):
            ended_count += 1
        elif standing is None:
            left.append(each)
    return Left(tuple(left), len(there), ended_count)


def without_first_to_end(found: Sequence[Found]) -> tuple[Found, ...]:
    """All but the one that ends first: what is left when the server says that something has ended by its clock."""
    first = min((each for each in found if each.expires_at_ms), key=lambda each: each.expires_at_ms)
    return tuple(each for each in found if each is not first)
