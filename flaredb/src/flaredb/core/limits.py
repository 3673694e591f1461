"""How large a request may be, and why.

One rule stands behind most figures: a request or an answer fits one gRPC message of 4 MiB, which is what every gRPC
library accepts by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NewType, assert_never

from flaredb.core.commands import AnyWrite, Comparison, DeleteRange, Expire, Increment, Txn, Write
from ultracloud.base.faults import InvalidArgumentError, ResourceExhaustedError
from ultracloud.base.names import check_name

Namespace = NewType("Namespace", str)

KEY_BYTES_MAX = 4096
"""RocksDB copies keys into index blocks and every comparison reads them; longer keys belong in the value."""
VALUE_BYTES_MAX = 1024 * 1024
"""A record of the control plane is a few KiB. Blobs belong in object storage: here they would be rewritten by
compaction again and again, and kept once per version."""
TXN_ITEMS_MAX = 1024
"""Comparisons and writes of one transaction together: it is evaluated in one go, and nobody is served meanwhile."""
TXN_BYTES_MAX = 2 * 1024 * 1024
"""Keys and values of one transaction: its changes travel to a watcher in one message, which must stay under 4 MiB."""
RANGES_MAX = 16
"""Ranges of one transaction: each looks for its keys, and nobody is served meanwhile."""
RANGE_KEYS_MAX = 1000
"""Keys that the ranges of one transaction delete together: about 10 ms."""
RANGE_BYTES_MAX = 512 * 1024
"""The same in bytes of keys. With the other writes they travel to a watcher in one message, which must stay under 4
MiB; keys of 100 bytes are over RANGE_KEYS_MAX long before."""
BATCH_KEYS_MAX = 1000
"""Keys of one BatchGet: about 10 ms of reading."""
SCAN_LIMIT_DEFAULT = 1000
SCAN_LIMIT_MAX = 10_000
"""Keys of one page: 100 bytes each fill 1 MiB; beyond that the bytes end the page first anyway."""
NAMESPACES_MAX = 1000
"""Names of one page of Namespaces: a seek each, about 10 ms."""
PAGE_BYTES_MAX = 2 * 1024 * 1024
"""Keys and values after which a page ends. One value more may still come: 3 MiB fit a message."""
BATCH_RESPONSE_BYTES_MAX = 3 * 1024 * 1024
"""Keys and values that one BatchGet returns: it has no pages, so what does not fit a message is refused."""
TTL_S_MAX = 10 * 365 * 24 * 3600
"""Ten years: who means longer means for ever."""
EXPIRES_AT_MS_MAX = 253_402_300_799_999
"""The end of the year 9999, as far as protobuf's Timestamp goes."""
VERSION_MAX = (1 << 63) - 1

_IN_PARTS = "Write it in several transactions: the last one puts in place what makes the others' keys count."


@lru_cache(maxsize=1024)  # every call names one, there are few, and looking at its letters takes half a microsecond
def check_namespace(name: str) -> Namespace:
    """Give `name` back as a namespace.

    Raises:
        InvalidArgumentError: It is not a name of 1 to 63 lower-case letters, digits and hyphens.
    """
    return Namespace(check_name(name, "namespace"))


def check_key(key: bytes) -> bytes:
    """Give `key` back if it may be stored.

    Raises:
        InvalidArgumentError: It is empty or longer than KEY_BYTES_MAX.
    """
    if not 0 < len(key) <= KEY_BYTES_MAX:
        raise InvalidArgumentError(
            f"the key has {len(key)} bytes; accepted: 1 to {KEY_BYTES_MAX}",
            hint="Keep what is longer in the value, and a digest of it in the key.",
            reason="KEY_SIZE",
            metadata={"field": "key"},
        )
    return key


