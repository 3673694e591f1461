"""What a store keeps of an eventual key, and which of two records stays.

All rows stand in `Column.EVENTUAL`:

    k <encoded key>             the record
    s <version>                 the encoded key whose newest change here has this version
    h <digest>                  stamp and encoded key: what the hash tree is made of, in the order of digests
    d <due> <encoded key>       nothing; when a value ends, or what is left of a deleted one goes
    m                           clock, newest version, floor of the feed
    p <store>                   how far another store is known to have what this one has

They have a column of their own because regions own ranges of `data`, ship and drop them whole: nothing of an eventual
namespace may be in one. Integers are big-endian.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import NewType, TypeAlias

from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Column, Row
from flaredb.core.eventual_clock import Stamp
from flaredb.core.records import number
from flaredb.core.region import StoreId

Digest = NewType("Digest", bytes)
"""A key's place among all keys, evenly spread: 16 bytes of BLAKE2b of the encoded key."""

DIGEST_BYTES = 16
RECORD, FEED, HASHED, DUE, COUNTERS, SHARED = b"k", b"s", b"h", b"d", b"m", b"p"
_RECORD = struct.Struct(">QQQQB")
_STAMP = struct.Struct(">QQ")
_COUNTERS = struct.Struct(">QQQ")
_SHARED = struct.Struct(">QQQQ")
_NUMBER_BYTES = 8
Rank: TypeAlias = tuple[int, StoreId, bool, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What stores tell each other of a key.

    Attributes:
        value: None where the key was deleted, or has ended.
        expires_at_ms: When the value ends, or did; 0 is never.
    """

    encoded: EncodedKey
    stamp: Stamp
    value: bytes | None
    expires_at_ms: int = 0

    @property
    def rank(self) -> Rank:
        """The higher one stays. A value that has ended is the same write as before, further on."""
        return self.stamp.time, self.stamp.store, self.value is None, self.expires_at_ms

    @property
    def size_bytes(self) -> int:
        """What it weighs on the way."""
        return len(self.encoded) + (len(self.value) if self.value is not None else 0) + _RECORD.size

    def due_ms(self, tombstone_ms: int) -> int:
        """When it changes by itself: a value ends, what is left of a deleted one goes; 0 is never."""
        if self.value is not None:
            return self.expires_at_ms
        return (self.expires_at_ms or self.stamp.ms) + tombstone_ms

    def gone_ms(self, tombstone_ms: int) -> int:
        """When nothing is left of it anywhere; 0 is never."""
        if self.value is not None and not self.expires_at_ms:
            return 0
        return (self.expires_at_ms or self.stamp.ms) + tombstone_ms


@dataclass(frozen=True, slots=True)
class Record:
    """What a store has of a key: what it was told, and the version that the change has here."""

    told: Told
    version: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """A key that has a value, as somebody wrote it: what a backup has of it. An end of 0 is never."""

    key: bytes
    value: bytes
    stamp: Stamp
    expires_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What a batch brings a store to.

    Attributes:
        time: Of its clock.
        version: Of the newest change.
        floor: Changes up to here may have been forgotten.
    """

    time: int
    version: int
    floor: int


@dataclass(frozen=True, slots=True)
class Shared:
    """What was compared with another store, from beginning to end.

    Attributes:
        version: All that had this version here, or a lower one, the other store has on its disk, or something later.
        at_ms: When the comparison began.
        their_version: All that had this version there is here; it is told to the other store again and again, or only
            one of the two would know. 0 says nothing.
        their_at_ms: What their clock said.
    """

    version: int
    at_ms: int
    their_version: int = 0
    their_at_ms: int = 0


def digest(encoded: EncodedKey) -> Digest:
    """Where a key stands in the order of digests."""
    return Digest(hashlib.blake2b(encoded, digest_size=DIGEST_BYTES).digest())


def record_row(record: Record) -> bytes:
    """What stands under `k`."""
    told = record.told
    head = _RECORD.pack(told.stamp.time, told.stamp.store, record.version, told.expires_at_ms, told.value is not None)
    return head + told.value if told.value is not None else head


def parse_record(encoded: EncodedKey, row: bytes) -> Record:
    """The record that `record_row` wrote."""
    time, store, version, expires_at_ms, is_value = _RECORD.unpack_from(row)
    value = row[_RECORD.size :] if is_value else None
    return Record(Told(encoded, Stamp(time, store), value, expires_at_ms), version)


def render_stamp(stamp: Stamp) -> bytes:
    """A stamp in 16 bytes, which sort as stamps do."""
    return _STAMP.pack(stamp.time, stamp.store)


def parse_hashed(row: bytes) -> tuple[Stamp, EncodedKey]:
    """What stands under `h`."""
    return Stamp(*_STAMP.unpack_from(row)), EncodedKey(row[_STAMP.size :])


def counters_row(counters: Counters) -> Row:
    """How far a store is, in every batch."""
    return Column.EVENTUAL, COUNTERS, _COUNTERS.pack(counters.time, counters.version, counters.floor)


def parse_counters(row: bytes) -> Counters:
    """What `counters_row` wrote."""
    return Counters(*_COUNTERS.unpack(row))


def shared_row(peer: StoreId, shared: Shared | None) -> Row:
    """What a store knows of another; None forgets it."""
    value = (
        None if shared is None else _SHARED.pack(shared.version, shared.at_ms, shared.their_version, shared.their_at_ms)
    )
    return Column.EVENTUAL, SHARED + number(peer), value


def parse_shared(row: bytes) -> Shared:
    """What `shared_row` wrote."""
    return Shared(*_SHARED.unpack(row))


def key_rows(old: Record | None, new: Record | None, tombstone_ms: int) -> list[Row]:
    """What changes on the disk where a key had `old` and has `new`."""
    gone = {} if old is None else _rows(old, tombstone_ms)
    come = {} if new is None else _rows(new, tombstone_ms)
    rows: list[Row] = [(Column.EVENTUAL, key, None) for key in gone if key not in come]
    return rows + [(Column.EVENTUAL, key, value) for key, value in come.items()]


def due_key(due_ms: int, encoded: EncodedKey) -> bytes:
    """Where it stands that something is due."""
    return DUE + number(due_ms) + encoded


def parse_due(key: bytes) -> tuple[int, EncodedKey]:
    """When, and which key."""
    at = len(DUE) + _NUMBER_BYTES
    return int.from_bytes(key[len(DUE) : at], "big"), EncodedKey(key[at:])


def _rows(record: Record, tombstone_ms: int) -> dict[bytes, bytes]:
    """All rows of a record, without the column."""
    encoded = record.told.encoded
    rows = {
        RECORD + encoded: record_row(record),
        FEED + number(record.version): bytes(encoded),
        HASHED + digest(encoded): render_stamp(record.told.stamp) + encoded,
    }
    due_ms = record.told.due_ms(tombstone_ms)
    if due_ms:
        rows[due_key(due_ms, encoded)] = b""
    return rows
