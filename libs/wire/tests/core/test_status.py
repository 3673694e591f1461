from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.status import (
    OK,
    TABLE_EMPTY,
    TRAILERS_BYTES_MAX,
    literal,
    percent_encoded,
    status_field,
    trailers,
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_message_comes_back_from_its_header(text: str) -> None:
    encoded = percent_encoded(text)
    assert encoded.isascii()
    assert encoded.isprintable() or not encoded
    assert unquote(encoded) == text


def test_plain_sentences_travel_as_they_are() -> None:
    assert percent_encoded("no vpc 'a/b'; 3 of 4") == "no vpc 'a/b'; 3 of 4"


@given(st.text("abcdefgh-", min_size=1, max_size=400), st.text(st.characters(max_codepoint=255), max_size=40_000))
def test_a_field_of_any_length_decodes(name: str, value: str) -> None:
    decoder = Decoder(max_header_list_size=100_000)
    [(read_name, read_value)] = decoder.decode(literal(name, value), raw=True)
    assert (read_name.decode(), read_value.decode("latin-1")) == (name, value)


@given(st.integers(100, 599))
def test_any_http_status_decodes(status: int) -> None:
    assert Decoder().decode(status_field(status)) == [(":status", str(status))]


def test_the_first_block_empties_the_table() -> None:
    decoder = Decoder()
    decoder.decode(TABLE_EMPTY + trailers(OK))
    assert decoder.header_table_size == 0


def test_trailers_carry_code_message_and_details() -> None:
    fields = dict(Decoder().decode(trailers(5, "100 %", b"\1\2\3\4")))
    assert (fields["grpc-status"], fields["grpc-message"]) == ("5", "100 %25")
    assert base64.b64decode(fields["grpc-status-details-bin"] + "==") == b"\1\2\3\4"


@given(st.text(max_size=4000), st.binary(max_size=9000))
def test_trailers_always_fit_what_clients_take(message: str, details: bytes) -> None:
    block = trailers(13, message, details)
    fields = dict(Decoder().decode(block))
    assert len(block) <= TRAILERS_BYTES_MAX + 100
    assert unquote(fields["grpc-message"], errors="strict") is not None
    assert percent_encoded(message).startswith(fields["grpc-message"])


@pytest.mark.parametrize("size", range(3580, 3590))
def test_a_long_message_is_not_cut_inside_an_escape(size: int) -> None:
    message = dict(Decoder().decode(trailers(13, "x" * size + "%%%%")))["grpc-message"]
    assert set(message.replace("%25", "x")) == {"x"}
