from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.keys import NEWEST, VERSION_BYTES, bounds, encode, key_of, version_of, versioned

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True)
# Few letters, among them those with a meaning in the encoding, so that prefixes and ties are common.
KEYS = st.lists(st.sampled_from([0, 1, 97, 254, 255]), max_size=6).map(bytes)
VERSIONS = st.integers(0, (1 << 63) - 1)


@given(NAMES, KEYS)
def test_a_key_survives_encoding(namespace: str, key: bytes):
    assert key_of(encode(namespace, key), namespace) == key


@given(KEYS, KEYS)
def test_encoded_keys_sort_as_keys_do(one: bytes, other: bytes):
    assert (encode("iam", one) < encode("iam", other)) == (one < other)


@given(NAMES, KEYS, NAMES, KEYS)
def test_no_encoded_key_begins_another(namespace: str, one: bytes, other_namespace: str, other: bytes):
    first, second = encode(namespace, one), encode(other_namespace, other)
    assert not second.startswith(first) or (namespace, one) == (other_namespace, other)


@given(KEYS, VERSIONS, KEYS, VERSIONS)
def test_disk_order_is_key_then_newest_version_first(one: bytes, version: int, other: bytes, other_version: int):
    stored, other_stored = versioned(encode("iam", one), version), versioned(encode("iam", other), other_version)
    assert (stored < other_stored) == ((one, -version) < (other, -other_version))


@given(KEYS, VERSIONS)
def test_a_stored_key_tells_key_and_version(key: bytes, version: int):
    stored = versioned(encode("iam", key), version)
    assert key_of(stored[:-VERSION_BYTES], "iam") == key
    assert version_of(stored) == version
    assert encode("iam", key) + NEWEST <= stored


@given(KEYS, KEYS, KEYS, VERSIONS)
def test_bounds_hold_the_keys_of_the_range(key: bytes, start: bytes, end: bytes, version: int):
    lower, upper = bounds("iam", start, end)
    is_inside = start <= key and (not end or key < end)
    assert (lower <= encode("iam", key) < upper) == is_inside
    assert (lower <= versioned(encode("iam", key), version) < upper) == is_inside


@given(NAMES, NAMES, KEYS)
def test_a_namespace_holds_no_key_of_another(namespace: str, other: str, key: bytes):
    lower, upper = bounds(namespace, b"", b"")
    assert (lower <= encode(other, key) < upper) == (namespace == other)