def check_bound(bound: bytes, field: str) -> bytes:
    """Give `bound` back if it may limit a range; empty is no limit.

    Raises:
        InvalidArgumentError: It is longer than any key.
    """
    # One byte more than a key: "after this key" is the key and a zero byte.
    if len(bound) > KEY_BYTES_MAX + 1:
        raise InvalidArgumentError(
            f"'{field}' has {len(bound)} bytes; accepted: 0 to {KEY_BYTES_MAX + 1}",
            hint="No key is as long; leave it empty to begin or end with the namespace.",
            reason="KEY_SIZE",
            metadata={"field": field},
        )
    return bound


def check_value(value: bytes) -> bytes:
    """Give `value` back if it may be stored.

    Raises:
        InvalidArgumentError: It is longer than VALUE_BYTES_MAX.
    """
    if len(value) > VALUE_BYTES_MAX:
        raise InvalidArgumentError(
            f"the value has {len(value)} bytes; accepted: 0 to {VALUE_BYTES_MAX}",
            hint="Store large contents in object storage and keep its name here.",
            reason="VALUE_SIZE",
            metadata={"field": "value"},
        )
    return value


def check_version(version: int, field: str) -> int:
    """Give `version` back if it can be one.

    Raises:
        InvalidArgumentError: It is negative.
    """
    if version < 0:
        raise InvalidArgumentError(f"'{field}' is {version}; accepted: 0 and above", metadata={"field": field})
    return version


def check_txn(txn: Txn) -> Txn:
    """Give `txn` back if every part and the whole are within limits.

    Raises:
        InvalidArgumentError: A key, value or version is out of range, a key is written twice, or all is too large.
    """
    items = len(txn.comparisons) + len(txn.writes)
    if items > TXN_ITEMS_MAX:
        raise InvalidArgumentError(
            f"the transaction has {items} comparisons and writes; accepted: 0 to {TXN_ITEMS_MAX}",
            hint=_IN_PARTS,
            reason="TXN_SIZE",
        )
    if txn.size_bytes > TXN_BYTES_MAX:
        raise InvalidArgumentError(
            f"the transaction has {txn.size_bytes} bytes of keys and values; accepted: 0 to {TXN_BYTES_MAX}",
            hint=_IN_PARTS,
            reason="TXN_SIZE",
        )
    for comparison in txn.comparisons:
        _check_comparison(comparison)
    for write in txn.writes:
        _check_write(write)
    if len(txn.writes) > 1:
        _check_written_once(txn.writes)
    return txn


def check_batch(keys: Sequence[bytes]) -> Sequence[bytes]:
    """Give `keys` back if they may be asked for together.

    Raises:
        InvalidArgumentError: There are too many, or one is malformed.
    """
    if len(keys) > BATCH_KEYS_MAX:
        raise InvalidArgumentError(
            f"{len(keys)} keys are asked for; accepted: 0 to {BATCH_KEYS_MAX}",
            hint="Ask for the rest in further calls, at the `read_version` of the first, or Scan their range.",
            reason="BATCH_SIZE",
            metadata={"field": "keys"},
        )
    for key in keys:
        check_key(key)
    return keys


def check_batch_response(size_bytes: int) -> None:
    """Pass if an answer of so many bytes fits one message.

    Raises:
        ResourceExhaustedError: It does not.
    """
    if size_bytes > BATCH_RESPONSE_BYTES_MAX:
        raise ResourceExhaustedError(
            f"the values asked for have more than {BATCH_RESPONSE_BYTES_MAX} bytes; ask for fewer keys at once",
            reason="RESPONSE_SIZE",
        )


def check_end(ttl_s: int, expires_at_ms: int, now_ms: int) -> None:
    """Pass if a key may end then; both 0 is never.

    Raises:
        InvalidArgumentError: Both are given, or one is out of range or past.
    """
    if ttl_s and expires_at_ms:
        said = "both 'ttl_s' and 'expires_at_ms' are given; accepted: one of them"
    elif not 0 <= ttl_s <= TTL_S_MAX:
        said = f"'ttl_s' is {ttl_s}; accepted: 1 to {TTL_S_MAX}, or 0 for ever"
    elif expires_at_ms and not now_ms < expires_at_ms <= EXPIRES_AT_MS_MAX:
        said = (
            f"'expires_at_ms' is {expires_at_ms}; accepted: milliseconds since 1970, after the store's clock "
            f"({now_ms}) and up to {EXPIRES_AT_MS_MAX}, or 0 for ever"
        )
    else:
        return
    raise InvalidArgumentError(said, reason="EXPIRY_RANGE")


