import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainfire.core.peerframes import (
    FRAME_BYTES_MAX,
    GREETING_BYTES_MAX,
    HEAD_BYTES,
    PREFACE_BYTES,
    FrameReader,
    MalformedError,
    Preface,
    common_version,
    parse_preface,
    render_frame,
    render_preface,
)

FRAMES = st.lists(st.tuples(st.integers(0, 63), st.binary(max_size=40)), max_size=6)
VERSIONS = st.integers(0, (1 << 16) - 1)


def rendered(frames: list[tuple[int, bytes]]) -> bytes:
    return b"".join(part for kind, body in frames for part in render_frame(kind, body))


@given(FRAMES, st.integers(1, 30))
def test_frames_survive_any_cut_of_the_stream(frames: list[tuple[int, bytes]], step: int) -> None:
    octets, reader = rendered(frames), FrameReader()
    read = [frame for at in range(0, len(octets), step) for frame in reader.frames(octets[at : at + step])]
    assert read == frames
    assert reader.held_bytes == 0


@given(FRAMES.filter(bool), st.data())
def test_a_flipped_bit_is_found(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    octets = bytearray(rendered(frames))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    read: list[tuple[int, bytes]] = []
    with contextlib.suppress(MalformedError):
        read += FrameReader().frames(bytes(octets))
    assert read == frames[: len(read)]
    assert len(read) < len(frames)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_arbitrary_bytes_are_frames_or_refused(reads: list[bytes]) -> None:
    reader = FrameReader()
    with contextlib.suppress(MalformedError):
        for octets in reads:
            assert all(0 <= kind < 64 for kind, _ in reader.frames(octets))


def test_frames_before_a_damaged_one_are_given() -> None:
    octets = rendered([(1, b"one"), (2, b"two")])
    frames = FrameReader().frames(octets[:-1] + b"x")
    assert next(frames) == (1, b"one")
    with pytest.raises(MalformedError, match="a frame of 3 bytes does not match its checksum"):
        next(frames)


def test_a_stranger_cannot_announce_a_long_frame() -> None:
    head = rendered([(1, bytes(GREETING_BYTES_MAX + 1))])[:HEAD_BYTES]
    with pytest.raises(MalformedError, match="a frame of 4097 bytes; at most 4096 are expected here"):
        list(FrameReader().frames(head))


def test_a_frame_over_the_limit_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="over 67108863"):
        render_frame(1, bytes(FRAME_BYTES_MAX), b"x")


@given(VERSIONS, VERSIONS, st.integers(0, PREFACE_BYTES))
@example(1, 1, PREFACE_BYTES)
def test_a_preface_is_read_once_it_is_whole(oldest: int, newest: int, there: int) -> None:
    octets = render_preface(Preface(oldest, newest))
    expected = Preface(oldest, newest) if there == PREFACE_BYTES else None
    assert parse_preface(octets[:there]) == expected


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"GET /raft", "first bytes b'GET /raf' are not of the protocol"),
        (b"\x16\x03\x01", "the other side speaks TLS, this one does not"),
        (b"C\x00", "are not of the protocol"),
    ],
)
def test_another_protocol_is_named(octets: bytes, says: str) -> None:
    with pytest.raises(MalformedError, match=says):
        parse_preface(octets)


def test_versions_must_overlap() -> None:
    assert common_version(Preface(0, 9)) == 1
    with pytest.raises(MalformedError, match="speaks versions 2 to 3 of the peer protocol, this one 1"):
        common_version(Preface(2, 3))
