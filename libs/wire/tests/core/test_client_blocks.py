"""Header blocks of a client against the decoder of hpack."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.client_blocks import TABLE_BYTES_MAX, AnswerReader, BlockWriter, Fields
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.status import RESPONSE_BLOCK, trailers

FIELD = st.tuples(
    st.sampled_from([":path", "authorization", "te", "x-one", "x-two"]),
    st.sampled_from(["", "trailers", "/a.B/C", "x" * 30, "y" * 900, "z" * 3000]),
)
FIELDS = st.lists(FIELD, min_size=1, max_size=6).map(tuple)
RESIZE = st.sampled_from([0, 60, 1000, 2000, 4096, 65_536])


@given(st.lists(st.one_of(FIELDS, RESIZE), max_size=40), st.lists(FIELD, max_size=2))
def test_the_server_reads_what_was_written_however_often_it_resizes(
    steps: list[Fields | int], passing: list[tuple[str, str]]
) -> None:
    writer, decoder = BlockWriter(), Decoder(max_header_list_size=1 << 20)
    for step in steps:
        if isinstance(step, int):
            writer.resize(step)
            decoder.max_allowed_table_size = min(step, TABLE_BYTES_MAX)
            continue
        read = decoder.decode(writer.write(step, passing))
        assert [(str(name), str(value)) for name, value in read] == [*step, *passing]


def test_what_repeats_is_a_byte_a_field_from_its_third_time_on() -> None:
    writer = BlockWriter()
    fields = ((":method", "POST"), (":path", "/a.B/C"), ("authorization", "Bearer " + "t" * 500))
    sizes = [len(writer.write(fields, ())) for _ in range(4)]
    assert sizes[0] > 500
    assert sizes[2:] == [3, 3]


def test_what_is_sent_once_pushes_nothing_out() -> None:
    writer = BlockWriter()
    path = ((":path", "/a.B/C"),)
    for _ in range(3):
        writer.write(path, ())
    for number in range(100):
        writer.write((("authorization", f"Bearer {number:0500}"),), ())
    assert len(writer.write(path, ())) == 1


def test_an_answer_says_its_status_sentence_and_details() -> None:
    reader = AnswerReader(Limits())
    head = reader.answer(RESPONSE_BLOCK)
    assert (head.http_status, head.is_grpc, head.status) == (200, True, None)
    end = reader.answer(trailers(5, "no such kéy", b"\x00\x01details"))
    assert (end.status, end.message, end.details) == (5, "no such kéy", b"\x00\x01details")


def test_an_answer_that_is_no_grpc_has_the_status_its_http_status_stands_for() -> None:
    reader, encoder = AnswerReader(Limits()), Encoder()
    for http, status in ((503, 14), (404, 12), (401, 16), (418, 2)):
        answer = reader.answer(encoder.encode([(":status", str(http)), ("content-type", "text/html")]))
        assert (answer.is_grpc, answer.status) == (False, status)
    assert not reader.answer(encoder.encode([(":status", "200"), ("content-type", "text/html")])).is_grpc
    assert reader.answer(encoder.encode([(":status", "103")])).is_interim


def test_a_status_that_is_no_number_of_grpc_is_unknown() -> None:
    reader, encoder = AnswerReader(Limits(header_list_bytes_max=64 * 1024)), Encoder()
    for status in ("9" * 5000, "-1", "", "\u00b2"):
        assert reader.answer(encoder.encode([("grpc-status", status)])).status == 2
    assert not reader.answer(encoder.encode([(":status", "2" * 5000), ("content-type", "application/grpc")])).is_grpc


def test_answers_of_a_server_with_a_table_are_read_in_their_order() -> None:
    reader, encoder = AnswerReader(Limits()), Encoder()
    for number in (0, 3, 0, 3, 5):
        answer = reader.answer(encoder.encode([("grpc-status", str(number)), ("grpc-message", f"m{number}")]))
        assert (answer.status, answer.message) == (number, f"m{number}")


@pytest.mark.parametrize("unfit", [((":path", "/a"), ("x", "\u20ac")), ((":path", "/a"), ("\u20ac", "x"))])
def test_a_block_that_cannot_be_written_leaves_the_table_as_the_server_has_it(unfit: Fields) -> None:
    writer, reader = BlockWriter(), Decoder()
    writer.resize(2048)
    for fields, passing in [(unfit, ()), (((":path", "/b"),), unfit), (((":path", "/c"), *unfit), ())] * 2:
        with pytest.raises(UnicodeEncodeError):
            writer.write(fields, passing)
    for _ in range(4):
        for path in ("/a", "/b", "/c"):
            fields = ((":path", path), ("x", path))
            assert tuple(reader.decode(writer.write(fields, ()))) == fields
