from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core import counters


@given(st.integers(counters.COUNTER_MIN, counters.COUNTER_MAX))
def test_a_counter_survives_its_value(number: int):
    value = counters.render(number)
    assert counters.parse(value) == number
    assert len(value) <= counters.COUNTER_BYTES_MAX


@given(st.binary(max_size=22) | st.from_regex(rb"[+-]?[0-9]{1,21}\n?", fullmatch=True))
def test_each_counter_has_one_value(value: bytes):
    number = counters.parse(value)
    assert number is None or counters.render(number) == value


@pytest.mark.parametrize("number", [counters.COUNTER_MIN - 1, counters.COUNTER_MAX + 1])
def test_a_number_of_more_bits_is_no_counter(number: int):
    assert counters.parse(b"%d" % number) is None


def test_the_word_of_another_script_is_no_counter():
    assert counters.parse("\N{ARABIC-INDIC DIGIT ONE}".encode()) is None
