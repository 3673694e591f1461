import pytest
from conversation import check_conversation
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import wal
from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId

SALT = 77
HEADER = wal.SegmentHeader(sequence=1, first_record=1, first_index=1, cluster_id=2, member_id=3, salt=SALT)
BODIES = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), min_size=1, max_size=6)


STATE = HardState(5, NodeId(3), 1)


def plain(first_index: int, bodies: list[bytes], term: int = 1) -> list[Entry]:
    """Entries that follow each other."""
    return [Entry(index, term, EntryKind.NORMAL, body) for index, body in enumerate(bodies, first_index)]


class SegmentSpeaker:
    """A segment that is written, damaged and read."""

    def __init__(self) -> None:
        self.content = bytearray(wal.render_segment_header(HEADER).ljust(4096, b"\x00"))
        self.at = wal.SEGMENT_HEADER_BYTES
        self.record, self.index = 1, 1

    def say(self, words: list[str]) -> str:
        match words:
            case ["append", *bodies]:
                entries = plain(self.index, [body.encode() for body in bodies], 5)
                self.index += len(bodies)
                return self.write(wal.render_batch(self.record, SALT, STATE, entries))
            case ["replace", index, *bodies]:
                self.index = int(index)
                return self.say(["append", *bodies])
            case ["hard-state", term, vote, commit]:
                state = HardState(int(term), NodeId(int(vote)), int(commit))
                return self.write(wal.render_batch(self.record, SALT, state, ()))
            case ["mark", index, term]:
                return self.write(wal.render_mark(self.record, SALT, wal.Mark(STATE, int(index), int(term))))
            case ["flip", offset]:
                self.content[int(offset)] ^= 0x10
            case ["zero", start, end]:
                self.content[int(start) : int(end)] = bytes(int(end) - int(start))
            case ["scan", *how]:
                return scanned(bytes(self.content), is_last=not how)
        return ""

    def write(self, record: bytes) -> str:
        offset, self.at = self.at, self.at + len(record)
        self.content[offset : self.at] = record
        self.record += 1
        return f"record {self.record - 1} at {offset}, {len(record)} bytes"


def scanned(content: bytes, *, is_last: bool) -> str:
    header = wal.parse_segment_header(content)
    if isinstance(header, wal.Corruption):
        return f"corruption at {header.offset}: {header.reason}"
    segment = wal.Segment(content, header, is_last=is_last)
    lines = []
    for offset, payload in segment.records():
        match payload:
            case wal.Mark():
                lines.append(f"{offset}: anew after {payload.index} in term {payload.term}")
            case wal.Batch(state, ()):
                lines.append(f"{offset}: term {state.term}, vote {state.vote}, commit {state.commit}")
            case wal.Batch():
                lines += [f"{offset}: {e.index} in term {e.term}: {e.body.decode()}" for e in payload.entries]
    match segment.end:
        case wal.CleanEnd():
            lines.append(f"clean end at {segment.end.offset}")
        case wal.TornTail():
            lines.append(f"torn tail at {segment.end.offset}")
        case wal.Corruption():
            lines.append(f"corruption at {segment.end.offset}: {segment.end.reason}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["wal_clean", "wal_torn", "wal_corrupt", "wal_header"])
def test_a_segment_reads_as_the_golden_conversation_says(name: str) -> None:
    check_conversation(name, SegmentSpeaker().say)


def written(batches: list[list[bytes]]) -> tuple[bytes, list[int]]:
    """A segment with these batches, and where each record ends."""
    content, ends, index = wal.render_segment_header(HEADER), list[int](), 1
    for number, bodies in enumerate(batches, start=1):
        content += wal.render_batch(number, SALT, STATE, plain(index, bodies))
        index += len(bodies)
        ends.append(len(content))
    return content, ends


def read(content: bytes) -> tuple[list[list[bytes]], wal.End]:
    segment = wal.Segment(content, HEADER, is_last=True)
    found = [[e.body for e in payload.entries] for _, payload in segment.records() if isinstance(payload, wal.Batch)]
    return found, segment.end


@given(BODIES, st.data())
def test_cutting_the_last_record_anywhere_loses_that_record_only(
    batches: list[list[bytes]], data: st.DataObject
) -> None:
    content, ends = written(batches)
    start = ends[-2] if len(ends) > 1 else wal.SEGMENT_HEADER_BYTES
    cut = data.draw(st.integers(start, ends[-1] - 1))
    found, end = read(content[:cut].ljust(ends[-1] + 64, b"\x00"))
    assert found[: len(batches) - 1] == batches[:-1]
    # A record whose last bytes are zeros is whole even if they were never written.
    assert found == batches or (found == batches[:-1] and not isinstance(end, wal.Corruption))


@given(BODIES.filter(lambda batches: len(batches) > 1), st.data())
def test_damage_before_the_last_record_is_never_taken_for_a_torn_tail(
    batches: list[list[bytes]], data: st.DataObject
) -> None:
    content, ends = written(batches)
    at = data.draw(st.integers(wal.SEGMENT_HEADER_BYTES, ends[-2] - 1))
    damaged = bytearray(content)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    found, end = read(bytes(damaged))
    damaged_record = next(number for number, record_end in enumerate(ends) if at < record_end)
    assert found == batches[:damaged_record]
    assert isinstance(end, wal.Corruption)
    assert end.offset == (ends[damaged_record - 1] if damaged_record else wal.SEGMENT_HEADER_BYTES)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_without_an_error(content: bytes) -> None:
    header = wal.parse_segment_header(content)
    assert isinstance(header, wal.Corruption)
    segment = wal.Segment(wal.render_segment_header(HEADER) + content, HEADER, is_last=True)
    assert list(segment.records()) == []


def test_a_value_that_looks_like_a_record_is_none() -> None:
    inner = wal.render_batch(2, SALT + 1, STATE, plain(2, [b"forged"]))
    content, ends = written([[inner]])
    _, end = read(content[: ends[0] - 1] + b"\xff")
    assert end == wal.TornTail(wal.SEGMENT_HEADER_BYTES)


def test_every_flipped_bit_of_a_segments_header_is_found() -> None:
    header = wal.render_segment_header(HEADER)
    for bit in range(8 * wal.SEGMENT_HEADER_BYTES):
        damaged = bytearray(header)
        damaged[bit // 8] ^= 1 << bit % 8
        found = wal.parse_segment_header(bytes(damaged))
        assert isinstance(found, wal.Corruption) or found == HEADER, bit
        # What lies behind the checksum fills the header up and says nothing.
        assert isinstance(found, wal.Corruption) or bit // 8 >= len(header.rstrip(b"\0"))


def test_a_segment_of_another_version_says_so() -> None:
    other = wal.SEGMENT_MAGIC[:-1] + b"9" + wal.render_segment_header(HEADER)[8:]
    found = wal.parse_segment_header(other)
    assert isinstance(found, wal.Corruption)
    assert "is of version b'9' of the format and this chainfire reads b'2'" in found.reason
