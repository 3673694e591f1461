"""The write-ahead log's format: segments of records, each record what one sync makes durable.

A segment is a file of fixed size, zeros at first: a header, then records one after another. A record holds the hard
state and a batch of entries, of which the first may replace what an earlier record held there; or it says that the log
begins anew behind a leader's snapshot. Its number counts on through all segments, and its checksum is salted by the
segment, so neither old bytes nor a client's value can pass for a record.

Only one record is ever unsynced. So where records end, what follows tells how: zeros are the clean end; a damaged
record with nothing after it is the torn tail of a crash, which nobody was promised; a damaged record with a later one
after it was once durable, and that is corruption.

Source: the layout is ours; the distinction of torn tail and corruption follows etcd's WAL and LevelDB's log format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from zlib import crc32

from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId, SnapshotMark

SEGMENT_MAGIC = b"CHNFWAL2"
"""Names the format and its version."""
RECORD_MAGIC = b"\xc4\xf1RE"
SEGMENT_HEADER_BYTES = 64
SEGMENT_BYTES = 64 << 20
"""etcd's: large enough that starting one (about 10 ms) is rare, small enough that old ones are soon freed."""

_SEGMENT = struct.Struct("<8sQQQQQI")
_SEGMENT_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<4sIQBI")
_CHECKED_BYTES = _RECORD.size - 4
_STATE = struct.Struct("<QQQ")
_BATCH = struct.Struct("<QI")
_ENTRY = struct.Struct("<QBI")
_MARK = struct.Struct("<QQ")
RECORD_OVERHEAD_BYTES = _RECORD.size + _STATE.size + _BATCH.size + _MARK.size
"""What a record of either kind takes at most besides its entries."""
ENTRY_OVERHEAD_BYTES = _ENTRY.size

BATCH = 1
MARK = 2


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
class Batch:
    """Hard state and entries with rising indexes, made durable together. From the first one on, older ones are void."""

    state: HardState
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """The log begins anew after `index`, whose entry had `term`: a leader's snapshot replaced what was there."""

    state: HardState
    index: int
    term: int


Payload: TypeAlias = Batch | Mark


def payloads(
    state: HardState, entries: Sequence[Entry], mark: SnapshotMark | None, entries_bytes_max: int
) -> Iterator[Payload]:
    """Cut what is to be stored into records: the mark, if there is one, then entries of about `entries_bytes_max` each.

    None says that more is committed than the log holds when it is the last one that is durable: a member that finds
    such a log after a crash must take it for damaged.
    """
    if mark is not None:
        yield Mark(replace(state, commit=min(state.commit, mark.index)), mark.index, mark.term)
    start = size = 0
    for at, each in enumerate(entries):
        if size >= entries_bytes_max:
            yield _batch(state, entries[start:at])
            start, size = at, 0
        size += len(each.body)
    if start < len(entries):
        yield _batch(state, entries[start:])
    if not entries and mark is None:
        yield Batch(state)


def _batch(state: HardState, entries: Sequence[Entry]) -> Batch:
    return Batch(replace(state, commit=min(state.commit, entries[-1].index)), tuple(entries))


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
    if magic != SEGMENT_MAGIC and magic[:-1] == SEGMENT_MAGIC[:-1]:
        return Corruption(
            0,
            f"the segment is of version {magic[-1:]!r} of the format and this chainfire reads {SEGMENT_MAGIC[-1:]!r}; "
            "start the chainfire that wrote it",
        )
    if magic != SEGMENT_MAGIC:
        return Corruption(0, f"the segment begins with {magic!r}, not with {SEGMENT_MAGIC!r}")
    if checksum != crc32(start[: _SEGMENT.size]):
        return Corruption(0, "the segment's header does not match its checksum")
    return SegmentHeader(*fields)


def render_batch(number: int, salt: int, state: HardState, entries: Sequence[Entry]) -> bytes:
    """Give the record of a hard state and entries that follow each other; there may be none."""
    first_index = entries[0].index if entries else 0
    pieces = [_STATE.pack(state.term, state.vote, state.commit), _BATCH.pack(first_index, len(entries))]
    pack = _ENTRY.pack
    for each in entries:
        pieces += (pack(each.term, each.kind, len(each.body)), each.body)
    return _render(number, salt, BATCH, b"".join(pieces))


def render_mark(number: int, salt: int, mark: Mark) -> bytes:
    """Give the record of a mark."""
    state = mark.state
    payload = _STATE.pack(state.term, state.vote, state.commit) + _MARK.pack(mark.index, mark.term)
    return _render(number, salt, MARK, payload)


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
            try:
                parsed = _parse_payload(kind, payload)
            except (struct.error, ValueError) as error:
                self.end = Corruption(offset, f"record {self.next_record} cannot be read: {error}")
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


def _parse_payload(kind: int, payload: bytes) -> Payload:
    term, vote, commit = _STATE.unpack_from(payload)
    state = HardState(term, NodeId(vote), commit)
    at = _STATE.size
    if kind == MARK:
        return Mark(state, *_MARK.unpack_from(payload, at))
    if kind != BATCH:
        raise ValueError(f"no record has the kind {kind}")
    first_index, count = _BATCH.unpack_from(payload, at)
    at += _BATCH.size
    entries: list[Entry] = []
    for number in range(count):
        entry_term, entry_kind, length = _ENTRY.unpack_from(payload, at)
        at += _ENTRY.size
        body = payload[at : at + length]
        if len(body) != length:
            raise ValueError(f"entry {first_index + number} goes past its end")
        entries.append(Entry(first_index + number, entry_term, EntryKind(entry_kind), body))
        at += length
    return Batch(state, tuple(entries))
