"""Answers in etcd's wire format, written by hand.

Protobuf's own objects would be made only to be read once; these functions put the bytes together from parts that are
ready, and a watch with a thousand readers renders each change once. A test compares every function with the generated
messages.

Source: the protobuf encoding; fields as in api/proto/etcd/rpc.proto and kv.proto, in their order, defaults left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from chainfire.core.keyvalue import KeyValue
from chainfire.core.results import DeleteResult, OperationResult, PutResult, RangeResult, TxnResult
from chainfire.core.watch import Canceled, Change, Created, Progress

_UINT64 = (1 << 64) - 1
_TWO_BYTES = 1 << 14
_THREE_BYTES = 1 << 21
_FOUR_BYTES = 1 << 28


def _digits(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


_READY = tuple(_digits(number) for number in range(_TWO_BYTES))
"""Lengths and versions are nearly always this small; half a megabyte makes them free."""


def varint(number: int) -> bytes:
    """Base-128 digits, lowest first; a negative number as its 64-bit complement."""
    if 0 <= number < _TWO_BYTES:
        return _READY[number]
    if 0 < number < _THREE_BYTES:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    if 0 < number < _FOUR_BYTES:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F | 0x80, number >> 21))
    return _digits(number & _UINT64)


class HeaderRenderer:
    """Renders response headers of one member; the last one is kept, since most answers repeat it."""

    def __init__(self, cluster_id: int, member_id: int, term: int) -> None:
        # Fields 1, 2, 4 are the same in all answers of a term; field 3, the revision, goes between.
        self._before = b"\x08" + varint(cluster_id) + b"\x10" + varint(member_id) + b"\x18"
        self._term = -1
        self.begin_term(term)

    def begin_term(self, term: int) -> None:
        """Show this term from now on."""
        if term != self._term:
            self._term = term
            self._after = b"\x20" + varint(term) if term else b""
            self._revision = 0
            self._rendered = b""

    def render(self, revision: int) -> bytes:
        """Field 1 of any response: the header at a revision above 0."""
        if revision != self._revision:
            body = self._before + varint(revision) + self._after
            self._rendered = b"\x0a" + varint(len(body)) + body
            self._revision = revision
        return self._rendered


def key_value(record: KeyValue) -> bytes:
    """A mvccpb.KeyValue; a tombstone has only its key and revision."""
    key, create, mod, version, value, lease = record
    if not version:
        return b"".join((b"\x0a", varint(len(key)), key, b"\x18", varint(mod)))
    head = (b"\x0a", varint(len(key)), key, b"\x10", varint(create), b"\x18", varint(mod), b"\x20", varint(version))
    body = (b"\x2a", varint(len(value)), value) if value else ()
    tail = (b"\x30", varint(lease)) if lease else ()
    return b"".join((*head, *body, *tail))


def put_response(header: bytes, result: PutResult) -> bytes:
    """A PutResponse."""
    if result.previous is None:
        return header
    return header + _message(b"\x12", key_value(result.previous))


def range_response(header: bytes, result: RangeResult) -> bytes:
    """A RangeResponse."""
    return b"".join((header, range_part(result.kvs), range_end(result)))


def range_part(records: Sequence[KeyValue]) -> bytes:
    """Some keys of a RangeResponse; parts stand one after another between the header and the end."""
    return b"".join([_message(b"\x12", key_value(record)) for record in records])


def range_end(result: RangeResult) -> bytes:
    """What stands behind the keys of a RangeResponse."""
    count = b"\x20" + varint(result.count) if result.count else b""
    return b"\x18\x01" + count if result.more else count


def single_response(header: bytes, record: KeyValue) -> bytes:
    """A RangeResponse with one key."""
    return header + _message(b"\x12", key_value(record)) + b"\x20\x01"


def delete_response(header: bytes, result: DeleteResult) -> bytes:
    """A DeleteRangeResponse."""
    deleted = b"\x10" + varint(result.deleted) if result.deleted else b""
    return header + deleted + b"".join(_message(b"\x1a", key_value(record)) for record in result.previous)


def txn_response(header: bytes, result: TxnResult) -> bytes:
    """A TxnResponse."""
    parts = [header]
    if result.succeeded:
        parts.append(b"\x10\x01")
    parts += [_message(b"\x1a", response_op(inner)) for inner in result.results]
    return b"".join(parts)


def response_op(result: OperationResult) -> bytes:
    """A ResponseOp. As in etcd, a nested header holds the revision alone, and that of a nested txn is empty."""
    match result:
        case RangeResult():
            return _message(b"\x0a", range_response(_bare_header(result.revision), result))
        case PutResult():
            return _message(b"\x12", put_response(_bare_header(result.revision), result))
        case DeleteResult():
            return _message(b"\x1a", delete_response(_bare_header(result.revision), result))
        case TxnResult():
            return _message(b"\x22", txn_response(b"\x0a\x00", result))
        case _:
            assert_never(result)


def watch_changes(header: bytes, watch_id: int, events: bytes, *, fragment: bool) -> bytes:
    """A WatchResponse with changes; `events` are rendered by `watch_event`, one after another."""
    return b"".join((header, _watch_id(watch_id), b"\x38\x01" if fragment else b"", events))


def watch_event(change: Change) -> bytes:
    """One event of a WatchResponse, tag included."""
    record = key_value(change.record)
    kind = b"" if change.record.version else b"\x08\x01"
    previous = b"" if change.previous is None else _message(b"\x1a", key_value(change.previous))
    return _message(b"\x5a", kind + _message(b"\x12", record) + previous)


def watch_control(header: bytes, answer: Created | Canceled | Progress) -> bytes:
    """A WatchResponse without changes."""
    start = header + _watch_id(answer.watch_id)
    match answer:
        case Progress():
            return start
        case Created():
            return start + b"\x18\x01"
        case Canceled():
            created = b"\x18\x01" if answer.refused else b""
            compacted = b"\x28" + varint(answer.compacted) if answer.compacted else b""
            reason = _message(b"\x32", answer.reason.encode()) if answer.reason else b""
            return start + created + b"\x20\x01" + compacted + reason
        case _:
            assert_never(answer)


def keep_alive_response(header: bytes, lease: int, ttl_s: int) -> bytes:
    """A LeaseKeepAliveResponse."""
    return header + (b"\x10" + varint(lease) if lease else b"") + (b"\x18" + varint(ttl_s) if ttl_s else b"")


def _message(tag: bytes, body: bytes) -> bytes:
    return tag + varint(len(body)) + body


def _watch_id(watch_id: int) -> bytes:
    return b"\x10" + varint(watch_id) if watch_id else b""


def _bare_header(revision: int) -> bytes:
    body = b"\x18" + varint(revision)
    return b"\x0a" + varint(len(body)) + body
