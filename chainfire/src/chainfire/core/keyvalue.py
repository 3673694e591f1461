"""The record of one key at one revision, and what a range of keys is.

Source: etcd's data model (mvccpb.KeyValue); the conventions of `range_end` are those of etcd's RangeRequest.
"""

from __future__ import annotations

from typing import NamedTuple, NewType

LeaseId = NewType("LeaseId", int)

NO_LEASE = LeaseId(0)
FROM_KEY = b"\x00"
"""As the end of a range: every key from its start on."""
FIRST_REVISION = 1
"""Revision of a store that nothing was written to."""


class KeyValue(NamedTuple):
    """One key as one write left it.

    A tuple and no dataclass: there is one for every revision kept, and a tuple takes half the time to make.

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


def covers(start: bytes, end: bytes, key: bytes) -> bool:
    """Tell whether `key` lies in the range from `start` to `end`, where `end` follows etcd's conventions."""
    if not end:
        return key == start
    return start <= key and (end == FROM_KEY or key < end)


def prefix_end(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with `prefix`."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else FROM_KEY
