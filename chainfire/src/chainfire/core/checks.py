"""What is wrong with a request whatever the state: refused before it costs a place in the log.

Source: etcd 3.5 semantics. One rule is stricter: where etcd lets one nested txn delete what an earlier one put, because
it compares in one direction only, we refuse; etcd documents that no txn changes a key twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chainfire.core.changed import Changed
from chainfire.core.commands import DeleteRange, Operation, Put, Range, Txn
from chainfire.core.keyvalue import NO_LEASE
from chainfire.errors import (
    KeyNotProvidedError,
    LeaseProvidedError,
    TooManyOperationsError,
    ValueProvidedError,
)

TXN_OPERATIONS_MAX = 128
"""etcd's, unless it is told otherwise: comparisons, or operations of one branch, summed over the levels of nesting."""


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


def check_txn(txn: Txn, operations_max: int = TXN_OPERATIONS_MAX) -> None:
    """Refuse a txn that is too large, names no key somewhere, or changes a key twice.

    Raises:
        TooManyOperationsError: More than `operations_max`, nesting included.
        KeyNotProvidedError: A comparison or operation names no key.
        DuplicateKeyError: Two operations of one branch change the same key.
        ValueProvidedError: As `check_put`.
        LeaseProvidedError: As `check_put`.
    """
    _check_operations(txn, operations_max)
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


def _changed(operations: Iterable[Operation]) -> Changed:
    """Give what operations change; refuse what they change twice."""
    found = Changed()
    for operation in operations:
        match operation:
            case Put():
                found.put(operation.key)
            case DeleteRange():
                found.delete(operation.key, operation.end)
            case Range():
                pass
            case Txn():
                # Only one of its branches runs, so the two may change the same keys.
                found = found.add(_changed(operation.success).join(_changed(operation.failure)))
            case _:
                assert_never(operation)
    return found
