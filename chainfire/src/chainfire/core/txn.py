"""Transactions: which branch is taken, whether it may run, and running it.

All comparisons, also those of nested transactions, look at the state before the first write. Everything that can be
refused is refused before the first write, so a txn happens as a whole or not at all.

Source: etcd 3.5 semantics of TxnRequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, assert_never

from chainfire.core.commands import Compare, CompareResult, CompareTarget, DeleteRange, Put, Range, Txn
from chainfire.core.keyvalue import NO_LEASE, KeyValue, unpack
from chainfire.core.leases import LeaseTable
from chainfire.core.mvcc import Mvcc
from chainfire.core.query import read_range
from chainfire.core.results import DeleteResult, OperationResult, PutResult, TxnResult
from chainfire.errors import KeyNotFoundError

_ABSENT = KeyValue(b"", 0, 0, 0, b"", NO_LEASE)


class Writer(Protocol):
    """What a txn writes with; each call writes at the revision of the txn."""

    def put(self, put: Put) -> PutResult:
        """Write one key."""
        ...

    def delete(self, delete: DeleteRange) -> DeleteResult:
        """Delete a range."""
        ...

    @property
    def now(self) -> int:
        """The revision a read of the newest state has: one more once something was written."""
        ...


@dataclass(frozen=True, slots=True)
class Branch:
    """A txn whose comparisons were made: only what will run is left."""

    succeeded: bool
    steps: tuple[Step, ...]


Step: TypeAlias = Range | Put | DeleteRange | Branch


def is_read_only(txn: Txn) -> bool:
    """Whether neither branch writes, however deep: such a txn needs no log."""
    return all(
        is_read_only(operation) if isinstance(operation, Txn) else isinstance(operation, Range)
        for operation in (*txn.success, *txn.failure)
    )


def decide(store: Mvcc, txn: Txn) -> Branch:
    """Make all comparisons, outermost first."""
    succeeded = all(holds(store, compare) for compare in txn.compare)
    chosen = txn.success if succeeded else txn.failure
    return Branch(succeeded, tuple(decide(store, step) if isinstance(step, Txn) else step for step in chosen))


def holds(store: Mvcc, compare: Compare) -> bool:
    """Whether a comparison holds for every key of its range; a range without keys counts as one absent key."""
    records = store.read_live(compare.key, compare.end, 0)
    if not records:
        # An absent key has no value at all: it is neither equal nor unequal to one.
        return compare.target is not CompareTarget.VALUE and _holds_for(compare, _ABSENT)
    return all(_holds_for(compare, unpack(record)) for record in records)


def check(store: Mvcc, leases: LeaseTable, branch: Branch) -> None:
    """Refuse a branch that could not run to its end.

    Raises:
        KeyNotFoundError: A put keeps the value or lease of a key that does not exist.
        LeaseNotFoundError: A put names a lease that does not exist.
        FutureRevisionError: A range asks for a revision that has not happened.
        CompactedError: A range asks for a revision that is not kept.
    """
    for step in branch.steps:
        match step:
            case Put():
                check_put(store, leases, step)
            case Range():
                store.check_readable(step.revision, store.revision)
            case Branch():
                check(store, leases, step)
            case DeleteRange():
                pass
            case _:
                assert_never(step)


def check_put(store: Mvcc, leases: LeaseTable, put: Put) -> None:
    """Refuse a put of a lease or onto a key that does not exist; raises as `check` does."""
    if put.lease != NO_LEASE:
        leases.require(put.lease)
    if (put.ignore_value or put.ignore_lease) and store.get(put.key) is None:
        raise KeyNotFoundError


def run(store: Mvcc, writer: Writer, branch: Branch) -> TxnResult:
    """Do the steps in order; each sees what those before it wrote."""
    results = tuple(_run_step(store, writer, step) for step in branch.steps)
    return TxnResult(writer.now, branch.succeeded, results)


def _run_step(store: Mvcc, writer: Writer, step: Step) -> OperationResult:
    match step:
        case Range():
            return read_range(store, step, writer.now)
        case Put():
            return writer.put(step)
        case DeleteRange():
            return writer.delete(step)
        case Branch():
            return run(store, writer, step)
        case _:
            assert_never(step)


def _holds_for(compare: Compare, record: KeyValue) -> bool:
    operand, actual = compare.operand, _compared(compare.target, record)
    if isinstance(operand, bytes):
        assert isinstance(actual, bytes), compare
        sign = (actual > operand) - (actual < operand)
    else:
        assert isinstance(actual, int), compare
        sign = (actual > operand) - (actual < operand)
    match compare.result:
        case CompareResult.EQUAL:
            return sign == 0
        case CompareResult.NOT_EQUAL:
            return sign != 0
        case CompareResult.GREATER:
            return sign > 0
        case CompareResult.LESS:
            return sign < 0
        case _:
            assert_never(compare.result)


def _compared(target: CompareTarget, record: KeyValue) -> bytes | int:
    match target:
        case CompareTarget.VERSION:
            return record.version
        case CompareTarget.CREATE:
            return record.create_revision
        case CompareTarget.MOD:
            return record.mod_revision
        case CompareTarget.VALUE:
            return record.value
        case CompareTarget.LEASE:
            return record.lease
        case _:
            assert_never(target)
