"""Looks into etcd's write-ahead log for what its database lacks.

etcd answers a write when it is logged, and puts it into the database file within the next tenth of a second. A database
of an etcd that was killed lacks what was written last; only the log has it.

Source: etcd 3.5, server/storage/wal (decoder.go: frames and their padding; walpb), raftpb.Entry, InternalRaftRequest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from chainfire.core.protobuf import MalformedMessageError, fields, signed, text

_LENGTH = struct.Struct("<Q")
_LENGTH_BITS = 56
_PADDED = 1 << 63
_TYPE, _DATA = 1, 3
_ENTRY_TYPE, _ENTRY_INDEX, _ENTRY_DATA = 1, 3, 4
_ENTRY = 2
"""Record type of an entry of the log; other records do not change the state."""
_HEADER = 100
"""Field that every request has, and that those of the API's version 2 lack: what they keep is not in the database."""
_BESIDE = frozenset({1, 2, 3, _HEADER, 1300, 1301, 1302})
"""Fields of a request that change no key, lease or user: id, one of version 2, range, header, and what is told of the
cluster's version, its members and its downgrade."""


def changes_after(segments: Iterable[bytes], index: int) -> int:
    """How many changes of keys, leases or users the log holds after entry `index`.

    Args:
        segments: The log's files in order. What is damaged ends a file: the etcd that was killed would end there too.
        index: The last entry that the database contains.
    """
    found: dict[int, bool] = {}
    for segment in segments:
        try:
            for at, is_change in _entries(segment):
                if at > index:
                    # A new leader may have replaced what another one had logged from here on.
                    for later in [each for each in found if each >= at]:
                        del found[later]
                    found[at] = is_change
        except MalformedMessageError:
            continue
    return sum(found.values())


def _entries(segment: bytes) -> Iterator[tuple[int, bool]]:
    """Index of each entry, and whether it changes something."""
    for record in _records(segment):
        said = dict(fields(record))
        if said.get(_TYPE) != _ENTRY:
            continue
        entry = dict(fields(text(said.get(_DATA, b""))))
        data = text(entry.get(_ENTRY_DATA, b""))
        numbers = frozenset() if entry.get(_ENTRY_TYPE) else frozenset(number for number, _ in fields(data))
        yield signed(entry.get(_ENTRY_INDEX, 0)), _HEADER in numbers and not numbers <= _BESIDE


def _records(segment: bytes) -> Iterator[bytes]:
    """Each record; zeros follow the last."""
    at = 0
    while at + _LENGTH.size <= len(segment):
        (word,) = _LENGTH.unpack_from(segment, at)
        if not word:
            return
        length = word & ((1 << _LENGTH_BITS) - 1)
        padding = word >> _LENGTH_BITS & 7 if word & _PADDED else 0
        at += _LENGTH.size
        if at + length > len(segment):
            return
        yield segment[at : at + length]
        at += length + padding
