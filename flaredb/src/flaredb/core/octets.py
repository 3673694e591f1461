"""What most calls are made of, as bytes: a codec beside protobuf's for Get, BatchGet, Scan and Put.

Making a message object for each key of a page was half of what the page took, and of a Get a quarter. So what is asked
for again and again goes from the bytes of a record to those of an answer. Only the plainest requests are read here,
each field once and in order, as every library writes them; of all others `parse_...` says None, and protobuf reads
them. What is written is what protobuf would write.

Source: Protocol Buffers, "Encoding"; `ultracloud/flaredb/v1/flaredb.proto`.
"""

from __future__ import annotations

from flaredb.core.keys import ZERO

_ONE = [bytes((n,)) for n in range(128)]
_MORE = [bytes((n | 128,)) for n in range(128)]
_FIRST, _SECOND, _THIRD = 0x0A, 0x12, 0x1A
"""Tags of fields 1, 2 and 3 that have a length."""
_KV, _KEY, _VALUE, _VERSION, _EXPIRES, _READ_VERSION = b"\x0a", b"\x0a", b"\x12", b"\x18", b"\x20", b"\x10"
_MORE_KEYS = b"\x18\x01"
_PLAIN_BYTES_MIN = 6
"""Two fields of one byte each, with their tags and lengths."""
_SHORT = 128
"""Lengths below take one byte."""
_TWO, _THREE, _FOUR = 1 << 14, 1 << 21, 1 << 28
"""Numbers below take two, three and four bytes."""


def varint(number: int) -> bytes:
    """A number that is not negative, as protobuf writes it."""
    if number < _TWO:
        return _ONE[number] if number < _SHORT else _MORE[number & 127] + _ONE[number >> 7]
    low = _MORE[number & 127] + _MORE[number >> 7 & 127]
    if number < _THREE:
        return low + _ONE[number >> 14]
    low += _MORE[number >> 14 & 127]
    return low + (_ONE[number >> 21] if number < _FOUR else varint(number >> 21))


def parse_get(octets: bytes) -> tuple[bytes, bytes] | None:
    """Namespace and key of a GetRequest that has both, no zero byte in the key, and nothing else."""
    size = len(octets)
    if size < _PLAIN_BYTES_MIN or octets[0] != _FIRST or octets[1] >= _SHORT:
        return None
    at = octets[1] + 2
    if size < at + 3 or octets[at] != _SECOND or octets[at + 1] >= _SHORT or at + 2 + octets[at + 1] != size:
        return None
    key = octets[at + 2 :]
    return None if ZERO in key else (octets[2:at], key)


def parse_put(octets: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Namespace, key and value of a PutRequest that has all three and nothing else."""
    size = len(octets)
    if size < _PLAIN_BYTES_MIN or octets[0] != _FIRST or octets[1] >= _SHORT:
        return None
    at = octets[1] + 2
    if size < at + 3 or octets[at] != _SECOND or octets[at + 1] >= _SHORT:
        return None
    end = at + 2 + octets[at + 1]
    if size < end + 3 or end == at + 2 or octets[end] != _THIRD:
        return None
    length, first = octets[end + 1], end + 2
    if length >= _SHORT:
        if octets[first] >= _SHORT:
            return None
        length, first = length - _SHORT + (octets[first] << 7), first + 1
    if first + length != size or not length:
        return None
    return octets[2:at], octets[at + 2 : end], octets[first:]


def key_value(key: bytes, value: bytes, version: int, expires_at_ms: int = 0) -> bytes:
    """One of the `kvs` of an answer, or the `kv` of Get's."""
    tail = _VERSION + varint(version)
    if expires_at_ms:
        tail += _EXPIRES + varint(expires_at_ms)
    head, middle = kv_lengths(len(key), len(value), len(tail))
    return b"".join((head, key, middle, value, tail))


def kv_lengths(key_bytes: int, value_bytes: int, tail_bytes: int) -> tuple[bytes, bytes]:
    """What stands before the key and before the value of a KeyValue; `tail_bytes` follow the value."""
    before_key = _KEY + varint(key_bytes)
    middle = _VALUE + varint(value_bytes) if value_bytes else b""
    size = len(before_key) + key_bytes + len(middle) + value_bytes + tail_bytes
    return _KV + varint(size) + before_key, middle


def version_field(version: int) -> bytes:
    """The `version` of a KeyValue: its tail, if it never ends."""
    return _VERSION + varint(version)


def read_version_field(version: int) -> bytes:
    """The `read_version` of an answer, which is what stands last in Get's and BatchGet's."""
    return _READ_VERSION + varint(version)


def scan_end(read_version: int, *, more: bool) -> bytes:
    """What stands behind the `kvs` of a ScanResponse."""
    return read_version_field(read_version) + (_MORE_KEYS if more else b"")


def write_response(version: int) -> bytes:
    """A WriteResponse."""
    return b"\x08" + varint(version)


def txn_done(version: int) -> bytes:
    """A TxnResponse that succeeded, and says no more than its version."""
    return b"\x08\x01\x10" + varint(version)
