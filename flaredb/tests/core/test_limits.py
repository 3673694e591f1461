from __future__ import annotations

import pytest

from flaredb.core import limits
from flaredb.core.commands import AnyWrite, Comparison, DeleteRange, Txn, Write
from ultracloud.base.faults import InvalidArgumentError, ResourceExhaustedError


@pytest.mark.parametrize("name", ["iam", "a", "a-b-1", "x" * 63])
def test_a_name_is_a_namespace(name: str):
    assert limits.check_namespace(name) == name


@pytest.mark.parametrize("name", ["", "IAM", "1a", "a\0b", "a/b", "é", "x" * 64, "a\n"])
def test_anything_else_is_no_namespace(name: str):
    with pytest.raises(InvalidArgumentError, match="namespace"):
        limits.check_namespace(name)


def test_a_key_has_1_to_4096_bytes():
    limits.check_key(b"k" * 4096)
    for key in (b"", b"k" * 4097):
        with pytest.raises(InvalidArgumentError, match=rf"the key has {len(key)} bytes; accepted: 1 to 4096"):
            limits.check_key(key)


def test_a_bound_may_be_one_byte_longer_than_a_key():
    limits.check_bound(b"k" * 4097, "start")
    with pytest.raises(InvalidArgumentError, match="'start' has 4098 bytes"):
        limits.check_bound(b"k" * 4098, "start")


def test_a_value_has_up_to_a_mebibyte():
    limits.check_value(b"v" * 1024 * 1024)
    with pytest.raises(InvalidArgumentError, match="the value has 1048577 bytes"):
        limits.check_value(b"v" * 1024 * 1024 + b"v")


def test_a_version_is_not_negative():
    assert limits.check_version(0, "at_version") == 0
    with pytest.raises(InvalidArgumentError, match="'at_version' is -1"):
        limits.check_version(-1, "at_version")


def txn(*writes: AnyWrite, comparisons: tuple[Comparison, ...] = ()) -> Txn:
    return Txn("iam", comparisons, writes)


def test_a_transaction_within_limits_passes():
    whole = txn(Write(b"a", b"1"), Write(b"b", None), comparisons=(Comparison(b"a", 0),))
    assert limits.check_txn(whole) is whole


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        (txn(*(Write(b"%d" % n, b"") for n in range(1025))), "1025 comparisons and writes"),
        (txn(*(Write(b"%d" % n, b"v" * 1024 * 1024) for n in range(2))), "bytes of keys and values; accepted"),
        (txn(Write(b"a", b"1"), Write(b"a", None)), "writes a key twice"),
        (txn(Write(b"", b"1")), "the key has 0 bytes"),
        (txn(Write(b"a", b"v" * 1024 * 1025)), "the value has"),
        (txn(comparisons=(Comparison(b"a", -1),)), "'expected_version' is -1"),
        (txn(comparisons=(Comparison(b"", 1),)), "the key has 0 bytes"),
    ],
    ids=["items", "bytes", "twice", "empty key", "value", "version", "comparison key"],
)
def test_a_transaction_over_a_limit_is_refused(whole: Txn, says: str):
    with pytest.raises(InvalidArgumentError, match=says):
        limits.check_txn(whole)


def span(start: bytes, end: bytes) -> DeleteRange:
    return DeleteRange(start, end, 1000)


@pytest.mark.parametrize(
    "writes",
    [
        (span(b"a", b"b"), span(b"b", b"c"), Write(b"c", None)),
        (Write(b"a", b"1"), span(b"a\0", b"")),
        (span(b"a", b"a"), Write(b"a", b"1")),
    ],
)
def test_ranges_and_keys_may_touch(writes: tuple[AnyWrite, ...]):
    limits.check_txn(txn(*writes))


@pytest.mark.parametrize(
    "writes",
    [
        (span(b"a", b"c"), span(b"b", b"d")),
        (span(b"a", b""), span(b"z", b"")),
        (span(b"a", b"c"), Write(b"b", b"1")),
        (Write(b"b", b"1"), span(b"", b"b\0")),
    ],
)
def test_a_key_is_not_written_and_deleted_by_a_range(writes: tuple[AnyWrite, ...]):
    with pytest.raises(InvalidArgumentError, match="within a range that it deletes") as refused:
        limits.check_txn(txn(*writes))
    assert refused.value.reason == "KEY_TWICE"


def test_a_transaction_has_up_to_16_ranges():
    ranges = [span(b"%02d" % n, b"%02d" % (n + 1)) for n in range(17)]
    limits.check_txn(txn(*ranges[:16]))
    with pytest.raises(InvalidArgumentError, match="deletes 17 ranges; accepted: 0 to 16"):
        limits.check_txn(txn(*ranges))


def test_a_range_deletes_1_to_1000_keys_at_once():
    assert [limits.range_limit(n) for n in (0, 1, 1000)] == [1000, 1, 1000]
    for limit in (-1, 1001):
        with pytest.raises(InvalidArgumentError, match=f"'limit' is {limit}"):
            limits.range_limit(limit)


def test_a_batch_has_up_to_1000_keys():
    limits.check_batch([b"k"] * 1000)
    with pytest.raises(InvalidArgumentError, match="1001 keys"):
        limits.check_batch([b"k"] * 1001)
    with pytest.raises(InvalidArgumentError, match="the key has 0 bytes"):
        limits.check_batch([b""])


def test_a_batch_response_fits_a_message():
    limits.check_batch_response(3 * 1024 * 1024)
    with pytest.raises(ResourceExhaustedError, match="ask for fewer keys"):
        limits.check_batch_response(3 * 1024 * 1024 + 1)


def test_a_page_has_1_to_10000_keys_and_1000_unless_said():
    assert [limits.scan_limit(n) for n in (0, 1, 10_000)] == [1000, 1, 10_000]
    for limit in (-1, 10_001):
        with pytest.raises(InvalidArgumentError, match=f"'limit' is {limit}"):
            limits.scan_limit(limit)
