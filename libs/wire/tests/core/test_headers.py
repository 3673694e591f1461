from __future__ import annotations

from contextlib import suppress

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.headers import CACHED_MAX, HeaderReader
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.errors import ConnectionFault, ErrorCode

BASE = [(":method", "POST"), (":scheme", "http"), ("content-type", "application/grpc")]


requests = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans(), st.sampled_from([None, 0, 60]))


@given(st.lists(requests))
def test_the_cache_never_changes_what_a_block_means(sent: list[tuple[str, str, bool, int | None]]) -> None:
    encoder, reader = Encoder(), HeaderReader(Limits())
    for path, value, sensitive, table_size in sent:
        if table_size is not None:
            encoder.header_table_size = table_size
        head = reader.read(encoder.encode([(":path", f"/{path}", sensitive), *BASE, ("v", value, sensitive)]))
        assert (head.path, head.metadata["v"]) == (f"/{path}", value)


def test_a_block_that_leaves_the_table_alone_is_remembered() -> None:
    encoder, reader = Encoder(), HeaderReader(Limits())
    fields = [(":path", "/a"), *BASE]
    blocks = [encoder.encode(fields) for _ in range(3)]
    heads = [reader.read(block) for block in blocks]
    assert heads[1] is heads[2]
    assert blocks[0] not in reader.cache


def test_trailers_that_change_the_table_empty_the_cache() -> None:
    encoder, reader = Encoder(), HeaderReader(Limits())
    for _ in range(2):
        reader.read(encoder.encode([(":path", "/a"), *BASE]))
    assert reader.cache
    reader.skip(encoder.encode([("new", "field")]))
    assert not reader.cache


def test_the_cache_stays_bounded() -> None:
    encoder, reader = Encoder(), HeaderReader(Limits())
    for number in range(2 * CACHED_MAX):
        reader.read(encoder.encode([(":path", f"/{number}", True), *[(k, v, True) for k, v in BASE]]))
    assert 0 < len(reader.cache) <= CACHED_MAX


@given(st.binary(min_size=1, max_size=60))
def test_no_bytes_break_the_reader(block: bytes) -> None:
    with suppress(ConnectionFault):
        HeaderReader(Limits()).skip(block)


def test_a_table_larger_than_announced_is_refused() -> None:
    with pytest.raises(ConnectionFault):
        HeaderReader(Limits()).skip(bytes([0x3F, 0xE2, 0x1F]))


def test_a_table_that_is_emptied_takes_the_cached_blocks_with_it() -> None:
    encoder, reader = Encoder(), HeaderReader(Limits())
    first, second = [encoder.encode([(":path", "/a"), *BASE]) for _ in range(2)]
    assert reader.read(first).path == reader.read(second).path == "/a"
    reader.skip(b"\x20")
    with pytest.raises(ConnectionFault):
        reader.read(second)


def test_a_size_update_behind_a_field_is_refused() -> None:
    with pytest.raises(ConnectionFault):
        HeaderReader(Limits()).skip(b"\x82\x20")


def test_many_references_to_one_long_field_are_a_flood() -> None:
    encoder, reader = Encoder(), HeaderReader(Limits(header_list_bytes_max=1000))
    reader.skip(encoder.encode([("long", "v" * 3000)]))
    with pytest.raises(ConnectionFault) as caught:
        reader.read(b"\xbe" * 100)
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM


def test_an_integer_without_end_is_not_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpack.hpack.VARINT_MAX_LENGTH", 1 << 30, raising=False)  # as hpack before 4.2
    for block in (b"\xff" * 32_768, b"\x00\x7f" + b"\xff" * 32_000):
        with pytest.raises(ConnectionFault, match="an integer without end"):
            HeaderReader(Limits()).read(block)