def check_after(name: str) -> str:
    """Give `name` back if names may be listed after it; empty begins with the first. Raises as `check_namespace`."""
    return check_namespace(name) if name else name


def namespaces_limit(limit: int) -> int:
    """The number of names one page may have: `limit`, or NAMESPACES_MAX for 0.

    Raises:
        InvalidArgumentError: It is negative or over NAMESPACES_MAX.
    """
    if not 0 <= limit <= NAMESPACES_MAX:
        raise InvalidArgumentError(
            f"'limit' is {limit}; accepted: 1 to {NAMESPACES_MAX}, or 0 for {NAMESPACES_MAX}",
            metadata={"field": "limit"},
        )
    return limit or NAMESPACES_MAX


def range_limit(limit: int) -> int:
    """The number of keys one DeleteRange may delete: `limit`, or RANGE_KEYS_MAX for 0.

    Raises:
        InvalidArgumentError: It is negative or over RANGE_KEYS_MAX.
    """
    if not 0 <= limit <= RANGE_KEYS_MAX:
        raise InvalidArgumentError(
            f"'limit' is {limit}; accepted: 1 to {RANGE_KEYS_MAX}, or 0 for {RANGE_KEYS_MAX}",
            metadata={"field": "limit"},
        )
    return limit or RANGE_KEYS_MAX


def scan_limit(limit: int) -> int:
    """The number of keys a page may have: `limit`, or the default for 0.

    Raises:
        InvalidArgumentError: It is negative or over SCAN_LIMIT_MAX.
    """
    if not 0 <= limit <= SCAN_LIMIT_MAX:
        raise InvalidArgumentError(
            f"'limit' is {limit}; accepted: 1 to {SCAN_LIMIT_MAX}, or 0 for {SCAN_LIMIT_DEFAULT}",
            metadata={"field": "limit"},
        )
    return limit or SCAN_LIMIT_DEFAULT


def _check_comparison(comparison: Comparison) -> None:
    check_key(comparison.key)
    check_version(comparison.expected_version, "expected_version")


def _check_write(write: AnyWrite) -> None:
    match write:
        case Write(key, value):
            check_key(key)
            if value is not None:
                check_value(value)
        case DeleteRange(start, end):
            check_bound(start, "key")
            check_bound(end, "range_end")
        case Increment(key) | Expire(key):
            check_key(key)
        case _:
            assert_never(write)


def _check_written_once(writes: Sequence[AnyWrite]) -> None:
    """Pass if no two writes meet."""
    ranges = [write for write in writes if isinstance(write, DeleteRange)]
    keys = {write.key for write in writes if not isinstance(write, DeleteRange)}
    if len(ranges) > RANGES_MAX:
        raise InvalidArgumentError(
            f"the transaction deletes {len(ranges)} ranges; accepted: 0 to {RANGES_MAX}",
            hint=_IN_PARTS,
            reason="TXN_SIZE",
        )
    if len(keys) + len(ranges) != len(writes):
        raise InvalidArgumentError("the transaction writes a key twice; accepted: each key once", reason="KEY_TWICE")
    # A key is a range to what follows it at once. Sorted by start, only neighbours can meet.
    spans = sorted(
        [(key, key + b"\x00", False) for key in keys if ranges] + [(r.start, r.end, not r.end) for r in ranges]
    )
    for (_, end, is_endless), (start, *_) in pairwise(spans):
        if is_endless or end > start:
            raise InvalidArgumentError(
                "the transaction writes a key, or deletes a range, within a range that it deletes; accepted: each key "
                "once",
                reason="KEY_TWICE",
            )
