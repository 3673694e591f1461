import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import ENTROPY_BYTES, TIME_MS_MAX, ULID_LENGTH, is_id, make_id, make_ulid, short

TIMES = st.integers(0, TIME_MS_MAX)
ENTROPIES = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


def test_the_ulid_of_the_specification():
    # 01ARZ3NDEKTSV4RRFFQ69G5FAV, the specification's own example, taken apart.
    number = int.from_bytes(bytes.fromhex("01563e3ab5d3d6764c61efb99302bd5b"), "big")
    assert make_ulid(number >> 80, (number & ((1 << 80) - 1)).to_bytes(10, "big")) == "01arz3ndektsv4rrffq69g5fav"


@given(TIMES, ENTROPIES)
def test_an_id_is_one_of_its_kind_and_of_no_other(now_ms: int, entropy: bytes):
    made = make_id("vm", now_ms, entropy)
    assert is_id(made, "vm")
    assert not is_id(made, "v")
    assert not is_id(made, "image")
    assert len(made) == len("vm-") + ULID_LENGTH


@given(TIMES, TIMES, ENTROPIES, ENTROPIES)
def test_ids_sort_by_time(first_ms: int, second_ms: int, first: bytes, second: bytes):
    earlier, later = sorted((first_ms, second_ms))
    if earlier != later:
        assert make_ulid(earlier, first) < make_ulid(later, second)


@given(ENTROPIES, ENTROPIES)
def test_ids_of_one_moment_differ_by_their_randomness(first: bytes, second: bytes):
    assert (make_ulid(7, first) == make_ulid(7, second)) == (first == second)


@pytest.mark.parametrize("text", ["", "vm", "vm-", "vm-short", "vm-" + "u" * 26, "VM-" + "0" * 26, "vm-" + "0" * 27])
def test_what_is_no_id(text: str):
    assert not is_id(text, "vm")


def test_prefixes_with_hyphens_are_told_apart():
    assert is_id("a-b-" + "0" * 26, "a-b")
    assert not is_id("a-b-" + "0" * 26, "b")


def test_the_short_form_is_the_random_end():
    assert short("port-0123456789abcdefghjkmnpqrs", 10) == "ghjkmnpqrs"[-10:]


@pytest.mark.parametrize("length", [0, -1, 17])
def test_a_short_form_never_takes_the_time_part(length: int):
    with pytest.raises(InvalidArgumentError, match="random characters"):
        short("port-" + "0" * 26, length)


def test_a_short_form_of_no_id_is_refused():
    with pytest.raises(InvalidArgumentError):
        short("port-web", 5)
