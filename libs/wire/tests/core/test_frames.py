from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.frames import (
    PADDED,
    PRIORITISED,
    STREAM_ID_MASK,
    Frame,
    Kind,
    parse,
    parse_settings,
    render,
    render_settings,
    without_padding,
    without_priority,
)
from ultracloud.wire.errors import ConnectionFault, ErrorCode

frames = st.builds(
    Frame,
    kind=st.integers(0, 255),
    flags=st.integers(0, 255),
    stream_id=st.integers(0, STREAM_ID_MASK),
    payload=st.binary(max_size=300),
)


@given(st.lists(frames), st.binary(max_size=8))
def test_frames_come_back_as_they_were_rendered(sent: list[Frame], rest: bytes) -> None:
    assert parse(b"".join(render(frame) for frame in sent) + rest) == (sent, rest)


@given(frames, st.integers(min_value=1))
def test_a_cut_frame_is_kept_for_later(frame: Frame, cut: int) -> None:
    part = render(frame)[: -(cut % len(render(frame)) or 1)]
    assert parse(part) == ([], part)


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    assert parse(bytes.fromhex("000000 00 00 80000001"))[0] == [Frame(0, 0, 1, b"")]


@given(st.dictionaries(st.sampled_from([1, 3, 6, 99]), st.integers(0, 2**32 - 1)))
def test_settings_come_back_as_they_were_rendered(settings: dict[int, int]) -> None:
    [frame] = parse(render_settings(settings))[0]
    assert dict(parse_settings(frame.payload)) == settings


@given(st.binary(max_size=50), st.integers(0, 255))
def test_padding_is_taken_off_whatever_its_length(body: bytes, pad: int) -> None:
    assert without_padding(bytes([pad]) + body + bytes(pad), PADDED) == body


def test_without_its_flag_padding_is_content() -> None:
    assert without_padding(b"\1ab", 0) == b"\1ab"


@pytest.mark.parametrize("payload", [b"", b"\1", b"\5abcd"])
def test_padding_longer_than_its_frame_is_refused(payload: bytes) -> None:
    with pytest.raises(ConnectionFault) as caught:
        without_padding(payload, PADDED)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_priority_is_taken_off() -> None:
    assert without_priority(b"\0\0\0\3\x10block", PRIORITISED) == b"block"


def test_kinds_have_the_numbers_of_the_rfc() -> None:
    assert [kind.value for kind in Kind] == list(range(10))
