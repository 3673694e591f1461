"""The record of one key at one revision, and what a range of keys is.

The store keeps records packed: one object of bytes each. Millions of them then cost a quarter less memory, Python's
cyclic collector (a pause of a second at a million keys) never looks at them, and snapshots copy them as they are.

Source: etcd's data model (mvccpb.KeyValue); the conventions of `range_end` are those of etcd's RangeRequest.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, NewType

LeaseId = NewType("LeaseId", int)
Record = NewType("Record", bytes)
"""A packed KeyValue."""

NO_LEASE = LeaseId(0)
FROM_KEY = b"\x00"
"""As the end of a range: every key from its start on."""
FIRST_REVISION = 1
"""Revision of a store that nothing was written to."""


_HEAD = struct.Struct("<qqqqI")
_unpack_head = _HEAD.unpack_from
_pack_head = _HEAD.pack


class KeyValue(NamedTuple):
    """One key as one write left it. A tuple and no dataclass, because it takes half the time to make.

    Attributes:
        create_revision: Revision at which the key last came into being; 0 in a tombstone.
        mod_revision: Revision of this write.
        version: Writes since the key came into being, from 1; 0 says that this write deleted the key.
        lease: The lease the key dies with, NO_LEASE without one.
    """

    key: bytes
    create_revision: int
    mod_revision: int
    version: int
    value: bytes
    lease: LeaseId


def pack(key: bytes, create_revision: int, mod_revision: int, version: int, value: bytes, lease: LeaseId) -> Record:
    """Make a record; the arguments are those of KeyValue."""
    return Record(_pack_head(mod_revision, create_revision, version, lease, len(key)) + key + value)


def unpack(record: Record) -> KeyValue:
    """Read a record."""
    mod_revision, create_revision, version, lease, key_length = _unpack_head(record)
    value_at = _HEAD.size + key_length
    return KeyValue(record[_HEAD.size : value_at], create_revision, mod_revision, version, record[value_at:], lease)


def origin_of(record: Record) -> tuple[int, int]:
    """The create revision and version of a record, which the next write of its key carries on."""
    _, create_revision, version, _, _ = _unpack_head(record)
    return create_revision, version


def lease_of(record: Record) -> LeaseId:
    """The lease of a record's key."""
    lease: LeaseId = _unpack_head(record)[3]
    return lease


def revision_of(record: Record) -> int:
    """The revision a record was written at."""
    revision: int = _unpack_head(record)[0]
    return revision


def key_of(record: Record) -> bytes:
    """The key of a record."""
    key_length: int = _unpack_head(record)[4]
    return record[_HEAD.size : _HEAD.size + key_length]


def is_tombstone(record: Record) -> bool:
    """Whether a record says that its key was deleted."""
    return not _unpack_head(record)[2]


def covers(start: bytes, end: bytes, key: bytes) -> bool:
    """Tell whether `key` lies in the range from `start` to `end`, where `end` follows etcd's conventions."""
    if not end:
        return key == start
    return start <= key and (end == FROM_KEY or key < end)


def prefix_end(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with `prefix`."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else FROM_KEY
