from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import EncodedKey
from flaredb.core.records import (
    Mark,
    change_record,
    is_tombstone,
    mark_key,
    mark_record,
    number,
    parse_change,
    parse_end,
    parse_mark,
    parse_number,
    parse_value,
    value_record,
)

NUMBERS = st.integers(0, (1 << 63) - 1)


@given(st.none() | st.binary(max_size=20), NUMBERS)
def test_a_value_and_its_end_survive_their_record(value: bytes | None, expires_at_ms: int):
    record = value_record(value, expires_at_ms)
    assert parse_value(record) == value
    assert is_tombstone(record) == (value is None)
    assert parse_end(record) == (0 if value is None else expires_at_ms)


@given(st.lists(st.binary(max_size=300).map(EncodedKey)))
def test_a_commits_keys_survive_their_record(keys: list[EncodedKey]):
    assert list(parse_change(change_record(keys))) == keys


@given(NUMBERS, NUMBERS)
def test_numbers_survive_and_sort(one: int, other: int):
    assert parse_number(number(one)) == one
    assert (number(one) < number(other)) == (one < other)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_mark_survives_its_record(version: int, at_ms: int, changes: int, size: int):
    mark = Mark(version, at_ms, changes, size)
    assert parse_mark(mark_record(mark)) == mark
    assert mark_key(mark).endswith(number(version))
