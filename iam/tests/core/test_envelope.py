from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.envelope import HEADER_BYTES, Context, key_id_of, root_key_id, seal, unseal
from ultracloud.base.faults import DataLossError

KEY, NONCE = bytes(range(32)), bytes(range(24))
PLACE = Context("secret", "project-01", "secret-01/1")
TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=20)
GOLDEN = (
    "0100000007000102030405060708090a0b0c0d0e0f1011121314151617f6b7610bf5a0bf801d6ab642d1afd72a57fbd5f2de40b242782b"
)


def test_the_format_is_what_it_was() -> None:
    assert seal(KEY, 7, NONCE, PLACE, b"hunter2...").hex() == GOLDEN
    assert unseal(KEY, PLACE, bytes.fromhex(GOLDEN)) == b"hunter2..."


def test_a_root_keys_id_is_what_it_was() -> None:
    assert f"{root_key_id(KEY):08x}" == "ea3b8af9"


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_what_was_sealed_opens_and_tells_its_key(value: bytes, key_id: int) -> None:
    sealed = seal(KEY, key_id, os.urandom(24), PLACE, value)
    assert key_id_of(sealed) == key_id
    assert unseal(KEY, PLACE, sealed) == value


@given(st.binary(max_size=40), st.data())
def test_a_flipped_bit_anywhere_is_refused(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, 7, NONCE, PLACE, value))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DataLossError):
        unseal(KEY, PLACE, bytes(sealed))


@given(st.binary(max_size=40), st.integers(0, 70))
def test_a_cut_one_is_refused(value: bytes, length: int) -> None:
    sealed = seal(KEY, 7, NONCE, PLACE, value)
    if length < len(sealed):
        with pytest.raises(DataLossError):
            unseal(KEY, PLACE, sealed[:length])


@given(TEXTS, TEXTS, TEXTS)
def test_it_opens_nowhere_else(purpose: str, project: str, path: str) -> None:
    other = Context(purpose, project, path)
    sealed = seal(KEY, 7, NONCE, PLACE, b"x")
    if other != PLACE:
        with pytest.raises(DataLossError):
            unseal(KEY, other, sealed)


def test_parts_of_a_context_do_not_run_together() -> None:
    sealed = seal(KEY, 7, NONCE, Context("secret", "a", "bc"), b"x")
    for other in (Context("secret", "ab", "c"), Context("secreta", "", "bc"), Context("secret", "", "abc")):
        with pytest.raises(DataLossError):
            unseal(KEY, other, sealed)


def test_another_key_and_another_key_id_are_refused() -> None:
    sealed = seal(KEY, 7, NONCE, PLACE, b"x")
    with pytest.raises(DataLossError):
        unseal(bytes(32), PLACE, sealed)
    renamed = sealed[:1] + (8).to_bytes(4, "big") + sealed[HEADER_BYTES:]
    with pytest.raises(DataLossError):
        unseal(KEY, PLACE, renamed)
