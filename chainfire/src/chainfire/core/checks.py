"""What is wrong with a request whatever the state: refused before it costs a place in the log.

Source: etcd 3.5 semantics. One rule is stricter: where etcd lets one nested txn delete what an earlier one put, because
it compares in one direction only, we refuse; etcd documents that no txn changes a key twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chainfire.core.commands import DeleteRange, Operation, Put, Range, Txn
from chainfire.core.keyvalue import NO_LEASE, covers
from chainfire.errors import (
    DuplicateKeyError,
    KeyNotProvidedError,
    LeaseProvidedError,
    TooManyOperationsError,
    ValueProvidedError,
)

TXN_OPERATIONS_MAX = 128
"""etcd's: comparisons, or operations of one branch, summed over the levels of nesting."""


def check_put(put: Put) -> None:
    """Refuse a put that contradicts itself.

    Raises:
        KeyNotProvidedError: It names no key.
        ValueProvidedError: It brings a value to ignore.
        LeaseProvidedError: It names a lease to ignore.
    """
    if not put.key:
        raise KeyNotProvidedError
    if put.ignore_value and put.value:
        raise ValueProvidedError
    if put.ignore_lease and put.lease != NO_LEASE:
        raise LeaseProvidedError


def check_key(key: bytes) -> None:
    """Refuse a range or deletion without a key.

    Raises:
        KeyNotProvidedError: `key` is empty.
    """
    if not key:
        raise KeyNotProvidedError


def check_txn(txn: Txn) -> None:
    """Refuse a txn that is too large, names no key somewhere, or changes a key twice.

    Raises:
        TooManyOperationsError: More than TXN_OPERATIONS_MAX, nesting included.
        KeyNotProvidedError: A comparison or operation names no key.
        DuplicateKeyError: Two operations of one branch change the same key.
        ValueProvidedError: As `check_put`.
        LeaseProvidedError: As `check_put`.
    """
    _check_operations(txn, TXN_OPERATIONS_MAX)
    _changed(txn.success)
    _changed(txn.failure)


def _check_operations(txn: Txn, room: int) -> None:
    """Check a txn that has `room` operations left at this depth."""
    size = max(len(txn.compare), len(txn.success), len(txn.failure))
    if size > room:
        raise TooManyOperationsError
    for compare in txn.compare:
        check_key(compare.key)
    for operation in (*txn.success, *txn.failure):
        match operation:
            case Put():
                check_put(operation)
            case Range() | DeleteRange():
                check_key(operation.key)
            case Txn():
                _check_operations(operation, room - size)
            case _:
                assert_never(operation)


def _changed(operations: Iterable[Operation]) -> tuple[set[bytes], set[tuple[bytes, bytes]]]:
    """Give the keys that operations put and the ranges that they delete; refuse overlaps."""
    puts: set[bytes] = set()
    deletes: set[tuple[bytes, bytes]] = set()
    for operation in operations:
        more_puts, more_deletes = _changed_by(operation)
        if not puts.isdisjoint(more_puts) or _overlap(deletes, more_puts) or _overlap(more_deletes, puts):
            raise DuplicateKeyError
        puts |= more_puts
        deletes |= more_deletes
    return puts, deletes


def _changed_by(operation: Operation) -> tuple[set[bytes], set[tuple[bytes, bytes]]]:
    match operation:
        case Put():
            return {operation.key}, set()
        case DeleteRange():
            return set(), {(operation.key, operation.end)}
        case Range():
            return set(), set()
        case Txn():
            # Only one branch runs, so the two may change the same keys.
            success, failure = _changed(operation.success), _changed(operation.failure)
            return success[0] | failure[0], success[1] | failure[1]
        case _:
            assert_never(operation)


def _overlap(deletes: set[tuple[bytes, bytes]], puts: set[bytes]) -> bool:
    return any(covers(start, end, key) for start, end in deletes for key in puts)
