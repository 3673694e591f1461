"""The write-ahead log's format: segments of records, each record what one sync makes durable.

A segment is a file of fixed size, zeros at first: a header, then records one after another. A record holds a batch of
entries; its number counts on through all segments, and its checksum is salted by the segment, so neither old bytes nor
a client's value can pass for a record.

Only one record is ever unsynced. So where records end, what follows tells how: zeros are the clean end; a damaged
record with nothing after it is the torn tail of a crash, which nobody was promised; a damaged record with a later one
after it was once durable, and that is corruption.

Source: the layout is ours; the distinction of torn tail and corruption follows etcd's WAL and LevelDB's log format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

SEGMENT_MAGIC = b"CHNFWAL1"
"""Names the format and its version."""
RECORD_MAGIC = b"\xc4\xf1RE"
SEGMENT_HEADER_BYTES = 64
SEGMENT_BYTES = 64 << 20
"""etcd's: large enough that starting one (about 10 ms) is rare, small enough that old ones are soon freed."""

_SEGMENT = struct.Struct("<8sQQQQQI")
_SEGMENT_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<4sIQBI")
_CHECKED_BYTES = _RECORD.size - 4
_BATCH = struct.Struct("<QI")
_ENTRY = struct.Struct("<QI")
RECORD_OVERHEAD_BYTES = _RECORD.size + _BATCH.size
ENTRY_OVERHEAD_BYTES = _ENTRY.size

ENTRIES = 1
HARD_STATE = 2


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself.

    Attributes:
        sequence: Its place among the segments, from 1.
        first_record: Number of its first record.
        first_index: Index that its first entry has, or would have.
        salt: Start of all checksums in it.
    """

    sequence: int
    first_record: int
    first_index: int
    cluster_id: int
    member_id: int
    salt: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the log."""

    index: int
    term: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries with rising indexes, made durable together."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class HardState:
    """What a member must not forget before it speaks: its term, and whom it voted for in it."""

    term: int
    vote: int


Payload: TypeAlias = Batch | HardState


@dataclass(frozen=True, slots=True)
class CleanEnd:
    """Records end at `offset`, and nothing was written after."""

    offset: int


@dataclass(frozen=True, slots=True)
class TornTail:
    """A crash left part of a record at `offset`; it was never durable and may be cut off."""

    offset: int


@dataclass(frozen=True, slots=True)
class Corruption:
    """What was once durable at `offset` is damaged."""

    offset: int
    reason: str


End: TypeAlias = CleanEnd | TornTail | Corruption


def render_segment_header(header: SegmentHeader) -> bytes:
    """Give the first SEGMENT_HEADER_BYTES of a segment."""
    body = _SEGMENT.pack(
        SEGMENT_MAGIC,
        header.sequence,
        header.first_record,
        header.first_index,
        header.cluster_id,
        header.member_id,
        header.salt,
    )
    return (body + _SEGMENT_CRC.pack(crc32(body))).ljust(SEGMENT_HEADER_BYTES, b"\x00")


def parse_segment_header(start: bytes) -> SegmentHeader | Corruption:
    """Read what `render_segment_header` made."""
    if len(start) < SEGMENT_HEADER_BYTES:
        return Corruption(0, f"the segment has only {len(start)} bytes")
    magic, *fields = _SEGMENT.unpack_from(start)
    (checksum,) = _SEGMENT_CRC.unpack_from(start, _SEGMENT.size)
    if magic != SEGMENT_MAGIC:
        return Corruption(0, f"the segment begins with {magic!r}, not with {SEGMENT_MAGIC!r}")
    if checksum != crc32(start[: _SEGMENT.size]):
        return Corruption(0, "the segment's header does not match its checksum")
    return SegmentHeader(*fields)


