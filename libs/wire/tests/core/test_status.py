from __future__ import annotations

import base64
from urllib.parse import unquote

from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.status import OK, TABLE_EMPTY, literal, percent_encoded, status_field, trailers


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
