"""Messages of `ultracloud.flaredb.v1` to words of the core and back."""

from __future__ import annotations

from flaredb.core.commands import AnyWrite, Change, DeleteRange, Increment, Outcome, Write
from flaredb.core.limits import RANGE_KEYS_MAX
from flaredb.core.visibility import Found
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError

_KINDS = ("value", "range_end", "increment")
"""Fields of a write of which one says what it does."""


def write_of(message: pb.Write) -> AnyWrite:
    """A write of a transaction.

    Raises:
        InvalidArgumentError: It asks for two things at once.
    """
    set_fields = [name for name in _KINDS if message.HasField(name)]
    match set_fields:
        case []:
            return Write(message.key, None)
        case ["value"]:
            return Write(message.key, message.value)
        case ["range_end"]:
            return DeleteRange(message.key, message.range_end, RANGE_KEYS_MAX)
        case ["increment"]:
            return Increment(message.key, message.increment)
        case _:
            raise InvalidArgumentError(
                f"a write has {' and '.join(set_fields)}; accepted: one of them, or none to delete the key",
                reason="WRITE_AMBIGUOUS",
            )


def key_value(found: Found) -> pb.KeyValue:
    """A key that was read."""
    return pb.KeyValue(key=found.key, value=found.value, version=found.version)


def change(version: int, changed: Change) -> pb.Change:
    """A change that is watched."""
    return pb.Change(key=changed.key, value=changed.value, version=version)


def write_response(outcome: Outcome) -> pb.WriteResponse:
    """The answer to Put and Delete."""
    return pb.WriteResponse(version=outcome.version)


def increment_response(outcome: Outcome) -> pb.IncrementResponse:
    """The answer to Increment."""
    return pb.IncrementResponse(value=outcome.counters[0], version=outcome.version)


def compare_and_set_response(outcome: Outcome) -> pb.CompareAndSetResponse:
    """The answer to CompareAndSet."""
    if outcome.succeeded:
        return pb.CompareAndSetResponse(succeeded=True, version=outcome.version)
    return pb.CompareAndSetResponse(succeeded=False, version=outcome.failed[0].expected_version)


def txn_response(outcome: Outcome) -> pb.TxnResponse:
    """The answer to Txn."""
    failed = (pb.Comparison(key=c.key, expected_version=c.expected_version) for c in outcome.failed)
    return pb.TxnResponse(
        succeeded=outcome.succeeded,
        version=outcome.version,
        failed=failed,
        deleted=outcome.deleted,
        counters=outcome.counters,
    )