def render_batch(number: int, salt: int, first_index: int, term: int, bodies: Sequence[bytes]) -> bytes:
    """Give the record of a batch of entries, all of one term."""
    pieces = [_BATCH.pack(first_index, len(bodies))]
    for body in bodies:
        pieces += (_ENTRY.pack(term, len(body)), body)
    return _render(number, salt, ENTRIES, b"".join(pieces))


def render_hard_state(number: int, salt: int, state: HardState) -> bytes:
    """Give the record of a hard state."""
    return _render(number, salt, HARD_STATE, struct.pack("<QQ", state.term, state.vote))


class Segment:
    """The records of one segment.

    Args:
        content: The whole file.
        header: What its header says.
        is_last: No segment follows, so its tail may be torn.
    """

    def __init__(self, content: bytes, header: SegmentHeader, *, is_last: bool) -> None:
        self._content = content
        self._header = header
        self._is_last = is_last
        self.next_record = header.first_record
        self.end: End = CleanEnd(SEGMENT_HEADER_BYTES)

    def records(self) -> Iterator[tuple[int, Payload]]:
        """Give each record's offset and payload; afterwards `end` says how the segment ends."""
        offset = SEGMENT_HEADER_BYTES
        while True:
            found = self._record_at(offset)
            if found is None or found[0] != self.next_record:
                self.end = self._judge_end(offset)
                return
            _, kind, payload = found
            parsed = _parse_payload(kind, payload)
            if parsed is None:
                self.end = Corruption(offset, f"record {self.next_record} has the unknown kind {kind}")
                return
            yield offset, parsed
            self.next_record += 1
            offset += _RECORD.size + len(payload)

    def _record_at(self, offset: int) -> tuple[int, int, bytes] | None:
        """Number, kind and payload of the record at `offset`, if there is a whole one."""
        if offset + _RECORD.size > len(self._content):
            return None
        magic, length, number, kind, checksum = _RECORD.unpack_from(self._content, offset)
        start = offset + _RECORD.size
        if magic != RECORD_MAGIC or start + length > len(self._content):
            return None
        payload = self._content[start : start + length]
        head = self._content[offset : offset + _CHECKED_BYTES]
        if crc32(payload, crc32(head, self._header.salt)) != checksum:
            return None
        return number, kind, payload

    def _judge_end(self, offset: int) -> End:
        rest = self._content[offset:]
        if rest.count(0) == len(rest):
            return CleanEnd(offset)
        later = self._later_record(offset + 1)
        if later is not None:
            return Corruption(
                offset, f"record {self.next_record} is damaged, and record {later[1]} follows at offset {later[0]}"
            )
        if not self._is_last:
            return Corruption(offset, f"record {self.next_record} is damaged, and another segment follows")
        return TornTail(offset)

    def _later_record(self, start: int) -> tuple[int, int] | None:
        """Offset and number of the first whole record from `start` on that comes after the one expected."""
        at = self._content.find(RECORD_MAGIC, start)
        while at >= 0:
            found = self._record_at(at)
            if found is not None and found[0] > self.next_record:
                return at, found[0]
            at = self._content.find(RECORD_MAGIC, at + 1)
        return None


def _render(number: int, salt: int, kind: int, payload: bytes) -> bytes:
    head = _RECORD.pack(RECORD_MAGIC, len(payload), number, kind, 0)[:_CHECKED_BYTES]
    return b"".join((head, _SEGMENT_CRC.pack(crc32(payload, crc32(head, salt))), payload))


def _parse_payload(kind: int, payload: bytes) -> Payload | None:
    if kind == HARD_STATE:
        return HardState(*struct.unpack("<QQ", payload))
    if kind != ENTRIES:
        return None
    first_index, count = _BATCH.unpack_from(payload)
    at = _BATCH.size
    entries: list[Entry] = []
    for number in range(count):
        term, length = _ENTRY.unpack_from(payload, at)
        at += _ENTRY.size
        entries.append(Entry(first_index + number, term, payload[at : at + length]))
        at += length
    return Batch(tuple(entries))
