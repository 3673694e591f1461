"""What clients say: from the words of the checks to those of the store, and its answers back."""

from __future__ import annotations

from typing import assert_never

from chainfire.core import commands, results
from chainfire.core.keyvalue import KeyValue, LeaseId
from chainfire.core.watch import Change, Changes
from chainfire.errors import (
    CorruptError,
    LeaderFailedTimeoutError,
    LogFailedError,
    RequestTimeoutError,
    StoppedError,
)
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import Kv

IN_DOUBT = (RequestTimeoutError, LeaderFailedTimeoutError, StoppedError, LogFailedError, CorruptError)
"""Refusals after which the command may still happen, or may have happened."""

_TARGETS = {
    "value": commands.CompareTarget.VALUE,
    "version": commands.CompareTarget.VERSION,
    "create": commands.CompareTarget.CREATE,
    "mod": commands.CompareTarget.MOD,
    "lease": commands.CompareTarget.LEASE,
}
_SIGNS = {
    "=": commands.CompareResult.EQUAL,
    "!=": commands.CompareResult.NOT_EQUAL,
    "<": commands.CompareResult.LESS,
    ">": commands.CompareResult.GREATER,
}


def operation(op: history.Get | history.Put | history.Delete | history.Txn) -> commands.Operation:
    """What a client asks, as the store's operation."""
    match op:
        case history.Get():
            return commands.Range(op.key.encode(), op.end.encode(), limit=op.limit, revision=op.revision)
        case history.Put():
            return commands.Put(op.key.encode(), op.value.encode(), LeaseId(op.lease), op.prev_kv)
        case history.Delete():
            return commands.DeleteRange(op.key.encode(), op.end.encode(), op.prev_kv)
        case history.Txn():
            success, failure = (tuple(map(operation, branch)) for branch in (op.success, op.failure))
            return commands.Txn(tuple(map(_compare, op.compare)), success, failure)
        case _:
            assert_never(op)


def answer(result: results.Result) -> history.Result:
    """What the store answers, as clients write it down."""
    match result:
        case results.RangeResult():
            return history.Got(result.revision, tuple(map(kv_of, result.kvs)), result.count)
        case results.PutResult():
            return history.Wrote(result.revision, None if result.previous is None else kv_of(result.previous))
        case results.DeleteResult():
            return history.Deleted(result.revision, result.deleted, tuple(map(kv_of, result.previous)))
        case results.TxnResult():
            inner = tuple(_inner(each) for each in result.results)
            return history.TxnDone(result.revision, result.succeeded, inner)
        case results.LeaseGranted():
            return history.LeaseDone(result.revision, result.ttl_s)
        case _:
            return history.LeaseDone(result.revision)


def refusal(fault: Fault) -> history.Result:
    """A refusal: either it did not happen and never will, or nobody knows."""
    if isinstance(fault, IN_DOUBT) or type(fault) is UnavailableError:
        return history.Lost(fault.public)
    return history.Refused(fault.public)


def kv_of(record: KeyValue) -> Kv:
    """One key as one write left it."""
    return Kv(
        record.key.decode(),
        record.value.decode(),
        record.create_revision,
        record.mod_revision,
        record.version,
        record.lease,
    )


def told(changes: Changes, at_ms: float) -> history.Told:
    """One message of a watch."""
    return history.Told(at_ms, changes.revision, tuple(map(_event, changes.changes)))


def _event(change: Change) -> history.Event:
    return history.Event(kv_of(change.record), None if change.previous is None else kv_of(change.previous))


def _inner(result: results.OperationResult) -> history.OpResult:
    found = answer(result)
    assert isinstance(found, history.Got | history.Wrote | history.Deleted | history.TxnDone)
    return found


def _compare(compare: history.Compare) -> commands.Compare:
    operand = compare.operand.encode() if isinstance(compare.operand, str) else compare.operand
    return commands.Compare(compare.key.encode(), _TARGETS[compare.target], _SIGNS[compare.sign], operand)
