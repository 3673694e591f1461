"""What the stored values hold. Fixed-width integers are big-endian; format 1 is all there is.

- data: a byte that says "value", "value that ends" or "deleted", then the moment at which it ends, then the value.
- expiry: nothing; the keys say all, see `flaredb.core.expiry`.
- changes, by version: the encoded keys that the commit changed. Not the values: those stand in `data` at that version
  for as long as the change is kept, and writing them once halves what a put costs the disk.
- meta: counters, each in a struct.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from flaredb.core.commands import EncodedKey

FORMAT = b"flaredb 1"
"""What the meta column says under FORMAT_KEY; a store that says anything else is not opened."""
FORMAT_KEY = b"format"
APPLIED_KEY = b"applied"
FLOOR_KEY = b"floor"
SWEPT_KEY = b"swept"
MARK_PREFIX = b"mark/"
TOMBSTONE = b"\x00"
_VALUE = b"\x01"
VALUE_TAG = _VALUE[0]
"""What a record of a value without an end begins with; the value follows."""
_ENDING = b"\x02"
_ENDING_HEAD = 9
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")
_MARK = struct.Struct(">QQQQ")


@dataclass(frozen=True, slots=True)
class Mark:
    """How much had been committed at a moment: history is measured between two of these.

    Attributes:
        version: Version of the last commit.
        at_ms: Wall time of the last commit in milliseconds, never less than in an earlier mark.
        changes: Keys changed since the store was made.
        bytes: Bytes of keys and values written since the store was made.
    """

    version: int
    at_ms: int
    changes: int
    bytes: int


START = Mark(1, 0, 0, 0)
"""The counters of an empty store. Its version is 1, because a reader that asks for version 0 asks for the newest: were
it 0, a list begun on the empty store would continue at another version."""


def value_record(value: bytes | None, expires_at_ms: int = 0) -> bytes:
    """What `data` holds for a value, which may end at a moment, or for a deletion."""
    if value is None:
        return TOMBSTONE
    return _ENDING + _NUMBER.pack(expires_at_ms) + value if expires_at_ms else _VALUE + value


def parse_value(record: bytes) -> bytes | None:
    """The value, None for a deletion."""
    if record.startswith(_VALUE):
        return record[1:]
    if record.startswith(_ENDING):
        return record[_ENDING_HEAD:]
    assert record == TOMBSTONE, record[:1]
    return None


def parse_end(record: bytes) -> int:
    """The moment at which the value ends, in milliseconds; 0 if it never does, and for a deletion."""
    return int.from_bytes(record[1:_ENDING_HEAD], "big") if record.startswith(_ENDING) else 0


def is_tombstone(record: bytes) -> bool:
    """Whether the record says that the key was deleted."""
    return record == TOMBSTONE


def change_record(encoded_keys: Iterable[EncodedKey]) -> bytes:
    """What `changes` holds for one commit."""
    return b"".join(_LENGTH.pack(len(key)) + key for key in encoded_keys)


def parse_change(record: bytes) -> tuple[EncodedKey, ...]:
    """The encoded keys of one commit."""
    keys = []
    at = 0
    while at < len(record):
        (length,) = _LENGTH.unpack_from(record, at)
        at += _LENGTH.size
        assert at + length <= len(record), (at, length, len(record))
        keys.append(EncodedKey(record[at : at + length]))
        at += length
    return tuple(keys)


def number(value: int) -> bytes:
    """A version, as a key of `changes` or a value of `meta`; sorts as the number does."""
    return _NUMBER.pack(value)


def parse_number(record: bytes) -> int:
    """The number that `number` wrote."""
    (value,) = _NUMBER.unpack(record)
    assert isinstance(value, int)
    return value


def mark_key(mark: Mark) -> bytes:
    """Where a mark stands in `meta`."""
    return MARK_PREFIX + number(mark.version)


def mark_record(mark: Mark) -> bytes:
    """What `meta` holds for a mark, and for the counters under APPLIED_KEY."""
    return _MARK.pack(mark.version, mark.at_ms, mark.changes, mark.bytes)


def parse_mark(record: bytes) -> Mark:
    """The mark that `mark_record` wrote."""
    return Mark(*_MARK.unpack(record))
